"""The engine as it is found by what a machine says, and the command and environment that lead into an image."""

import json
from pathlib import Path

import pytest

from rhodiff.errors import EnvironmentLacksError
from rhodiff.runtime import containers
from rhodiff.runtime.containers import (
    CONTAINER,
    ContainerRecord,
    EngineProbe,
    container_environment,
    exec_command,
    outermost,
    probe_engine,
    read_container_record,
    require_engine,
)

ENGINE = EngineProbe("/usr/bin/apptainer", "1.4.5", exec_options=("--no-privs",), can_run=True)


@pytest.fixture
def programs(tmp_path, monkeypatch):
    """A PATH of its own; makes programs that are shell scripts."""
    monkeypatch.setenv("PATH", str(tmp_path))

    def make(name, body):
        path = tmp_path / name
        path.write_text(f"#!/bin/sh\n{body}\n")
        path.chmod(0o755)

    return make


def as_user(monkeypatch, uid):
    monkeypatch.setattr(containers.os, "geteuid", lambda: uid)


def test_without_an_engine_the_fix_is_told(programs):
    found = probe_engine()
    assert (found.path, found.can_run) == (None, False)
    with pytest.raises(EnvironmentLacksError, match=r"no 'apptainer' on the PATH: load the site's module"):
        require_engine()


def test_an_engine_that_does_not_answer_cannot_run(programs):
    programs("apptainer", "exit 1")
    found = probe_engine()
    assert found.path is not None
    assert not found.can_run
    assert "does not answer" in found.problem


def test_root_drops_its_privileges_just_where_it_lacks_some(programs, monkeypatch):
    programs("apptainer", "echo apptainer version 1.4.5")
    as_user(monkeypatch, 0)
    monkeypatch.setattr(containers, "_missing_capabilities", lambda: 1)
    lacking = probe_engine()
    assert (lacking.version, lacking.exec_options, lacking.can_run) == ("1.4.5", ("--no-privs",), True)
    assert not lacking.can_run_post
    assert "--root" in lacking.fix
    monkeypatch.setattr(containers, "_missing_capabilities", lambda: 0)
    whole = probe_engine()
    assert (whole.exec_options, whole.can_run_post, whole.problem) == ((), True, None)


def test_a_user_needs_namespaces_or_the_setuid_starter(programs, monkeypatch, tmp_path):
    starter = tmp_path / "libexec" / "apptainer" / "bin" / "starter-suid"
    programs("apptainer", f'[ "$1" = buildcfg ] && echo {tmp_path}/libexec || echo apptainer version 1.3.0')
    as_user(monkeypatch, 1000)
    programs("unshare", "exit 1")
    neither = probe_engine()
    assert not neither.can_run
    assert "max_user_namespaces" in neither.fix
    starter.parent.mkdir(parents=True)
    starter.touch()
    starter.chmod(0o4755)
    assert (probe_engine().can_run, probe_engine().can_run_post) == (True, False)
    programs("unshare", "echo yes")
    assert (probe_engine().can_run, probe_engine().can_run_post, probe_engine().problem) == (True, True, None)


def test_capabilities_are_counted_from_what_the_kernel_says():
    status = Path("/proc/self/status").read_text().splitlines()
    permitted = next(line.split()[1] for line in status if line.startswith("CapPrm"))
    last = int(Path("/proc/sys/kernel/cap_last_cap").read_text())
    ours = [bit for bit in range(last + 1) if int(permitted, 16) >> bit & 1]
    assert containers._missing_capabilities() == last + 1 - len(ours)


def test_the_command_binds_each_folder_once_and_ends_with_what_runs_inside(monkeypatch, tmp_path):
    monkeypatch.setenv("HOME", str(tmp_path / "gone"))
    monkeypatch.setattr(containers, "DEVICES", tmp_path)
    words = exec_command(ENGINE, "/i.sif", ["python", "-V"], folder="/x", binds=["/d:/d:ro", "/x"], options=["--nv"])
    assert words[:5] == ["/usr/bin/apptainer", "--silent", "exec", "--no-privs", "--no-home"]
    bound = [words[k + 1] for k, word in enumerate(words) if word == "--bind"]
    assert bound == ["/x", "/d:/d:ro", str(tmp_path)]
    assert words[words.index("--pwd") + 1] == "/x"
    assert words[-4:] == ["--nv", "/i.sif", "python", "-V"]


def test_a_home_that_is_there_is_left_to_the_engine(monkeypatch, tmp_path):
    monkeypatch.setenv("HOME", str(tmp_path))
    assert "--no-home" not in exec_command(ENGINE, "/i.sif", ["true"], folder="/x")


def test_inside_the_hosts_python_is_not_heard_of_and_the_pinned_code_is():
    record = ContainerRecord("/i.sif", "abc", "apptainer 1.4.5")
    base = {"PYTHONPATH": "/host", "VIRTUAL_ENV": "/venv", "LD_PRELOAD": "x.so", "OMP_NUM_THREADS": "4"}
    inside = container_environment(base, record, python_path="/run/code.zip")
    assert inside["OMP_NUM_THREADS"] == "4"
    assert not inside.keys() & {"PYTHONPATH", "VIRTUAL_ENV", "LD_PRELOAD"}
    assert inside["APPTAINERENV_PYTHONPATH"] == "/run/code.zip"
    assert inside["APPTAINERENV_PYTHONNOUSERSITE"] == "1"
    assert read_container_record(inside) == record
    assert "APPTAINERENV_PYTHONPATH" not in container_environment(base, record)


def test_a_container_that_rhodiff_did_not_start_is_recorded_by_its_file():
    assert read_container_record({}) is None
    assert read_container_record({"APPTAINER_CONTAINER": "/i.sif"}) == ContainerRecord("/i.sif")
    assert json.loads(container_environment({}, ContainerRecord("/i.sif"))[CONTAINER])["sha256"] is None


def test_folders_within_others_need_no_bind_and_links_are_bound_at_both_ends(tmp_path):
    (tmp_path / "a" / "b").mkdir(parents=True)
    (tmp_path / "elsewhere").mkdir()
    (tmp_path / "a" / "link").symlink_to(tmp_path / "elsewhere")
    found = outermost([tmp_path / "a", tmp_path / "a" / "b", tmp_path / "a" / "link"])
    assert found == [str(tmp_path / "a"), str((tmp_path / "elsewhere").resolve())]
    assert outermost([tmp_path / "a" / "b"]) == [str(tmp_path / "a" / "b")]
