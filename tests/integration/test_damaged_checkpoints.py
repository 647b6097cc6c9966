"""A damaged checkpoint among several: named, and left out only where that was asked for."""

import pytest
from experiments import Lab, tiny_settings, write_arrays


@pytest.fixture
def trained(tmp_path):
    lab = Lab.make(tmp_path, tiny_settings(write_arrays(tmp_path / "fields.npy")), "sampling.checkpoints=all")
    lab.do("run", "prepare")
    lab.do("run", "train")
    return lab


def truncate(path):
    path.write_bytes(path.read_bytes()[:-10])


def flip(path):
    content = bytearray(path.read_bytes())
    content[len(content) // 2] ^= 1
    path.write_bytes(content)


@pytest.mark.parametrize("harm", [truncate, flip, lambda path: path.unlink()], ids=["truncated", "flipped", "gone"])
def test_damaged_checkpoint_is_named_and_left_out_only_if_asked(harm, trained):
    paths = sorted(trained.folder.glob("runs/*/checkpoints/*.pt"))
    harm(paths[1])
    refused = trained.run("run", "sample")
    assert refused.code == 2
    assert str(paths[1].name) in refused.err
    assert "sampling.skip_damaged" in refused.err

    skip = ("--set", "sampling.skip_damaged=true")
    assert paths[1].name in trained.do("run", "sample", *skip).err
    evaluated = trained.do("run", "evaluate", "--json", *skip)
    assert len(evaluated.value["statistics"]) == len(paths)  # training fields, and all checkpoints but one
    assert any(paths[1].name in text for text in evaluated.value["warnings"])
    assert trained.run("run", "evaluate").code == 2


def test_restored_checkpoint_is_taken_again(trained):
    paths = sorted(trained.folder.glob("runs/*/checkpoints/*.pt"))
    whole = paths[0].read_bytes()
    flip(paths[0])
    trained.do("run", "sample", "--set", "sampling.skip_damaged=true")
    paths[0].write_bytes(whole)
    assert len(trained.do("run", "sample", "--json").value["samples"]) == len(paths)


def test_last_checkpoint_that_is_damaged_is_not_silently_another(trained):
    last = max(trained.folder.glob("runs/*/checkpoints/*.pt"))
    truncate(last)
    trained.overrides = ()
    assert last.name in trained.run("run", "sample").err
    assert "sampling from there" not in trained.run("run", "sample").err
