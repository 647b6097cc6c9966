"""A disk that is full, or a quota used up, while something is written: one clear error, nothing lost, and it goes on.

The file systems are real: a small tmpfs, and btrfs in a file with a limit on its quota group.
"""

import errno
import os
import re
import shutil
import subprocess
from pathlib import Path

import pytest
from experiments import Lab, differing_weights, tiny_settings, write_arrays

from rhodiff.store.files import checksum
from rhodiff.training.checkpoints import CheckpointFolder, read_checkpoint


class QuotaDisk:
    """A btrfs in a file, whose quota group holds a limited number of bytes."""

    def __init__(self, folder: Path) -> None:
        self.image, self.path = folder / "image", folder / "mounted"
        self.path.mkdir()
        with self.image.open("wb") as handle:
            handle.truncate(160 << 20)
        self._call("mkfs.btrfs", "-q", str(self.image))
        self._call("mount", "-o", "loop", str(self.image), str(self.path))
        self._call("btrfs", "quota", "enable", str(self.path))

    def limit(self, num_bytes: int) -> None:
        self._call("btrfs", "qgroup", "limit", str(num_bytes), str(self.path))

    def close(self) -> None:
        self._call("umount", str(self.path))

    def _call(self, *command: str) -> None:
        subprocess.run(command, check=True, capture_output=True)


@pytest.fixture
def quota_disk(tmp_path):
    if os.geteuid() != 0 or shutil.which("mkfs.btrfs") is None:
        pytest.skip("a real quota needs root and btrfs-progs")
    try:
        disk = QuotaDisk(tmp_path)
    except subprocess.CalledProcessError as error:
        pytest.skip(f"a real quota needs btrfs in the kernel and loop devices: {error.stderr.decode()}")
    yield disk
    disk.close()


@pytest.fixture(scope="module")
def checkpoint_bytes(undisturbed) -> int:
    return max(path.stat().st_size for path in (undisturbed.run_folder() / "checkpoints").iterdir())


def assert_checkpoints_sound(run: Path) -> int:
    """Every finished checkpoint loads, and nothing half-written lies about; the number of checkpoints."""
    found = CheckpointFolder(run / "checkpoints").list()
    for checkpoint in found:
        read_checkpoint(checkpoint.path)
    files = {path.name for path in (run / "checkpoints").iterdir()}
    assert not [name for name in files if name.endswith(".tmp")]
    return len(found)


def assert_told_once(err: str, reason: str, path: str) -> None:
    assert err.count("error:") == 1, err
    assert "Traceback" not in err
    assert "Exception" not in err
    message = err[err.index("error:") :]
    assert reason in message
    assert path in message
    assert "make room" in message


def enlarge(disk: Path, options: str) -> None:
    subprocess.run(["mount", "-o", f"remount,{options}", str(disk)], check=True)


@pytest.mark.slow
@pytest.mark.parametrize("num_processes", [1, 2])
def test_disk_full_during_a_checkpoint(num_processes, lab, undisturbed, small_disk, checkpoint_bytes):
    disk = small_disk(f"size={int(2.6 * checkpoint_bytes) + 60000}")
    lab.overrides += (f"paths.runs={disk / 'runs'}",)
    ended = [rank.wait() for rank in lab.start_ranks(num_processes, "run", "train")]

    (run,) = (disk / "runs").iterdir()
    assert [e.code for e in ended] == [1] * num_processes
    assert_told_once(ended[0].err, "the disk is full", "checkpoints/step-000000")
    assert all(e.err == "" for e in ended[1:])
    assert assert_checkpoints_sound(run) == 2
    enlarge(disk, f"size={10 * checkpoint_bytes}")
    again = [rank.wait() for rank in lab.start_ranks(num_processes, "run", "train")]
    assert [e.code for e in again] == [0] * num_processes
    assert "going on from step-00000020" in again[0].err
    assert assert_checkpoints_sound(run) == 4
    if num_processes == 1:
        final = read_checkpoint(sorted((run / "checkpoints").glob("*.pt"))[-1])
        assert differing_weights(final, undisturbed.final()) == []


def test_disk_that_is_full_from_the_start_is_told_and_leaves_no_lock(lab, small_disk):
    disk = small_disk("size=1m")
    lab.overrides += (f"paths.runs={disk / 'runs'}",)
    filler = disk / "filler"
    fill(filler)
    ended = lab.run("run", "train")

    assert ended.code == 1
    assert ended.err.count("error:") == 1
    assert "the disk is full" in ended.err
    filler.unlink()
    lab.do("run", "train", "--set", "training.iterations=2")


def fill(path: Path) -> None:
    with path.open("wb", buffering=0) as handle:
        try:
            while True:
                handle.write(bytes(4096))
        except OSError as error:
            assert error.errno == errno.ENOSPC


def test_metrics_that_find_the_disk_full_end_the_training_with_one_error(lab, small_disk, checkpoint_bytes):
    disk = small_disk(f"size={checkpoint_bytes}")
    lab.overrides += (f"paths.runs={disk / 'runs'}", "training.checkpoint_every=100000")
    (disk / "filler").write_bytes(bytes(checkpoint_bytes - 65000))
    ended = lab.run("run", "train", "--set", "training.iterations=4000")

    assert ended.code == 1
    assert ended.err.count("error:") == 1, ended.err
    assert "the disk is full" in ended.err
    assert "Traceback" not in ended.err
    (disk / "filler").unlink()
    enlarge(disk, f"size={4 * checkpoint_bytes}")
    lab.do("run", "train", "--set", "training.iterations=10")


def test_no_inodes_left_during_a_checkpoint(lab, small_disk, undisturbed):
    disk = small_disk("size=50m,nr_inodes=24")
    lab.overrides += (f"paths.runs={disk / 'runs'}",)
    ended = lab.run("run", "train", "--set", "training.checkpoint_every=2")

    (run,) = (disk / "runs").iterdir()
    assert ended.code == 1
    assert_told_once(ended.err, "the disk is full", "checkpoints/step-000000")
    assert re.search(r", (no|1|2) files? more at", ended.err), "it says what there is too little of"
    assert assert_checkpoints_sound(run) >= 2
    enlarge(disk, "nr_inodes=1000")
    lab.do("run", "train", "--set", "training.checkpoint_every=2")


def test_quota_used_up_during_a_checkpoint(lab, undisturbed, quota_disk, checkpoint_bytes):
    quota_disk.limit(int(2.6 * checkpoint_bytes) + 200000)
    lab.overrides += (f"paths.runs={quota_disk.path / 'runs'}",)
    ended = lab.run("run", "train")

    (run,) = (quota_disk.path / "runs").iterdir()
    assert ended.code == 1
    assert_told_once(ended.err, "the quota (bytes or inodes) is used up", "checkpoints/step-000000")
    assert 1 <= assert_checkpoints_sound(run) <= 2
    quota_disk.limit(40 * checkpoint_bytes)
    lab.do("run", "train")
    final = read_checkpoint(sorted((run / "checkpoints").glob("*.pt"))[-1])
    assert differing_weights(final, undisturbed.final()) == []


def refuse_after_two_checkpoints() -> None:
    """Have the quota be used up when the third checkpoint is synced to the disk."""
    real, checkpoints = os.fsync, []

    def fsync(descriptor):
        name = str(Path(f"/proc/self/fd/{descriptor}").readlink())
        if name.endswith(".tmp") and ".pt." in name:
            checkpoints.append(name)
            if len(checkpoints) == 3:
                raise OSError(errno.EDQUOT, os.strerror(errno.EDQUOT))
        real(descriptor)

    os.fsync = fsync


def test_quota_error_that_comes_only_when_a_checkpoint_is_synced(lab, undisturbed):
    """As on NFS and Lustre; injected, beside the real quota above."""
    ended = lab.run("run", "train", before=refuse_after_two_checkpoints)

    assert ended.code == 1
    assert_told_once(ended.err, "the quota (bytes or inodes) is used up", "step-00000030.pt")
    assert assert_checkpoints_sound(lab.run_folder()) == 2
    lab.do("run", "train")
    assert differing_weights(lab.final(), undisturbed.final()) == []


@pytest.fixture
def large_fields(tmp_path) -> Lab:
    """An experiment of 8 shards of 100 kB."""
    fields = write_arrays(tmp_path / "fields.npy", num_fields=400, cells=512)
    settings = tiny_settings(fields)
    settings["data"]["shard_length"] = 50
    return Lab.make(tmp_path / "lab", settings)


def test_disk_full_during_a_shard_of_data(large_fields, small_disk, tmp_path):
    disk = small_disk("size=500k")
    elsewhere = large_fields.sibling(tmp_path / "elsewhere")
    elsewhere.do("run", "prepare")
    large_fields.overrides += (f"paths.data={disk / 'data'}",)
    ended = large_fields.run("run", "prepare")

    (data,) = (disk / "data").iterdir()
    assert ended.code == 1
    assert_told_once(ended.err, "the disk is full", "fields.zarr")
    verified = Lab(large_fields.folder).run("data", "verify", str(data), "--json")
    assert verified.code == 1
    faults = [fault["shard"] for fault in verified.value["faults"]]
    assert 0 not in faults
    assert 7 in faults
    refused = large_fields.run("run", "train")
    assert refused.code == 2
    assert "is not prepared (completely)" in refused.err
    enlarge(disk, "size=5m")
    large_fields.do("run", "prepare")
    Lab(large_fields.folder).do("data", "verify", str(data))
    assert checksums(data) == checksums(elsewhere.data_folder())


def checksums(data: Path) -> dict[str, str]:
    chunks = [path for path in (data / "fields.zarr").rglob("*") if path.is_file() and path.name != "zarr.json"]
    return {str(path.relative_to(data)): checksum(path) for path in chunks}


def test_disk_full_during_a_shard_of_samples(lab, undisturbed, small_disk, checkpoint_bytes):
    disk = small_disk(f"size={checkpoint_bytes + 200000}")
    run = disk / "runs" / undisturbed.run_folder().name
    (run / "checkpoints").mkdir(parents=True)
    for path in sorted((undisturbed.run_folder() / "checkpoints").glob("*-of-*")):
        shutil.copy(path, run / "checkpoints")
    lab.overrides += (
        f"paths.runs={disk / 'runs'}",
        "sampling.num_samples=256",
        "sampling.shard_length=32",
        "sampling.micro_batch=32",
        "sampling.trajectory=4",
    )
    ended = lab.run("run", "sample")

    assert ended.code == 1
    assert_told_once(ended.err, "the disk is full", "samples")
    (store,) = (run / "samples").glob("*.zarr")
    verified = Lab(lab.folder).run("data", "verify", str(store), "--json")
    assert verified.code == 1
    assert 0 < len(verified.value["faults"]) < 8
    enlarge(disk, f"size={checkpoint_bytes + 2000000}")
    lab.do("run", "sample")
    Lab(lab.folder).do("data", "verify", str(store))
