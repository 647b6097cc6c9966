"""The wheel holds what the checkout holds: built, installed where the checkout cannot be seen, and used."""

import os
import subprocess
import sys
import sysconfig
import zipfile
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]


@pytest.fixture(scope="module")
def wheel(tmp_path_factory):
    folder = tmp_path_factory.mktemp("wheel")
    command = [sys.executable, "-m", "build", "--wheel", "--no-isolation", "--outdir", str(folder), str(ROOT)]
    subprocess.run(command, check=True, capture_output=True)
    (path,) = folder.glob("rhodiff-*.whl")
    return path


@pytest.fixture(scope="module")
def installed(wheel, tmp_path_factory):
    """Folder of a new environment's programs; it sees the dependencies of this one, but not the checkout."""
    folder = tmp_path_factory.mktemp("environment")
    subprocess.run([sys.executable, "-m", "venv", "--without-pip", str(folder)], check=True)
    python = folder / "bin" / "python"
    pip = [sys.executable, "-m", "pip", "--python", str(python), "install", "--no-deps", "--no-index", str(wheel)]
    subprocess.run(pip, check=True, capture_output=True)
    (packages,) = folder.glob("lib/python*/site-packages")
    (packages / "dependencies.pth").write_text(sysconfig.get_path("purelib") + "\n")
    return folder / "bin"


def run(installed, folder, *words):
    clean = {name: value for name, value in os.environ.items() if name != "PYTHONPATH"}
    command = [str(installed / words[0]), *words[1:]]
    return subprocess.run(command, cwd=folder, env=clean, check=True, capture_output=True, text=True).stdout


def test_shipped_files_are_in_the_wheel(wheel):
    names = set(zipfile.ZipFile(wheel).namelist())
    for kind in ("configs", "workflows", "slurm", "containers"):
        shipped = {f"rhodiff/_shipped/{kind}/{path.name}" for path in (ROOT / kind).glob("*.*")}
        assert shipped
        assert shipped <= names
    sources = {str(path.relative_to(ROOT)) for path in (ROOT / "rhodiff").rglob("*.py")}
    assert sources <= names
    assert "rhodiff/report/template.html" in names
    assert not [name for name in names if name.startswith(("tests/", "docs/", "slurm/"))]


def test_an_installed_rhodiff_writes_and_plans_an_experiment_in_an_empty_folder(installed, tmp_path):
    where = run(installed, tmp_path, "python", "-c", "import rhodiff; print(rhodiff.__file__)")
    assert Path(where.strip()).is_relative_to(installed.parent)
    assert run(installed, tmp_path, "rhodiff-hpc", "--version").startswith("rhodiff ")
    listed = run(installed, tmp_path, "rhodiff-hpc", "init")
    first = min((ROOT / "configs").glob("*.yaml"))
    assert first.stem in listed
    run(installed, tmp_path, "rhodiff-hpc", "init", first.stem)
    assert (tmp_path / "rhodiff.yaml").read_text() == first.read_text()
    run(installed, tmp_path, "rhodiff-hpc", "init", "tiny_harmonics", "-o", "tiny.yaml")
    plan = run(installed, tmp_path, "rhodiff-hpc", "run", "pipeline", "-c", "tiny.yaml", "--dry-run")
    assert "tasks to do" in plan


def test_an_installed_rhodiff_finds_the_template_of_its_report(installed, tmp_path):
    find = "importlib.resources.files('rhodiff.report').joinpath('template.html')"
    code = f"import importlib.resources; print(len({find}.read_text()))"
    assert int(run(installed, tmp_path, "python", "-c", code)) > 1000
