"""Running again what failed, stopped, was cancelled or lost, and nothing else.

For each submission that elements failed in, one new submission of just those, from its own pinned code and settings.
An element that several submissions covered stands as in the newest of them; what is done in any of them is done. How
an element stands is asked again under the lock of the run's submissions, so that of several retries at a time one
submits and the others find nothing left to do.
"""

import getpass
import socket
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

from rhodiff.jobs.element_state import ElementState
from rhodiff.jobs.packing import Packing, PackingWishes, QueueRoom, pack_elements
from rhodiff.jobs.state import SubmissionState
from rhodiff.jobs.submission_plan import Allocation, Dependency, SubmissionPlan
from rhodiff.store.journal import utc_now
from rhodiff.store.layout import RunFolder, SubmissionFolder

__all__ = ["RetryNeed", "RetryStamp", "judge_retries", "plan_retry"]

RETRIED = (ElementState.FAILED, ElementState.STOPPED, ElementState.CANCELLED)
ALIVE = (ElementState.RUNNING, ElementState.PENDING)


@dataclass(frozen=True)
class RetryNeed:
    """What of one submission is to run again.

    Attributes:
        state: the submission.
        elements: elements to run again, ascending.
        unknown: elements of which nothing certain is known, with the reason; they are left alone.
    """

    state: SubmissionState
    elements: tuple[int, ...]
    unknown: Mapping[int, str] = field(default_factory=dict)


@dataclass(frozen=True)
class RetryStamp:
    """What tells the new submission from all others.

    Attributes:
        token: 8 hexadecimal digits.
        number: its number within the run.
        code: file name of the pinned package; None: that of the original submission.
    """

    token: str
    number: int
    code: str | None = None


def judge_retries(
    states: Sequence[SubmissionState], wanted: Mapping[Path, Iterable[int]], *, force: bool
) -> list[RetryNeed]:
    """What is to run again.

    Args:
        states: all submissions of a run, in the order of their numbers.
        wanted: folder of a submission -> its elements that are meant; where a later submission took one over, that
            one counts.
        force: run again too what nothing certain is known of.
    """
    newest = _newest(states)
    meant = {_work(one.plan, element) for one in states for element in wanted.get(one.folder.path, ())}
    found = []
    for state in states:
        mine = [
            status
            for status in state.elements
            if (work := _work(state.plan, status.element)) in meant and newest.get(work) == (state.plan.number, False)
        ]
        retried = (*RETRIED, ElementState.UNKNOWN) if force else RETRIED
        elements = tuple(sorted(status.element for status in mine if status.state in retried))
        unknown = {s.element: s.reason for s in mine if s.state is ElementState.UNKNOWN and not force}
        if elements or unknown:
            found.append(RetryNeed(state, elements, unknown))
    return found


def _work(plan: SubmissionPlan, element: int) -> tuple[str, int, int]:
    """Names what an element does, whichever submission it is in."""
    return plan.stage, plan.num_parts, element


def _newest(states: Sequence[SubmissionState]) -> dict[tuple[str, int, int], tuple[int, bool]]:
    """For each piece of work the number of the newest submission, and whether it is settled: done, or under way."""
    found: dict[tuple[str, int, int], tuple[int, bool]] = {}
    for state in states:
        if state.plan.is_trial:
            continue
        for status in state.elements:
            work = _work(state.plan, status.element)
            settled = status.state is ElementState.DONE or status.state in ALIVE
            found[work] = (state.plan.number, settled or found.get(work, (0, False))[1])
    return found


def plan_retry(
    need: RetryNeed, stamp: RetryStamp, room: QueueRoom, allocation: Allocation, after: tuple[Dependency, ...] = ()
) -> tuple[SubmissionPlan, Packing]:
    """The submission that runs elements again: that of the original, for these elements alone.

    They are spread over as many jobs as before, where there were several elements a job.

    Args:
        need: what is to run again.
        stamp: token and number.
        room: what the scheduler takes now.
        allocation: what a job asks for: that of the original with what is to be different.
        after: submissions to wait for.
    """
    old = need.state.plan
    wishes = PackingWishes(
        pack=max(old.side_by_side, -(-len(need.elements) // old.num_jobs)),
        side_by_side=old.side_by_side,
        throttle=old.pieces[0].throttle,
        chain=1 + max(piece.link for piece in old.pieces),
    )
    packing = pack_elements(len(need.elements), wishes, room)
    lane_cpus = old.allocation.cpus_per_task // old.side_by_side
    plan = replace(
        old,
        token=stamp.token,
        number=stamp.number,
        created=utc_now(),
        user=getpass.getuser(),
        host=socket.gethostname(),
        command=_moved(old.command, need.state.folder, stamp.token, old.cluster),
        elements=need.elements,
        pack=packing.pack,
        side_by_side=packing.side_by_side,
        allocation=replace(allocation, cpus_per_task=lane_cpus * packing.side_by_side),
        pieces=packing.pieces,
        code=stamp.code or old.code,
        after=after,
    )
    return plan, packing


def _moved(command: Sequence[str], old: SubmissionFolder, token: str, cluster: str) -> tuple[str, ...]:
    """The command with the settings of the new submission's folder, wherever the run was when the old was made."""
    there = "/".join(old.config.parts[-2:])
    config = str(RunFolder(old.path.parent.parent).jobs.submission(cluster, token).config)
    return tuple(config if word.endswith(f"/{there}") else word for word in command)
