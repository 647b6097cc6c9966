"""What a grid of simulations will cost, from the time of a step as it was measured."""

import time
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from rhodiff.simulation.archive import SimulationRecord
from rhodiff.simulation.engine import Engine
from rhodiff.simulation.snapshot import Snapshot
from rhodiff.simulation.treegrav_engine import TreegravEngine

__all__ = ["StepCost", "describe_cost", "measured_before", "measured_now"]


@dataclass(frozen=True)
class StepCost:
    """Time of a step.

    Attributes:
        seconds: wall time.
        threads: CPU threads.
        basis: how it was measured, for people.
    """

    seconds: float
    threads: int
    basis: str


def measured_before(records: Sequence[SimulationRecord]) -> StepCost | None:
    """The median over simulations that were run; None where there is none.

    Args:
        records: of the grid's simulations.
    """
    measured = [record for record in records if record.steps > 0]
    if not measured:
        return None
    seconds = float(np.median([record.wall_s / record.steps for record in measured]))
    return StepCost(seconds, measured[-1].threads, f"measured on {len(measured)} of them")


def measured_now(initial: Snapshot, engine: Engine, threads: int) -> StepCost | None:
    """Forces of the initial conditions, with the embedded engine; None for others, which need their device.

    Args:
        initial: particles of one of the simulations.
        engine: that is to run them.
        threads: CPU threads that it will have.
    """
    if not isinstance(engine, TreegravEngine):
        return None
    forces, positions = engine.forces_among(initial.masses), initial.positions.astype(np.float64)
    forces.fields(positions)  # compiles
    began = time.perf_counter()
    forces.fields(positions)
    return StepCost(time.perf_counter() - began, threads, "measured here, now, before they meet")


def describe_cost(cost: StepCost | None, steps: int) -> str:
    """One line for people.

    Args:
        cost: of a step.
        steps: of all simulations that are left.
    """
    if cost is None:
        return "the time of a step is not known before the first simulation is done"
    hours = steps * cost.seconds * cost.threads / 3600
    return f"about {hours:.2g} core hours, at {cost.seconds:.2g} s a step on {cost.threads} CPUs ({cost.basis})"
