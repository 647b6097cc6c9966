"""How far a running piece of work is, in a small file that a job's body and ``rhodiff-hpc status`` read.

The file is replaced whole, at most every few seconds, and is not synced: it means nothing after a crash. Whoever
watches it compares contents and uses a clock of its own: the clocks of two nodes may differ by hours.
"""

import json
import time
from contextlib import suppress
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from pathlib import Path

__all__ = ["HEARTBEAT_VARIABLE", "Beat", "Heartbeat", "read_heartbeat"]

HEARTBEAT_VARIABLE = "RHODIFF_HEARTBEAT"
"""Environment variable that names the file."""

INTERVAL_S = 3.0


@dataclass(frozen=True)
class Beat:
    """How far the work is.

    Attributes:
        done: steps made.
        total: steps in all.
        text: rate, time left, loss; for people.
        time: when, ISO 8601 UTC, by the clock of the node.
    """

    done: int
    total: int
    text: str
    time: str


class Heartbeat:
    """Writes the file.

    Args:
        path: the file.
        interval_s: seconds between two writes, at least.
    """

    def __init__(self, path: Path, interval_s: float = INTERVAL_S) -> None:
        self._path, self._interval_s = path, interval_s
        self._temporary = path.with_name(f".{path.name}.tmp")
        self._last = -float("inf")

    def beat(self, done: int, total: int, text: str) -> None:
        """Say how far the work is. Work never fails for this: a full disk, or a folder that is gone, is ignored."""
        now = time.monotonic()
        if done < total and now - self._last < self._interval_s:
            return
        self._last = now
        when = datetime.now(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")
        with suppress(OSError):
            self._temporary.write_text(json.dumps(asdict(Beat(done, total, text, when))), encoding="utf-8")
            self._temporary.replace(self._path)


def read_heartbeat(path: Path) -> Beat | None:
    """The last beat, or None where there is none that can be read."""
    try:
        plain = json.loads(path.read_text(encoding="utf-8"))
        return Beat(int(plain["done"]), int(plain["total"]), str(plain["text"]), str(plain["time"]))
    except (OSError, ValueError, KeyError, TypeError):
        return None
