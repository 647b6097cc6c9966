"""``submit train --backend oneccl``: two real nodes, their processes started by srun, collectives over oneCCL."""

import os
import subprocess

import pytest
import torch
from experiments import Lab, tiny_settings, write_arrays
from oneccl_environment import oneccl_interpreter
from slurm_cluster import wait_until

from rhodiff.store.journal import read_journal

PROFILE = """
description: two nodes of the test cluster
updated: "2026-11-22"
source: this test
environment:
  FI_PROVIDER: {value: tcp, reason: "<why this fabric>"}
  CCL_KVS_CONNECTION_TIMEOUT: {value: "120", reason: "<why so long>"}
"""


@pytest.mark.slow
@pytest.mark.parametrize("per_node", [1, 2])
def test_two_nodes_compute_what_one_does_over_gloo(cluster, tmp_path, per_node):
    """Two processes agree bit for bit with those over gloo; four, which may add in another order, to 1e-6 in norm."""
    here = Lab.make(tmp_path / "here", tiny_settings(write_arrays(tmp_path / "fields.npy")), "training.iterations=50")
    here.do("run", "prepare")
    lab = here.sibling(
        tmp_path / "nodes",
        f"paths.data={here.folder / 'data'}",
        "jobs.train.walltime_min=5",
        f"jobs.train.tasks_per_node={per_node}",
    )
    (lab.folder / "site.yaml").write_text(PROFILE)
    sets = [word for override in lab.overrides for word in ("--set", override)]
    words = ["submit", "train", "--nodes", "2", "--backend", "oneccl", "--site", "./site.yaml", *sets]
    submitted = subprocess.run(
        [oneccl_interpreter(), "-m", "rhodiff.cli", *words],
        env={**os.environ, "SLURM_CONF": str(cluster.conf), "CCL_KVS_CONNECTION_TIMEOUT": "99"},
        cwd=lab.folder,
        capture_output=True,
        text=True,
        check=False,
        timeout=300,
    )
    assert submitted.returncode == 0, submitted.stderr
    here.do_ranks(2 * per_node, "run", "train", "--backend", "gloo")
    wait_until(
        lambda: any(".done." in path.name or ".failed." in path.name for path in ended_markers(lab)), "its end"
    )

    (log,) = lab.folder.glob("runs/*/jobs/*/logs/*.log")
    assert any(".done." in path.name for path in ended_markers(lab)), log.read_text()
    assert "backend rho_oneccl: taken: oneCCL 2021.16.2" in log.read_text()
    assert lab.final()["iteration"] == 50
    weights, expected = (
        torch.cat([x.double().flatten() for x in one.final()["model"].values()]) for one in (lab, here)
    )
    assert (weights - expected).norm() <= (0 if per_node == 1 else 1e-6) * expected.norm()

    (event,) = (e for e in read_journal(lab.run_folder() / "journal") if e["event"] == "prepared")
    told = {variable["name"]: variable for variable in event["variables"]}
    assert (told["FI_PROVIDER"]["value"], told["FI_PROVIDER"]["origin"]) == ("tcp", "profile")
    assert "<why this fabric> (site profile ./site.yaml of 2026-11-22, not verified" in told["FI_PROVIDER"]["reason"]
    assert (told["CCL_KVS_CONNECTION_TIMEOUT"]["value"], told["CCL_KVS_CONNECTION_TIMEOUT"]["origin"]) == (
        "99",
        "user",
    )
    assert (told["CCL_LOCAL_SIZE"]["value"], told["CCL_LOCAL_SIZE"]["origin"]) == (str(per_node), "default")


def ended_markers(lab):
    return list(lab.folder.glob("runs/*/jobs/*/markers/000000.*.json"))
