"""Whether a node is to blame: how elements fared on each."""

from collections import Counter
from collections.abc import Sequence

__all__ = ["judge_nodes", "tally_text"]

FEWEST = 2
"""Failures on a node before it is spoken of."""


def tally_text(nodes: Sequence[str]) -> str:
    """``rho2 (30), rho3 (7)``, the worst first."""
    counts = Counter(nodes).most_common()
    if len(counts) == 1:
        return counts[0][0]
    shown = ", ".join(f"{node} ({count})" for node, count in counts[:6])
    return shown + (f" and {len(counts) - 6} more" if len(counts) > 6 else "")


def judge_nodes(failed: Sequence[str], done: Sequence[str]) -> tuple[list[str], str]:
    """Nodes that failures speak against, and the evidence in words.

    Args:
        failed: node of each failure.
        done: node of each success.

    Returns:
        Nodes on which several elements failed and none succeeded, while others succeeded elsewhere; and why. Nothing
        where failures are spread as successes are.
    """
    failures, successes = Counter(failed), Counter(done)
    bad = sorted(node for node, count in failures.items() if count >= FEWEST and not successes[node])
    if not bad or not successes:
        return [], ""
    on_bad = sum(failures[node] for node in bad)
    return bad, (
        f"{on_bad} of {len(failed)} failures are on {', '.join(bad)}, where nothing succeeded; "
        f"{len(done)} succeeded on other nodes"
    )
