"""Identities: what changes them, what does not, and that they stay what they are."""

import hashlib
import json
import os
import shutil

import numpy as np
import pytest
import torch
import zarr

from rhodiff.config.identity import data_identity, fingerprint, identity_hash
from rhodiff.config.loading import apply_overrides, parse_experiment
from rhodiff.config.section import result_settings
from rhodiff.errors import DataError
from rhodiff.stages.evaluate import evaluation_tasks
from rhodiff.stages.sweep import sweep_cells
from rhodiff.stages.workspace import Workspace
from rhodiff.training.checkpoints import CheckpointFolder

ALL = {"data", "transform", "training", "samples", "statistics"}


@pytest.fixture
def identities(tmp_path, harmonics, observer):
    """Identities of the small experiment with some settings changed, as if it were trained to the end."""

    def of(*overrides, folder=tmp_path):
        workspace = Workspace(parse_experiment(apply_overrides(harmonics, overrides), "test"), folder, observer)
        iterations = workspace.experiment.training.iterations
        content = {"model": {"weight": torch.ones(3)}, "ema": None}
        CheckpointFolder(workspace.run_folder.checkpoints).save(content, iterations, iterations)
        return {
            "data": workspace.data_id,
            "transform": workspace.transform_id,
            "training": workspace.training_id,
            "samples": [cell.identity for cell in sweep_cells(workspace)],
            "statistics": [task.identity for task in evaluation_tasks(workspace)],
        }

    return of


@pytest.mark.parametrize(
    ("override", "changed"),
    [
        ("data.source.size=16", ALL - {"transform"}),
        ("data.split.seed=1", ALL - {"transform"}),
        ("data.shard_length=8", ALL - {"transform"}),
        ("fields.transform=[{kind: asinh}]", ALL - {"data"}),
        ("fields.augmentation=[dihedral]", {"training", "samples", "statistics"}),
        ("seed=1", {"training", "samples", "statistics"}),
        ("model.width=32", {"training", "samples", "statistics"}),
        ("diffusion={kind: ddpm}", {"training", "samples", "statistics"}),
        ("training.batch_size=8", {"training", "samples", "statistics"}),
        ("training.optimizer.learning_rate=1e-5", {"training", "samples", "statistics"}),
        ("sampling.num_samples=7", {"samples", "statistics"}),
        ("sampling.seeds=[1]", {"samples", "statistics"}),
        ("sampling.evaluations=[11]", {"samples", "statistics"}),
        ("sampling.weights=raw", {"samples", "statistics"}),
        ("sampling.guidance=1", set()),
        ("sampling.outside_range=refuse", set()),
        ("evaluation.bootstrap=200", {"statistics"}),
        ("evaluation.statistics=[{kind: power_spectrum}]", {"statistics"}),
        ("evaluation.space=physical", {"statistics"}),
        ("evaluation.space=[{kind: asinh}]", {"statistics"}),
        ("training.iterations=20000", set()),
        ("training.checkpoint_every=7", set()),
        ("training.compile=true", set()),
        ("model.gradient_checkpointing=true", set()),
        ("fields.memory_map=false", set()),
        ("runtime.device=cpu", set()),
        ("runtime.threads=2", set()),
        ("report.title=other", set()),
        ("name=other", set()),
        ("paths.runs=elsewhere", set()),
    ],
)
def test_a_setting_changes_the_identities_that_follow_from_it_and_no_others(identities, override, changed):
    before, after = identities(), identities(override)
    assert {name for name in ALL if before[name] != after[name]} == changed


def test_a_longer_sweep_keeps_the_cells_it_had(identities):
    before, after = identities(), identities("sampling.seeds=[0, 1]")
    assert set(before["samples"]) < set(after["samples"])
    assert set(before["statistics"]) < set(after["statistics"])


def test_an_experiment_is_the_same_in_another_folder(identities, tmp_path):
    assert identities() == identities(folder=tmp_path / "elsewhere")


def test_order_of_keys_and_form_of_numbers_do_not_matter(harmonics):
    reordered = {
        "data": {"shard_length": 5.0, "source": {"max_degree": 3, "size": "8", "kind": "harmonics"}},
        "name": "small",
    }
    one, two = parse_experiment(harmonics, "test"), parse_experiment(reordered, "test")
    assert data_identity(one, []) == data_identity(two, [])


def test_identity_is_the_start_of_the_digest_of_canonical_json(harmonics):
    experiment = parse_experiment(harmonics, "test")
    parts = [1, "data", result_settings(experiment.data), []]
    text = json.dumps(parts, sort_keys=True, separators=(",", ":"))
    assert data_identity(experiment, []) == hashlib.sha256(text.encode()).hexdigest()[:8]


def test_identities_stay_what_they_are(harmonics):
    """Golden. Made with ``printf '[1,"a",{"b":[1.5,null]}]' | sha256sum`` and, for the data set, by this code when it
    was written. If one changes, every result that users have is orphaned: do that on purpose or not at all."""
    assert identity_hash("a", {"b": [1.5, None]}) == "a3f32291"
    assert data_identity(parse_experiment(harmonics, "test"), []) == "89d51682"


def test_numbers_that_are_none_have_no_identity():
    with pytest.raises(ValueError, match="JSON compliant"):
        identity_hash(float("nan"))


@pytest.mark.parametrize("size", [1, 1000, 3_000_000])
def test_another_content_at_the_same_path_and_size_is_noticed(tmp_path, size):
    """Below 4 MiB every byte counts."""
    path = tmp_path / "input"
    content = bytearray(np.random.default_rng(0).bytes(size))
    path.write_bytes(content)
    before, stat = fingerprint(path), path.stat()
    for position in {0, size // 3, size // 2, size - 1}:
        changed = bytearray(content)
        changed[position] ^= 1
        path.write_bytes(changed)
        os.utime(path, ns=(stat.st_atime_ns, stat.st_mtime_ns))
        assert fingerprint(path) != before
    path.write_bytes(content)
    assert fingerprint(path) == before


def test_large_files_are_noticed_at_their_ends_and_by_their_size(tmp_path):
    path = tmp_path / "input"
    size = 50_000_000
    with path.open("wb") as handle:
        handle.truncate(size)
    before = fingerprint(path)
    for position in (0, size - 1):
        with path.open("r+b") as handle:
            handle.seek(position)
            handle.write(b"\1")
        assert fingerprint(path) != before
        with path.open("r+b") as handle:
            handle.seek(position)
            handle.write(b"\0")
    with path.open("ab") as handle:
        handle.truncate(size + 1)
    assert fingerprint(path) != before


def test_path_and_time_do_not_change_a_fingerprint(tmp_path):
    one, two = tmp_path / "one", tmp_path / "two"
    one.write_bytes(b"content")
    two.write_bytes(b"content")
    os.utime(two, (0, 0))
    assert fingerprint(one) == fingerprint(two)


def test_a_zarr_folder_is_known_by_all_its_files(tmp_path):
    path = tmp_path / "input.zarr"
    zarr.create_array(path, data=np.arange(12.0), chunks=(4,))
    before = fingerprint(path)
    moved = shutil.copytree(path, tmp_path / "moved.zarr")
    assert fingerprint(moved) == before
    chunk = max(p for p in (path / "c").rglob("*") if p.is_file())
    content = chunk.read_bytes()
    chunk.write_bytes(content[:-1] + bytes([content[-1] ^ 1]))
    assert fingerprint(path) != before
    chunk.write_bytes(content)
    assert fingerprint(path) == before
    chunk.rename(chunk.with_name("9"))  # the same contents in the same order, at another place in the array
    assert fingerprint(path) != before


def test_a_missing_input_is_an_error(tmp_path):
    with pytest.raises(DataError, match="cannot read the input file"):
        fingerprint(tmp_path / "none")
