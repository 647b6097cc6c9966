"""A grid of simulations as an array over four nodes: two tasks are killed, and a node loses its power.

Simulations stand still half-way, those of the first tasks excepted, until everything that is to happen has happened:
what comes out does not depend on how fast a machine is.
"""

import json
import os
import signal
import time
from pathlib import Path

import numpy as np
import pytest
from experiments import Lab
from slurm_cluster import wait_until

from rhodiff.jobs.attempts import read_attempts
from rhodiff.store.field_store import open_fields
from rhodiff.store.layout import RunFolder

NUM_STEPS, STEPS_TO_GATE, FREE = 24, 12, 4
EXPERIMENT = {
    "name": "grid",
    "data": {
        "source": {
            "kind": "mergers",
            "grid": {
                "mass_ratio": [0.5, 0.75, 1.0],
                "size_ratio": [0.75, 1.0, 1.25],
                "seed": [1, 2],
                "separation_kpc": 40,
                "pericentre_kpc": 4,
            },
            "images": {"times_myr": [10, 29], "cameras": [0, 5], "size": 16, "width_kpc": 80},
            "particles": 150,
            "engine": {"max_energy_error": 0.05, "max_drift_kpc": 1.0},
        },
        "shard_length": 4,
    },
    "runtime": {"threads": 1, "device": "cpu"},
}
NUM_SIMULATIONS = 18

GATE = f"""
import os, signal, sys
def hold(event, arguments):
    if event != "open" or arguments[1] not in ("x", "xb") or "snapshot_00002.0000" not in str(arguments[0]):
        return
    if os.path.exists(os.environ["RHO_GATE"]):
        os.kill(os.getpid(), signal.SIGSTOP)
if int(os.environ.get("SLURM_ARRAY_TASK_ID", -1)) >= {FREE}:
    sys.addaudithook(hold)
"""
"""While the file RHO_GATE is there, a task's process stands still before the snapshot of its simulation at 2 units of
time; the one before, 12 steps from the start, is there by then."""


class Grid:
    """The array in the queue, and its processes on the nodes."""

    def __init__(self, cluster, lab, variables):
        self.cluster, self.lab, self.gate = cluster, lab, lab.folder / "gate"
        self._variables = {"SLURM_CONF": str(cluster.conf), "RHO_GATE": str(self.gate), **variables}

    def call(self, *words):
        return self.lab.do(*words, environment=self._variables).out

    @property
    def submissions(self):
        (run,) = (self.lab.folder / "runs").iterdir()
        return RunFolder(run).jobs.submissions()

    @property
    def archive(self):
        return self.lab.folder / "data" / "simulations"

    def records(self):
        """What became of simulations, by key."""
        return {path.parent.name: json.loads(path.read_text()) for path in self.archive.glob("*/record.json")}

    def held(self):
        """Processes of the array that stand still: element and node of each, by pid."""
        found = {}
        for path in Path("/proc").glob("[0-9]*"):
            try:
                words = (path / "environ").read_bytes().decode(errors="replace").split("\0")
                stands = (path / "stat").read_text().rpartition(")")[2].split()[0] == "T"
            except OSError:
                continue
            told = dict(word.split("=", 1) for word in words if "=" in word)
            if stands and told.get("RHO_GATE") == str(self.gate) and "SLURMD_NODENAME" in told:
                found[int(path.name)] = (int(told["SLURM_ARRAY_TASK_ID"]), told["SLURMD_NODENAME"])
        return found

    def kill_with_its_job(self, pid, element):
        """``kill -9`` of a process and of its job's body; five minutes later its lock counts as left behind."""
        (lock,) = (
            path
            for path in self.archive.glob("*/lock")
            if json.loads(path.read_text())["lineage"].endswith(f"/{element}")
        )
        body = int(Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[1])
        os.kill(body, signal.SIGKILL)
        os.kill(pid, signal.SIGKILL)
        os.utime(lock, (time.time() - 400,) * 2)

    def is_done(self):
        return all(any(one.done(element).exists() for one in self.submissions) for element in range(NUM_SIMULATIONS))


@pytest.fixture(scope="module")
def undisturbed(tmp_path_factory):
    """The same data set made by one process."""
    lab = Lab.make(tmp_path_factory.mktemp("grid") / "alone", EXPERIMENT)
    lab.do("run", "prepare")
    return lab


def stored(lab):
    """Fields, parameters and mask."""
    (folder,) = (lab.folder / "data").glob("mergers-*")
    store = open_fields(folder)
    return np.asarray(store.fields), store.parameters, store.valid


@pytest.mark.slow
def test_a_grid_with_two_tasks_killed_and_a_node_cut_equals_the_undisturbed_one(cluster, undisturbed, tmp_path):
    (tmp_path / "sitecustomize.py").write_text(GATE)
    grid = Grid(cluster, undisturbed.sibling(tmp_path / "array"), {"PYTHONPATH": str(tmp_path)})
    grid.gate.touch()
    grid.call("submit", "prepare", "--time", "5")
    wait_until(lambda: len(grid.records()) == FREE and len(grid.held()) == NUM_SIMULATIONS - FREE, "all at the gate")
    before, held = grid.records(), grid.held()
    on = {node: [pid for pid, (_, where) in held.items() if where == node] for node in cluster.nodes}
    assert all(on.values()), "each node has tasks"

    os.kill(on[cluster.nodes[1]][0], signal.SIGKILL)
    lost = on[cluster.nodes[2]][0]
    grid.kill_with_its_job(lost, held[lost][0])
    cluster.power_cut(4)
    grid.gate.unlink()
    for pid in grid.held():
        os.kill(pid, signal.SIGCONT)
    wait_until(lambda: cluster.nodes[3] in cluster.command("sinfo", "-hNtdown", "-o%N"), "a node that is missed")
    cluster.power_on(4)
    wait_until(lambda: not cluster.live_jobs(), "the end of all jobs")
    assert not grid.is_done()
    assert f"1 element of prepare ({held[lost][0]}) again" in grid.call("retry", "--dry-run")
    grid.call("retry")
    wait_until(grid.is_done, "the one that ran again")

    after = grid.records()
    assert grid.is_done() and len(after) == NUM_SIMULATIONS
    assert {key: after[key] for key in before} == before
    num_lost = 2 + len(on[cluster.nodes[3]])
    steps = sorted(record["steps"] for record in after.values())
    assert steps == [NUM_STEPS - STEPS_TO_GATE] * num_lost + [NUM_STEPS] * (NUM_SIMULATIONS - num_lost)
    elements = range(NUM_SIMULATIONS)
    attempts = [len(read_attempts(one.attempts(element))) for one in grid.submissions for element in elements]
    assert sum(attempts) == NUM_SIMULATIONS + num_lost  # one each, and one more of what was lost
    for ours, theirs in zip(stored(grid.lab), stored(undisturbed), strict=True):
        np.testing.assert_array_equal(ours, theirs)
    assert not list(grid.archive.glob("*/work-*")) and not list(grid.archive.glob("*/lock"))
