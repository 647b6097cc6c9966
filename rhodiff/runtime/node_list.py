"""Slurm's compact lists of nodes, e.g. ``n[003-005,9],m1``."""

import re

from rhodiff.errors import ConfigError

__all__ = ["expand_node_list", "first_host"]

ENTRY = re.compile(r"(?:[^,\[\]]|\[\d[^\]]*\])+(?=,|$)")
RANGES = re.compile(r"\[(\d[^\]]*)\]")


def expand_node_list(node_list: str) -> list[str]:
    """All hosts of Slurm's compact list, e.g. ``n[003-005,9],m1`` -> n003, n004, n005, n9, m1."""
    return [host for entry in ENTRY.findall(node_list) for host in _expand_entry(entry)]


def _expand_entry(entry: str) -> list[str]:
    match = RANGES.search(entry)
    if match is None:
        return [entry]
    before, after = entry[: match.start()], entry[match.end() :]
    return [host for number in _expand_ranges(match[1]) for host in _expand_entry(f"{before}{number}{after}")]


def _expand_ranges(text: str) -> list[str]:
    found = []
    for part in text.split(","):
        first, _, last = part.partition("-")
        found += [f"{number:0{len(first)}d}" for number in range(int(first), int(last or first) + 1)]
    return found


def first_host(node_list: str) -> str:
    """First host of Slurm's compact list, e.g. ``n[003-005,9],m1`` -> ``n003``."""
    entry = re.match(r"(?:[^,\[\]]|\[\d[^\]]*\])+(?=,|$)", node_list)
    if entry is None:
        raise ConfigError(f"cannot read the node list {node_list!r} that Slurm set")
    return re.sub(r"\[(\d+)[^\]]*\]", r"\1", entry[0])
