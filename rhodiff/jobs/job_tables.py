"""What ``squeue`` and ``sacct`` print, read into records. Pure: text in, records out.

Both print one line a job or array task, fields apart by ``|``, the name last, since it may hold anything: a line that
does not begin with a job id goes on with the name before. What cannot be a complete answer is refused as a whole:
half a table is "unknown", never "finished".
"""

import re
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from typing import TypeVar

from rhodiff.errors import SchedulerUnreachableError
from rhodiff.jobs.job_states import JobPhase, phase_of
from rhodiff.jobs.scheduler import JobRecord

__all__ = [
    "SACCT_FIELDS",
    "SQUEUE_FORMAT",
    "Attempt",
    "expand_indices",
    "newest_attempts",
    "parse_names",
    "parse_sacct",
    "parse_squeue",
]

SQUEUE_FORMAT = "%F|%K|%T|%r|%N|%D|%M|%S|%j"
SACCT_FIELDS = "JobID,State,ExitCode,Reason,NodeList,NNodes,ElapsedRaw,Submit,End,JobName"
FIRST_FIELD = re.compile(r"\d+(_\d+|_\[[^|]*\]|\+\d+)?\|")
STATE = re.compile(r"[A-Z][A-Z_]+\Z")
RANGE = re.compile(r"(\d+)(?:-(\d+)(?::(\d+))?)?\Z")
DURATION = re.compile(r"(?:(\d+)-)?(?:(\d+):)?(\d+):(\d+)\Z")
Row = TypeVar("Row")
NOTHING = frozenset({"", "None", "N/A", "(null)", "Unknown", "None assigned", "NONE"})


@dataclass(frozen=True)
class Attempt:
    """One line of ``sacct -D``: an attempt of a job, or of one array task.

    Attributes:
        record: what it says.
        submitted_s: when this attempt entered the queue, seconds since 1970; 0 where not said.
    """

    record: JobRecord
    submitted_s: int


def expand_indices(text: str) -> list[int]:
    """Array indices in Slurm's notation, e.g. ``3-7,9,11-15:2%4``.

    Raises:
        ValueError: if it is none.
    """
    indices: list[int] = []
    for part in text.partition("%")[0].split(","):
        match = RANGE.match(part)
        if match is None:
            raise ValueError(f"'{text}' is no list of array indices")
        first, last, step = match.groups()
        indices.extend(range(int(first), int(last or first) + 1, int(step or 1)))
    return indices


def parse_squeue(text: str) -> list[JobRecord]:
    """Records of ``squeue -h -o`` with :data:`SQUEUE_FORMAT` and times in seconds.

    Raises:
        SchedulerUnreachableError: if the text is not a complete answer.
    """
    return [record for fields in _rows(text, 9, "squeue") for record in _guarded(_squeue_records, fields, "squeue")]


def parse_sacct(text: str) -> list[Attempt]:
    """Attempts of ``sacct -n -P -X -D -o`` with :data:`SACCT_FIELDS` and times in seconds.

    Raises:
        SchedulerUnreachableError: if the text is not a complete answer.
    """
    return [attempt for fields in _rows(text, 10, "sacct") for attempt in _guarded(_sacct_attempts, fields, "sacct")]


def parse_names(text: str, command: str) -> list[tuple[str, str]]:
    """Ids and names: the answer to a format of job id and name.

    Args:
        text: what was printed.
        command: who printed it.

    Raises:
        SchedulerUnreachableError: if the text is not a complete answer.
    """
    return [(re.split(r"[_+]", job_id)[0], name) for job_id, name in _rows(text, 2, command)]


def newest_attempts(attempts: Sequence[Attempt]) -> list[JobRecord]:
    """The last attempt of each job or task, with the number of those before it as its restarts."""
    groups: dict[tuple[str, str, int | None], list[Attempt]] = {}
    for attempt in attempts:
        record = attempt.record
        groups.setdefault((record.job_id, record.name, record.index), []).append(attempt)
    return [_newest(group) for group in groups.values()]


def _newest(group: list[Attempt]) -> JobRecord:
    position = max(range(len(group)), key=lambda number: (group[number].submitted_s, number))
    total_s = sum(attempt.record.elapsed_s for attempt in group)
    return replace(group[position].record, restarts=len(group) - 1, total_elapsed_s=total_s)


def _rows(text: str, num_fields: int, command: str) -> Iterator[list[str]]:
    if text and not text.endswith("\n"):
        raise _garbled(command, text[-80:], "the answer breaks off")
    rows: list[str] = []
    for line in text.split("\n")[:-1]:
        if FIRST_FIELD.match(line):
            rows.append(line)
        elif rows:
            rows[-1] += "\n" + line
        else:
            raise _garbled(command, line, "no job id")
    for row in rows:
        fields = row.split("|", num_fields - 1)
        if len(fields) != num_fields:
            raise _garbled(command, row, f"{len(fields)} fields in place of {num_fields}")
        yield fields


def _guarded(read: Callable[[list[str]], list[Row]], fields: list[str], command: str) -> list[Row]:
    try:
        return read(fields)
    except ValueError as error:
        raise _garbled(command, "|".join(fields), str(error)) from error


def _garbled(command: str, line: str, why: str) -> SchedulerUnreachableError:
    return SchedulerUnreachableError(
        f"cannot read what '{command}' printed ({why}): {line[:120]!r}; nothing is known about jobs meanwhile: "
        "ask again in a minute"
    )


def _squeue_records(fields: list[str]) -> list[JobRecord]:
    job_id, indices, state, reason, nodes, num_nodes, elapsed, start, name = fields
    record = JobRecord(
        job_id=job_id,
        name=name,
        index=None,
        state=_state(state),
        reason=_value(reason),
        nodes=_value(nodes),
        num_nodes=int(num_nodes),
        elapsed_s=_seconds(elapsed),
        expected_start=_moment(start) if state == "PENDING" else None,
    )
    return _one_each(record, None if indices == "N/A" else indices)


def _sacct_attempts(fields: list[str]) -> list[Attempt]:
    job, words, exit_code, reason, nodes, num_nodes, elapsed, submitted, ended, name = fields
    state, _, detail = words.partition(" ")
    job_id, _, indices = job.partition("_")
    record = JobRecord(
        job_id=job_id.partition("+")[0],
        name=name,
        index=None,
        state=_state(state.rstrip("+")),
        nodes=_value(nodes),
        num_nodes=int(num_nodes or 0),
        elapsed_s=float(elapsed or 0),
        exit_code=exit_code or None,
        ended=_moment(ended),
    )
    is_waiting = phase_of(record) == JobPhase.WAITS  # others keep why they once waited: that is past
    record = replace(record, reason=_value(reason) if is_waiting else detail)
    submitted_s = 0 if submitted in NOTHING else int(submitted)
    return [Attempt(task, submitted_s) for task in _one_each(record, indices.strip("[]") or None)]


def _one_each(record: JobRecord, indices: str | None) -> list[JobRecord]:
    if indices is None:
        return [record]
    return [replace(record, index=index) for index in expand_indices(indices)]


def _state(word: str) -> str:
    if STATE.match(word) is None:
        raise ValueError(f"'{word}' is no state")
    return word


def _value(text: str) -> str:
    return "" if text in NOTHING else text


def _seconds(duration: str) -> float:
    """Seconds of ``1-02:03:04``; 0 for what squeue prints where clocks differ."""
    match = DURATION.match(duration)
    if match is None:
        if duration in NOTHING or duration == "INVALID":
            return 0.0
        raise ValueError(f"'{duration}' is no duration")
    days, hours, minutes, seconds = (int(group or 0) for group in match.groups())
    return float(((days * 24 + hours) * 60 + minutes) * 60 + seconds)


def _moment(seconds: str) -> str | None:
    return None if seconds in NOTHING else datetime.fromtimestamp(int(seconds), UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
