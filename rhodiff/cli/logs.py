"""``rhodiff-hpc logs``: what jobs print."""

import os
import sys
import time
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from rhodiff.cli.console import Console
from rhodiff.cli.job_options import RunWord, SelectorWord, States
from rhodiff.cli.options import ConfigFile, JsonOutput
from rhodiff.cli.status import FASTER
from rhodiff.errors import ConfigError

if TYPE_CHECKING:
    from rhodiff.jobs.element_state import ElementState
    from rhodiff.jobs.log_parts import LogPart
    from rhodiff.jobs.log_reading import ElementLog, FollowedLog
    from rhodiff.jobs.selection import Selected
    from rhodiff.jobs.state import SubmissionState

__all__ = ["logs"]

READ_S = 0.5
LOOK_S = 30.0
"""Pause between questions to the scheduler, which all users share."""
LOCAL_LOOK_S = 2.0


def logs(
    run: RunWord = None,
    selector: SelectorWord = None,
    states: States = None,
    num_lines: Annotated[int, typer.Option("-n", "--lines", min=1, help="Last lines to show.")] = 40,
    follow: Annotated[bool, typer.Option("-f", "--follow", help="Show what is added until the job ends.")] = False,
    rank: Annotated[int | None, typer.Option("--rank", min=0, help="Only this process of a training.")] = None,
    attempt: Annotated[int | None, typer.Option("--attempt", min=1, help="Only this attempt.")] = None,
    config: ConfigFile = Path("rhodiff.yaml"),
    as_json: JsonOutput = False,
) -> None:
    """Show the end of a job's log, or follow it.

    Without a selector: the log of what runs in the newest run, else of what failed, else of what began last.
    """
    from rhodiff.jobs.log_parts import LogPart
    from rhodiff.jobs.selection import parse_selector, runs_folder, select, split_words

    if follow and as_json:
        raise ConfigError("--follow and --json exclude each other: --json prints one value")
    if follow and attempt is not None:
        raise ConfigError("--follow and --attempt exclude each other: what is added belongs to the last attempt")
    name, words = split_words(run, selector)
    is_narrow = bool(states) or bool(parse_selector(words).elements)
    chosen = select(runs_folder(config), name, words)
    if not is_narrow and words == "all":
        chosen = [one for one in chosen if one.run == chosen[0].run]
    screen = _Screen(num_lines, states or [], LogPart(rank, attempt=attempt), all_of_them=is_narrow, goes_on=follow)
    found = screen.look(chosen)
    if as_json:
        Console(as_json=True).result("", {"logs": [screen.to_plain(log) for log in found]})
        return
    if not found:
        Console().note("no element is " + " or ".join(state.words for state in states or []))
    for log in found:
        screen.show(log)
    if follow:
        screen.follow(chosen, found)


class _Screen:
    """Logs as they are shown.

    Args:
        num_lines: last lines of each.
        states: only of elements in these states; empty: all.
        part: which of their lines.
        all_of_them: of all elements that were chosen, not of the most telling one.
        goes_on: prefer what something may still be added to.
    """

    def __init__(
        self,
        num_lines: int,
        states: "Sequence[ElementState]",
        part: "LogPart",
        *,
        all_of_them: bool,
        goes_on: bool,
    ) -> None:
        self.num_lines, self.states, self.part = num_lines, set(states), part
        self.all_of_them, self.goes_on = all_of_them, goes_on
        self._followed: dict[Path, FollowedLog] = {}
        self._shown: Path | None = None

    def look(self, chosen: "Sequence[Selected]") -> "list[ElementLog]":
        """Find the logs."""
        from rhodiff.jobs.log_reading import choose_elements, find_logs
        from rhodiff.jobs.next_step import taken_on
        from rhodiff.jobs.state import observe_submissions

        states = observe_submissions(chosen)
        heirs: list[dict[int, int]] = [{}] * len(states) if self.all_of_them else taken_on(states)
        seen = [self._narrow(state, taken) for state, taken in zip(states, heirs, strict=True)]
        narrowed = choose_elements(seen, all_of_them=self.all_of_them, goes_on=self.goes_on)
        return [log for state in narrowed for log in find_logs(state, self.part.attempt)]

    def _narrow(self, state: "SubmissionState", heirs: "dict[int, int]") -> "SubmissionState":
        """Without elements that a later submission took on, and in the states that were asked for."""
        wanted = [one for one in state.elements if not self.states or one.state in self.states]
        kept = tuple(one for one in wanted if one.element not in heirs)
        return replace(state, elements=kept)

    def show(self, log: "ElementLog") -> None:
        """Show the end of a log."""
        from rhodiff.jobs.log_reading import FollowedLog

        self._write(f"==> {log.head} <==\n")
        if log.path is None:
            self._write("(it has printed nothing yet)\n")
            return
        text, end = self._read(log, log.path)
        self._write(f"    {_from_here(log.path)}\n{text}" + "\n" * bool(text and not text.endswith("\n")))
        self._followed[log.path], self._shown = FollowedLog(log.path, end, whole_lines=not self.part.is_all), log.path

    def _read(self, log: "ElementLog", path: Path) -> tuple[str, int]:
        """The last lines, and where the file ended."""
        from rhodiff.jobs.log_parts import read_part
        from rhodiff.jobs.log_reading import read_tail

        if self.part.is_all:
            return read_tail(path, self.num_lines)
        end = path.stat().st_size
        return read_part(path, replace(self.part, element=log.elements[-1]), self.num_lines), end

    def to_plain(self, log: "ElementLog") -> dict[str, Any]:
        """JSON values."""
        return {
            "submission": str(log.submission),
            "elements": list(log.elements),
            "states": [state.value for state in log.states],
            "head": log.head,
            "path": None if log.path is None else str(log.path),
            "text": "" if log.path is None else self._read(log, log.path)[0],
        }

    def follow(self, chosen: "Sequence[Selected]", found: "Sequence[ElementLog]") -> None:
        """Show what is added to logs until nothing is added any more by itself; Ctrl-C leaves."""
        watched = [
            replace(one, elements=log.elements)
            for log in found
            for one in chosen
            if one.folder.path == log.submission
        ]
        every_s = _pause(watched)
        logs = list(found)
        try:
            while any(state.may_go_on_by_itself for log in logs for state in log.states):
                self._follow_for(every_s, watched)
                logs = self._look_again(watched)
            self._show_added()
            for log in logs:
                self._write(f"==> {log.head} <==\n")
        except KeyboardInterrupt:
            self._write("\n")

    def _follow_for(self, seconds: float, watched: "Sequence[Selected]") -> None:
        """Show what is added for some time, or until a marker has changed."""
        from rhodiff.jobs.marks import read_marks

        before, end = [read_marks(one.folder) for one in watched], time.monotonic() + seconds
        while time.monotonic() < end:
            self._show_added()
            time.sleep(READ_S)
            if [read_marks(one.folder) for one in watched] != before:
                return

    def _look_again(self, watched: "Sequence[Selected]") -> "list[ElementLog]":
        """How the elements stand now; logs that are new are shown."""
        from rhodiff.jobs.log_reading import find_logs
        from rhodiff.jobs.state import observe_submissions

        logs = [log for state in observe_submissions(watched) for log in find_logs(state)]
        for log in logs:
            if log.path is not None and log.path not in self._followed:
                self.show(log)
        return logs

    def _show_added(self) -> None:
        for path, log in self._followed.items():
            text = "".join(self.part.filter(log.read().splitlines(keepends=True)))
            if text and path != self._shown:
                self._write(f"==> {_from_here(path)} <==\n")
                self._shown = path
            self._write(text)

    def _write(self, text: str) -> None:
        sys.stdout.write(text)
        sys.stdout.flush()


def _pause(watched: "Sequence[Selected]") -> float:
    """Seconds between questions to the scheduler; local processes are not shared with anybody."""
    is_local = all(one.plan.scheduler == "local" for one in watched)
    return LOCAL_LOOK_S if is_local or FASTER in os.environ else LOOK_S


def _from_here(path: Path) -> Path:
    """A path as it is typed here."""
    here = Path.cwd()
    return path.relative_to(here) if path.is_relative_to(here) else path
