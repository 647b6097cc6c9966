"""Galaxy simulations: initial conditions, Bonsai's snapshot files, and the judgement of what an engine wrote."""

from rhodiff.simulation.exponential_disc import ExponentialDisc
from rhodiff.simulation.galaxy_model import GalaxyModel
from rhodiff.simulation.galaxy_particles import ParticleCounts, sample_galaxy
from rhodiff.simulation.hernquist import HernquistSphere
from rhodiff.simulation.initial_conditions import MergerPoint, build_merger
from rhodiff.simulation.orbit import KeplerOrbit
from rhodiff.simulation.snapshot import Snapshot, galaxy_of, merge_snapshots, particle_ids
from rhodiff.simulation.snapshot_files import read_snapshot, read_snapshot_ranks, write_snapshot
from rhodiff.simulation.validation import ExpectedOutput, ValidationReport, last_good_time, validate_output

__all__ = [
    "ExpectedOutput",
    "ExponentialDisc",
    "GalaxyModel",
    "HernquistSphere",
    "KeplerOrbit",
    "MergerPoint",
    "ParticleCounts",
    "Snapshot",
    "ValidationReport",
    "build_merger",
    "galaxy_of",
    "last_good_time",
    "merge_snapshots",
    "particle_ids",
    "read_snapshot",
    "read_snapshot_ranks",
    "sample_galaxy",
    "validate_output",
    "write_snapshot",
]
