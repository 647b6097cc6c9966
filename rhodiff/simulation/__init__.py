"""Galaxy simulations: initial conditions, engines and their files, the judgement of what they wrote, and images."""

from rhodiff.simulation.bonsai_engine import BonsaiEngine, BonsaiProgram
from rhodiff.simulation.camera import Camera, fixed_camera
from rhodiff.simulation.engine import Engine, RunSettings, SimulationFailedError
from rhodiff.simulation.exponential_disc import ExponentialDisc
from rhodiff.simulation.galaxy_model import GalaxyModel
from rhodiff.simulation.galaxy_particles import ParticleCounts, sample_galaxy
from rhodiff.simulation.hernquist import HernquistSphere
from rhodiff.simulation.history import centre_drift, separation_kpc
from rhodiff.simulation.initial_conditions import MergerPoint, build_merger
from rhodiff.simulation.orbit import KeplerOrbit
from rhodiff.simulation.rendering import Frame, Image, Renderer
from rhodiff.simulation.snapshot import Snapshot, galaxy_of, merge_snapshots, particle_ids
from rhodiff.simulation.snapshot_files import read_snapshot, read_snapshot_ranks, write_snapshot
from rhodiff.simulation.treegrav_engine import TreegravEngine
from rhodiff.simulation.validation import ExpectedOutput, ValidationReport, last_good_time, validate_output

__all__ = [
    "BonsaiEngine",
    "BonsaiProgram",
    "Camera",
    "Engine",
    "ExpectedOutput",
    "ExponentialDisc",
    "Frame",
    "GalaxyModel",
    "HernquistSphere",
    "Image",
    "KeplerOrbit",
    "MergerPoint",
    "ParticleCounts",
    "Renderer",
    "RunSettings",
    "SimulationFailedError",
    "Snapshot",
    "TreegravEngine",
    "ValidationReport",
    "build_merger",
    "centre_drift",
    "fixed_camera",
    "galaxy_of",
    "last_good_time",
    "merge_snapshots",
    "particle_ids",
    "read_snapshot",
    "read_snapshot_ranks",
    "sample_galaxy",
    "separation_kpc",
    "validate_output",
    "write_snapshot",
]
