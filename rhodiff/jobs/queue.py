"""Asking Slurm about jobs: one ``squeue`` for all, at most one ``sacct`` for those that have left the queue.

``squeue`` is what the controller knows now; it forgets a job some minutes after its end. ``sacct`` remembers, lags
behind by up to a second, and may be disabled or forbidden: without its answer those jobs are left out, which is
"unknown". Whatever ``sacct`` says of a job that ``squeue`` has as alive, or has itself as alive, is out of date.
"""

from collections.abc import Iterable, Sequence

from rhodiff.errors import EnvironmentLacksError, RhodiffError, SchedulerUnreachableError
from rhodiff.jobs.job_states import JobPhase, phase_of
from rhodiff.jobs.job_tables import (
    SACCT_FIELDS,
    SQUEUE_FORMAT,
    newest_attempts,
    parse_names,
    parse_sacct,
    parse_squeue,
)
from rhodiff.jobs.scheduler import JobRecord, KnownJob
from rhodiff.jobs.slurm_commands import ask_slurm, unreachable

__all__ = ["cancel", "find", "observe"]

ACCOUNTING_DEADLINE_S = 10.0
LONGEST_CALL = 500
"""Job ids on one command line."""
OLDEST = "now-60days"
"""How far back jobs are looked up by name."""
ENDED = {JobPhase.COMPLETED, JobPhase.CANCELLED, JobPhase.FAILED}
PAST = ("invalid job id specified", "already completing or completed")
NO_ACCOUNTING = ("accounting storage is disabled", "only supported with slurmdbd", "access/permission denied")


def observe(jobs: Sequence[KnownJob]) -> list[JobRecord]:
    """What Slurm knows of jobs; those it does not know are left out.

    Args:
        jobs: which; records count only where id and name agree.

    Raises:
        SchedulerUnreachableError: if ``squeue`` does not answer, or not in a way that can be read.
        EnvironmentLacksError: if there is no Slurm here.
    """
    if not jobs:
        return []
    text = ask_slurm(["squeue", "--me", "-h", "-t", "all", "-o", SQUEUE_FORMAT]).text()
    queued = _only(parse_squeue(text), jobs)
    doubtful = _to_look_up(jobs, queued)
    return _merge(queued, _look_up(doubtful) if doubtful else [])


def find(names: Sequence[str]) -> dict[str, str]:
    """Ids of jobs by name; where several have one name, the first of them.

    A job is found from the moment that it is accepted until the controller forgets it, and later where there is
    accounting. Without, a job that ended long ago is not found.

    Args:
        names: which.

    Raises:
        SchedulerUnreachableError: if nothing certain can be said.
        EnvironmentLacksError: if there is no Slurm here.
    """
    if not names:
        return {}
    listed = ",".join(names)
    answer = ask_slurm(["squeue", "--me", "-h", "-t", "all", f"--name={listed}", "-o", "%F|%j"])
    found = _first_of_each(parse_names(answer.text(), "squeue"), names)
    missing = [name for name in names if name not in found]
    if missing:
        found |= _first_of_each(_find_in_accounting(missing), missing)
    return found


def cancel(ids: Sequence[str]) -> None:
    """End jobs.

    Args:
        ids: of jobs or arrays, or ``<array>_<index>``; those that have ended are no error.

    Raises:
        SchedulerUnreachableError: if nobody answered.
        RhodiffError: if the scheduler refused.
        EnvironmentLacksError: if there is no Slurm here.
    """
    for first in range(0, len(ids), LONGEST_CALL):
        answer = ask_slurm(["scancel", *ids[first : first + LONGEST_CALL]])
        complaints = [line for line in answer.stderr.splitlines() if not _is_past(line)]
        if answer.returncode != 0 and complaints:
            raise RhodiffError(f"not all jobs were cancelled: {'; '.join(complaints)}")


def _is_past(complaint: str) -> bool:
    """Whether scancel only says that a job has ended; 22.05 keeps silent about that, newer ones do not."""
    return not complaint.strip() or any(phrase in complaint.lower() for phrase in PAST)


def _only(records: Iterable[JobRecord], jobs: Sequence[KnownJob]) -> list[JobRecord]:
    """Records of some jobs: another cluster's, or another set-up's, job of the same id has another name."""
    known = {(job.job_id, job.name) for job in jobs}
    return [record for record in records if (record.job_id, record.name) in known]


def _to_look_up(jobs: Sequence[KnownJob], queued: Sequence[JobRecord]) -> list[KnownJob]:
    """Jobs of which the queue does not tell everything: forgotten, ended, or arrays, whose ended tasks it forgets."""
    certain = {record.job_id for record in queued if record.index is None and phase_of(record) not in ENDED}
    return [job for job in jobs if job.job_id not in certain]


def _look_up(jobs: Sequence[KnownJob]) -> list[JobRecord]:
    """How jobs ended, from accounting; nothing where there is none or it does not answer."""
    ids = ",".join(job.job_id for job in jobs)
    try:
        answer = ask_slurm(["sacct", "-n", "-P", "-X", "-D", "-j", ids, "-o", SACCT_FIELDS], ACCOUNTING_DEADLINE_S)
        attempts = parse_sacct(answer.stdout) if answer.returncode == 0 else []
    except (SchedulerUnreachableError, EnvironmentLacksError):
        return []
    return [record for record in _only(newest_attempts(attempts), jobs) if phase_of(record) in ENDED]


def _merge(queued: Sequence[JobRecord], ended: Sequence[JobRecord]) -> list[JobRecord]:
    """Accounting's word for what has ended, unless the queue has it as alive again."""
    records = {(record.job_id, record.index): record for record in ended}
    for record in queued:
        key = (record.job_id, record.index)
        if phase_of(record) not in ENDED or key not in records:
            records[key] = record
    return list(records.values())


def _find_in_accounting(names: Sequence[str]) -> list[tuple[str, str]]:
    """Ids and names of jobs that the controller has forgotten; nothing where the site has no accounting."""
    argv = ["sacct", "-n", "-P", "-X", "-D", f"--name={','.join(names)}", "-S", OLDEST, "-o", "JobID,JobName"]
    try:
        answer = ask_slurm(argv)
    except EnvironmentLacksError:
        return []
    if answer.returncode == 0:
        return parse_names(answer.stdout, "sacct")
    if any(phrase in answer.stderr.lower() for phrase in NO_ACCOUNTING):
        return []
    raise unreachable(answer.describe())


def _first_of_each(found: Iterable[tuple[str, str]], names: Sequence[str]) -> dict[str, str]:
    wanted = set(names)
    ids: dict[str, int] = {}
    for job_id, name in found:
        if name in wanted:
            ids[name] = min(int(job_id), ids.get(name, int(job_id)))
    return {name: str(job_id) for name, job_id in ids.items()}
