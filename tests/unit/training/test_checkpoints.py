"""Checkpoints: what is listed can be loaded; what is torn, renamed or not vouched for is passed over and told."""

import os
import shutil

import pytest
import torch

from rhodiff.errors import DataError
from rhodiff.store.files import StorageError, checksum, write_json
from rhodiff.training.checkpoints import Checkpoint, CheckpointFolder, read_checkpoint, weights_digest

HORIZON, COMMON = 100, 75
"""Length of the training, and the iteration where its rate begins to fall."""


def content(value=0.0, size=4):
    return {"iteration": int(value), "model": {"w": torch.full((size,), float(value))}, "ema": None}


@pytest.fixture
def folder(tmp_path):
    return CheckpointFolder(tmp_path / "checkpoints")


@pytest.fixture
def full(folder):
    """Checkpoints at 25, 50 and 75 of any training, and 90 and 100 of this one."""
    for iteration in (25, 50, 75, 90, 100):
        folder.save(content(iteration), iteration, HORIZON if iteration > COMMON else None)
    return folder


def iterations(checkpoints):
    return [(c.iteration, c.horizon) for c in checkpoints]


def test_a_checkpoint_comes_back_bit_for_bit(folder):
    generator = torch.Generator().manual_seed(0)
    tensors = {
        "a": torch.randn(3, 4, generator=generator),
        "b": torch.tensor([float("nan"), -0.0, float("inf")]),
        "c": torch.arange(3),
        "d": torch.tensor(2.5, dtype=torch.float64),
        "e": torch.ones(2, dtype=torch.bfloat16),
    }
    saved = folder.save({"model": tensors, "ema": tensors, "list": [1, {"x": None}]}, 7, None)
    assert saved.name == "step-00000007"
    read = read_checkpoint(saved.path)
    assert read["list"] == [1, {"x": None}]
    for part in ("model", "ema"):
        for name, tensor in tensors.items():
            assert read[part][name].dtype == tensor.dtype
            assert torch.equal(read[part][name].reshape(-1).view(torch.uint8), tensor.reshape(-1).view(torch.uint8))
    assert weights_digest(read) == saved.digest == weights_digest({"model": tensors, "ema": tensors})
    assert folder.list() == [saved]


def test_the_digest_tells_weights_apart_and_nothing_else():
    assert weights_digest(content(1)) == weights_digest({**content(1), "iteration": 9, "optimizer": {}})
    other = content(1)
    other["model"]["w"][2] = torch.nextafter(other["model"]["w"][2], torch.tensor(2.0))
    assert weights_digest(other) != weights_digest(content(1))
    assert weights_digest({**content(1), "ema": content(1)["model"]}) != weights_digest(content(1))


def test_checkpoints_are_listed_by_iteration(full):
    assert iterations(full.list()) == [(25, None), (50, None), (75, None), (90, 100), (100, 100)]
    assert CheckpointFolder(full.path / "none").list() == []


@pytest.mark.parametrize(
    ("horizon", "common", "expected"),
    [
        (100, 75, [(25, None), (50, None), (75, None), (90, 100), (100, 100)]),
        (200, 150, [(25, None), (50, None), (75, None)]),
        (80, 60, [(25, None), (50, None)]),
        (20, 15, []),
    ],
)
def test_only_weights_that_a_training_passes_through_are_on_its_way(full, horizon, common, expected):
    assert iterations(full.list(horizon, common)) == expected


@pytest.mark.parametrize(
    ("iteration", "own", "horizon", "common", "expected"),
    [
        (75, None, 100, 75, True),
        (76, None, 100, 75, False),
        (90, 100, 100, 75, True),
        (90, 100, 200, 150, False),
        (10, 100, 200, 150, False),
    ],
)
def test_is_on_the_way(tmp_path, iteration, own, horizon, common, expected):
    assert Checkpoint(iteration, own, tmp_path, "").is_on_the_way(horizon, common) is expected


def load(folder, warnings):
    found = folder.load_newest(HORIZON, COMMON, warnings.append)
    return None if found is None else (found[0].iteration, found[1]["iteration"])


def test_the_newest_is_loaded_without_a_warning(full):
    warnings = []
    assert load(full, warnings) == (100, 100)
    assert warnings == []


def test_of_nothing_nothing_is_loaded(folder):
    assert load(folder, []) is None


DAMAGES = {
    "torn": lambda path: os.truncate(path, path.stat().st_size - 1),
    "empty": lambda path: os.truncate(path, 0),
    "corrupted": lambda path: path.write_bytes(path.read_bytes()[:-200] + b"\0" * 200),
    "without marker": lambda path: path.with_suffix(".json").unlink(),
    "torn marker": lambda path: os.truncate(path.with_suffix(".json"), 20),
    "empty marker": lambda path: os.truncate(path.with_suffix(".json"), 0),
    "marker of something else": lambda path: path.with_suffix(".json").write_text("[1]"),
}


@pytest.mark.parametrize("damage", DAMAGES)
def test_a_damaged_checkpoint_is_passed_over_with_a_warning(full, damage):
    path = full.list()[-1].path
    DAMAGES[damage](path)
    warnings = []
    assert load(full, warnings) == (90, 90)
    assert len(warnings) == 1
    assert str(path) in warnings[0]


@pytest.mark.parametrize("damage", DAMAGES)
def test_a_damaged_checkpoint_alone_is_an_error(full, damage):
    path = full.list()[-1].path
    DAMAGES[damage](path)
    with pytest.raises(DataError, match=str(path)):
        read_checkpoint(path)


def test_several_damaged_ones_lead_to_the_last_sound_one(full):
    for checkpoint in full.list()[1:]:
        os.truncate(checkpoint.path, 100)
    warnings = []
    assert load(full, warnings) == (25, 25)
    assert len(warnings) == 4


def test_a_renamed_checkpoint_does_not_pass_for_another_one(full):
    """Its weights are of iteration 50, whatever its name says now."""
    source = full.list()[1].path
    for ending in (".pt", ".json"):
        shutil.copy(source.with_suffix(ending), source.with_name(f"step-00000099-of-00000100{ending}"))
    assert 99 not in [c.iteration for c in full.list()]
    full.list()[-1].path.unlink()
    warnings = []
    assert load(full, warnings) == (90, 90)
    assert any("step-00000099" in warning for warning in warnings)


def test_files_of_other_names_are_no_checkpoints(full):
    shutil.copy(full.list()[0].path, full.path / "step-1.pt")
    (full.path / ".step-00000120.pt.abcd.tmp").write_bytes(b"half")
    assert len(full.list()) == 5


def test_another_schema_is_refused(folder):
    saved = folder.save({**content(1), "schema_version": 99}, 1, None)
    with pytest.raises(DataError, match="has schema 99, this rhodiff reads 1"):
        read_checkpoint(saved.path)


def test_a_checkpoint_cannot_execute_anything(folder, tmp_path):
    """A file that runs code when it is unpickled, vouched for by a marker."""

    class Harmful:
        def __reduce__(self):
            return (os.mkdir, (str(tmp_path / "executed"),))

    saved = folder.save(content(1), 1, None)
    torch.save({"schema_version": 1, "model": Harmful()}, saved.path)
    marker = {
        "file": saved.path.name,
        "size": saved.path.stat().st_size,
        "sha256": checksum(saved.path),
        "weights": "",
    }
    write_json(saved.path.with_suffix(".json"), marker)
    with pytest.raises(DataError, match="is no checkpoint of rhodiff"):
        read_checkpoint(saved.path)
    assert not (tmp_path / "executed").exists()


@pytest.mark.parametrize(
    ("keep", "left"),
    [
        (None, [25, 50, 75, 90, 100]),
        (1, [75, 100]),
        (2, [75, 90, 100]),
        (3, [75, 90, 100]),
        (9, [25, 50, 75, 90, 100]),
    ],
)
def test_pruning_keeps_the_newest_and_the_one_before_the_rate_falls(full, keep, left):
    full.prune(keep, HORIZON, COMMON)
    assert [c.iteration for c in full.list()] == left
    assert len(list(full.path.iterdir())) == 2 * len(left)


def test_pruning_leaves_checkpoints_of_trainings_of_other_lengths(full):
    full.save(content(40), 40, 50)
    full.prune(1, HORIZON, COMMON)
    assert iterations(full.list()) == [(40, 50), (75, None), (100, 100)]


def test_a_kill_between_file_and_marker_leaves_the_one_before(full, monkeypatch):
    def killed(*_):
        raise KeyboardInterrupt

    monkeypatch.setattr("rhodiff.training.checkpoints.write_json", killed)
    with pytest.raises(KeyboardInterrupt):
        full.save(content(110), 110, HORIZON)
    monkeypatch.undo()
    warnings = []
    assert load(full, warnings) == (100, 100)
    assert full.save(content(110), 110, HORIZON) == full.list()[-1]


def test_a_full_disk_leaves_the_earlier_checkpoints_and_the_rerun_goes_on(small_disk):
    disk = small_disk("size=1m")
    folder = CheckpointFolder(disk / "checkpoints")
    folder.save(content(25, 50_000), 25, None)
    with pytest.raises(StorageError, match="the disk is full"):
        folder.save(content(50, 250_000), 50, None)
    warnings = []
    assert load(folder, warnings) == (25, 25)
    assert warnings == []
    folder.save(content(50, 50_000), 50, None)
    assert load(folder, warnings) == (50, 50)


def test_temporaries_of_killed_writers_are_removed(full):
    left = full.path / ".step-00000120.pt.abcd.tmp"
    left.write_bytes(b"half")
    full.remove_temporaries()
    assert not left.exists()
    assert len(full.list()) == 5
