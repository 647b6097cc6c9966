"""Waiting at the terminal until submissions have ended."""

import time
from collections.abc import Sequence

import typer

from rhodiff.cli.console import Console
from rhodiff.cli.wording import counts_text, plural
from rhodiff.jobs.element_state import ElementState
from rhodiff.jobs.selection import Selected
from rhodiff.jobs.state import SubmissionState, observe_submissions

__all__ = ["wait_for"]

LOOK_S = 15.0
"""Pause between questions to the scheduler, which all users share."""
FIRST_LOOKS_S = (1.0, 2.0, 4.0, 8.0)
"""Short jobs end soon."""


def wait_for(console: Console, chosen: Sequence[Selected]) -> None:
    """Wait until nothing of some submissions runs or waits any more.

    Raises:
        typer.Exit: with code 1 if something of them is not done then.
    """
    if not chosen:
        return
    pauses = list(FIRST_LOOKS_S)
    console.begin(chosen[0].plan.stage)
    while True:
        states = observe_submissions(chosen)
        _show(console, states)
        if not any(one.state.may_go_on_by_itself for state in states for one in state.elements):
            break
        time.sleep(pauses.pop(0) if pauses else LOOK_S)
    unfinished = [state for state in states if len(state.of(ElementState.DONE)) < len(state.elements)]
    if unfinished:
        left = sum(len(state.elements) - len(state.of(ElementState.DONE)) for state in unfinished)
        plan = unfinished[0].plan
        console.error(f"{plural(left, 'part')} not done: 'rhodiff-hpc why {plan.run} {plan.number}' says why")
        raise typer.Exit(1)


def _show(console: Console, states: Sequence[SubmissionState]) -> None:
    elements = [one for state in states for one in state.elements]
    done = sum(one.state is ElementState.DONE for one in elements)
    states_of = [one.state for one in elements]
    counts = {state: states_of.count(state) for state in ElementState if state in states_of}
    console.progress(done, len(elements), counts_text(counts))
