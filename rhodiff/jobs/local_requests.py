"""What a supervisor is asked to cancel: lines in a file, which reach it on another host too, and after a pause."""

import json
from collections.abc import Sequence
from pathlib import Path

from rhodiff.store.files import storage_errors

__all__ = ["RequestReader", "request_cancel"]


def request_cancel(path: Path, tasks: Sequence[int | None]) -> None:
    """Ask for the end of tasks of a piece; None is the whole piece.

    Args:
        path: see :meth:`~rhodiff.store.layout.SubmissionFolder.local_requests`.
        tasks: their numbers.
    """
    text = "".join(json.dumps({"cancel": task}) + "\n" for task in tasks)
    with storage_errors(path), path.open("a", encoding="utf-8") as handle:
        handle.write(text)


class RequestReader:
    """Reads each request once.

    Args:
        path: the file.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self._offset = 0

    def read(self) -> list[int | None]:
        """Tasks to be cancelled that were not told before; None is the whole piece."""
        try:
            with self.path.open("rb") as handle:
                handle.seek(self._offset)
                new = handle.read()
        except FileNotFoundError:
            return []
        complete = new[: new.rfind(b"\n") + 1]
        self._offset += len(complete)
        return [json.loads(line)["cancel"] for line in complete.splitlines()]
