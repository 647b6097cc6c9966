"""Whether the training of a run has ended for now, by the marks of its newest submission: no scheduler is asked."""

from rhodiff.jobs.marks import read_marks
from rhodiff.jobs.selection import read_submissions
from rhodiff.store.layout import RunFolder

__all__ = ["why_training_ended"]

WORDS = {
    "failed": "it failed",
    "cancelled": "it was cancelled",
    "stopped": "its job stopped and did not go back into the queue",
}


def why_training_ended(run: RunFolder) -> str | None:
    """Why the training that was submitted last does not go on by itself; None where it may, or is done.

    A training that somebody runs by hand has no submission; nothing is known of it here.

    Args:
        run: folder of the run.
    """
    found = [one for one in read_submissions(run) if one.plan.stage == "train" and not one.plan.is_trial]
    if not found:
        return None
    newest = found[-1]
    marks = read_marks(newest.folder)
    if marks.is_cancelled:
        return f"submission {newest.plan.number}: {WORDS['cancelled']}"
    ended = marks.final.get(newest.plan.elements[0])
    has_links = any(piece.link > 0 for piece in newest.plan.pieces)
    if ended not in WORDS or marks.heartbeats or (ended == "stopped" and has_links):
        return None
    return f"submission {newest.plan.number}: {WORDS[ended]}"
