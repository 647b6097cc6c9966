"""Parts of a log: the lines of one process of a training, or of one attempt at an element.

``srun --label`` puts ``<rank>: `` before the lines of each process; a job whose elements run side by side puts
``[<element>] `` before them. The body notes in the log when an attempt begins and ends.
"""

import re
from collections import deque
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path

__all__ = ["LogPart", "read_part"]

BODY = re.compile(r"^\S+ rhodiff: (?:element (\d+): attempt (\d+) (\w+))?")
LABELS = re.compile(r"^(?:\[(\d+)\] )?(?:\s*(\d+): )?")


@dataclass(frozen=True)
class LogPart:
    """What of a log is wanted.

    Attributes:
        rank: number of a process; None: all.
        element: the element whose attempt is wanted; it has an effect with an attempt only.
        attempt: number of the attempt; None: all.
    """

    rank: int | None = None
    element: int | None = None
    attempt: int | None = None

    @property
    def is_all(self) -> bool:
        """Whether every line is wanted."""
        return self.rank is None and self.attempt is None

    def filter(self, lines: Iterable[str]) -> Iterator[str]:
        """The lines that belong to the part; what the body itself says stays, where no attempt is asked for."""
        inside = self.attempt is None
        for line in lines:
            said = BODY.match(line)
            if said and self._is_ours(said) and said[3] == "on":
                inside = True
            if inside and (self._is_said_of_it(said) if said else self._is_printed_by_it(line)):
                yield line
            if said and self._is_ours(said) and said[3] != "on":
                inside = False

    def _is_ours(self, said: re.Match[str]) -> bool:
        return self.attempt is not None and (said[1], said[2]) == (str(self.element), str(self.attempt))

    def _is_said_of_it(self, said: re.Match[str]) -> bool:
        return self.attempt is None or self._is_ours(said)

    def _is_printed_by_it(self, line: str) -> bool:
        labels = LABELS.match(line)
        element, rank = labels.groups() if labels else (None, None)
        if self.attempt is not None and element is not None and int(element) != self.element:
            return False
        return self.rank is None or (rank is not None and int(rank) == self.rank)


def read_part(path: Path, part: LogPart, num_lines: int) -> str:
    """The last lines of a part; the log is read whole for it.

    Args:
        path: the log.
        part: the part.
        num_lines: how many.
    """
    with path.open(encoding="utf-8", errors="replace", newline="\n") as lines:
        return "".join(deque(part.filter(lines), maxlen=num_lines))
