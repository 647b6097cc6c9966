"""``calls.jsonl``: each time a piece is handed to a scheduler, an intent before and what became of it after.

A driver that is killed between the two leaves an intent without an end: the piece may or may not have been taken,
and nobody submits it again before that is settled. One process writes at a time, under the lock of the run's
submissions.
"""

import os
import socket
from dataclasses import dataclass
from json import dumps
from typing import Any, BinaryIO, Literal

from rhodiff.jobs.scheduler import KnownJob
from rhodiff.store.files import storage_errors
from rhodiff.store.journal import read_json_lines, utc_now
from rhodiff.store.layout import SubmissionFolder

__all__ = ["CallRecord", "PieceCalls"]


@dataclass(frozen=True)
class PieceCalls:
    """What was tried for one piece.

    Attributes:
        num_intents: times that it was about to be handed over.
        is_open: whether the last of them has no end yet.
        job: its job; None as long as none is known.
    """

    num_intents: int = 0
    is_open: bool = False
    job: KnownJob | None = None


class CallRecord:
    """The record of a submission.

    Args:
        folder: folder of the submission.
    """

    def __init__(self, folder: SubmissionFolder) -> None:
        self.path = folder.calls

    def read(self) -> dict[int, PieceCalls]:
        """What was tried, by number of the piece."""
        pieces: dict[int, PieceCalls] = {}
        for line in read_json_lines(self.path) if self.path.exists() else ():
            pieces[line["piece"]] = _with_event(pieces.get(line["piece"], PieceCalls()), line)
        return pieces

    def of_piece(self, piece: int) -> PieceCalls:
        """What was tried for one piece."""
        return self.read().get(piece, PieceCalls())

    def intend(self, piece: int, name: str) -> None:
        """A piece is about to be handed over under a name."""
        self._append(piece, "intent", name=name, host=socket.gethostname(), pid=os.getpid())

    def accept(self, piece: int, name: str, job_id: str) -> None:
        """The scheduler took it."""
        self._append(piece, "accepted", name=name, job_id=job_id)

    def end_without_job(self, piece: int, event: Literal["refused", "unsent", "lost"], words: str) -> None:
        """There is no job: it was refused, never sent, or never arrived."""
        self._append(piece, event, words=words)

    def _append(self, piece: int, event: str, **facts: Any) -> None:
        """Write one line and force it to the disk; what a killed writer left unfinished stays a line of its own."""
        line = dumps({"time": utc_now(), "event": event, "piece": piece, **facts}, allow_nan=False) + "\n"
        with storage_errors(self.path), self.path.open("ab+") as handle:
            handle.write(("\n" * _is_torn(handle) + line).encode())
            handle.flush()
            os.fsync(handle.fileno())


def _is_torn(handle: BinaryIO) -> bool:
    """Whether a file's last line was not finished."""
    if handle.seek(0, os.SEEK_END) == 0:
        return False
    handle.seek(-1, os.SEEK_END)
    return handle.read(1) != b"\n"


def _with_event(before: PieceCalls, line: dict[str, Any]) -> PieceCalls:
    if line["event"] == "intent":
        return PieceCalls(before.num_intents + 1, True, before.job)
    if line["event"] == "accepted":
        return PieceCalls(before.num_intents, False, KnownJob(line["job_id"], line["name"]))
    return PieceCalls(before.num_intents, False, before.job)
