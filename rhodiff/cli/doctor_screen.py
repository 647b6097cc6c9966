"""The screen of ``rhodiff-hpc doctor``: a line for each result, faults with their fix, and the sum at the end."""

import textwrap
from collections.abc import Sequence

from rhodiff.cli.wording import plural
from rhodiff.runtime.health.checks import STATES, Result, Section

__all__ = ["doctor_text"]

WIDTH = 110
MARK = {"ok": "ok", "warning": "WARNING", "fault": "FAULT", "absent": "-"}
COLOUR = {"ok": "32", "warning": "33", "fault": "31", "absent": "2"}
MARK_WIDTH = 9


def doctor_text(head: str, sections: Sequence[Section], missing: Sequence[Result], *, colour: bool = False) -> str:
    """All of it.

    Args:
        head: first line.
        sections: what was found.
        missing: what was demanded and is not there.
        colour: mark states in colour, for a terminal.
    """
    width = max((len(result.name) for section in sections for result in section.results), default=0) + 2
    lines = [head]
    for section in sections:
        lines += ["", section.title]
        lines += [line for result in section.results for line in _result_lines(result, width, colour=colour)]
    return "\n".join([*lines, "", *_sum_lines(sections, missing)])


def _result_lines(result: Result, width: int, *, colour: bool) -> list[str]:
    mark = MARK[result.state]
    shown = f"\x1b[{COLOUR[result.state]}m{mark}\x1b[0m" if colour else mark
    indent = 2 + MARK_WIDTH + width
    first, *rest = _wrapped(result.found, WIDTH - indent)
    lines = [f"  {shown}{' ' * (MARK_WIDTH - len(mark))}{result.name:<{width}}{first}"]
    lines += [" " * indent + line for line in rest]
    if result.fix:
        first, *rest = _wrapped(result.fix, WIDTH - indent - 5)
        lines += [f"{'':<{indent}}fix: {first}", *(" " * (indent + 5) + line for line in rest)]
    return lines


def _wrapped(text: str, width: int) -> list[str]:
    lines = [
        line
        for part in text.splitlines()
        for line in textwrap.wrap(part, max(width, 40), break_long_words=False, break_on_hyphens=False)
    ]
    return lines or [""]


def _sum_lines(sections: Sequence[Section], missing: Sequence[Result]) -> list[str]:
    states = [result.state for section in sections for result in section.results]
    words = {"fault": "fault", "warning": "warning"}
    counts = [plural(states.count(state), words[state]) for state in STATES if state in words]
    counts += [f"{states.count('ok')} ok", f"{states.count('absent')} not there"]
    lines = [", ".join(counts)]
    for result in missing:
        lines += textwrap.wrap(f"demanded and missing: {result.name}: {result.found}", WIDTH, subsequent_indent="  ")
    return lines
