"""Atomic writes and markers: no later run can trust a half-written file, on a full disk too."""

import errno
import hashlib
import os
import signal
import subprocess
import sys

import pytest

from rhodiff.errors import DataError
from rhodiff.store.files import (
    StorageError,
    checksum,
    read_json,
    read_marker,
    storage_errors,
    write_atomic,
    write_json,
    write_marker,
)


def names(folder):
    return sorted(path.name for path in folder.iterdir())


def test_a_written_file_has_the_content_and_the_digest_that_is_returned(tmp_path):
    path = tmp_path / "new" / "folder" / "file"
    digest = write_atomic(path, lambda handle: handle.write(b"content"))
    assert path.read_bytes() == b"content"
    assert digest == hashlib.sha256(b"content").hexdigest() == checksum(path)
    assert names(path.parent) == ["file"]


def test_whoever_reads_the_old_file_reads_it_whole(tmp_path):
    path = tmp_path / "file"
    path.write_bytes(b"old content")
    with path.open("rb") as reader:
        start = reader.read(4)
        reader.seek(4)
        write_atomic(path, lambda handle: handle.write(b"NEW CONTENT"))
        assert start + os.pread(reader.fileno(), 100, 4) == b"old content"
    assert path.read_bytes() == b"NEW CONTENT"


@pytest.mark.parametrize("error", [ValueError("wrong"), KeyboardInterrupt()])
def test_the_old_file_stays_if_the_writer_raises(tmp_path, error):
    path = tmp_path / "file"
    path.write_bytes(b"old")

    def write(handle):
        handle.write(b"half of the new")
        raise error

    with pytest.raises(type(error)):
        write_atomic(path, write)
    assert path.read_bytes() == b"old"
    assert names(tmp_path) == ["file"]


def test_the_old_file_stays_if_the_process_is_killed(tmp_path):
    path = tmp_path / "file"
    path.write_bytes(b"old")
    script = (
        "import os, pathlib\nfrom rhodiff.store.files import write_atomic\n"
        "def write(handle):\n    handle.write(b'new' * 100000)\n    handle.flush()\n    os.kill(os.getpid(), 9)\n"
        f"write_atomic(pathlib.Path({str(path)!r}), write)\n"
    )
    killed = subprocess.run([sys.executable, "-c", script], check=False)
    assert killed.returncode == -signal.SIGKILL
    assert path.read_bytes() == b"old"
    write_atomic(path, lambda handle: handle.write(b"again"))
    assert path.read_bytes() == b"again"


@pytest.mark.parametrize(("options", "left"), [("size=1m", b"x" * 2_000_000), ("size=1m,nr_inodes=4", b"x")])
def test_a_full_disk_is_one_error_and_leaves_what_was_there(small_disk, options, left):
    """Full of bytes, and full of inodes."""
    disk = small_disk(options)
    path = disk / "file"
    write_atomic(path, lambda handle: handle.write(b"old"))
    fillers = [disk / f"filler{number}" for number in range(2)] if "inodes" in options else []
    for filler in fillers:
        filler.touch()
    with pytest.raises(StorageError, match=rf"cannot write {path}: the disk is full \(room for .* more at"):
        write_atomic(path, lambda handle: handle.write(left))
    assert path.read_bytes() == b"old"
    assert len(names(disk)) == 1 + len(fillers)
    for filler in fillers:
        filler.unlink()
    write_atomic(path, lambda handle: handle.write(b"new"))
    assert path.read_bytes() == b"new"


def test_a_storage_error_says_what_to_do_and_ends_with_code_1(tmp_path):
    with (
        pytest.raises(StorageError, match=r"quota.*make room.*repeat the command") as caught,
        storage_errors(tmp_path),
    ):
        raise OSError(errno.EDQUOT, "Disk quota exceeded")
    assert caught.value.exit_code == 1


def test_a_file_in_the_place_of_a_folder_is_a_storage_error(tmp_path):
    (tmp_path / "file").touch()
    with pytest.raises(StorageError, match="a file stands where a folder is needed"):
        write_atomic(tmp_path / "file" / "sub" / "target", lambda handle: handle.write(b""))


def test_errors_that_are_not_the_disks_pass_through(tmp_path):
    with pytest.raises(FileExistsError), storage_errors(tmp_path):
        raise FileExistsError(errno.EEXIST, "exists")


def test_json_comes_back_and_nan_is_refused_before_anything_is_written(tmp_path):
    write_json(tmp_path / "a.json", {"x": [1, 2.5, None]})
    assert read_json(tmp_path / "a.json") == {"x": [1, 2.5, None]}
    with pytest.raises(ValueError, match="JSON compliant"):
        write_json(tmp_path / "b.json", float("nan"))
    assert names(tmp_path) == ["a.json"]


def test_json_that_is_missing_or_damaged_is_a_data_error(tmp_path):
    with pytest.raises(DataError, match="is missing"):
        read_json(tmp_path / "none.json")
    for content in (b"", b'{"a": 1', b"\xff\xfe"):
        (tmp_path / "bad.json").write_bytes(content)
        with pytest.raises(DataError, match=r"bad\.json is damaged"):
            read_json(tmp_path / "bad.json")


def test_a_marker_vouches_for_files_by_size_and_checksum(tmp_path):
    file = tmp_path / "fields" / "c.0"
    file.parent.mkdir()
    file.write_bytes(b"abc")
    marker = tmp_path / "markers" / "shard.json"
    write_marker(marker, [file], {"number": 3})
    vouched = {"fields/c.0": {"size": 3, "sha256": hashlib.sha256(b"abc").hexdigest()}}
    assert read_marker(marker) == {"files": vouched, "number": 3}


def test_a_marker_is_not_written_for_files_that_are_not_there(tmp_path):
    with pytest.raises(FileNotFoundError):
        write_marker(tmp_path / "markers" / "shard.json", [tmp_path / "none"])
    assert not (tmp_path / "markers").exists()


@pytest.mark.parametrize("content", [None, b"", b'{"files": {', b"[]", b'{"other": 1}'])
def test_a_missing_or_damaged_marker_vouches_for_nothing(tmp_path, content):
    path = tmp_path / "marker.json"
    if content is not None:
        path.write_bytes(content)
    assert read_marker(path) is None


def test_a_folder_that_forbids_writing_is_a_storage_error(tmp_path, monkeypatch):
    def refuse(*_):
        raise PermissionError(errno.EACCES, "Permission denied")

    monkeypatch.setattr(os, "fsync", refuse)
    with pytest.raises(StorageError, match="permission is denied"):
        write_atomic(tmp_path / "file", lambda handle: handle.write(b""))
    assert names(tmp_path) == []
