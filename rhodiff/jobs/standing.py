"""What a stage needs submitted, given how its earlier submissions stand: nothing twice, nothing left out.

The stage's own markers say what is done. What a live submission covers is left to it, whatever became of its single
elements (``retry`` is for those); it must ask for the same as the new one would. The rest is to be submitted.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from rhodiff.errors import RunBusyError
from rhodiff.jobs.element_state import ElementState, ElementStatus
from rhodiff.jobs.submission_plan import Allocation, SubmissionPlan
from rhodiff.store.layout import SubmissionFolder

__all__ = ["Earlier", "Verdict", "judge_need", "refuse_other_settings"]

LIVE = {ElementState.RUNNING, ElementState.PENDING, ElementState.UNKNOWN, ElementState.NOT_SUBMITTED}
"""States of elements that may still be worked on without our doing, or that a killed driver left behind."""
SECTIONS = {
    "prepare": ("data",),
    "train": ("data", "seed", "fields", "model", "diffusion", "training"),
    "sample": ("data", "seed", "fields", "model", "diffusion", "training", "sampling"),
    "evaluate": ("data", "seed", "fields", "model", "diffusion", "training", "sampling", "evaluation"),
}
"""Sections of an experiment that a stage reads; all where it is not listed."""
NOT_RESULTS = ("jobs", "runtime", "paths")


@dataclass(frozen=True)
class Earlier:
    """An earlier submission of the same stage of the same run.

    Attributes:
        folder: its folder.
        plan: its plan.
        states: how its elements stand.
        jobs: piece -> id of its job.
    """

    folder: SubmissionFolder
    plan: SubmissionPlan
    states: Mapping[int, ElementStatus]
    jobs: Mapping[int, str]

    @property
    def is_live(self) -> bool:
        """Whether work may still come of it without our doing."""
        return any(status.state in LIVE for status in self.states.values())

    def describe(self) -> str:
        """``submission 3 (job 12: 4 running, 2 pending)``."""
        states = [status.state for status in self.states.values()]
        counts = ", ".join(f"{states.count(state)} {state.value}" for state in ElementState if state in states)
        jobs = " and ".join(dict.fromkeys(self.jobs.values()))
        return f"submission {self.plan.number} ({f'job {jobs}' if jobs else 'not in the queue yet'}: {counts})"


@dataclass(frozen=True)
class Verdict:
    """What is to be done for a stage.

    Attributes:
        to_submit: parts that a new submission covers; empty: there is nothing to submit.
        live: submissions that work on the stage.
    """

    to_submit: tuple[int, ...]
    live: tuple[Earlier, ...]


def judge_need(wanted: SubmissionPlan, parts_to_do: Sequence[int], earlier: Sequence[Earlier]) -> Verdict:
    """Which parts need a new submission.

    Args:
        wanted: the plan of all parts that are to be done, were there no earlier submission.
        parts_to_do: the parts ``k`` of its ``k/n`` that are not done by the stage's own markers.
        earlier: earlier submissions.

    Raises:
        RunBusyError: if a live submission asks for something else.
    """
    live = tuple(one for one in earlier if one.is_live)
    for one in live:
        _refuse_other_request(wanted, one)
    covered = {element for one in live for element in one.plan.elements}
    return Verdict(tuple(part for part in parts_to_do if part not in covered), live)


def refuse_other_settings(stage: str, ours: Mapping[str, Any], theirs: Mapping[str, Any], live: Earlier) -> None:
    """Refuse to count on a live submission that works with other settings.

    Args:
        stage: name of the stage.
        ours: the experiment as it is now, plain.
        theirs: the one that the submission pinned.
        live: the submission.

    Raises:
        RunBusyError: naming the first key paths that differ.
    """
    sections = SECTIONS.get(stage, tuple(name for name in ours if name not in NOT_RESULTS))
    different = [path for name in sections for path in _differences(ours.get(name), theirs.get(name), name)]
    if different:
        raise RunBusyError(
            f"'{stage}' of this run is live as {live.describe()}, with other settings: {'; '.join(different[:3])}. "
            f"{_what_to_do(live)}"
        )


def _differences(ours: Any, theirs: Any, path: str) -> list[str]:
    if isinstance(ours, Mapping) and isinstance(theirs, Mapping):
        keys = list(dict.fromkeys([*ours, *theirs]))
        return [found for key in keys for found in _differences(ours.get(key), theirs.get(key), f"{path}.{key}")]
    return [] if ours == theirs else [f"{path} {theirs!r} there, {ours!r} now"]


def _refuse_other_request(wanted: SubmissionPlan, live: Earlier) -> None:
    ours, theirs = _request(wanted), _request(live.plan)
    if wanted.cluster != live.plan.cluster:
        ours["cluster"], theirs["cluster"] = wanted.cluster, live.plan.cluster
    different = [f"{name} {theirs[name]} there, {ours[name]} now" for name in ours if ours[name] != theirs[name]]
    if different:
        raise RunBusyError(
            f"'{wanted.stage}' of this run is live as {live.describe()}, and was submitted with other resources: "
            f"{'; '.join(different)}. {_what_to_do(live)}"
        )


def _what_to_do(live: Earlier) -> str:
    return (
        f"Wait for it, or 'rhodiff-hpc cancel {live.plan.run} {live.plan.number}' and submit again: finished work is "
        "kept"
    )


def _request(plan: SubmissionPlan) -> dict[str, Any]:
    """What was asked for, without what limits made of it (elements a job, calls) and nodes excluded by experience."""
    lane = replace(plan.allocation, cpus_per_task=plan.allocation.cpus_per_task // plan.side_by_side, exclude=())
    fields = Allocation.__dataclass_fields__
    links = 1 + max(piece.link for piece in plan.pieces)
    asked = {name: getattr(lane, name) for name in fields if name not in {"options", "exclude"}}
    return {**asked, "options": dict(lane.options), "parts": plan.num_parts, "chain": links}
