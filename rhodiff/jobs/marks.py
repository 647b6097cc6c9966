"""What the names of the files in ``markers/`` say about each element: one listing of one folder, nothing opened."""

import os
from dataclasses import dataclass, field

from rhodiff.store.layout import SubmissionFolder

__all__ = ["Marks", "read_marks"]

FINAL = ("done", "cancelled", "failed", "stopped")
"""Marks that tell how an element ended; where there are several the first one here counts."""


@dataclass(frozen=True)
class Marks:
    """How elements stand by their own word.

    Attributes:
        final: element -> ``done``, ``failed``, ``stopped`` or ``cancelled``.
        heartbeats: elements that run, or whose last attempt was ended from outside.
        attempted: elements that something was tried for.
        is_cancelled: the user cancelled the whole submission.
    """

    final: dict[int, str] = field(default_factory=dict)
    heartbeats: frozenset[int] = frozenset()
    attempted: frozenset[int] = frozenset()
    is_cancelled: bool = False


def read_marks(folder: SubmissionFolder) -> Marks:
    """List the markers of a submission; a folder that is not there has none."""
    try:
        names = os.listdir(folder.markers)  # noqa: PTH208 - 2,500 Path objects would cost more than the listing
    except FileNotFoundError:
        names = []
    found: dict[str, set[int]] = {kind: set() for kind in (*FINAL, "heartbeat", "attempts")}
    for name in names:
        number, _, rest = name.partition(".")
        kind = rest.partition(".")[0]
        if number.isdecimal() and kind in found and not rest.endswith(".tmp"):
            found[kind].add(int(number))
    final = {element: kind for kind in reversed(FINAL) for element in found[kind]}
    return Marks(final, frozenset(found["heartbeat"]), frozenset(found["attempts"]), folder.cancelled.exists())
