"""A piece belongs to the first of its jobs that starts: a doubled submission is harmless, its job leaves at once.

The claim is a file created exclusively that names the job. All tasks of an array, and all attempts of a job that went
back into the queue, have the same job id, and so the same claim.
"""

import json
import os
import socket
import time
from collections.abc import Callable
from pathlib import Path

from rhodiff.store.files import storage_errors
from rhodiff.store.journal import utc_now

__all__ = ["claim_piece", "read_claim"]

NUM_LOOKS, LOOK_S = 20, 0.25
"""A claim without content is being written; after this its writer is gone, and the next one takes it."""


def claim_piece(path: Path, job_id: str, pause: Callable[[float], None] = time.sleep) -> str:
    """Claim a piece for a job.

    Args:
        path: the claim.
        job_id: the job, that of the whole array for an array task.
        pause: waits between looks.

    Returns:
        Id of the job that has the claim: this one's, or another's.

    Raises:
        StorageError: if the claim cannot be written.
    """
    content = json.dumps({"job_id": job_id, "host": socket.gethostname(), "time": utc_now()}) + "\n"
    with storage_errors(path):
        path.parent.mkdir(parents=True, exist_ok=True)
        try:
            _write(path, content, os.O_EXCL)
        except FileExistsError:
            holder = _awaited_holder(path, pause)
            if holder is not None:
                return holder
            _write(path, content, os.O_TRUNC)
    return job_id


def read_claim(path: Path) -> str | None:
    """Id of the job that claimed a piece; None where there is none, or it is only being written."""
    try:
        return str(json.loads(path.read_text(encoding="utf-8"))["job_id"])
    except (FileNotFoundError, ValueError, KeyError, TypeError):
        return None


def _write(path: Path, content: str, flag: int) -> None:
    descriptor = os.open(path, os.O_CREAT | os.O_WRONLY | flag, 0o644)
    with os.fdopen(descriptor, "w", encoding="utf-8") as handle:
        handle.write(content)


def _awaited_holder(path: Path, pause: Callable[[float], None]) -> str | None:
    for _ in range(NUM_LOOKS):
        holder = read_claim(path)
        if holder is not None:
            return holder
        pause(LOOK_S)
    return None
