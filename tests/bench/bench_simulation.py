"""What a simulation costs: forces against pytreegrav's own and against N log N, and where a merger's time goes.

    python tests/bench/bench_simulation.py [--particles 5000] [--steps 300]

Forces are accelerations and potentials of all particles of a merger at its start, on one thread, theta 0.7, the
best of three; pytreegrav's are its two functions for the same, with the same softening, paired in the same run.
Errors are rms over particles of |a - a_direct| / |a_direct|. The merger is one of 2 x ``particles`` through its first
pericentre, in the embedded engine with 30 snapshots; the profile is Python's own (cProfile), of CPU time.
"""

import argparse
import cProfile
import os
import pstats
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

os.environ["OMP_NUM_THREADS"] = "1"

import numpy as np
import pytreegrav
from numpy.typing import NDArray

from rhodiff.simulation import (
    Frame,
    GalaxyModel,
    MergerPoint,
    Renderer,
    RunSettings,
    Snapshot,
    TreegravEngine,
    build_merger,
    fixed_camera,
    read_snapshot,
)
from rhodiff.simulation.galaxy_particles import equal_mass_counts
from rhodiff.simulation.tree_forces import SPLINE_PER_PLUMMER, TreeForces

SOFTENING, THETA = 0.5, 0.7
PARTS = {
    "build_octree": "tree",
    "walk": "walk",
    "write_snapshot": "snapshots",
    "step": "steps in all",
    "validate_output": "judgement of the output",
}
"""Functions of a simulation's profile, and what they are."""

Float = NDArray[np.float64]


def merger(particles: int) -> Snapshot:
    """Initial conditions of 2 x ``particles``."""
    model = GalaxyModel(softening_kpc=SOFTENING)
    point = MergerPoint(mass_ratio=0.5, size_ratio=0.75, pericentre_kpc=5.0, separation_kpc=50.0, seed=1)
    return build_merger(point, model, equal_mass_counts(model, particles))


def best(call: Callable[[], Any], repeats: int = 3) -> float:
    """Seconds of the fastest call, after one that compiles."""
    call()
    seconds = []
    for _ in range(repeats):
        began = time.perf_counter()
        call()
        seconds.append(time.perf_counter() - began)
    return min(seconds)


def peer(snapshot: Snapshot) -> tuple[Float, Float]:
    """pytreegrav's accelerations and potentials."""
    x, m = snapshot.positions.astype(np.float64), snapshot.masses.astype(np.float64)
    h = np.full(len(m), SPLINE_PER_PLUMMER * SOFTENING)
    options: dict[str, Any] = {"theta": THETA, "method": "tree", "parallel": False}
    return pytreegrav.Accel(x, m, h, **options), pytreegrav.Potential(x, m, h, **options)


def rms_error(found: Float, direct: Float) -> float:
    """Root mean square of the relative error of a force."""
    return float(np.sqrt(np.mean(np.sum((found - direct) ** 2, axis=1) / np.sum(direct**2, axis=1))))


def bench_forces() -> None:
    """Forces at three sizes."""
    first = None
    print(f"{'N':>8} {'ours [s]':>10} {'pytreegrav [s]':>15} {'ratio':>7} {'per N log N':>12}")
    for half in (500, 5000, 50000):
        snapshot = merger(half)
        positions, number = snapshot.positions.astype(np.float64), snapshot.num_particles
        forces = TreeForces(snapshot.masses, softening=SOFTENING, theta=THETA)
        ours, theirs = best(lambda f=forces, x=positions: f.fields(x)), best(lambda s=snapshot: peer(s))
        unit = ours / (number * np.log(number))
        first = first or unit
        print(f"{number:>8} {ours:>10.4f} {theirs:>15.4f} {theirs / ours:>7.2f} {unit / first:>12.2f}")
    snapshot = merger(5000)
    positions = snapshot.positions.astype(np.float64)
    direct = TreeForces(snapshot.masses, softening=SOFTENING, theta=0.0).fields(positions)[0]
    ours = TreeForces(snapshot.masses, softening=SOFTENING, theta=THETA).fields(positions)[0]
    print(
        f"rms error of a force at N = {snapshot.num_particles}: ours {100 * rms_error(ours, direct):.3f} %, "
        f"pytreegrav {100 * rms_error(peer(snapshot)[0], direct):.3f} %"
    )


def bench_merger(particles: int, steps: int) -> None:
    """CPU time of a merger, and where it goes."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        began = time.process_time()
        initial = merger(particles)
        build_s = time.process_time() - began
        settings = RunSettings(0.125, steps * 0.125, steps * 0.125 / 30, SOFTENING, THETA, 1.0, 1.0)
        engine = TreegravEngine(settings)
        path = engine.prepare(initial, folder)
        profile = cProfile.Profile(time.process_time)
        began = time.process_time()
        report = profile.runcall(engine.run, path, folder)
        run_s = time.process_time() - began
        snapshots = engine.snapshots(folder)
        began = time.process_time()
        renderer = Renderer(read_snapshot(snapshots[-1][0]), Frame(120.0, 128))
        for camera in range(14):
            renderer.render(fixed_camera(camera))
        render_s = time.process_time() - began
    print(
        f"merger of 2 x {particles}, {steps} steps of 1/8 ({steps * 0.125 * 9.778145:.0f} Myr): {run_s:.1f} s CPU, "
        f"|dE/E| {100 * report.energy_error:.2f} %, drift {report.drift_kpc:.3f} kpc"
    )
    for (_, _, function), (_, _, _, seconds, _) in sorted(
        pstats.Stats(profile).stats.items(),
        key=lambda entry: -entry[1][3],  # type: ignore[attr-defined]
    ):
        if function in PARTS:
            print(f"    {PARTS[function]:<26} {seconds:>7.2f} s  {100 * seconds / run_s:>5.1f} %")
    print(f"initial conditions {build_s:.2f} s, 14 images of 128^2 {render_s:.2f} s")


def main() -> None:
    """Print all tables."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--particles", type=int, default=5000)
    parser.add_argument("--steps", type=int, default=300)
    options = parser.parse_args()
    bench_forces()
    bench_merger(options.particles, options.steps)


if __name__ == "__main__":
    main()
