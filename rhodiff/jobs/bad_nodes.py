"""Nodes that speak against themselves: where attempts died at once, and nothing ever succeeded."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from rhodiff.jobs.attempts import Attempt
from rhodiff.runtime.node_list import expand_node_list

__all__ = ["BadNode", "find_bad_nodes"]

FEWEST_DEATHS = 2
"""One early death may be anything."""


@dataclass(frozen=True)
class BadNode:
    """A node to keep off.

    Attributes:
        name: its name.
        deaths: each early death, for people.
    """

    name: str
    deaths: tuple[str, ...]

    def describe(self) -> str:
        """``rho2: 3 attempts died there at once and none succeeded; the last one: ...``."""
        return (
            f"{self.name}: {len(self.deaths)} attempts died there at once and none succeeded; the last one was "
            f"{self.deaths[-1]}"
        )


def find_bad_nodes(histories: Iterable[Sequence[Attempt]]) -> list[BadNode]:
    """Nodes with at least two early deaths and no success.

    Args:
        histories: the attempts at each element.
    """
    deaths: dict[str, list[str]] = {}
    succeeded: set[str] = set()
    for attempt in (attempt for history in histories for attempt in history):
        if attempt.verdict == "done" or attempt.progress:
            succeeded |= {attempt.host, *expand_node_list(attempt.nodes)}
        for node in attempt.suspect:
            deaths.setdefault(node, []).append(f"job {attempt.job}: {attempt.reason}")
    return [
        BadNode(node, tuple(found))
        for node, found in sorted(deaths.items())
        if len(found) >= FEWEST_DEATHS and node not in succeeded
    ]
