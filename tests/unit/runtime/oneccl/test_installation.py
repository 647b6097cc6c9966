"""Each way in which oneCCL can be absent or broken has words of its own; the files here are real, if small."""

import re
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest

from rhodiff.errors import EnvironmentLacksError
from rhodiff.runtime.oneccl.installation import (
    WHEELS,
    Installation,
    find_installation,
    load_libraries,
    refuse_two_mpis,
)

ROOT = Path(__file__).resolve().parents[4]


class Packages:
    """A folder of installed packages: records of files, and some of the files."""

    def __init__(self, folder):
        self.folder = folder / "lib" / "python3" / "site-packages"
        self.folder.mkdir(parents=True)

    def add(self, name, version, *files, missing=()):
        record = self.folder / f"{name.replace('-', '_')}-{version}.dist-info"
        record.mkdir()
        (record / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {name}\nVersion: {version}\n")
        (record / "RECORD").write_text("".join(f"../../../{file},,\n" for file in (*files, *missing)))
        for file in files:
            path = self.folder.parents[2] / file
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text("not a library")


@pytest.fixture
def packages(tmp_path, monkeypatch):
    """All that Python can find here."""
    made = Packages(tmp_path / "env")
    monkeypatch.setattr(sys, "path", [str(made.folder)])
    return made


def test_nothing_installed(packages):
    with pytest.raises(
        EnvironmentLacksError, match="not installed, neither as package oneccl-cpu nor as CCL_ROOT"
    ) as caught:
        find_installation({})
    assert caught.value.exit_code == 5
    assert "pip install 'rhodiff[oneccl]'" in str(caught.value)


def test_the_wheels(packages, tmp_path):
    packages.add("oneccl-cpu", "2021.16.2", "lib/libccl.so.1")
    packages.add("impi-rt", "2021.18.1", "lib/libfabric.so.1")
    lib = (tmp_path / "env" / "lib").resolve()
    assert find_installation({}) == Installation("2021.16.2", lib / "libccl.so.1", lib / "libfabric.so.1", None)
    packages.add("oneccl-cpu-devel", "2021.16.2", "include/oneapi/ccl.hpp")
    assert find_installation({}).include == (tmp_path / "env" / "include").resolve()


@pytest.mark.parametrize(
    ("ccl", "impi", "said"),
    [
        (
            {"missing": ["lib/libccl.so.1"]},
            {"files": ["lib/libfabric.so.1"]},
            "oneccl-cpu 2022.0.0 has no libccl.so.1",
        ),
        ({"files": ["lib/libccl.so.2"]}, {"files": ["lib/libfabric.so.1"]}, "oneccl-cpu 2022.0.0 has no libccl.so.1"),
        ({"files": ["lib/libccl.so.1"]}, {"files": ["lib/libmpi.so.12"]}, "impi-rt 2022.0.0 has no libfabric.so.1"),
        ({"files": ["lib/libccl.so.1"]}, None, "impi-rt, which is not installed, has no libfabric.so.1"),
    ],
)
def test_broken_wheels_are_told_with_those_that_work(packages, ccl, impi, said):
    packages.add("oneccl-cpu", "2022.0.0", *ccl.get("files", ()), missing=ccl.get("missing", ()))
    if impi is not None:
        packages.add("impi-rt", "2022.0.0", *impi["files"])
    with pytest.raises(EnvironmentLacksError, match=f"oneCCL is broken: {re.escape(said)}") as caught:
        find_installation({})
    assert WHEELS in str(caught.value)


def test_a_library_that_cannot_be_loaded_is_told_in_the_loaders_words(packages):
    packages.add("oneccl-cpu", "2021.16.2", "lib/libccl.so.1")
    packages.add("impi-rt", "2021.18.1", "lib/libfabric.so.1")
    with pytest.raises(EnvironmentLacksError, match=r"libfabric\.so\.1 cannot be loaded \(.*(invalid ELF|too short)"):
        load_libraries(find_installation({}))


def test_the_transport_mpi_is_refused_where_oneccl_would_silently_take_another(packages):
    packages.add("oneccl-cpu", "2021.16.2", "lib/libccl.so.1")
    packages.add("impi-rt", "2021.18.1", "lib/libfabric.so.1", "lib/libmpi.so.12")
    with pytest.raises(EnvironmentLacksError, match=r"CCL_ATL_TRANSPORT is 'mpi'.*libmpi\.so\.12.*=ofi"):
        load_libraries(find_installation({}), {"CCL_ATL_TRANSPORT": "mpi"})


def test_the_sites_oneccl_comes_first_and_its_build_for_cpus_before_that_for_sycl(packages, tmp_path):
    packages.add("oneccl-cpu", "2021.16.2", "lib/libccl.so.1")
    root = tmp_path / "oneapi" / "2021.14"
    for folder in ("lib", "lib/ccl/cpu/lib", "include/oneapi"):
        (root / folder).mkdir(parents=True)
    (root / "lib/libccl.so.1").touch()
    found = find_installation({"CCL_ROOT": str(root)})
    assert found == Installation("2021.14", root / "lib/libccl.so.1", None, None)
    (root / "lib/ccl/cpu/lib/libccl.so.1").touch()
    (root / "include/oneapi/ccl.hpp").touch()
    found = find_installation({"CCL_ROOT": str(root)})
    assert (found.library, found.include) == (root / "lib/ccl/cpu/lib/libccl.so.1", root / "include")
    with pytest.raises(EnvironmentLacksError, match=r"CCL_ROOT is .*nowhere, and there is no lib/libccl.so.1"):
        find_installation({"CCL_ROOT": str(tmp_path / "nowhere")})


def test_mpich_and_intel_mpi_exclude_each_other_in_one_environment_only(packages, tmp_path, monkeypatch):
    packages.add("impi-rt", "2021.18.1", "lib/libmpi.so.12")
    refuse_two_mpis()
    below = Packages(tmp_path / "below")
    below.add("mpich", "5.0.2", "lib/libmpi.so.12")
    monkeypatch.setattr(sys, "path", [str(packages.folder), str(below.folder)])
    refuse_two_mpis()
    packages.add("mpich", "5.0.2")
    with pytest.raises(EnvironmentLacksError, match=r"mpich and impi-rt are both installed in .*two environments"):
        refuse_two_mpis()


def test_the_versions_that_work_are_named_alike_everywhere():
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    assert project["optional-dependencies"]["oneccl"] == WHEELS.split()
    script = (ROOT / "tests/oneccl/setup_environment.sh").read_text()
    assert re.search(r"^packages=\((.*?)\)", script, re.MULTILINE)[1].split() == WHEELS.split()


def test_neither_extra_names_torch():
    extras = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["optional-dependencies"]
    assert not any(requirement.startswith("torch") for name in ("mpi", "oneccl") for requirement in extras[name])


def test_the_policy_can_be_read_without_torch():
    code = "import sys, rhodiff.runtime.resolution, rhodiff.runtime.contract; sys.exit('torch' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], check=False, cwd=ROOT).returncode == 0
