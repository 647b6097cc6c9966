"""Options of a training that change how it runs: each trains, and those that must not change the result do not."""

import shutil

import pytest
import torch
from experiments import differing_weights
from tensorboard.backend.event_processing.event_accumulator import EventAccumulator


def weights_difference(one, two) -> float:
    """Largest difference of raw weights, in units of the largest weight of each tensor."""
    return max(float((two[n] - w).abs().max() / w.abs().max().clamp(min=1e-6)) for n, w in one.items())


@pytest.mark.parametrize(
    ("setting", "tolerance"),
    [("model.gradient_checkpointing=true", 0.0), ("training.micro_batch=3", 1e-2)],
    ids=["gradient_checkpointing", "micro_batch"],
)
def test_option_belongs_to_the_same_run_and_gives_the_same_weights(setting, tolerance, lab, undisturbed):
    lab.do("run", "train", "--set", setting)
    assert lab.run_folder().name == undisturbed.run_folder().name
    assert lab.losses() == [(i, pytest.approx(loss, rel=1e-4)) for i, loss in undisturbed.losses()]
    assert weights_difference(undisturbed.final()["model"], lab.final()["model"]) <= tolerance


def test_bfloat16_trains_close_to_float32_and_goes_on_bit_for_bit(lab, undisturbed, tmp_path):
    lab.overrides += ("training.precision=bfloat16",)
    lab.do("run", "train")
    assert [loss for _, loss in lab.losses()] == pytest.approx([loss for _, loss in undisturbed.losses()], rel=0.05)
    assert all(weight.dtype == torch.float32 for weight in lab.final()["model"].values())
    cut = lab.sibling(tmp_path / "cut")
    shutil.copytree(lab.folder / "runs", cut.folder / "runs")
    for path in (cut.run_folder() / "checkpoints").glob("*-of-*"):
        path.unlink()
    assert "going on from step-00000030" in cut.do("run", "train").err
    assert differing_weights(cut.final(), lab.final()) == []


@pytest.mark.slow
@pytest.mark.skipif(shutil.which("g++") is None, reason="torch.compile on a CPU needs a C++ compiler")
def test_compiled_network_trains_the_same(lab, tmp_path):
    lab.overrides += ("training.iterations=3", "model.multipliers=[1]", "model.middle_attention=none")
    plain = lab.sibling(tmp_path / "plain")
    plain.do("run", "train")
    lab.do("run", "train", "--set", "training.compile=true", timeout_s=400)
    assert lab.run_folder().name == plain.run_folder().name
    expected = [loss for _, loss in plain.losses()]
    assert [loss for _, loss in lab.losses()] == pytest.approx(expected, rel=1e-4)


def test_dropout_goes_on_bit_for_bit(lab, tmp_path):
    lab.overrides += ("model.dropout=0.3",)
    lab.do("run", "train")
    cut = lab.sibling(tmp_path / "cut")
    shutil.copytree(lab.folder / "runs", cut.folder / "runs")
    for path in (cut.run_folder() / "checkpoints").glob("*-of-*"):
        path.unlink()
    cut.do("run", "train")
    assert differing_weights(cut.final(), lab.final()) == []


def test_sheets_are_drawn_with_checkpoints_and_change_nothing(lab, undisturbed):
    lab.do("run", "train", "--set", "training.sheet_samples=2", "--set", "training.sheet_every=20")
    sheets = sorted(path.stem for path in (lab.run_folder() / "sheets").glob("*.png"))
    assert sheets == ["step-00000020", "step-00000040-of-00000040"]
    assert differing_weights(lab.final(), undisturbed.final()) == []


def test_old_checkpoints_are_thinned_out(lab):
    lab.do("run", "train", "--set", "training.keep_checkpoints=1", "--set", "training.checkpoint_every=5")
    names = sorted(path.stem for path in (lab.run_folder() / "checkpoints").glob("*.pt"))
    assert names == ["step-00000030", "step-00000040-of-00000040"]


def test_missing_wandb_is_told_before_anything_is_prepared(lab):
    lab.overrides += ("paths.data=nothing", "training.wandb_project=galaxies")
    ended = lab.run("run", "pipeline")
    assert ended.code == 5
    assert "pip install 'rhodiff[wandb]'" in ended.err
    assert not (lab.folder / "nothing").exists()


def test_missing_device_is_told_before_anything_is_prepared(lab):
    if torch.cuda.is_available():
        pytest.skip("this machine has one")
    lab.overrides += ("paths.data=nothing", "runtime.device=cuda")
    ended = lab.run("run", "pipeline")
    assert ended.code == 5
    assert "runtime.device 'cuda'" in ended.err
    assert not (lab.folder / "nothing").exists()


def test_tensorboard_reads_the_history_over_a_resumed_training(lab):
    lab.do("run", "train")
    for path in (lab.run_folder() / "checkpoints").glob("*-of-*"):
        path.unlink()
    lab.do("run", "train")
    events = EventAccumulator(str(lab.run_folder() / "tensorboard"))
    events.Reload()
    scalars = [(event.step, event.value) for event in events.Scalars("loss")]
    assert scalars == [(i, pytest.approx(loss, rel=1e-6)) for i, loss in lab.losses()]
    assert [step for step, _ in scalars] == list(range(1, 41))
    assert set(events.Tags()["scalars"]) == {"loss", "gradient_norm", "learning_rate", "iterations_per_second"}


def test_tensorboard_can_be_left_out(lab):
    lab.do("run", "train", "--set", "training.tensorboard=false")
    assert not (lab.run_folder() / "tensorboard").exists()
