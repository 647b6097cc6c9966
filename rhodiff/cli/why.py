"""``rhodiff-hpc why``: why work waits, failed or stopped, and what to do."""

from dataclasses import asdict, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import typer

from rhodiff.cli.console import Console
from rhodiff.cli.job_options import RunWord, SelectorWord, States
from rhodiff.cli.options import ConfigFile, JsonOutput
from rhodiff.errors import SchedulerUnreachableError

if TYPE_CHECKING:
    from rhodiff.jobs.explanation import Finding
    from rhodiff.jobs.state import SubmissionState

__all__ = ["why"]

MARGIN = 16


def why(
    run: RunWord = None,
    selector: SelectorWord = None,
    states: States = None,
    config: ConfigFile = Path("rhodiff.yaml"),
    as_json: JsonOutput = False,
) -> None:
    """Say why work waits, failed or stopped, and what to do."""
    from rhodiff.jobs.element_state import ElementState
    from rhodiff.jobs.explanation import explain
    from rhodiff.jobs.next_step import names_of, taken_on
    from rhodiff.jobs.selection import runs_folder, select, split_words
    from rhodiff.jobs.state import observe_submissions

    name, words = split_words(run, selector)
    seen = observe_submissions(select(runs_folder(config), name, words), records_of_all=True)
    names, heirs = names_of(seen, with_run=name is not None), taken_on(seen)
    shown = []
    for state, number, taken in zip(seen, names, heirs, strict=True):
        left = _left_of(state, taken, states or [])
        shown.append((left, explain(left, number), taken))
    lines = [line for left, findings, taken in shown for line in _draw(left, findings, taken)]
    text = "\n".join(lines).strip("\n") or _nothing_to_say(seen)
    Console(as_json=as_json).result(text, {"submissions": [_plain(state, found) for state, found, _ in shown]})
    if any(state.is_unreachable and state.of(ElementState.UNKNOWN) for state in seen):
        raise typer.Exit(SchedulerUnreachableError.exit_code)


def _left_of(state: "SubmissionState", heirs: dict[int, int], states: list[Any]) -> "SubmissionState":
    """Without elements that a later submission took on, and in the states that were asked for."""
    kept = [one for one in state.elements if one.element not in heirs and (not states or one.state in states)]
    return replace(state, elements=tuple(kept))


def _nothing_to_say(seen: "list[SubmissionState]") -> str:
    from rhodiff.cli.wording import counts_text
    from rhodiff.jobs.element_state import ElementState

    states = [one.state for state in seen for one in state.elements]
    counts = {kind: states.count(kind) for kind in ElementState if kind in states}
    return f"there is nothing to explain: {counts_text(counts)}"


def _draw(state: "SubmissionState", findings: "list[Finding]", heirs: dict[int, int]) -> list[str]:
    from rhodiff.cli.wording import plural

    if not findings:
        return []
    head = f"{state.plan.run}   submission {state.plan.number}, {state.plan.stage}"
    if heirs:
        head += f" ({plural(len(heirs), 'element')} taken on by submission {max(heirs.values())} left out)"
    return [head, *(line for finding in findings for line in _draw_finding(state, finding)), ""]


def _draw_finding(state: "SubmissionState", finding: "Finding") -> list[str]:
    from rhodiff.cli.wording import elements_text, moment, plural, wrapped

    single = len(state.plan.elements) == 1
    count = "" if single else f"{plural(len(finding.elements), 'element')} ({elements_text(finding.elements)}): "
    lines = wrapped(f"{count}{finding.what}", MARGIN, f"  {finding.state.words}")
    if finding.expected_start:
        lines += wrapped(f"expected to start {moment(finding.expected_start)}", MARGIN)
    for text in finding.evidence:
        lines += wrapped(text, MARGIN)
    for text in finding.lines:
        lines += wrapped(text, MARGIN + 2, " " * MARGIN + "| ")
    if finding.log is not None:
        lines.append(f"{'':{MARGIN}}log: {_short(finding.log)}")
    return lines + (wrapped(finding.advice, MARGIN, "          next:") if finding.advice else [])


def _short(path: Path) -> str:
    """A path from here where that is shorter."""
    here = Path.cwd()
    return str(path.relative_to(here)) if path.is_relative_to(here) else str(path)


def _plain(state: "SubmissionState", findings: "list[Finding]") -> dict[str, Any]:
    found = [{**asdict(one), "state": one.state.value, "log": str(one.log) if one.log else None} for one in findings]
    return {"run": state.plan.run, "number": state.plan.number, "stage": state.plan.stage, "findings": found}
