"""Which submissions, and which of their elements, a command is about: ``[RUN] [SELECTOR]``.

RUN is the path or the name (or the beginning of it) of a run folder. A selector is ``all``, ``last``, the number of a
submission (``3``), or elements of one: ``3:5-8``, ``3:5,7``. Without RUN all runs are looked through; a number that
several of them have is refused. A word that reads as a selector is one: a run folder named ``3`` is ``./3``.

Nothing slow is loaded: ``status`` starts with this module.
"""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from rhodiff.errors import ConfigError
from rhodiff.jobs.submission_plan import SubmissionPlan, read_plan
from rhodiff.store.layout import RunFolder, SubmissionFolder

__all__ = [
    "Selected",
    "Selector",
    "describe_elements",
    "find_run",
    "find_runs",
    "parse_selector",
    "read_submissions",
    "runs_folder",
    "select",
    "split_words",
]

PATTERN = re.compile(r"(all|last|\d+)(?::(\d+(?:-\d+)?(?:,\d+(?:-\d+)?)*))?")
SHOWN = 8
"""Names that an error lists."""


@dataclass(frozen=True)
class Selector:
    """What was asked for.

    Attributes:
        which: ``all``, ``last``, or the number of a submission.
        elements: first and last element of each range; empty: all.
    """

    which: str | int = "all"
    elements: tuple[tuple[int, int], ...] = ()


@dataclass(frozen=True)
class Selected:
    """A submission, and those of its elements that are meant.

    Attributes:
        folder: its folder.
        plan: what it runs.
        elements: elements meant, ascending; all of the plan's where none were named.
    """

    folder: SubmissionFolder
    plan: SubmissionPlan
    elements: tuple[int, ...]

    @property
    def run(self) -> RunFolder:
        """Folder of the run."""
        return RunFolder(self.folder.path.parent.parent)


def split_words(first: str | None, second: str | None = None) -> tuple[str | None, str]:
    """The words ``[RUN] [SELECTOR]`` of a command as run and selector; ``all`` where there is no selector.

    Raises:
        ConfigError: if there are two words and the second is no selector.
    """
    if first is not None and second is None and PATTERN.fullmatch(first):
        return None, first
    if second is not None:
        parse_selector(second)
    return first, second or "all"


def parse_selector(text: str) -> Selector:
    """Read a selector.

    Raises:
        ConfigError: if it is none.
    """
    match = PATTERN.fullmatch(text)
    if match is None:
        raise ConfigError(f"'{text}' selects nothing: write all, last, 3, 3:5-8 or 3:5,7 (submission:elements)")
    which, listed = match.groups()
    if which == "all" and listed:
        raise ConfigError(f"'{text}': name one submission to select elements of, e.g. last:{listed}")
    ranges = tuple(_parse_range(word, text) for word in (listed or "").split(",") if word)
    return Selector(int(which) if which.isdecimal() else which, ranges)


def _parse_range(word: str, text: str) -> tuple[int, int]:
    first, _, last = word.partition("-")
    if last and int(last) < int(first):
        raise ConfigError(f"'{text}': the range {word} runs backwards, write {last}-{first}")
    return int(first), int(last or first)


def runs_folder(config: Path) -> Path:
    """Folder of all runs: the experiment's ``paths.runs``, or ``runs`` beside where the file would be.

    Args:
        config: the experiment file; it need not exist, and nothing else of it is looked at.

    Raises:
        ConfigError: if it cannot be read.
    """
    named: object = None
    if config.is_file():
        import yaml

        try:
            settings = yaml.safe_load(config.read_text(encoding="utf-8"))
        except (OSError, UnicodeDecodeError, yaml.YAMLError) as error:
            raise ConfigError(f"cannot read paths.runs from {config}: {' '.join(str(error).split())}") from error
        paths = settings.get("paths") if isinstance(settings, dict) else None
        named = paths.get("runs") if isinstance(paths, dict) else None
    return config.resolve().parent / (named if isinstance(named, str) else "runs")


def find_runs(runs: Path) -> list[RunFolder]:
    """Runs that something was submitted for."""
    folders = sorted({plan.parents[2] for plan in runs.glob("*/jobs/[!.]*/plan.json")})
    return [RunFolder(folder) for folder in folders]


def find_run(runs: Path, name: str) -> RunFolder:
    """One run by its path, its name, or the beginning of its name.

    Raises:
        ConfigError: if there is none, or several begin so.
    """
    for folder in (Path(name), runs / name):
        if (folder / "jobs").is_dir():
            return RunFolder(folder.resolve())
    there = [run.path.name for run in find_runs(runs)]
    matching = [found for found in there if found.startswith(name)]
    if len(matching) != 1:
        problem = f"'{name}' is the beginning of several runs" if matching else f"nothing was submitted for '{name}'"
        raise ConfigError(f"{problem}: {_list_runs(matching or there, runs)}")
    return RunFolder(runs / matching[0])


def _list_runs(names: Sequence[str], runs: Path) -> str:
    if not names:
        return f"no run under {runs} has submissions. Submit with 'rhodiff-hpc submit', or name the file with -c"
    return f"there is {', '.join(names[:SHOWN])}{' ...' if len(names) > SHOWN else ''} under {runs}"


def read_submissions(run: RunFolder) -> list[Selected]:
    """All submissions of a run, in the order of their numbers.

    Raises:
        DataError: if a plan is damaged.
    """
    whole = [folder for folder in run.jobs.submissions() if not folder.path.name.startswith(".")]
    plans = [(folder, read_plan(folder.plan)) for folder in whole]
    found = [Selected(folder, plan, plan.elements) for folder, plan in plans]
    return sorted(found, key=lambda one: (one.plan.number, one.plan.created))


def select(runs: Path, run: str | None, selector: str = "all") -> list[Selected]:
    """The submissions that a command is about: newest run first, within a run in the order of their numbers.

    Args:
        runs: folder of all runs.
        run: path or name of one; None looks through all.
        selector: see :func:`parse_selector`.

    Raises:
        ConfigError: if there is no such run, submission or element; it says what there is.
        DataError: if a plan is damaged.
    """
    wanted = parse_selector(selector)
    chosen = [find_run(runs, run)] if run is not None else find_runs(runs)
    by_run = [submissions for folder in chosen if (submissions := read_submissions(folder))]
    if not by_run:
        raise ConfigError(_list_runs([], runs) if run is None else f"nothing was submitted for {chosen[0].path}")
    by_run.sort(key=lambda submissions: max(one.plan.created for one in submissions), reverse=True)
    return [_narrowed(one, wanted) for one in _matching(by_run, wanted.which)]


def _matching(by_run: list[list[Selected]], which: str | int) -> list[Selected]:
    if which == "last":
        return [max(by_run[0], key=lambda one: (one.plan.created, one.plan.number))]
    found = [one for submissions in by_run for one in submissions if which in ("all", one.plan.number)]
    if not found:
        there = "; ".join(_describe_numbers(submissions) for submissions in by_run[:SHOWN])
        raise ConfigError(f"there is no submission {which}: {there}")
    if which != "all" and len({one.run.path for one in found}) > 1:
        names = ", ".join(one.run.path.name for one in found[:SHOWN])
        raise ConfigError(f"{len(found)} runs have a submission {which}: name one of {names} before it")
    return found


def _describe_numbers(submissions: list[Selected]) -> str:
    numbers = [one.plan.number for one in submissions]
    return f"{submissions[0].run.path.name} has {describe_elements(numbers)}"


def _narrowed(one: Selected, wanted: Selector) -> Selected:
    if not wanted.elements:
        return one
    there = set(one.plan.elements)
    beyond = max(there) + 1  # one more than there is says enough of 5-99999999
    named = {
        element for first, last in wanted.elements for element in range(first, min(last, max(first, beyond)) + 1)
    }
    if not named <= there:
        raise ConfigError(
            f"submission {one.plan.number} ({one.plan.stage}) has no element {describe_elements(named - there)}: "
            f"its elements are {describe_elements(there)}"
        )
    return Selected(one.folder, one.plan, tuple(sorted(named)))


def describe_elements(elements: Sequence[int] | set[int]) -> str:
    """Numbers as a selector writes them: ``0-3,7``."""
    ranges: list[list[int]] = []
    for element in sorted(elements):
        if ranges and element == ranges[-1][1] + 1:
            ranges[-1][1] = element
        else:
            ranges.append([element, element])
    return ",".join(str(first) if first == last else f"{first}-{last}" for first, last in ranges)
