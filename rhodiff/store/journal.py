"""The journal of a run: what happened, one JSON object a line, append-only, one writer a file, merged on reading.

A process killed while it writes leaves at most one torn last line, which reading skips.
"""

import json
import os
import secrets
import socket
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from rhodiff.store.files import storage_errors

__all__ = ["Journal", "read_journal", "read_json_lines", "utc_now"]


def utc_now() -> str:
    """The time now, ISO 8601 in UTC."""
    return datetime.now(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")


class Journal:
    """Appends events to a file of this process's own; the file appears with the first event.

    Args:
        folder: the run's journal folder.
    """

    def __init__(self, folder: Path) -> None:
        self.path = folder / f"{socket.gethostname()}-{os.getpid()}-{secrets.token_hex(3)}.jsonl"

    def write(self, event: str, **facts: Any) -> None:
        """Append one event with its time; ``facts`` are JSON values."""
        line = json.dumps({"time": utc_now(), "event": event, **facts}, allow_nan=False)
        with storage_errors(self.path):
            self.path.parent.mkdir(parents=True, exist_ok=True)
            with self.path.open("a", encoding="utf-8") as handle:
                handle.write(line + "\n")


def read_json_lines(path: Path) -> Iterator[dict[str, Any]]:
    """The complete lines of a JSON-lines file; a torn last line is skipped."""
    for line in path.read_text(encoding="utf-8", errors="replace").splitlines():
        try:
            value = json.loads(line)
        except ValueError:
            continue
        if isinstance(value, dict):
            yield value


def read_journal(folder: Path) -> list[dict[str, Any]]:
    """All events of a run in order of time."""
    events = [event for path in sorted(folder.glob("*.jsonl")) for event in read_json_lines(path)]
    return sorted(events, key=lambda event: str(event.get("time", "")))
