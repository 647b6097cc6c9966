"""Slurm's compact lists of nodes, e.g. ``n[003-005,9],m1``."""

import re

from rhodiff.errors import ConfigError

__all__ = ["first_host"]


def first_host(node_list: str) -> str:
    """First host of Slurm's compact list, e.g. ``n[003-005,9],m1`` -> ``n003``."""
    entry = re.match(r"(?:[^,\[\]]|\[\d[^\]]*\])+(?=,|$)", node_list)
    if entry is None:
        raise ConfigError(f"cannot read the node list {node_list!r} that Slurm set")
    return re.sub(r"\[(\d+)[^\]]*\]", r"\1", entry[0])
