"""Why one element failed: its marker, what the scheduler says of its job, and the lines of the log that tell."""

import re
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from rhodiff.errors import DataError
from rhodiff.jobs.element_state import ElementStatus
from rhodiff.jobs.exit_codes import code_of, describe_exit, is_memory_exhausted
from rhodiff.jobs.job_states import describe_end
from rhodiff.jobs.log_lines import telling_lines
from rhodiff.jobs.log_reading import read_tail
from rhodiff.jobs.state import SubmissionState
from rhodiff.store.files import read_json

__all__ = ["Failure", "read_failure"]

TAIL_LINES = 60


@dataclass(frozen=True)
class Failure:
    """Why an element failed.

    Attributes:
        what: the cause in one sentence.
        lines: lines of its log that tell.
        node: its node or nodes; empty where not known.
        code: exit code of the work, negative for a signal; None where not known.
        state: Slurm's word for how its job ended; empty where not known.
        out_of_memory: too much memory was used, as far as can be told.
        log: its log; None where there is none.
    """

    what: str
    lines: tuple[str, ...] = ()
    node: str = ""
    code: int | None = None
    state: str = ""
    out_of_memory: bool = False
    log: Path | None = None

    @property
    def cause(self) -> str:
        """What equal failures have in common: cause and error without their numbers."""
        return re.sub(r"\d+", "#", " ".join([self.what, *self.lines[:1]]))


def read_failure(state: SubmissionState, status: ElementStatus) -> Failure:
    """Read why an element failed.

    Args:
        state: its submission.
        status: the element.
    """
    marker = _read_marker(state, status.element)
    record = status.record
    log = _log_of(state, status, marker)
    said = [str(line) for line in marker.get("last_lines", [])]
    lines = telling_lines(said or (read_tail(log, TAIL_LINES)[0].splitlines() if log else []))
    code = marker.get("exit_code", code_of(record) if record else None)
    word = record.state if record else ""
    reason = str(marker.get("reason", "")) or status.reason
    memory = is_memory_exhausted(word, code, " ".join([reason, *lines]))
    return Failure(
        what=_in_words(reason, code, describe_end(record) if record and not marker else ""),
        lines=tuple(lines),
        node=str(marker.get("nodes", "")) or (record.nodes if record else ""),
        code=code,
        state=word,
        out_of_memory=memory,
        log=log,
    )


def _in_words(reason: str, code: int | None, end: str) -> str:
    """Cause as the body gives it, with the meaning of a bare exit code; else how its job ended."""
    if end:
        return f"its job {end}" + (f" ({describe_exit(code)})" if code else "")
    if code is not None and reason.startswith(f"exit code {code}"):
        return describe_exit(code) + reason.removeprefix(f"exit code {code}")
    return reason or (describe_exit(code) if code is not None else "no reason was recorded")


def _read_marker(state: SubmissionState, element: int) -> dict[str, Any]:
    if state.marks.final.get(element) != "failed":
        return {}
    with suppress(DataError):
        plain = read_json(state.folder.failed(element))
        if isinstance(plain, dict):
            return plain
    return {"reason": "its marker cannot be read"}


def _log_of(state: SubmissionState, status: ElementStatus, marker: dict[str, Any]) -> Path | None:
    job = str(marker.get("job") or status.job or "")
    job_id, _, index = job.partition("_")
    path = state.folder.log(job_id, int(index) if index.isdecimal() else None)
    return path if job and path.exists() else None
