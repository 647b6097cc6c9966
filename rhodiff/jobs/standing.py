"""What a stage needs submitted, given how its earlier submissions stand: nothing twice, nothing left out.

The stage's own markers say what is done. What a live submission covers is left to it, whatever became of its single
elements (``retry`` is for those); it must ask for the same as the new one would. The rest is to be submitted.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from rhodiff.errors import RunBusyError
from rhodiff.jobs.element_state import ElementState
from rhodiff.jobs.state import SubmissionState
from rhodiff.jobs.submission_plan import Allocation, SubmissionPlan

__all__ = ["Need", "describe_live", "differing_settings", "is_live", "judge_need", "refuse_other_settings"]

LIVE = (ElementState.RUNNING, ElementState.PENDING, ElementState.UNKNOWN, ElementState.NOT_SUBMITTED)
"""States of elements that may still be worked on without our doing, or that a killed driver left behind."""
SECTIONS = {
    "prepare": ("data",),
    "train": ("data", "seed", "fields", "model", "diffusion", "training"),
    "sample": ("data", "seed", "fields", "model", "diffusion", "training", "sampling"),
    "evaluate": ("data", "seed", "fields", "model", "diffusion", "training", "sampling", "evaluation"),
    "denoise": ("data", "seed", "fields", "model", "diffusion", "training", "denoising"),
}
"""Sections of an experiment that a stage reads; all where it is not listed."""
NOT_RESULTS = ("jobs", "runtime", "paths")
NOT_COMPARED = ("exclude", "options")


@dataclass(frozen=True)
class Need:
    """What is to be done for a stage.

    Attributes:
        to_submit: parts that a new submission covers; empty: there is nothing to submit.
        live: submissions that work on the stage.
    """

    to_submit: tuple[int, ...]
    live: tuple[SubmissionState, ...]


def is_live(submission: SubmissionState) -> bool:
    """Whether work may still come of a submission without our doing, or what a killed driver left is to be done."""
    return bool(submission.of(*LIVE))


def describe_live(submission: SubmissionState) -> str:
    """``submission 3 (job 12: 4 running, 2 pending)``."""
    counts = ", ".join(f"{number} {state.words}" for state, number in submission.count().items())
    jobs = " and ".join(dict.fromkeys(submission.jobs.values()))
    return f"submission {submission.plan.number} ({f'job {jobs}' if jobs else 'not in the queue yet'}: {counts})"


def judge_need(wanted: SubmissionPlan, parts_to_do: Sequence[int], earlier: Sequence[SubmissionState]) -> Need:
    """Which parts need a new submission.

    Args:
        wanted: the plan of all parts that are to be done, were there no earlier submission.
        parts_to_do: the parts ``k`` of its ``k/n`` that are not done by the stage's own markers.
        earlier: earlier submissions of the same stage of the same run.

    Raises:
        RunBusyError: if a live submission asks for something else.
    """
    live = tuple(one for one in earlier if is_live(one))
    for one in live:
        _refuse_other_request(wanted, one)
    covered = {element for one in live for element in one.plan.elements}
    return Need(tuple(part for part in parts_to_do if part not in covered), live)


def differing_settings(stage: str, ours: Mapping[str, Any], theirs: Mapping[str, Any]) -> list[str]:
    """What differs between two experiments as far as a stage reads them, as ``key.path: theirs there, ours now``.

    Args:
        stage: name of the stage.
        ours: the experiment as it is now, plain.
        theirs: the one that a submission pinned, plain.
    """
    sections = SECTIONS.get(stage, tuple(name for name in ours if name not in NOT_RESULTS))
    return [path for name in sections for path in _differences(ours.get(name), theirs.get(name), name)]


def refuse_other_settings(stage: str, different: Sequence[str], live: SubmissionState) -> None:
    """Refuse to count on a live submission that works with other settings.

    Args:
        stage: name of the stage.
        different: what differs, see :func:`differing_settings`.
        live: the submission.

    Raises:
        RunBusyError: naming the first key paths that differ.
    """
    if different:
        raise RunBusyError(
            f"'{stage}' of this run is live as {describe_live(live)}, with other settings: "
            f"{'; '.join(different[:3])}. {_what_to_do(live)}"
        )


def _differences(ours: Any, theirs: Any, path: str) -> list[str]:
    if isinstance(ours, Mapping) and isinstance(theirs, Mapping):
        keys = list(dict.fromkeys([*ours, *theirs]))
        return [found for key in keys for found in _differences(ours.get(key), theirs.get(key), f"{path}.{key}")]
    return [] if ours == theirs else [f"{path} {theirs!r} there, {ours!r} now"]


def _refuse_other_request(wanted: SubmissionPlan, live: SubmissionState) -> None:
    ours, theirs = _request(wanted), _request(live.plan)
    different = [f"{name} {theirs[name]} there, {ours[name]} now" for name in ours if ours[name] != theirs[name]]
    if different:
        raise RunBusyError(
            f"'{wanted.stage}' of this run is live as {describe_live(live)}, and was submitted with other resources: "
            f"{'; '.join(different)}. {_what_to_do(live)}"
        )


def _what_to_do(live: SubmissionState) -> str:
    return (
        f"Wait for it, or 'rhodiff-hpc cancel {live.plan.run} {live.plan.number}' and submit again: finished work is "
        "kept"
    )


def _request(plan: SubmissionPlan) -> dict[str, Any]:
    """What was asked for, without what limits made of it (elements a job, calls) and nodes excluded by experience."""
    lane = replace(plan.allocation, cpus_per_task=plan.allocation.cpus_per_task // plan.side_by_side)
    asked = {name: getattr(lane, name) for name in Allocation.__dataclass_fields__ if name not in NOT_COMPARED}
    chain = 1 + max(piece.link for piece in plan.pieces)
    return {"cluster": plan.cluster, **asked, "options": dict(lane.options), "parts": plan.num_parts, "chain": chain}
