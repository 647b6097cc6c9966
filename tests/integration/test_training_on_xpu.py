"""A training on Intel GPUs, one process a tile, over xccl: for machines that have them (``pytest -m xpu``).

The GPU adds and multiplies in another order than the CPU: losses of the first steps agree to 1e-3, before differences
that Adam enlarges have grown.
"""

import pytest
import torch

from rhodiff.store.journal import read_journal

NUM_DEVICES = torch.xpu.device_count() if torch.xpu.is_available() else 0
pytestmark = [
    pytest.mark.xpu,
    pytest.mark.skipif(NUM_DEVICES == 0, reason=f"torch {torch.__version__} sees no Intel GPU on this machine"),
]


@pytest.mark.parametrize(
    "number",
    [1, pytest.param(2, marks=pytest.mark.skipif(NUM_DEVICES < 2, reason="one process a tile needs two tiles"))],
)
def test_a_training_on_tiles_begins_as_one_on_the_cpu(lab, tmp_path, number):
    lab.overrides += ("training.iterations=10", "training.optimizer.warmup_iterations=0")
    there = lab.sibling(tmp_path / "xpu", "runtime.device=xpu")
    lab.do("run", "train")
    there.do_ranks(number, "run", "train", "--backend", "oneccl" if number > 1 else "auto")
    assert [loss for _, loss in there.losses()] == pytest.approx([loss for _, loss in lab.losses()], rel=1e-3)
    (event,) = (e for e in read_journal(there.run_folder() / "journal") if e["event"] == "prepared")
    assert event["device"] == "xpu"
    assert event["backend"] in ({None} if number == 1 else {"xccl", "ccl"})
    told = {variable["name"]: variable["value"] for variable in event["variables"]}
    assert "ZE_FLAT_DEVICE_HIERARCHY" in told
