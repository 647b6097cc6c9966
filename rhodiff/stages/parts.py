"""How a fan-out is cut: part k of n takes every n-th task, and any cut gives the same files."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TypeVar

from rhodiff.errors import ConfigError

__all__ = ["WHOLE", "Part", "parse_part"]

Task = TypeVar("Task")


@dataclass(frozen=True)
class Part:
    """Part ``index`` of ``count``."""

    index: int = 0
    count: int = 1

    def of(self, tasks: Sequence[Task]) -> Sequence[Task]:
        """The tasks of this part."""
        return tasks[self.index :: self.count]


WHOLE = Part()


def parse_part(text: str) -> Part:
    """Read ``K/N``, part K of N counted from 0.

    Raises:
        ConfigError: if it is anything else.
    """
    index, slash, count = text.partition("/")
    if not (slash and index.isdecimal() and count.isdecimal() and int(index) < int(count)):
        raise ConfigError(f"--part {text!r}: write K/N with 0 <= K < N, e.g. 0/4")
    return Part(int(index), int(count))
