"""Numbers, times and lists as the screens about jobs write them."""

import textwrap
from collections.abc import Collection, Mapping
from datetime import datetime

from rhodiff.jobs.element_state import ElementState
from rhodiff.jobs.selection import describe_elements

__all__ = ["WIDTH", "amount", "counts_text", "duration", "elements_text", "moment", "plural", "wrapped"]

WIDTH = 80
MOST_RANGES = 24


def amount(value: float) -> str:
    """Hours, or what they cost: two digits that count, without pretending to more, e.g. ``191,808``, ``0.25``."""
    if value == 0:
        return "0"
    return f"{value:,.0f}" if value >= 100 else f"{value:.2f}" if value >= 0.005 else "<0.01"


def duration(seconds: float) -> str:
    """``45 s``, ``12 min``, ``3 h 05 min``, ``2 d 4 h``."""
    if seconds < 90:
        return f"{seconds:.0f} s"
    minutes = round(seconds / 60)
    if minutes < 60:
        return f"{minutes} min"
    hours, minutes = divmod(minutes, 60)
    if hours < 24:
        return f"{hours} h {minutes:02d} min" if minutes else f"{hours} h"
    days, hours = divmod(hours, 24)
    return f"{days} d {hours} h" if hours else f"{days} d"


def moment(iso: str, now: datetime | None = None) -> str:
    """A time in the reader's own zone: ``14:05`` today, ``Mon 14:05`` within a week, else with the date."""
    there = datetime.fromisoformat(iso).astimezone()
    days = abs((there.date() - (now or datetime.now()).astimezone().date()).days)
    if days == 0:
        return f"{there:%H:%M}"
    return f"{there:%a %H:%M}" if days < 7 else f"{there:%Y-%m-%d %H:%M}"


def plural(count: int, noun: str) -> str:
    """``1 element``, ``2,500 elements``."""
    return f"{count:,} {noun}{'' if count == 1 else 's'}"


def counts_text(counts: Mapping[ElementState, int]) -> str:
    """``1,200 done, 20 running``; the word alone for a single element."""
    if sum(counts.values()) == 1:
        return next(iter(counts)).words
    return ", ".join(f"{count:,} {state.words}" for state, count in counts.items())


def elements_text(elements: Collection[int]) -> str:
    """Numbers as a selector has them; where there are many, so that lines can be broken, and not all of them."""
    ranges = describe_elements(set(elements)).split(",")
    if len(ranges) > MOST_RANGES:
        return ", ".join([*ranges[: MOST_RANGES - 2], "...", ranges[-1]])
    return (", " if len(ranges) > 6 else ",").join(ranges)


def wrapped(text: str, indent: int, first: str = "") -> list[str]:
    """Lines no wider than a terminal; ``first`` stands in the margin of the first one."""
    margin = " " * indent
    return textwrap.wrap(
        text,
        WIDTH,
        initial_indent=first.ljust(indent) if first else margin,
        subsequent_indent=margin,
        break_long_words=False,
        break_on_hyphens=False,
    ) or [first.rstrip()]
