"""What a scheduler is to us: it takes jobs, tells about many of them at once, and ends them."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

from rhodiff.jobs.submission_plan import Piece, SubmissionPlan
from rhodiff.store.layout import SubmissionFolder

__all__ = ["JobRecord", "KnownJob", "Scheduler"]


@dataclass(frozen=True)
class KnownJob:
    """A job that we handed to a scheduler.

    Attributes:
        job_id: its id; that of the whole array for an array.
        name: its name, which holds the submission's token. Ids start again at 1 on a cluster set up anew: a record
            counts only if both agree.
    """

    job_id: str
    name: str


@dataclass(frozen=True)
class JobRecord:
    """What the scheduler says of a job, or of one task of an array.

    Attributes:
        job_id: id of the job; that of the whole array for an array task.
        name: name of the job.
        index: index in the array; None for a single job.
        state: Slurm's word, e.g. ``PENDING``, ``RUNNING``, ``COMPLETED``, ``NODE_FAIL``.
        reason: why it waits or ended, in Slurm's word; empty where there is none.
        nodes: its nodes in Slurm's notation; empty before it starts.
        num_nodes: number of its nodes.
        elapsed_s: seconds that its last attempt has run.
        expected_start: when the scheduler thinks that it starts, ISO 8601; None where it does not say.
        exit_code: exit code as ``code:signal``; None where not known.
        restarts: times it was put back into the queue; None where not known.
        ended: when it ended, ISO 8601 UTC; None while it has not, or where the scheduler does not say.
        total_elapsed_s: seconds that all its attempts have run together; None where only the last is known.
    """

    job_id: str
    name: str
    index: int | None
    state: str
    reason: str = ""
    nodes: str = ""
    num_nodes: int = 0
    elapsed_s: float = 0.0
    expected_start: str | None = None
    exit_code: str | None = None
    restarts: int | None = None
    ended: str | None = None
    total_elapsed_s: float | None = None


class Scheduler(Protocol):
    """Slurm, or this machine's own processes.

    All methods raise :class:`~rhodiff.errors.SchedulerUnreachableError` where there is no answer, or none that can be
    read: that is "unknown", never "finished" or "failed".
    """

    @property
    def cluster(self) -> str:
        """Name of the cluster, or ``local-<host>``: job ids mean something together with it only."""

    def script(self, folder: SubmissionFolder, plan: SubmissionPlan, piece: Piece, after: Sequence[str]) -> str:
        """The exact script of a piece.

        Args:
            folder: folder of the submission.
            plan: its plan.
            piece: which of its pieces.
            after: what it waits for: ``afterok:12``, ``afterany:12``.
        """

    def submit(self, folder: SubmissionFolder, plan: SubmissionPlan, piece: Piece, after: Sequence[str]) -> str:
        """Hand over one piece.

        Returns:
            The id of the job.

        Raises:
            SubmissionRefusedError: if the scheduler refused it: there is no job.
            SubmissionUncertainError: if it may or may not have taken it.
        """

    def recover(self, folder: SubmissionFolder, plan: SubmissionPlan, piece: Piece) -> str | None:
        """Settle what became of a piece that somebody was about to submit, or did submit, and did not see the end.

        Returns:
            The id of its job; None if it is certain that there is none, so that it may be submitted again.

        Raises:
            SubmissionUncertainError: if that cannot be settled now.
        """

    def find(self, names: Sequence[str]) -> dict[str, str]:
        """Ids of the jobs that have one of some names, waiting, running or ended."""

    def observe(self, jobs: Sequence[KnownJob]) -> list[JobRecord]:
        """What is known of jobs, in at most two calls however many they are; unknown ones are left out."""

    def cancel(self, jobs: Sequence[str]) -> None:
        """End jobs: ids, or ``<array>_<index>``; those that have ended already are no error."""
