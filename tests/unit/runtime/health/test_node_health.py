"""Faults of a node and of a folder, made on purpose."""

import os
import resource
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from rhodiff.runtime.health.folders import (
    check_clock,
    check_locking,
    check_quota,
    check_room,
    check_writing,
    find_file_system,
    folder_checks,
    parse_quota,
)
from rhodiff.runtime.health.machine import check_cpus, check_descriptors, check_home, check_shared_memory


def only(results):
    (result,) = results
    return result


def by_name(results):
    return {result.name: result for result in results}


def test_a_good_folder_has_nothing_wrong(tmp_path):
    for check in (check_writing, check_locking, check_clock):
        assert only(check(tmp_path)).state == "ok"
    assert [path.name for path in tmp_path.iterdir()] == []


def test_a_folder_that_does_not_exist_yet_is_looked_at_where_it_would_be_made(tmp_path):
    check = next(check for check in folder_checks(tmp_path / "a" / "runs") if check.name == "folder")
    assert str(tmp_path) in only(check.look()).found
    assert not (tmp_path / "a").exists()


@pytest.mark.skipif(shutil.which("setpriv") is None, reason="needs setpriv, to be another user than root")
def test_a_folder_without_the_right_to_write(tmp_path):
    """As another user where the tests are root's: root may write anywhere."""
    locked = tmp_path / "locked"
    locked.mkdir(mode=0o555)
    code = (
        "import sys\nfrom pathlib import Path\nfrom rhodiff.runtime.health.folders import check_writing\n"
        "(result,) = check_writing(Path(sys.argv[1]))\nprint(result.state, result.found)\n"
    )
    drop = ["setpriv", "--reuid=65534", "--clear-groups"] if os.geteuid() == 0 else []
    for folder in [locked, *locked.parents][:4]:
        if folder != locked:
            folder.chmod(0o755)
    probe = subprocess.run(
        [*drop, sys.executable, "-c", code, str(locked)], capture_output=True, text=True, check=False
    )
    if probe.returncode != 0 and "Permission denied" in probe.stderr:
        pytest.skip("the interpreter is out of reach of other users here")
    assert probe.stdout.startswith("fault"), probe.stderr
    assert "Permission denied" in probe.stdout


def test_a_full_disk(small_disk):
    folder = small_disk("size=1m")
    (folder / "filler").write_bytes(bytes(1000 * 1024))
    result = only(check_writing(folder))
    assert result.state == "fault"
    assert "cannot be written" in result.found
    assert by_name(check_room(folder, os.statvfs))["space"].state == "fault"


def test_no_files_left(small_disk):
    folder = small_disk("size=200m,nr_inodes=40")
    for number in range(40):
        try:
            (folder / f"{number}").touch()
        except OSError:
            break
    assert only(check_writing(folder)).state == "fault"
    found = by_name(check_room(folder, os.statvfs))
    assert found["inodes"].state == "fault"
    assert "shard_length" in found["inodes"].fix


@pytest.mark.parametrize(
    ("free_gb", "files", "space", "inodes"),
    [
        (100, 10**6, "ok", "ok"),
        (1, 10**6, "warning", "ok"),
        (0.05, 10**6, "fault", "ok"),
        (100, 1000, "ok", "warning"),
    ],
)
def test_room_is_judged_by_what_is_left(tmp_path, free_gb, files, space, inodes):
    def told(_):
        return os.statvfs_result((4096, 4096, 10**9, 0, int(free_gb * 1e9 / 4096), 10**7, 0, files, 0, 255))

    found = by_name(check_room(tmp_path, told))
    assert (found["space"].state, found["inodes"].state) == (space, inodes)


def test_a_file_system_that_does_not_count_files(tmp_path):
    told = os.statvfs_result((4096, 4096, 10**9, 0, 10**9, 0, 0, 0, 0, 255))
    assert by_name(check_room(tmp_path, lambda _: told))["inodes"].state == "ok"


def test_memory_is_no_place_for_runs(small_disk):
    result = only(check_writing(small_disk("size=4m")))
    assert (result.state, "tmpfs" in result.found) == ("warning", True)


def test_the_innermost_mount_is_found():
    mounts = (
        "22 1 254:0 / / rw,relatime - ext4 /dev/vda rw\n"
        "40 22 0:50 / /lustre/my\\040project rw shared:7 - lustre 10.0.0.1@tcp:/scratch rw\n"
    )
    assert find_file_system(Path("/lustre/my project/runs"), mounts).kind == "lustre"
    assert find_file_system(Path("/lustre/other"), mounts).source == "/dev/vda"


LFS = """     Filesystem  kbytes   quota   limit   grace   files   quota   limit   grace
        /scratch 950000000       0 1000000000       -  250000*      0  250000       -
"""
"""As the manual of Lustre prints it, with 950 of 1000 GB and all of 250,000 files used."""


def test_quotas_near_and_over_their_limit():
    found = by_name(parse_quota(LFS))
    assert (found["quota"].state, found["quota-files"].state) == ("warning", "fault")
    assert "950.0 of 1,000.0 GB" in found["quota"].found


def test_a_long_name_of_a_file_system_is_on_a_line_of_its_own():
    lines = LFS.splitlines()
    numbers = lines[1].replace("/scratch", "        ")
    assert by_name(parse_quota(f"{lines[0]}\n/a/very/long/name\n{numbers}\n"))["quota"].state == "warning"


def test_no_limit_is_no_quota():
    assert list(parse_quota("/dev/sda1 1000 0 0 0 12 0 0 0\n")) == []
    assert list(parse_quota("none\n")) == []


def test_a_machine_without_quotas_has_none(tmp_path):
    assert only(check_quota(tmp_path)).state == "absent"


@pytest.mark.parametrize(("soft", "state"), [(128, "fault"), (512, "warning"), (1024, "ok")])
def test_few_open_files(soft, state):
    before = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (soft, before[1]))
    try:
        result = only(check_descriptors())
    finally:
        resource.setrlimit(resource.RLIMIT_NOFILE, before)
    assert result.state == state
    assert ("ulimit -n" in result.fix) == (state != "ok")


@pytest.mark.parametrize(("options", "state"), [("size=64m", "warning"), ("size=8m", "fault"), ("size=256m", "ok")])
def test_little_shared_memory(small_disk, options, state):
    assert only(check_shared_memory(small_disk(options))).state == state


def test_no_shared_memory(tmp_path):
    assert only(check_shared_memory(tmp_path / "shm")).state == "fault"


def test_a_home_that_is_not_mounted(tmp_path):
    result = only(check_home({"HOME": str(tmp_path / "gone")}))
    assert (result.state, "XDG_CACHE_HOME" in result.fix) == ("warning", True)
    assert only(check_home({"HOME": str(tmp_path)})).state == "ok"
    assert only(check_home({})).state == "warning"


def test_more_threads_than_cpus():
    cpus = len(os.sched_getaffinity(0))
    assert only(check_cpus({"OMP_NUM_THREADS": str(cpus + 1)})).state == "warning"
    assert only(check_cpus({"OMP_NUM_THREADS": str(cpus)})).state == "ok"
