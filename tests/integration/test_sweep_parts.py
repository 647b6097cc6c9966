"""A sweep comes out the same, bit for bit, however it is cut and whatever happens to its parts."""

import signal
from functools import partial
from pathlib import Path

import numpy as np
import pytest
from experiments import Lab
from holds import hold_in_write

from rhodiff.store.field_store import open_fields
from rhodiff.store.files import checksum

SWEEP = (
    "sampling.num_samples=64",
    "sampling.shard_length=4",
    "sampling.micro_batch=4",
    "sampling.samplers=[dpmpp_2m, ddpm]",
    "sampling.evaluations=[6]",
    "sampling.trajectory=3",
)


@pytest.fixture(scope="module")
def trained(undisturbed) -> Lab:
    return undisturbed


@pytest.fixture(scope="module")
def in_one_part(trained, tmp_path_factory) -> dict[str, str]:
    lab = copy_of(trained, tmp_path_factory.mktemp("one"))
    lab.do("run", "sample")
    return contents(lab)


def copy_of(trained: Lab, folder: Path, *overrides: str) -> Lab:
    """A run with the checkpoints of the trained one, and nothing sampled."""
    lab = trained.sibling(folder, f"paths.data={trained.folder / 'data'}", *SWEEP, *overrides)
    run = folder / "runs" / trained.run_folder().name
    run.mkdir(parents=True)
    (run / "checkpoints").symlink_to(trained.run_folder() / "checkpoints")
    return lab


def contents(lab: Lab) -> dict[str, str]:
    """Checksum of every file of every sample store that holds numbers."""
    samples = lab.run_folder() / "samples"
    return {
        str(path.relative_to(samples)): checksum(path)
        for path in sorted(samples.rglob("*"))
        if path.is_file() and path.name != "zarr.json"
    }


def test_every_sample_of_a_sweep_is_valid_and_different(trained, in_one_part, tmp_path):
    lab = copy_of(trained, tmp_path)
    paths = lab.do("run", "sample", "--json").value["samples"]

    assert contents(lab) == in_one_part
    assert len(paths) == 2
    for path in paths:
        store = open_fields(path)
        fields = np.asarray(store.fields[:])
        assert store.valid.all()
        assert len(np.unique(fields[:, 0, 0])) == 64
    assert len({open_fields(path).attributes["sampler"] for path in paths}) == 2


@pytest.mark.slow
@pytest.mark.parametrize("count", [4, 16])
def test_parts_one_after_another_give_the_same_files(count, trained, in_one_part, tmp_path):
    lab = copy_of(trained, tmp_path)
    for index in reversed(range(count)):
        lab.do("run", "sample", "--part", f"{index}/{count}")
    assert contents(lab) == in_one_part


def test_parts_at_the_same_time_with_one_killed_and_rerun_give_the_same_files(trained, in_one_part, tmp_path):
    lab = copy_of(trained, tmp_path)
    held = {2: partial(hold_in_write, "samples-", 2)}  # in its second shard's marker
    parts = [lab.start("run", "sample", "--part", f"{index}/4", before=held.get(index)) for index in range(4)]
    parts[2].wait_until_held()
    parts[2].send(signal.SIGKILL)
    codes = [part.wait().code for part in parts]
    assert codes[:2] + codes[3:] == [0, 0, 0]
    lab.do("run", "sample", "--part", "2/4")

    assert codes[2] == -signal.SIGKILL
    assert contents(lab) == in_one_part
    done = lab.do("run", "sample")
    assert "all 32 shards done before" in done.err


@pytest.mark.slow
def test_two_local_processes_give_the_same_files(trained, in_one_part, tmp_path):
    lab = copy_of(trained, tmp_path)
    lab.do("run", "sample", "--procs", "2")
    assert contents(lab) == in_one_part


def test_part_with_another_number_of_threads_is_told_that_the_last_bits_differ(trained, in_one_part, tmp_path):
    lab = copy_of(trained, tmp_path)
    lab.do("run", "sample", "--part", "0/2")
    ended = lab.do("run", "sample", "--part", "1/2", "--set", "sampling.threads=2")
    assert "was begun with 1 CPU threads and goes on with 2" in ended.err
    found = [fields_of(path) for path in sorted(lab.run_folder().glob("samples/*.zarr"))]
    one = copy_of(trained, tmp_path / "one")
    one.do("run", "sample")
    expected = [fields_of(path) for path in sorted(one.run_folder().glob("samples/*.zarr"))]
    for fields, others in zip(found, expected, strict=True):
        assert np.allclose(fields, others, rtol=1e-4, atol=1e-4), "no more than the last bits"


def fields_of(path: Path) -> np.ndarray:
    return np.asarray(open_fields(path).fields[:])


def test_sweep_with_a_killed_part_is_not_evaluated(trained, tmp_path):
    lab = copy_of(trained, tmp_path)
    ended = lab.do("run", "sample", "--part", "0/2")
    assert "2 of 2 cells still lack shards" in ended.err
    refused = lab.run("run", "evaluate")
    assert refused.code == 2
    assert "is not sampled (completely)" in refused.err


def test_another_shard_length_gives_the_same_fields(trained, in_one_part, tmp_path):
    one = copy_of(trained, tmp_path / "one").do("run", "sample", "--json").value["samples"]
    other = copy_of(trained, tmp_path / "other", "sampling.shard_length=16")
    for first, second in zip(one, other.do("run", "sample", "--json").value["samples"], strict=True):
        assert np.array_equal(open_fields(first).fields[:], open_fields(second).fields[:])


def test_samples_of_another_store_in_place_are_refused(trained, tmp_path):
    lab = copy_of(trained, tmp_path)
    first, second = (Path(path) for path in lab.do("run", "sample", "--json").value["samples"])
    keep = first.with_suffix(".aside")
    first.rename(keep)
    second.rename(first)
    refused = lab.run("run", "evaluate")
    assert refused.code == 2
    assert f"holds the samples {second.stem}, not {first.stem}" in refused.err
