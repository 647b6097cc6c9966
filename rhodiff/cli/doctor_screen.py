"""The screen of ``rhodiff-hpc doctor``: a line for each result, faults with their fix, and the sum at the end."""

import re
import textwrap
from collections.abc import Mapping, Sequence
from typing import Any

from rhodiff.cli.wording import plural
from rhodiff.runtime.health.checks import STATES, Result, Section

__all__ = ["coloured", "doctor_text"]

WIDTH = 110
MARK = {"ok": "ok", "warning": "WARNING", "fault": "FAULT", "absent": "-"}
COLOUR = {"ok": "32", "warning": "33", "fault": "31", "absent": "2"}
MARK_WIDTH = 9


def doctor_text(
    head: str, sections: Sequence[Section], missing: Sequence[Result], all_reduce: Sequence[Mapping[str, Any]] = ()
) -> str:
    """All of it.

    Args:
        head: first line.
        sections: what was found.
        missing: what was demanded and is not there.
        all_reduce: times by backend, as :meth:`rhodiff.runtime.health.all_reduce.BackendTimes.to_plain` gives them.
    """
    width = max((len(result.name) for section in sections for result in section.results), default=0) + 2
    lines = [head]
    for section in sections:
        lines += ["", section.title]
        lines += [line for result in section.results for line in _result_lines(result, width)]
    return "\n".join([*lines, *_times_table(all_reduce), "", *_sum_lines(sections, missing)])


def coloured(text: str) -> str:
    """The screen with its states in colour, for a terminal."""
    for state, mark in MARK.items():
        text = re.sub(rf"^  {mark} ", f"  \x1b[{COLOUR[state]}m{mark}\x1b[0m ", text, flags=re.MULTILINE)
    return text


def _result_lines(result: Result, width: int) -> list[str]:
    mark = MARK[result.state]
    indent = 2 + MARK_WIDTH + width
    first, *rest = _wrapped(result.found, WIDTH - indent)
    lines = [f"  {mark:<{MARK_WIDTH}}{result.name:<{width}}{first}"]
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


def _times_table(all_reduce: Sequence[Mapping[str, Any]]) -> list[str]:
    """Time and algorithm bandwidth of each size, a column a backend."""
    shown = [one for one in all_reduce if one["times"]]
    if not shown:
        return []
    heads = [f"{one['backend']} ({one['device']})" for one in shown]
    lines = ["", f"all-reduce of {shown[0]['num_processes']} processes: median time, and bytes of the buffer over it"]
    lines.append("  " + f"{'size':>8}" + "".join(f"{head:>26}" for head in heads))
    for size in sorted({row["size_bytes"] for one in shown for row in one["times"]}):
        cells = [_cell(one["times"], size) for one in shown]
        lines.append(f"  {_short_size(size):>8}" + "".join(f"{cell:>26}" for cell in cells))
    return lines


def _cell(times: Sequence[Mapping[str, Any]], size: int) -> str:
    """Time and bandwidth of one size; a dash where the time did not suffice for it."""
    row = next((row for row in times if row["size_bytes"] == size), None)
    return "-" if row is None else f"{_short_time(row['seconds'])}{row['gb_per_s']:>9.3f} GB/s"


def _short_time(seconds: float) -> str:
    return (
        f"{1e6 * seconds:.0f} us"
        if seconds < 1e-3
        else f"{1e3 * seconds:.2f} ms"
        if seconds < 1
        else f"{seconds:.2f} s"
    )


def _short_size(size_bytes: int) -> str:
    return f"{size_bytes / 1e6:.3g} MB" if size_bytes >= 1e6 else f"{size_bytes / 1e3:.3g} kB"


def _sum_lines(sections: Sequence[Section], missing: Sequence[Result]) -> list[str]:
    states = [result.state for section in sections for result in section.results]
    words = {"fault": "fault", "warning": "warning"}
    counts = [plural(states.count(state), words[state]) for state in STATES if state in words]
    counts += [f"{states.count('ok')} ok", f"{states.count('absent')} not there"]
    lines = [", ".join(counts)]
    for result in missing:
        lines += textwrap.wrap(f"demanded and missing: {result.name}: {result.found}", WIDTH, subsequent_indent="  ")
    return lines
