"""Why elements stand as they do: equal causes together, with the evidence and the command that goes on."""

import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

from rhodiff.errors import DataError
from rhodiff.jobs.attempts import Attempt
from rhodiff.jobs.details import read_histories, reason_of
from rhodiff.jobs.element_state import ElementState, ElementStatus
from rhodiff.jobs.failure import Failure, read_failure
from rhodiff.jobs.failure_advice import advise_failure
from rhodiff.jobs.handover import is_all_done
from rhodiff.jobs.node_evidence import judge_nodes, tally_text
from rhodiff.jobs.pending_reasons import explain_pending
from rhodiff.jobs.state import SubmissionState
from rhodiff.jobs.submission_plan import read_plan
from rhodiff.store.layout import SubmissionFolder

__all__ = ["MOST_EXPLAINED", "Finding", "explain"]

MOST_EXPLAINED = 200
"""Failures of a submission whose files are read."""
MOST_TRIED = 20
"""Running elements whose attempts are told."""
JOB = re.compile(r"\bjob \d[\w-]*(, \d[\w-]*)*")
"""What reasons that are the same may differ in."""


@dataclass(frozen=True)
class Finding:
    """Elements of a submission that stand as they do for one reason.

    Attributes:
        state: how they stand.
        elements: which.
        what: why, one sentence.
        evidence: what speaks for it: nodes, attempts, jobs, expected start.
        lines: lines of a log that tell.
        log: that log.
        advice: what to do; empty where waiting is all.
        expected_start: when the scheduler thinks that the first of them starts, ISO 8601; None where it does not say.
    """

    state: ElementState
    elements: tuple[int, ...]
    what: str
    evidence: tuple[str, ...] = ()
    lines: tuple[str, ...] = ()
    log: Path | None = None
    advice: str = ""
    expected_start: str | None = None


def explain(state: SubmissionState, name: str) -> list[Finding]:
    """Why the elements of a submission that are not done stand as they do.

    Args:
        state: the submission.
        name: how to name it on the command line.
    """
    makers: dict[ElementState, Callable[[_Explainer], list[Finding]]] = {
        ElementState.FAILED: _Explainer.failed,
        ElementState.PENDING: _Explainer.pending,
        ElementState.RUNNING: _Explainer.running,
        ElementState.STOPPED: _Explainer.stopped,
        ElementState.CANCELLED: _Explainer.cancelled,
        ElementState.UNKNOWN: _Explainer.unknown,
        ElementState.NOT_SUBMITTED: _Explainer.not_submitted,
    }
    explainer = _Explainer(state, name)
    return [finding for kind, make in makers.items() if state.of(kind) for finding in make(explainer)]


class _Explainer:
    def __init__(self, state: SubmissionState, name: str) -> None:
        self.state, self.plan, self.name = state, state.plan, name
        self._runs = state.folder.path.parents[2]

    def failed(self) -> list[Finding]:
        statuses = self.state.of(ElementState.FAILED)
        failures = {status.element: read_failure(self.state, status) for status in statuses[:MOST_EXPLAINED]}
        groups: dict[str, list[int]] = {}
        for element, failure in failures.items():
            groups.setdefault(failure.cause, []).append(element)
        findings = [self._failure(elements, failures) for elements in groups.values()]
        rest = tuple(status.element for status in statuses[MOST_EXPLAINED:])
        if rest:
            advice = f"rhodiff-hpc why {self.name}:{rest[0]}-{rest[-1]}"
            findings.append(Finding(ElementState.FAILED, rest, "not looked at: so many failed", advice=advice))
        return findings

    def _failure(self, elements: Sequence[int], failures: dict[int, Failure]) -> Finding:
        first = failures[elements[0]]
        nodes = [failures[element].node for element in elements if failures[element].node]
        bad, why = judge_nodes(nodes, self._nodes_of_done())
        evidence = [f"on {tally_text(nodes)}"] if nodes else []
        evidence += [why] if why else []
        evidence += self._attempts(elements)
        return Finding(
            ElementState.FAILED,
            tuple(elements),
            first.what,
            tuple(evidence),
            first.lines,
            first.log,
            advise_failure(first, self.plan, self.name, bad),
        )

    def _nodes_of_done(self) -> list[str]:
        done = self.state.of(ElementState.DONE)
        return [status.record.nodes for status in done if status.record and status.record.nodes]

    def _attempts(self, elements: Sequence[int], least: int = 2) -> list[str]:
        """Attempts in a row of the first element, where there were several."""
        history = read_histories(self.state, elements[:1]).get(elements[0], ())
        if len(history) < least:
            return []
        which = f" at element {elements[0]}" if len(self.plan.elements) > 1 else ""
        return [
            f"{len(history)} attempt{'s' * (len(history) > 1)}{which}: "
            + "; ".join(_describe(attempt) for attempt in history[-4:])
        ]

    def pending(self) -> list[Finding]:
        groups: dict[str, list[ElementStatus]] = {}
        for status in self.state.of(ElementState.PENDING):
            groups.setdefault(status.reason or (status.record.reason if status.record else ""), []).append(status)
        return [self._waiting(word, group) for word, group in groups.items()]

    def _waiting(self, word: str, group: Sequence[ElementStatus]) -> Finding:
        elements = tuple(status.element for status in group)
        if group[0].reason:
            return Finding(ElementState.PENDING, elements, group[0].reason)
        reason = explain_pending(word)
        allocation = self.plan.allocation
        nodes = f"{allocation.nodes} node{'s' * (allocation.nodes > 1)}"
        asked = f"each job asks for {nodes} for {allocation.walltime_min} min"
        where = f" in the partition {allocation.partition}" if allocation.partition else ""
        starts = sorted(one.record.expected_start for one in group if one.record and one.record.expected_start)
        evidence = [f"{asked}{where}", *self._waited_for(word)]
        evidence += self._attempts(elements, least=1)
        job = (group[0].job or "").partition("_")[0]
        advice = reason.advice.format(job=job)
        if reason.never:
            advice += f"{'; ' if advice else ''}rhodiff-hpc cancel {self.name}   ends it"
        return Finding(
            ElementState.PENDING,
            elements,
            f"{reason.meaning} ({word or 'no reason given'})",
            tuple(evidence),
            advice=advice,
            expected_start=starts[0] if starts else None,
        )

    def _waited_for(self, word: str) -> list[str]:
        if not word.startswith("Dependency"):
            return []
        found = [_describe_other(SubmissionFolder(self._runs / other.submission)) for other in self.plan.after]
        is_chain = any(piece.after for piece in self.plan.pieces)
        return [f"waits for {text}" for text in found] or ["waits for the job before it in its chain"] * is_chain

    def running(self) -> list[Finding]:
        """Only what needed several attempts: nothing is to be said of the others."""
        tried = {
            one.element: self._attempts([one.element]) for one in self.state.of(ElementState.RUNNING)[:MOST_TRIED]
        }
        return [
            Finding(ElementState.RUNNING, (element,), "at work again", tuple(evidence))
            for element, evidence in tried.items()
            if evidence
        ]

    def stopped(self) -> list[Finding]:
        return self._by_reason(ElementState.STOPPED, f"rhodiff-hpc retry {self.name}   goes on where it stopped")

    def cancelled(self) -> list[Finding]:
        folder, elements = (
            self.state.folder,
            tuple(status.element for status in self.state.of(ElementState.CANCELLED)),
        )
        by_hand = folder.cancelled.exists() or any(folder.cancelled_element(element).exists() for element in elements)
        unmet = [] if by_hand else self._unmet()
        if not unmet:
            return self._by_reason(ElementState.CANCELLED, f"rhodiff-hpc retry {self.name}   takes it up again")
        advice = f"mend that first; then rhodiff-hpc retry {self.name}, or the same submit again for all of them"
        what = f"it waited for what did not succeed: {', '.join(unmet)}"
        return [Finding(ElementState.CANCELLED, elements, what, advice=advice)]

    def _unmet(self) -> list[str]:
        """What this submission waited for that is not done: where it never can be, Slurm cancels what waits."""
        others = [self._runs / other.submission for other in self.plan.after if other.condition == "afterok"]
        return [_describe_other(SubmissionFolder(path)) for path in others if not _is_done(SubmissionFolder(path))]

    def unknown(self) -> list[Finding]:
        if self.state.silence:
            elements = tuple(status.element for status in self.state.of(ElementState.UNKNOWN))
            return [Finding(ElementState.UNKNOWN, elements, self.state.silence.partition(". ")[0])]
        advice = (
            "where the cluster was set up anew, or the job ended too long ago for Slurm to remember, it is gone: "
            f"rhodiff-hpc retry {self.name}   runs what is not done"
        )
        return self._by_reason(ElementState.UNKNOWN, advice)

    def not_submitted(self) -> list[Finding]:
        return self._by_reason(
            ElementState.NOT_SUBMITTED, f"rhodiff-hpc submit {self.plan.stage}   hands over the rest"
        )

    def _by_reason(self, kind: ElementState, advice: str) -> list[Finding]:
        statuses = self.state.of(kind)
        reasons = {one.element: reason_of(self.state, one) for one in statuses[:MOST_EXPLAINED]}
        groups: dict[str, list[int]] = {}
        for status in statuses:
            reason = reasons.get(status.element, status.reason) or _default_reason(kind)
            groups.setdefault(JOB.sub("its job", reason), []).append(status.element)
        return [Finding(kind, tuple(elements), why, advice=advice) for why, elements in groups.items()]


def _default_reason(kind: ElementState) -> str:
    return "cancelled by hand" if kind is ElementState.CANCELLED else "no reason was recorded"


def _describe(attempt: Attempt) -> str:
    ends = {None: "runs", "again": "ended", "lost": "was lost"}
    text = f"{attempt.number} on {attempt.nodes} {ends.get(attempt.verdict, attempt.verdict)}"
    text += f" after {attempt.elapsed_s:.0f} s" if attempt.elapsed_s is not None else ""
    text += f", {attempt.reason}" if attempt.reason else ""
    return text + (", with nothing new" if attempt.progress is False and attempt.verdict != "done" else "")


def _is_done(folder: SubmissionFolder) -> bool:
    try:
        return is_all_done(folder, read_plan(folder.plan))
    except DataError:
        return False


def _describe_other(folder: SubmissionFolder) -> str:
    try:
        plan = read_plan(folder.plan)
    except DataError:
        return f"{folder.path.name}, whose folder is gone"
    return f"submission {plan.number} ({plan.stage} of {plan.run})"
