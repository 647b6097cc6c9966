"""Galaxy simulations: initial conditions, Bonsai's snapshot files, and the judgement of what an engine wrote."""

from rhodiff.simulation.snapshot import Snapshot, galaxy_of, merge_snapshots, particle_ids
from rhodiff.simulation.snapshot_files import read_snapshot, read_snapshot_ranks, write_snapshot

__all__ = [
    "Snapshot",
    "galaxy_of",
    "merge_snapshots",
    "particle_ids",
    "read_snapshot",
    "read_snapshot_ranks",
    "write_snapshot",
]
