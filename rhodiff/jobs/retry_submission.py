"""Carrying out a retry: look again under the lock, leave out bad nodes, make the new submissions, hand them over."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

from rhodiff.errors import ConfigError
from rhodiff.jobs.attempts import Attempt, read_attempts
from rhodiff.jobs.bad_nodes import BadNode, find_bad_nodes
from rhodiff.jobs.checks import check_allocation
from rhodiff.jobs.element_state import ElementState
from rhodiff.jobs.handover import submit_pieces
from rhodiff.jobs.limits import count_queued_jobs, find_room, read_limits
from rhodiff.jobs.packing import QueueRoom
from rhodiff.jobs.registry import create_submission, hold_submissions, new_token, next_number
from rhodiff.jobs.retrying import RetryNeed, RetryStamp, judge_retries, plan_retry
from rhodiff.jobs.scheduler import Scheduler
from rhodiff.jobs.selection import read_submissions
from rhodiff.jobs.site_files import load_site
from rhodiff.jobs.stage_submission import hand_over
from rhodiff.jobs.state import FindScheduler, SubmissionState, observe_submissions
from rhodiff.jobs.submission_plan import Allocation, Dependency, SubmissionPlan
from rhodiff.store.layout import RunFolder, SubmissionFolder

__all__ = ["PinnedNow", "Retried", "RetryChanges", "RetryOutcome", "retry_run"]


@dataclass(frozen=True)
class PinnedNow:
    """Today's code and settings, in place of those of the original.

    Attributes:
        code: file name of the pinned package.
        config: text of the resolved experiment.
    """

    code: str
    config: str


@dataclass(frozen=True)
class RetryChanges:
    """What is to be different from the original.

    Attributes:
        exclude_bad_nodes: keep off nodes that speak against themselves.
        exclude: more nodes to keep off.
        walltime_min: another time limit.
        memory_gb: another memory a node.
        current: today's code and settings; None: those of the original.
    """

    exclude_bad_nodes: bool = True
    exclude: tuple[str, ...] = ()
    walltime_min: int | None = None
    memory_gb: float | None = None
    current: PinnedNow | None = None


@dataclass(frozen=True)
class Retried:
    """What became of one original submission.

    Attributes:
        need: what of it was to run again.
        plan: the new submission; None where nothing certain is known of its elements.
        folder: its folder; not made on a dry run.
        jobs: piece -> id of its job; empty on a dry run.
        bad_nodes: nodes that are left out, with the evidence.
        remarks: what limits decided.
    """

    need: RetryNeed
    plan: SubmissionPlan | None = None
    folder: SubmissionFolder | None = None
    jobs: Mapping[int, str] = field(default_factory=dict)
    bad_nodes: tuple[BadNode, ...] = ()
    remarks: tuple[str, ...] = ()


@dataclass(frozen=True)
class RetryOutcome:
    """What became of a retry.

    Attributes:
        retried: the originals of which something is to run again, or nothing certain is known.
        completed: submissions that a killed driver had not handed over completely, and that are now.
        live: elements that run or wait already.
    """

    retried: tuple[Retried, ...]
    completed: tuple[SubmissionState, ...] = ()
    live: int = 0


def retry_run(
    run: RunFolder,
    wanted: Mapping[Path, Iterable[int]],
    changes: RetryChanges,
    find: FindScheduler,
    *,
    force: bool = False,
    dry_run: bool = False,
) -> RetryOutcome:
    """Run again what failed, stopped, was cancelled or lost of some submissions of a run.

    Args:
        run: the run.
        wanted: folder of a submission -> its elements that are meant.
        changes: what is to be different.
        find: gives the scheduler of a submission.
        force: run again too what nothing certain is known of.
        dry_run: decide only.

    Raises:
        ConfigError: if a submission was made on another cluster.
        SubmissionRefusedError: if the scheduler or its limits refuse.
    """
    if dry_run:
        return _Retry(run, changes, find, dry_run=True).settle(wanted, force=force)
    with hold_submissions(run.jobs, f"retry of {run.path.name}"):
        return _Retry(run, changes, find, dry_run=False).settle(wanted, force=force)


class _Retry:
    """One retry; the lock is held unless it is a dry run."""

    def __init__(self, run: RunFolder, changes: RetryChanges, find: FindScheduler, *, dry_run: bool) -> None:
        self.run, self.changes, self.find, self.dry_run = run, changes, find, dry_run
        self.states: list[SubmissionState] = []
        self.made: list[SubmissionPlan] = []

    def settle(self, wanted: Mapping[Path, Iterable[int]], *, force: bool) -> RetryOutcome:
        self.states = observe_submissions(read_submissions(self.run), self.find)
        needs = judge_retries(self.states, wanted, force=force)
        stages = {state.plan.stage for state in self.states if state.folder.path in wanted}
        mine = [state for state in self.states if state.plan.stage in stages]
        left = [state for state in mine if state.of(ElementState.NOT_SUBMITTED)]
        for state in left if not self.dry_run else ():
            submit_pieces(self.find(state.folder, state.plan), state.folder, state.plan)
        live = sum(len(state.of(ElementState.RUNNING, ElementState.PENDING)) for state in mine)
        return RetryOutcome(tuple(self._retry(need) for need in needs), tuple(left), live)

    def _retry(self, need: RetryNeed) -> Retried:
        if not need.elements:
            return Retried(need)
        old, folder = need.state.plan, need.state.folder
        scheduler = self.find(folder, old)
        if scheduler.cluster != old.cluster:
            raise ConfigError(
                f"submission {old.number} ran on {old.cluster}, and this is {scheduler.cluster}: retry it there, or "
                f"'rhodiff-hpc submit {old.stage}' here, which runs what is missing"
            )
        bad_nodes = find_bad_nodes(self._histories(old)) if self.changes.exclude_bad_nodes else []
        allocation = self._allocation(old, bad_nodes)
        room, warnings = self._room(old, allocation)
        now = self.changes.current
        stamp = RetryStamp(new_token(), self._number(), None if now is None else now.code)
        plan, packing = plan_retry(need, stamp, room, allocation, self._dependencies(old))
        self.made.append(plan)
        jobs = {} if self.dry_run else self._hand_over(scheduler, folder, plan)
        made = self.run.jobs.submission(plan.cluster, plan.token)
        remarks = (*packing.remarks, *packing.warnings, *warnings)
        return Retried(need, plan, made, jobs, tuple(bad_nodes), remarks)

    def _number(self) -> int:
        return next_number(self.run.jobs) + (len(self.made) if self.dry_run else 0)

    def _allocation(self, old: SubmissionPlan, bad_nodes: Sequence[BadNode]) -> Allocation:
        changes, before = self.changes, old.allocation
        return replace(
            before,
            walltime_min=changes.walltime_min or before.walltime_min,
            memory_gb=changes.memory_gb or before.memory_gb,
            exclude=tuple(dict.fromkeys([*before.exclude, *changes.exclude, *(node.name for node in bad_nodes)])),
        )

    def _room(self, old: SubmissionPlan, allocation: Allocation) -> tuple[QueueRoom, list[str]]:
        """What the queue takes now, and what may keep the jobs waiting."""
        if old.scheduler == "local":
            return QueueRoom(), []
        facts = read_limits()
        room = find_room(facts, allocation, count_queued_jobs(), load_site(old.site).limits)
        return room, check_allocation(allocation, facts)

    def _histories(self, old: SubmissionPlan) -> Iterator[list[Attempt]]:
        """Attempts at the elements of all submissions of this run on the same cluster."""
        for state in self.states:
            if state.plan.cluster == old.cluster:
                yield from (read_attempts(state.folder.attempts(e)) for e in sorted(state.marks.attempted))

    def _dependencies(self, old: SubmissionPlan) -> tuple[Dependency, ...]:
        """What the original waited for and is not done: what runs it now, a retry made just now included."""
        found = [new for before in old.after for new in self._current(before)]
        return tuple(dict.fromkeys(found))

    def _current(self, before: Dependency) -> list[Dependency]:
        state = next((one for one in self.states if _name(one.plan) == before.submission), None)
        if state is None:  # another run's: it is waited for unless it is done
            return [before]
        stage = state.plan.stage
        live = [
            s.plan for s in self.states if s.plan.stage == stage and s.of(ElementState.RUNNING, ElementState.PENDING)
        ]
        again = [plan for plan in self.made if plan.stage == stage]
        return [Dependency(_name(plan), before.condition) for plan in (*live, *again)]

    def _hand_over(self, scheduler: Scheduler, old: SubmissionFolder, plan: SubmissionPlan) -> dict[int, str]:
        now = self.changes.current
        config = old.config.read_text(encoding="utf-8") if now is None else now.config
        folder = create_submission(self.run.jobs, plan, config, scheduler)
        return hand_over(scheduler, folder, plan)


def _name(plan: SubmissionPlan) -> str:
    return f"{plan.run}/jobs/{plan.cluster}-{plan.token}"
