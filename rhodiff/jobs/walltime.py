"""Time limits as people write them."""

import re

from rhodiff.errors import ConfigError

__all__ = ["describe_walltime", "parse_walltime"]

CLOCK = re.compile(r"(?:(\d+)-)?(\d+):([0-5]\d):([0-5]\d)")


def parse_walltime(text: str) -> int:
    """Minutes of a time limit, rounded up: ``90``, ``01:30:00`` or ``1-12:00:00``.

    Raises:
        ConfigError: for anything else, zero included.
    """
    match = CLOCK.fullmatch(text)
    if match is not None:
        days, hours, minutes, seconds = (int(part or 0) for part in match.groups())
        total = (24 * days + hours) * 60 + minutes + (seconds > 0)
    else:
        total = int(text) if text.isdecimal() else 0
    if total < 1:
        raise ConfigError(f"--time {text!r}: write minutes or [D-]HH:MM:SS, e.g. 90, 01:30:00 or 1-12:00:00")
    return total


def describe_walltime(minutes: int) -> str:
    """``1 d 12 h 30 min``, without what is zero."""
    hours, rest = divmod(minutes, 60)
    days, hours = divmod(hours, 24)
    parts = [f"{number} {unit}" for number, unit in ((days, "d"), (hours, "h"), (rest, "min")) if number]
    return " ".join(parts) or "0 min"
