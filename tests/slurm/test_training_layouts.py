"""A training on real nodes: how its processes lie on nodes does not change what is computed.

Four processes as 1 x 4, 2 x 2 and 4 x 1 (nodes x tasks) add the same four gradients. Gloo adds them along a ring of
ranks, whatever nodes these are on, so all weights, averages, moments and losses must agree bit for bit.

One process adds the same samples in another order. With u = 2^-24 a sum of n float32 terms is off by (n - 1) u at
most: here n = 8 samples x 32 cells, 1.5e-5 of a gradient's largest terms at worst and sqrt(n) u = 1e-6 as a rule; so
losses agree to 1e-5. Adam divides by the gradient's own size, so a weight whose gradient is all rounding may move by
the rate, 1e-3, in any direction: weights agree to a tenth of that.
"""

import pytest
import torch
from experiments import Lab, differing_weights, last_checkpoint, tiny_settings, write_arrays
from slurm_cluster import wait_until

from rhodiff.store.layout import RunFolder

LAYOUTS = {"1x4": (1, 4), "2x2": (2, 2), "4x1": (4, 1)}
SHORT = ("training.iterations=10", "jobs.train.walltime_min=5", "jobs.train.max_attempts=2")


def is_trained(lab):
    return any(lab.folder.glob("runs/*/jobs/*/markers/000000.done.json"))


@pytest.mark.slow
def test_weights_and_losses_do_not_depend_on_the_layout(cluster, tmp_path):
    environment = {"SLURM_CONF": str(cluster.conf)}
    alone = Lab.make(tmp_path / "alone", tiny_settings(write_arrays(tmp_path / "fields.npy")), *SHORT)
    alone.do("run", "prepare")
    labs = {name: alone.sibling(tmp_path / name, f"paths.data={alone.folder / 'data'}") for name in LAYOUTS}
    for name, (nodes, tasks) in LAYOUTS.items():
        labs[name].do(
            "submit", "train", "--nodes", str(nodes), "--tasks-per-node", str(tasks), environment=environment
        )
    alone.do("run", "train")
    wait_until(lambda: all(is_trained(lab) for lab in labs.values()), "three trainings")

    found = {name: (last_checkpoint(lab.run_folder()), lab.losses()) for name, lab in labs.items()}
    for name, (weights, losses) in found.items():
        assert differing_weights(weights, found["1x4"][0]) == [], name
        assert losses == found["1x4"][1], name
    assert found["1x4"][1] == [(i, pytest.approx(loss, rel=1e-5)) for i, loss in alone.losses()]
    for part in ("model", "ema"):
        for name, weight in alone.final()[part].items():
            torch.testing.assert_close(found["2x2"][0][part][name], weight, rtol=1e-4, atol=1e-4)

    for name, (nodes, tasks) in LAYOUTS.items():
        (log,) = labs[name].folder.glob("runs/*/jobs/*/logs/*.log")
        assert RunFolder(labs[name].run_folder()).checkpoints.is_dir()
        journal = "".join(path.read_text() for path in labs[name].folder.glob("runs/*/journal/*.jsonl"))
        assert f'"processes": {nodes * tasks}' in journal, log.read_text()
