"""The body of a job: runs the job's elements, and decides with each end what becomes of the job.

It promises that an element whose done marker is there is never run again; that no element is tried more often than
the rules say; that a job which a user cancels is not put back into the queue; and that all elements of a job are
tried before it leaves with another code than 0.
"""

import time
from collections import deque
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from typing import Literal

from rhodiff.errors import RhodiffError, StoppedEarly
from rhodiff.jobs.attempts import Attempt, write_end
from rhodiff.jobs.element_attempt import ElementAttempt, close_lost_attempt
from rhodiff.jobs.requeue import exclude_nodes, requeue
from rhodiff.jobs.stop_signals import StopSignals
from rhodiff.jobs.submission_plan import Piece, SubmissionPlan
from rhodiff.jobs.suspects import find_suspects
from rhodiff.jobs.this_job import ThisJob
from rhodiff.jobs.verdict import Verdict, exhaustion, speaks_against_node
from rhodiff.store.files import write_json
from rhodiff.store.journal import utc_now
from rhodiff.store.layout import SubmissionFolder

__all__ = ["JobBody"]

Outcome = Literal["waiting", "done", "failed", "stopped", "again", "cancelled"]

POLL_S = 0.05
REQUEUED_PATIENCE_S = 300.0
SHARE_OF_MARGIN = 0.75
"""Of the time between the request to stop and the time limit, what an element gets before it is ended."""


class JobBody:
    """Runs one job.

    Args:
        folder: folder of the submission.
        plan: its plan.
        piece: the piece that the job belongs to.
        job: the job.
        signals: what the job was told.
        environment: the body's environment.
        log: takes what the body has to say.
        write: takes lines that elements print.
    """

    def __init__(
        self,
        folder: SubmissionFolder,
        plan: SubmissionPlan,
        piece: Piece,
        job: ThisJob,
        signals: StopSignals,
        environment: Mapping[str, str],
        log: Callable[[str], None],
        write: Callable[[str], None],
    ) -> None:
        self.folder, self.plan, self.piece, self.job = folder, plan, piece, job
        self.signals, self.environment, self.log, self._write = signals, environment, log, write
        elements = plan.elements_of(piece.first + job.index)
        self.outcomes: dict[int, Outcome] = dict.fromkeys(elements, "waiting")
        self._suspects: set[str] = set()

    def run(self) -> int:
        """Run all elements; returns the exit code of the job."""
        todo = list(self.outcomes)
        while todo:
            self._run_elements(todo)
            todo = self._settle()
        found = set(self.outcomes.values())
        if "failed" in found:
            return RhodiffError.exit_code
        return StoppedEarly.exit_code if found - {"done"} else 0

    def _run_elements(self, elements: Sequence[int]) -> None:
        waiting, running = deque(elements), list[ElementAttempt]()
        while running or (waiting and not self.signals.asked):
            while waiting and len(running) < self.plan.side_by_side and not self.signals.asked:
                started = self._started(waiting.popleft())
                running += [started] if started is not None else []
            self._pass_on_signals(running)
            running = [attempt for attempt in running if not self._has_ended(attempt)]
            if running:
                time.sleep(POLL_S)

    def _started(self, element: int) -> ElementAttempt | None:
        """Start an element, unless it needs or may have no further attempt."""
        if self._is_settled(element):
            return None
        attempts, was_lost = close_lost_attempt(self.folder, self.plan, element)
        if was_lost:
            self.log(f"element {element}: attempt {len(attempts)} was killed together with its job's body")
        reason = exhaustion(attempts, self.plan.rules)
        if reason is not None:
            self._fail(element, attempts[-1], reason, [])
            return None
        number = len(attempts) + 1
        self.log(f"element {element}: attempt {number} on {self.job.nodes}")
        try:
            return ElementAttempt(self.folder, self.plan, self.job, element, number, self.environment, self._write)
        except RhodiffError as error:
            attempts, _ = close_lost_attempt(self.folder, self.plan, element)
            self._fail(element, attempts[-1] if attempts else None, str(error), [])
            return None

    def _is_settled(self, element: int) -> bool:
        """Whether markers say that there is nothing to do."""
        found: Outcome | None = None
        if self.folder.done(element).exists():
            found = "done"
        elif self._is_cancelled(element):
            found = "cancelled"
        elif self.folder.failed(element).exists():
            found = "failed"
        if found is None:
            return False
        self.log(f"element {element}: {found} before")
        self.outcomes[element] = found
        return True

    def _is_cancelled(self, element: int) -> bool:
        return self.folder.cancelled.exists() or self.folder.cancelled_element(element).exists()

    def _pass_on_signals(self, running: Sequence[ElementAttempt]) -> None:
        if not self.signals.asked:
            return
        for attempt in running:
            attempt.ask_to_stop(self.signals.reason or "the job was asked to stop")
        if self._patience_is_over():
            for attempt in running:
                attempt.end()

    def _patience_is_over(self) -> bool:
        now, rules = time.monotonic(), self.plan.rules
        if self.signals.ended_at is not None:
            return now - self.signals.ended_at > rules.patience_after_term_s
        return now - (self.signals.asked_at or now) > SHARE_OF_MARGIN * rules.stop_margin_s

    def _has_ended(self, attempt: ElementAttempt) -> bool:
        ending = attempt.poll()
        if ending is None:
            return False
        self._take_in(attempt, *ending)
        return True

    def _take_in(self, attempt: ElementAttempt, record: Attempt, verdict: Verdict) -> None:
        """Record how an attempt ended, the marker last."""
        element, rules = attempt.element, self.plan.rules
        suspect = speaks_against_node(verdict, record.elapsed_s or 0.0, progress=record.progress is True, rules=rules)
        if suspect:
            nodes = find_suspects(self.job, attempt.last_lines)
            self._suspects |= set(nodes)
            record = replace(record, suspect=nodes)
        attempts, _ = self._recorded(element, record)
        self.log(_describe(element, record))
        self.outcomes[element] = verdict.kind
        if verdict.kind == "done":
            write_json(self.folder.done(element), {**_facts(element, record), "elapsed_s": record.elapsed_s})
        elif verdict.kind == "failed":
            self._fail(element, record, verdict.reason, attempt.last_lines)
        else:
            reason = exhaustion(attempts, rules)
            if reason is not None:
                self._fail(element, record, f"{verdict.reason}; {reason}", attempt.last_lines)

    def _recorded(self, element: int, record: Attempt) -> tuple[list[Attempt], bool]:
        write_end(self.folder.attempts(element), record)
        return close_lost_attempt(self.folder, self.plan, element)

    def _fail(self, element: int, record: Attempt | None, reason: str, last_lines: Sequence[str]) -> None:
        self.outcomes[element] = "failed"
        self.log(f"element {element}: failed for good: {reason}")
        facts = {} if record is None else _facts(element, record) | {"exit_code": record.exit_code}
        write_json(self.folder.failed(element), {**facts, "reason": reason, "last_lines": list(last_lines)})

    def _settle(self) -> list[int]:
        """What becomes of the job now that all elements were tried; returns those to try again here and now."""
        unfinished = [element for element, found in self.outcomes.items() if found in {"waiting", "stopped", "again"}]
        if unfinished and self.signals.is_ending:
            self._await_the_end()
        for element in unfinished:
            if self._is_cancelled(element):
                self.outcomes[element] = "cancelled"
        unfinished = [element for element in unfinished if self.outcomes[element] != "cancelled"]
        if not unfinished or self._has_gone_back():
            return []
        again = [element for element in unfinished if self.outcomes[element] == "again"]
        if again and not self.signals.asked and not self._has_successor():
            return again
        for element in unfinished:
            self.outcomes[element] = "stopped"
            content = {"element": element, "job": self.job.name, "time": utc_now(), "reason": self.signals.reason}
            write_json(self.folder.stopped(element), content)
        return []

    def _await_the_end(self) -> None:
        """Leave it to the scheduler, which is ending this job, whether it goes back into the queue."""
        if self.plan.scheduler == "local" or self.folder.cancelled.exists():
            return
        self.log("waiting for Slurm to end this job, or to put it back into the queue")
        until = (self.signals.ended_at or 0.0) + self.plan.rules.patience_after_term_s
        while time.monotonic() < until and not self.folder.cancelled.exists():
            time.sleep(POLL_S)

    def _has_gone_back(self) -> bool:
        """Whether this job is in the queue again, as far as we can do that."""
        if not self.plan.rules.may_requeue:
            self.log("this job does not go back into the queue: the site does not allow that")
            return False
        if self.plan.scheduler == "local":
            return not self.signals.is_ending
        refusal = requeue(self.job)
        if refusal is not None:
            self.log(f"this job does not go back into the queue: {refusal}")
            return False
        if self._suspects:
            exclude_nodes(self.job, sorted(self._suspects), self.plan.allocation.nodes, self.log)
        self.log(f"job {self.job.name} goes back into the queue")
        time.sleep(REQUEUED_PATIENCE_S)
        return True

    def _has_successor(self) -> bool:
        """Whether a later member of a chain goes on with this job's elements."""
        mine = self.piece.first + self.job.index
        return any(p.link > self.piece.link and p.first <= mine < p.first + p.count for p in self.plan.pieces)


def _facts(element: int, record: Attempt) -> dict[str, object]:
    return {
        "element": element,
        "job": record.job,
        "attempt": record.number,
        "nodes": record.nodes,
        "host": record.host,
        "time": utc_now(),
    }


def _describe(element: int, record: Attempt) -> str:
    text = f"element {element}: attempt {record.number} {record.verdict} after {record.elapsed_s:.1f} s"
    suspicion = f"; {', '.join(record.suspect)} may be the reason" if record.suspect else ""
    return text + (f": {record.reason}" if record.reason else "") + suspicion
