"""Handing the pieces of a submission to a scheduler, each exactly once, however often the driver is killed.

For each piece: an intent is recorded, the scheduler is called, its answer is recorded. A driver killed in between
leaves an intent without an end; the next one settles it (:meth:`~rhodiff.jobs.scheduler.Scheduler.recover`) before it
goes on, so that no piece is lost and none is taken twice.
"""

from collections.abc import Sequence

from rhodiff.errors import ConfigError, DataError, RhodiffError, SubmissionRefusedError, SubmissionUncertainError
from rhodiff.jobs.calls import CallRecord, PieceCalls
from rhodiff.jobs.scheduler import Scheduler
from rhodiff.jobs.submission_plan import Dependency, Piece, SubmissionPlan, read_plan
from rhodiff.store.layout import SubmissionFolder

__all__ = ["conditions_of", "is_all_done", "submit_pieces"]


def submit_pieces(scheduler: Scheduler, folder: SubmissionFolder, plan: SubmissionPlan) -> dict[int, str]:
    """Hand over every piece that is not taken yet; the lock of the run's submissions is held.

    Args:
        scheduler: takes them.
        folder: folder of the submission.
        plan: its plan.

    Returns:
        Id of the job of each piece.

    Raises:
        SubmissionRefusedError: if a piece was refused; those before it stay submitted.
        SchedulerUnreachableError: if nobody answers; likewise.
        SubmissionUncertainError: if it cannot be told now whether a piece was taken: repeat the call.
    """
    if folder.cancelled.exists():
        raise SubmissionRefusedError(f"{folder.path} was cancelled: submit the stage again")
    if scheduler.cluster != plan.cluster:
        raise ConfigError(f"{folder.path} belongs to the cluster '{plan.cluster}', this one is '{scheduler.cluster}'")
    calls = CallRecord(folder).read()
    ids = {piece: call.job.job_id for piece, call in calls.items() if call.job is not None}
    missing = [piece for piece in plan.pieces if piece.index not in ids]
    outside = conditions_of(folder, plan) if missing else []
    for piece in missing:
        after = [*outside, *(f"afterany:{ids[before]}" for before in piece.after)]
        is_open = calls.get(piece.index, PieceCalls()).is_open
        ids[piece.index] = _hand_over(scheduler, folder, plan, piece, after, is_open=is_open)
    return ids


def conditions_of(folder: SubmissionFolder, plan: SubmissionPlan) -> list[str]:
    """What the jobs of a submission wait for outside of it, as Slurm writes it; what is done is not waited for.

    Raises:
        DataError: if a submission that it waits for is gone or not completely submitted.
        ConfigError: if one is on another cluster.
    """
    runs = folder.path.parents[2]
    return [text for one in plan.after for text in _conditions(SubmissionFolder(runs / one.submission), one, plan)]


def _hand_over(
    scheduler: Scheduler,
    folder: SubmissionFolder,
    plan: SubmissionPlan,
    piece: Piece,
    after: Sequence[str],
    *,
    is_open: bool,
) -> str:
    record, name = CallRecord(folder), plan.job_name(piece.index)
    job_id = _settle(scheduler, folder, plan, piece) if is_open else None
    if job_id is None:
        scheduler.script(folder, plan, piece, after)  # what cannot be told to the scheduler leaves no intent
        record.intend(piece.index, name)
        try:
            job_id = scheduler.submit(folder, plan, piece, after)
        except SubmissionUncertainError:
            raise
        except RhodiffError as error:
            refused = isinstance(error, SubmissionRefusedError)
            record.end_without_job(piece.index, "refused" if refused else "unsent", str(error))
            raise
    record.accept(piece.index, name, job_id)
    return job_id


def _settle(scheduler: Scheduler, folder: SubmissionFolder, plan: SubmissionPlan, piece: Piece) -> str | None:
    job_id = scheduler.recover(folder, plan, piece)
    if job_id is None:
        CallRecord(folder).end_without_job(piece.index, "lost", "the driver ended before it was submitted")
    return job_id


def _conditions(other: SubmissionFolder, dependency: Dependency, plan: SubmissionPlan) -> list[str]:
    theirs = read_plan(other.plan)
    if is_all_done(other, theirs):
        return []
    if theirs.cluster != plan.cluster:
        raise ConfigError(
            f"{other.path} runs on '{theirs.cluster}' not on '{plan.cluster}': submit this stage "
            "when it is done, or submit both to one cluster"
        )
    calls = CallRecord(other).read()
    needed = _first_links(theirs) if dependency.condition == "after" else _last_links(theirs)
    jobs = [calls.get(piece, PieceCalls()).job for piece in needed]
    if None in jobs:
        raise DataError(f"{other.path} is not completely submitted: repeat the command that submitted it first")
    return [f"{dependency.condition}:{job.job_id}" for job in jobs if job is not None]


def is_all_done(folder: SubmissionFolder, plan: SubmissionPlan) -> bool:
    """Whether all elements of a submission are done, by their markers."""
    names = {path.name for path in folder.markers.iterdir()} if folder.markers.is_dir() else set()
    return all(folder.done(element).name in names for element in plan.elements)


def _first_links(plan: SubmissionPlan) -> list[int]:
    return [piece.index for piece in plan.pieces if piece.link == 0]


def _last_links(plan: SubmissionPlan) -> list[int]:
    """The last member of each chain: whatever those before it left undone is its work."""
    last = {(piece.first, piece.count): piece.index for piece in sorted(plan.pieces, key=lambda piece: piece.link)}
    return sorted(last.values())
