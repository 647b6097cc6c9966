"""A check: a function that looks at one thing and answers with results; and running many, none of which can hang us.

States: ``ok``; ``warning``, it works and may hurt later; ``fault``, something that is there, or was asked for, does
not work; ``absent``, it is not there, which is a fault only for who demands it.
"""

import threading
import time
from collections.abc import Callable, Iterable, Sequence
from dataclasses import asdict, dataclass, field
from typing import Any, Literal

from rhodiff.errors import RhodiffError

__all__ = ["STATES", "Check", "Result", "Section", "State", "run_checks"]

State = Literal["ok", "warning", "fault", "absent"]
STATES: tuple[State, ...] = ("fault", "warning", "ok", "absent")


@dataclass(frozen=True)
class Result:
    """What a check found.

    Attributes:
        name: of what it looked at; ``doctor --require`` takes it.
        state: how that is.
        found: what was seen.
        fix: one line: what to do; empty where there is nothing to do, or ``found`` says it.
    """

    name: str
    state: State
    found: str
    fix: str = ""


@dataclass(frozen=True)
class Check:
    """One look.

    Attributes:
        title: section of the screen that it belongs to.
        name: name of its result where it does not end.
        look: looks, and answers.
        limit_s: seconds after which nobody waits for it any more.
    """

    title: str
    name: str
    look: Callable[[], Iterable[Result]]
    limit_s: float = 5.0


@dataclass(frozen=True)
class Section:
    """Results of one subject.

    Attributes:
        title: its heading.
        results: in the order of the checks.
    """

    title: str
    results: tuple[Result, ...]

    def to_plain(self) -> dict[str, Any]:
        """JSON values."""
        return asdict(self)

    @classmethod
    def from_plain(cls, plain: dict[str, Any]) -> "Section":
        """The section that :meth:`to_plain` wrote."""
        return cls(plain["title"], tuple(Result(**result) for result in plain["results"]))


@dataclass
class _Running:
    """A check at work, in a thread that does not keep the program from ending."""

    check: Check
    results: tuple[Result, ...] | None = None
    thread: threading.Thread = field(init=False)

    def __post_init__(self) -> None:
        self.thread = threading.Thread(target=self._work, daemon=True, name=f"check {self.check.name}")
        self.thread.start()

    def _work(self) -> None:
        try:
            self.results = tuple(self.check.look())
        except (RhodiffError, OSError, RuntimeError, ImportError, ValueError) as error:
            self.results = (Result(self.check.name, "fault", f"it cannot be looked at: {error}"),)

    def answer(self, began: float) -> tuple[Result, ...]:
        """Its results, or that it did not give any in time."""
        self.thread.join(max(0.0, began + self.check.limit_s - time.monotonic()))
        if self.results is not None:
            return self.results
        if not self.thread.is_alive():
            why = "the check itself failed; its traceback is above"
            return (Result(self.check.name, "fault", why, "report it with that traceback"),)
        why = f"no answer within {self.check.limit_s:g} s: what it looks at hangs, or is very slow"
        return (Result(self.check.name, "fault", why, "see whether the same hangs in a shell; then ask the site"),)


def run_checks(checks: Sequence[Check]) -> list[Section]:
    """Run all checks side by side.

    Args:
        checks: in the order in which they are to be shown.

    Returns:
        Their results by title.
    """
    began = time.monotonic()
    running = [_Running(check) for check in checks]
    found: dict[str, list[Result]] = {}
    for one in running:
        found.setdefault(one.check.title, []).extend(one.answer(began))
    return [Section(title, tuple(results)) for title, results in found.items() if results]
