"""What was tried for an element: JSON lines, one when an attempt starts and one when it ends.

An attempt that has no end was killed together with its job's body: a power cut, a preemption, ``kill -9``. The next
one closes it, and says so.
"""

import json
import os
from collections.abc import Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

from rhodiff.store.files import storage_errors
from rhodiff.store.journal import read_json_lines

__all__ = ["Attempt", "num_without_progress", "read_attempts", "suspect_nodes", "write_end", "write_start"]

LOST = "lost"
"""Verdict on an attempt that ended together with its job's body."""


@dataclass(frozen=True)
class Attempt:
    """One attempt at an element.

    Attributes:
        number: from 1, over all jobs of the submission.
        job: ``<job>`` or ``<array>_<index>``.
        restart: times that this job had been put back into the queue.
        nodes: its nodes in Slurm's notation.
        host: node of the body.
        started: time, ISO 8601 UTC, by the node's clock.
        files: fingerprint of the files whose change is progress, before it started; None: not looked at.
        ended: time; None while it runs, or where nobody could say.
        elapsed_s: seconds that it ran.
        exit_code: exit code; negative: the signal that ended it.
        verdict: ``done``, ``failed``, ``stopped``, ``again`` or ``lost``; None while it runs.
        reason: why, for people.
        progress: whether it brought something new.
        suspect: nodes that it speaks against, because it died there at once.
    """

    number: int
    job: str
    restart: int
    nodes: str
    host: str
    started: str
    files: str | None = None
    ended: str | None = None
    elapsed_s: float | None = None
    exit_code: int | None = None
    verdict: str | None = None
    reason: str = ""
    progress: bool | None = None
    suspect: tuple[str, ...] = ()


STARTED = ("number", "job", "restart", "nodes", "host", "started", "files")
ENDED = ("number", "ended", "elapsed_s", "exit_code", "verdict", "reason", "progress", "suspect")


def write_start(path: Path, attempt: Attempt) -> None:
    """Record that an attempt starts.

    Raises:
        StorageError: if it cannot be written.
    """
    _append(path, {"event": "started", **_some(attempt, STARTED)})


def write_end(path: Path, attempt: Attempt) -> None:
    """Record how an attempt ended.

    Raises:
        StorageError: if it cannot be written.
    """
    _append(path, {"event": "ended", **_some(attempt, ENDED)})


def read_attempts(path: Path) -> list[Attempt]:
    """All attempts, in the order in which they started; none where there is no file."""
    found: dict[int, Attempt] = {}
    for line in read_json_lines(path) if path.exists() else ():
        if line.get("event") == "started":
            found[line["number"]] = Attempt(**{name: line[name] for name in STARTED})
        elif line.get("number") in found:
            values = {name: line[name] for name in ENDED} | {"suspect": tuple(line["suspect"])}
            found[line["number"]] = replace(found[line["number"]], **values)
    return list(found.values())


def num_without_progress(attempts: Sequence[Attempt]) -> int:
    """Attempts in a row, up to the last one, that brought nothing new."""
    count = 0
    for attempt in reversed(attempts):
        if attempt.progress is not False:
            return count
        count += 1
    return count


def suspect_nodes(attempts: Sequence[Attempt]) -> dict[str, str]:
    """Nodes that attempts speak against, with the evidence."""
    return {
        node: f"attempt {attempt.number} (job {attempt.job}): {attempt.reason}"
        for attempt in attempts
        for node in attempt.suspect
    }


def _some(attempt: Attempt, names: Sequence[str]) -> dict[str, Any]:
    values = asdict(attempt)
    return {name: values[name] for name in names}


def _append(path: Path, value: dict[str, Any]) -> None:
    """Append a line; one that a killed writer left torn does not swallow it."""
    with storage_errors(path), path.open("ab+") as handle:
        torn = handle.seek(0, os.SEEK_END) > 0 and _last_byte(path) != b"\n"
        handle.write(b"\n" * torn + json.dumps(value, allow_nan=False).encode() + b"\n")
        handle.flush()
        os.fsync(handle.fileno())


def _last_byte(path: Path) -> bytes:
    with path.open("rb") as handle:
        handle.seek(-1, os.SEEK_END)
        return handle.read(1)
