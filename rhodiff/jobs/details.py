"""What the files of single elements say beyond their names: progress, attempts, reasons. Read for a few at a time."""

from collections.abc import Iterable
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from time import time

from rhodiff.errors import DataError
from rhodiff.jobs.attempts import Attempt, read_attempts
from rhodiff.jobs.element_state import ElementState, ElementStatus
from rhodiff.jobs.state import SubmissionState
from rhodiff.runtime.heartbeat import read_heartbeat
from rhodiff.store.files import StorageError, read_json
from rhodiff.store.layout import SubmissionFolder
from rhodiff.store.locks import file_system_time

__all__ = ["MOST_READ", "Progress", "read_histories", "read_progress", "reason_of"]

MOST_READ = 64
"""Elements of a submission whose files a screen opens: a shared file system is slow at thousands of small files."""
QUIET_S = 120.0
"""A heartbeat older than this is worth a word."""


@dataclass(frozen=True)
class Progress:
    """How far a running element is.

    Attributes:
        done: steps made.
        total: steps in all.
        text: rate, time left, loss; for people.
        time: when it said so, ISO 8601 UTC, by the clock of its node.
        quiet_s: seconds since then by the file server's clock, where that is long; None otherwise.
    """

    done: int
    total: int
    text: str
    time: str
    quiet_s: float | None = None


def read_progress(state: SubmissionState, most: int = MOST_READ) -> dict[int, Progress]:
    """How far running elements are.

    Args:
        state: the submission.
        most: how many of them to read.
    """
    running = [one.element for one in state.of(ElementState.RUNNING) if one.element in state.marks.heartbeats]
    found = {element: _read_beat(state.folder, element) for element in running[:most]}
    return {element: progress for element, progress in found.items() if progress is not None}


def _read_beat(folder: SubmissionFolder, element: int) -> Progress | None:
    path = folder.heartbeat(element)
    beat = read_heartbeat(path)
    if beat is None:
        return None
    quiet_s: float | None = None
    with suppress(FileNotFoundError, StorageError):
        written = path.stat().st_mtime
        if abs(time() - written) > QUIET_S:  # old, or our clock is not the file server's
            quiet_s = file_system_time(folder.markers) - written
    return Progress(beat.done, beat.total, beat.text, beat.time, quiet_s if quiet_s and quiet_s > QUIET_S else None)


def read_histories(
    state: SubmissionState, elements: Iterable[int], most: int = MOST_READ
) -> dict[int, tuple[Attempt, ...]]:
    """Attempts at elements, for those that anything was tried for.

    Args:
        state: the submission.
        elements: which.
        most: how many of them to read.
    """
    tried = [element for element in elements if element in state.marks.attempted]
    return {element: tuple(read_attempts(state.folder.attempts(element))) for element in tried[:most]}


def reason_of(state: SubmissionState, status: ElementStatus) -> str:
    """Why an element stands as it does, in words: from its status, else from its marker; empty where nothing says."""
    marker = _marker_of(state, status)
    if status.reason or marker is None:
        return status.reason
    with suppress(DataError):
        plain = read_json(marker)
        return str(plain.get("reason", "")) if isinstance(plain, dict) else ""
    return "its marker cannot be read"


def _marker_of(state: SubmissionState, status: ElementStatus) -> Path | None:
    """The file that says why; that of the whole submission where it was cancelled, or refused, as a whole."""
    if state.marks.final.get(status.element) in {None, "done"}:
        whole = status.state is ElementState.CANCELLED and state.marks.is_cancelled
        return state.folder.cancelled if whole else None
    marker = {
        ElementState.FAILED: state.folder.failed,
        ElementState.STOPPED: state.folder.stopped,
        ElementState.CANCELLED: state.folder.cancelled_element,
    }.get(status.state)
    return None if marker is None else marker(status.element)
