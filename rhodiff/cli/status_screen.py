"""The table of ``rhodiff-hpc status``, as lines of text; nothing is asked or read here."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from rhodiff.cli.wording import WIDTH, counts_text, duration, elements_text, moment, plural, wrapped
from rhodiff.jobs.attempts import Attempt
from rhodiff.jobs.details import Progress
from rhodiff.jobs.element_state import ElementState, ElementStatus
from rhodiff.jobs.pending_reasons import explain_pending
from rhodiff.jobs.state import SubmissionState

__all__ = ["Row", "draw_table"]

MOST_PROGRESS = 3
MOST_LINES = 30
SUSPICIOUS = 0.5
"""Share of the stall time-out without a step that is worth a question."""


@dataclass(frozen=True)
class Row:
    """What is shown of a submission.

    Attributes:
        state: how it stands.
        next_step: what to do about it.
        heirs: unfinished elements that later submissions took on.
        progress: how far running elements are.
        histories: attempts at the elements shown.
        by_element: show the elements one by one.
        reasons: reasons of elements, in words.
    """

    state: SubmissionState
    next_step: str = ""
    heirs: Mapping[int, int] = field(default_factory=dict)
    progress: Mapping[int, Progress] = field(default_factory=dict)
    histories: Mapping[int, tuple[Attempt, ...]] = field(default_factory=dict)
    by_element: bool = False
    reasons: Mapping[int, str] = field(default_factory=dict)


def draw_table(runs: Sequence[Sequence[Row]], *, condensed: bool) -> list[str]:
    """All runs.

    Args:
        runs: rows of each run.
        condensed: one line for a run that is done.
    """
    lines: list[str] = []
    for rows in runs:
        lines += ["", *_draw_run(rows, condensed=condensed)] if lines else _draw_run(rows, condensed=condensed)
    silent = dict.fromkeys(row.state.silence for rows in runs for row in rows if row.state.silence)
    for why in silent:
        lines += ["", *wrapped(why, 9, "unknown:")]
    return lines


def _draw_run(rows: Sequence[Row], *, condensed: bool) -> list[str]:
    """One run: its name, and its submissions below."""
    run = rows[0].state.plan.run
    if condensed and all(_is_done(row) for row in rows):
        return [f"{run}   done, {plural(len(rows), 'submission')}"]
    return [run, *(line for row in rows for line in _draw_submission(row))]


def _is_done(row: Row) -> bool:
    return all(one.state is ElementState.DONE or one.element in row.heirs for one in row.state.elements)


def _draw_submission(row: Row) -> list[str]:
    state = row.state
    jobs = _jobs_text(state)
    name = state.plan.stage + (" --test" if state.plan.is_trial else "")
    head = f"{state.plan.number:>4} {name:<9} "
    lines = wrapped(counts_text(state.count()) + (f"   job {jobs}" if jobs else ""), 15, head)
    if row.by_element:
        return [*lines, *_draw_elements(row)]
    return [*lines, *_running_lines(row), *_waiting_lines(row), *_heir_lines(row), *_next_lines(row)]


def _jobs_text(state: SubmissionState) -> str:
    ids = list(dict.fromkeys(state.jobs.values()))
    if len(ids) > 4:
        return f"{ids[0]} to {ids[-1]} ({len(ids)})"
    return ", ".join(ids)


def _running_lines(row: Row) -> list[str]:
    running = row.state.of(ElementState.RUNNING)
    if len(row.state.elements) == 1:
        return [line for status in running for line in _one_running(row, status)]
    shown = [(status, row.progress[status.element]) for status in running if status.element in row.progress]
    lines = [wrapped(f"{status.element}: {_progress_text(row, beat)}", 15) for status, beat in shown[:MOST_PROGRESS]]
    return [line for several in lines for line in several]


def _one_running(row: Row, status: ElementStatus) -> list[str]:
    record, beat = status.record, row.progress.get(status.element)
    parts = []
    if record is not None and record.elapsed_s:
        parts.append(f"for {duration(record.elapsed_s)} of {duration(60 * row.state.plan.allocation.walltime_min)}")
    if record is not None and record.nodes:
        parts.append(f"on {record.nodes}")
    attempts = row.histories.get(status.element, ())
    if len(attempts) > 1:
        parts.append(f"attempt {len(attempts)}")
    lines = wrapped(status.reason or ", ".join(parts), 15) if status.reason or parts else []
    return [*lines, *(wrapped(_progress_text(row, beat), 15) if beat else [])]


def _progress_text(row: Row, beat: Progress) -> str:
    text = f"{beat.done:,}/{beat.total:,}" + (f", {beat.text}" if beat.text else "")
    if beat.quiet_s is None:
        return text
    limit_s = row.state.plan.rules.stall_timeout_s
    is_long = limit_s is not None and beat.quiet_s > SUSPICIOUS * limit_s
    return f"{text}; last step {duration(beat.quiet_s)} ago" + (": stalled?" if is_long else "")


def _waiting_lines(row: Row) -> list[str]:
    waiting = row.state.of(ElementState.PENDING)
    reasons: dict[str, list[ElementStatus]] = {}
    for status in waiting:
        reasons.setdefault(_why_waiting(status), []).append(status)
    lines = []
    for why, group in reasons.items():
        starts = sorted(one.record.expected_start for one in group if one.record and one.record.expected_start)
        when = f"; expected to start {moment(starts[0])}" if starts else ""
        lines += wrapped(f"pending: {why}{when}", 15)
    return lines


def _why_waiting(status: ElementStatus) -> str:
    if status.reason:
        return status.reason
    return explain_pending(status.record.reason).meaning if status.record else "in the queue"


def _heir_lines(row: Row) -> list[str]:
    if not row.heirs:
        return []
    numbers = elements_text(set(row.heirs.values()))
    return wrapped(f"{plural(len(row.heirs), 'unfinished element')} taken on by submission {numbers}", 15)


def _next_lines(row: Row) -> list[str]:
    """Commands one after another, each on a line of its own where they do not fit on one."""
    if not row.next_step:
        return []
    line = f"{'':15}next: {row.next_step}"
    if len(line) <= WIDTH:
        return [line]
    first, *others = row.next_step.split("   then   ")
    return [f"{'':15}next: {first}", *(f"{'':15}then: {other}" for other in others)]


def _draw_elements(row: Row) -> list[str]:
    """Elements one by one; those that stand alike together, and not more than a screen holds."""
    groups: dict[tuple[object, ...], list[ElementStatus]] = {}
    for status in row.state.elements:
        alone = status.element if status.state is ElementState.RUNNING else None
        groups.setdefault((status.state, _reason(row, status), alone), []).append(status)
    shown = list(groups.values())
    lines = [line for group in shown[:MOST_LINES] for line in _draw_group(row, group)]
    rest = {status.element for group in shown[MOST_LINES:] for status in group}
    return [*lines, *(wrapped(f"and {elements_text(rest)}", 15) if rest else []), *_next_lines(row)]


def _draw_group(row: Row, group: Sequence[ElementStatus]) -> list[str]:
    status = group[0]
    parts = [status.state.words, *(_facts(row, status) if len(group) == 1 else [])]
    reason = _reason(row, status)
    text = ", ".join(parts) + (f": {reason}" if reason else "")
    label = elements_text({one.element for one in group})
    if len(label) > 13:
        return [*wrapped(label, 5), *wrapped(text, 15)]
    return wrapped(text, 15, f"{label:>13} ")


def _reason(row: Row, status: ElementStatus) -> str:
    return (
        _why_waiting(status)
        if status.state is ElementState.PENDING
        else row.reasons.get(status.element) or status.reason
    )


def _facts(row: Row, status: ElementStatus) -> list[str]:
    record, element = status.record, status.element
    attempts = row.histories.get(element, ())
    facts = {
        f"job {status.job}": status.job is not None,
        f"on {record.nodes}" if record else "": record is not None and bool(record.nodes),
        duration(record.elapsed_s) if record else "": record is not None and record.elapsed_s > 0,
        f"attempt {len(attempts)}": len(attempts) > 1,
        _progress_text(row, row.progress[element]) if element in row.progress else "": element in row.progress,
    }
    return [text for text, holds in facts.items() if holds]
