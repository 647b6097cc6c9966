"""What a submission costs at most, and what it leaves on disk: counted before anything is handed over.

    node-hours = jobs x nodes x walltime

once for all elements. Links of a chain cost the same again only as far as the work needs them, and so does a job that
is put back into the queue; both are noted apart. Jobs that share nodes are charged by most sites for the cores that
they hold: core-hours are given beside the node-hours.
"""

from dataclasses import dataclass

from rhodiff.jobs.sites import Charge
from rhodiff.jobs.submission_plan import SubmissionPlan

__all__ = ["SubmissionCost", "cost_submission"]

FILES_OF_A_SUBMISSION = 3
"""Its plan, its experiment and the record of its calls."""
FOLDERS_OF_A_SUBMISSION = 3
"""Its own, that of its markers and that of its logs."""
FILES_OF_A_PIECE = 3
"""Script, answer and claim."""
MARKERS_OF_AN_ELEMENT = 2
"""Its attempts, and how it ended."""


@dataclass(frozen=True)
class SubmissionCost:
    """Upper bounds.

    Attributes:
        node_hours: of all jobs, each running to its time limit once.
        core_hours: the same for the cores that they ask for.
        chain_node_hours: of all later links, if each is needed to its end.
        charge: what the site charges for the node-hours; None where it has no rate.
        charge_unit: its unit.
        num_files: files of the submission itself.
        num_folders: its folders.
    """

    node_hours: float
    core_hours: float
    chain_node_hours: float
    charge: float | None
    charge_unit: str | None
    num_files: int
    num_folders: int


def cost_submission(plan: SubmissionPlan, charge: Charge | None) -> SubmissionCost:
    """Cost of a submission.

    Args:
        plan: what is to run.
        charge: the site's rate, if it has one.
    """
    allocation = plan.allocation
    node_hours = plan.num_jobs * allocation.nodes * allocation.walltime_min / 60
    chain = sum(piece.count for piece in plan.pieces if piece.link > 0)
    return SubmissionCost(
        node_hours=node_hours,
        core_hours=node_hours * allocation.tasks_per_node * allocation.cpus_per_task,
        chain_node_hours=chain * allocation.nodes * allocation.walltime_min / 60,
        charge=None if charge is None else node_hours * charge.per_node_hour,
        charge_unit=None if charge is None else charge.unit,
        num_files=_num_files(plan),
        num_folders=FOLDERS_OF_A_SUBMISSION,
    )


def _num_files(plan: SubmissionPlan) -> int:
    """Logs of all jobs, links too, markers of all elements, and what belongs to pieces and submission."""
    num_logs = sum(piece.count for piece in plan.pieces)
    of_pieces = FILES_OF_A_PIECE * len(plan.pieces)
    return num_logs + MARKERS_OF_AN_ELEMENT * len(plan.elements) + of_pieces + FILES_OF_A_SUBMISSION
