"""What goes into an image, what is written on it, and what is refused before anything is written."""

import shutil
from collections import namedtuple

import pytest

from rhodiff.config.shipped import shipped_folder
from rhodiff.errors import ConfigError, EnvironmentLacksError
from rhodiff.jobs import image_build
from rhodiff.jobs.image_build import BuildRequest, check_build, packing_definition, pinned_requirements
from rhodiff.runtime.containers import EngineProbe

DECLARED = ["torch>=2.6", "numpy>=2.0", "mpi4py>=4.0; extra == 'mpi'", 'numba>=0.63; extra == "simulation"']
DECLARED += ["rhodiff[mpi]; extra == 'test'"]
INSTALLED = {"torch": "2.13.0+cpu", "mpi4py": "4.1.2"}
WHOLE = EngineProbe("/usr/bin/apptainer", "1.4.5", can_run=True, can_run_post=True)


@pytest.fixture
def engine(monkeypatch):
    """Says which engine there is."""
    monkeypatch.setattr(image_build, "probe_engine", lambda: WHOLE)
    return lambda probe: monkeypatch.setattr(image_build, "probe_engine", lambda: probe)


def test_an_image_gets_the_versions_of_this_environment_without_what_its_index_adds():
    assert pinned_requirements(DECLARED, ["mpi"], INSTALLED.get) == ["torch==2.13.0", "numpy>=2.0", "mpi4py==4.1.2"]
    assert pinned_requirements(DECLARED, [], INSTALLED.get) == ["torch==2.13.0", "numpy>=2.0"]


def test_an_extra_that_does_not_exist_lists_those_that_do():
    with pytest.raises(ConfigError, match=r"no extra 'mpy'; there are: mpi, simulation, test"):
        pinned_requirements(DECLARED, ["mpy"], INSTALLED.get)


@pytest.mark.parametrize("kind", ["cpu", "xpu"])
def test_a_packed_folder_keeps_of_the_definition_what_runs_need(kind, tmp_path):
    text = (shipped_folder("containers") / f"rhodiff-{kind}.def").read_text()
    packed = packing_definition(text, tmp_path, {"rhodiff.version": "0.1.0"})
    assert packed.startswith(f"Bootstrap: localimage\nFrom: {tmp_path}\n")
    assert "    rhodiff.version 0.1.0\n" in packed
    for section in ("%environment", "%runscript", "%help", "%labels"):
        assert packed.count(section) == text.count(section) + (section == "%labels")
    for left_out in ("%post", "%files", "%arguments", "{{", "setup.sh"):
        assert left_out not in packed


@pytest.mark.parametrize("kind", ["cpu", "xpu"])
def test_what_post_does_is_the_one_script(kind):
    text = (shipped_folder("containers") / f"rhodiff-{kind}.def").read_text()
    post = text.split("%post")[1].split("%environment")[0]
    assert post.count("setup.sh") == 1
    assert "pip" not in post
    assert "apt-get" not in post


def test_an_image_that_is_there_is_left_alone(engine, tmp_path):
    (tmp_path / "a.sif").touch()
    with pytest.raises(ConfigError, match="exists already"):
        check_build(BuildRequest("cpu", tmp_path / "a.sif"))


def test_xpu_needs_to_be_told_where_its_torch_is(engine, tmp_path):
    with pytest.raises(ConfigError, match="--torch-index"):
        check_build(BuildRequest("xpu", tmp_path / "a.sif", temporary=tmp_path))


def test_wheels_and_an_index_contradict_each_other(engine, tmp_path):
    with pytest.raises(ConfigError, match="exclude each other"):
        check_build(BuildRequest("cpu", tmp_path / "a.sif", wheels=tmp_path, torch_index="there"))


def test_where_post_cannot_run_the_way_out_is_told(engine, tmp_path):
    engine(EngineProbe("/usr/bin/apptainer", "1.4.5", can_run=True, problem="no %post", fix="take --root"))
    with pytest.raises(EnvironmentLacksError, match="no %post: take --root"):
        check_build(BuildRequest("cpu", tmp_path / "a.sif", temporary=tmp_path))


def test_a_folder_that_is_no_root_file_system_is_refused(engine, tmp_path, monkeypatch):
    monkeypatch.setattr(image_build.os, "geteuid", lambda: 0)
    with pytest.raises(ConfigError, match="no bin/sh"):
        check_build(BuildRequest("cpu", tmp_path / "a.sif", root=tmp_path, temporary=tmp_path))
    monkeypatch.setattr(image_build.os, "geteuid", lambda: 1000)
    with pytest.raises(EnvironmentLacksError, match="needs root"):
        check_build(BuildRequest("cpu", tmp_path / "a.sif", root=tmp_path, temporary=tmp_path))


def test_too_little_room_is_told_with_both_numbers(engine, tmp_path, monkeypatch):
    usage = namedtuple("usage", "total used free")
    monkeypatch.setattr(shutil, "disk_usage", lambda _: usage(10e9, 8.5e9, 1.5e9))
    with pytest.raises(EnvironmentLacksError, match=r"up to 6 GB, and .* has 1.5 GB left"):
        check_build(BuildRequest("cpu", tmp_path / "a.sif", temporary=tmp_path))
