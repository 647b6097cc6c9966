"""A training with Wiener skip that is stopped goes on bit for bit, and its checkpoint can be sampled from."""

import signal
from functools import partial

from experiments import differing_weights
from holds import hold_in_step

SKIP = ("--set", "diffusion.kind=wiener")
STOPPED_EARLY = 75


def test_stopped_training_goes_on_bit_for_bit_and_samples(lab, prepared, tmp_path):
    undisturbed = prepared.sibling(tmp_path / "undisturbed", f"paths.data={prepared.folder / 'data'}")
    undisturbed.do("run", "train", *SKIP)
    started = lab.start("run", "train", *SKIP, before=partial(hold_in_step, 17))
    started.wait_until_held()
    started.send(signal.SIGTERM, signal.SIGCONT)
    assert started.wait().code == STOPPED_EARLY
    assert lab.final()["iteration"] == 17
    lab.do("run", "train", *SKIP)

    assert differing_weights(lab.final(), undisturbed.final()) == []
    assert lab.losses() == undisturbed.losses()
    stem = next(value for name, value in lab.final()["model"].items() if name.startswith("stem"))
    assert stem.shape[1] == 2
    lab.do("run", "sample", *SKIP)
    assert list(lab.run_folder().glob("samples/*.zarr"))
