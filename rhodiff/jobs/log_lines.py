"""The lines of a log that say why something failed."""

import re
from collections.abc import Sequence

__all__ = ["telling_lines"]

MOST_LINES = 5
LONGEST = 400
OURS = re.compile(r"^(\S+Z rhodiff: )?(\[\d+\] )?(\d+: )?error: ")
PYTHON = re.compile(r"^(\[\d+\] )?(\d+: )?[\w.]*(Error|Exception|Interrupt|Warning)\b(: |$)")
OTHERS = re.compile(
    r"slurmstepd: error|srun: error|\boom|out of memory|killed|segmentation fault|bus error|no space left|quota"
    r"|no such file|permission denied|command not found|cannot allocate",
    re.IGNORECASE,
)
NOISE = re.compile(r"\brhodiff: |^\s*$|Cancelled|STEP .* CANCELLED|task \d+: Exited")
"""Lines of the body, and what only follows from a failure."""


def telling_lines(lines: Sequence[str]) -> list[str]:
    """The few lines that say most: our own error, else an exception, else a known complaint, else the last ones.

    Args:
        lines: the end of a log.
    """
    theirs = [line for line in lines if OURS.search(line) or not NOISE.search(line)]
    for pattern in (OURS, PYTHON, OTHERS):
        found = [number for number, line in enumerate(theirs) if pattern.search(line)]
        if found:
            following = 3 if pattern is OURS else 1  # our errors may go on below, indented
            last = theirs[found[-1] : found[-1] + following]
            goes_on = [last[0], *(line for line in last[1:] if line.startswith("  "))]
            return [line[:LONGEST] for line in goes_on]
    return [line[:LONGEST] for line in theirs[-MOST_LINES:]]
