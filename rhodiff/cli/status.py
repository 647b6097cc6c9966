"""``rhodiff-hpc status``: how submitted work stands."""

import os
import sys
import time
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from rhodiff.cli.console import Console
from rhodiff.cli.job_options import RunWord, SelectorWord, States
from rhodiff.cli.options import ConfigFile, JsonOutput
from rhodiff.errors import ConfigError, SchedulerUnreachableError

if TYPE_CHECKING:
    from rhodiff.cli.status_screen import Row
    from rhodiff.jobs.element_state import ElementState
    from rhodiff.jobs.selection import Selected
    from rhodiff.jobs.state import SubmissionState

__all__ = ["status"]

SHORTEST_WATCH_S = 30.0
FASTER = "RHODIFF_FAST_WATCH"
CLEAR = "\x1b[H\x1b[2J\x1b[3J"


def status(
    run: RunWord = None,
    selector: SelectorWord = None,
    states: States = None,
    watch: Annotated[bool, typer.Option("--watch", help="Show it again until all is finished.")] = False,
    every_s: Annotated[
        float | None, typer.Option("--every", metavar="SECONDS", help="Pause of --watch; default and least: 30.")
    ] = None,
    config: ConfigFile = Path("rhodiff.yaml"),
    as_json: JsonOutput = False,
) -> None:
    """Show how submitted work stands.

    Slurm is asked once, and its accounting at most once, however many jobs there are.
    """
    from rhodiff.jobs.selection import parse_selector, runs_folder, select, split_words

    pause_s = _pause(watch=watch, every_s=every_s, as_json=as_json)
    name, words = split_words(run, selector)
    runs = runs_folder(config)

    def choose() -> "list[Selected]":
        return select(runs, name, words)

    by_element = bool(states) or bool(parse_selector(words).elements)
    screen = _Screen(states or [], by_element=by_element, with_run=name is not None)
    if watch:
        _watch(choose, screen, pause_s)
        return
    shown = screen.look(choose())
    Console(as_json=as_json).result("\n".join(screen.draw(shown)), screen.to_plain(shown) if as_json else {})
    if any(row.state.is_unreachable for row in shown):
        raise typer.Exit(SchedulerUnreachableError.exit_code)


def _pause(*, watch: bool, every_s: float | None, as_json: bool) -> float:
    if not watch and every_s is not None:
        raise ConfigError("--every has no effect without --watch: leave it out, or watch")
    if watch and as_json:
        raise ConfigError("--watch and --json exclude each other: --json prints one value, so repeat the command")
    if every_s is not None and every_s < SHORTEST_WATCH_S and FASTER not in os.environ:
        raise ConfigError(
            f"--every {every_s:g}: at least {SHORTEST_WATCH_S:g}, since each look asks the scheduler that all users "
            f"share (set {FASTER}=1 on a cluster of your own)"
        )
    return SHORTEST_WATCH_S if every_s is None else max(every_s, 0.1)


class _Screen:
    """What is shown, again and again.

    Args:
        states: only elements in these states; empty: all.
        by_element: show elements one by one.
        with_run: commands name the run too.
    """

    def __init__(self, states: "Sequence[ElementState]", *, by_element: bool, with_run: bool) -> None:
        self.states, self.by_element, self.with_run = set(states), by_element, with_run

    def look(self, chosen: "list[Selected]") -> "list[Row]":
        """Ask how submissions stand."""
        from rhodiff.jobs.next_step import names_of, taken_on
        from rhodiff.jobs.state import observe_submissions

        seen = observe_submissions(chosen)
        names, heirs = names_of(seen, with_run=self.with_run), taken_on(seen)
        rows = [self._row(state, name, heir) for state, name, heir in zip(seen, names, heirs, strict=True)]
        return [row for row in rows if row.state.elements]

    def _row(self, state: "SubmissionState", name: str, heirs: dict[int, int]) -> "Row":
        from dataclasses import replace

        from rhodiff.cli.status_screen import Row
        from rhodiff.jobs.details import MOST_READ, read_histories, read_progress, reason_of
        from rhodiff.jobs.next_step import advise

        next_step = advise(state, name, heirs)
        if self.states:
            state = replace(state, elements=tuple(one for one in state.elements if one.state in self.states))
        in_detail = state.elements if self.by_element or len(state.elements) == 1 else ()
        histories = read_histories(state, [one.element for one in in_detail])
        reasons = {one.element: reason_of(state, one) for one in in_detail[:MOST_READ]}
        return Row(state, next_step, heirs, read_progress(state), histories, self.by_element, reasons)

    def draw(self, rows: "list[Row]") -> list[str]:
        """Lines of the table."""
        from rhodiff.cli.status_screen import draw_table

        runs: dict[Path, list[Row]] = {}
        for row in rows:
            runs.setdefault(row.state.selected.run.path, []).append(row)
        if not runs:
            return ["no element is " + " or ".join(sorted(state.words for state in self.states))]
        return draw_table(list(runs.values()), condensed=len(runs) > 1)

    def to_plain(self, rows: "list[Row]") -> dict[str, Any]:
        """JSON values."""
        from rhodiff.cli.status_json import describe_rows

        return describe_rows(rows)


def _watch(choose: "Any", screen: _Screen, pause_s: float) -> None:
    """Show the table until nothing changes by itself any more; Ctrl-C leaves."""
    in_place = sys.stdout.isatty()
    try:
        while True:
            rows = screen.look(choose())
            goes_on = any(one.state.may_go_on_by_itself for row in rows for one in row.state.elements)
            title = f"{time.strftime('%H:%M:%S')}" + (f", again in {pause_s:g} s (Ctrl-C leaves)" if goes_on else "")
            text = "\n".join([title, "", *screen.draw(rows), ""])
            sys.stdout.write((CLEAR if in_place else "") + text + "\n" * (not in_place))
            sys.stdout.flush()
            if not goes_on:
                return
            time.sleep(pause_s)
    except KeyboardInterrupt:
        sys.stdout.write("\n")
