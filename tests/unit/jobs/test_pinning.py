"""A pinned package is what runs, complete, whatever stands elsewhere; the same code is pinned once."""

import json
import os
import shutil
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest

import rhodiff
from rhodiff.config.shipped import SHIPPED_KINDS, shipped_folder
from rhodiff.jobs import pinning
from rhodiff.jobs.pinning import pin_code
from rhodiff.store.layout import JobsFolder

PACKAGE = Path(rhodiff.__file__).parent


@pytest.fixture(scope="module")
def pinned(tmp_path_factory):
    folder = tmp_path_factory.mktemp("it's a run") / "jobs"
    return folder / pin_code(JobsFolder(folder))


@pytest.fixture
def broken(tmp_path):
    """A folder whose rhodiff fails at once: a checkout that was edited after the submission."""
    (tmp_path / "rhodiff").mkdir()
    (tmp_path / "rhodiff" / "__init__.py").write_text("raise SystemExit('the edited checkout runs')\n")
    return tmp_path


def run(pinned, folder, *words, **options):
    """Run Python as a job's script does, in a folder and with a PYTHONPATH that hold another rhodiff."""
    environment = os.environ | {"PYTHONSAFEPATH": "1", "PYTHONPATH": f"{pinned}:{folder}", "OMP_NUM_THREADS": "1"}
    command = [sys.executable, *words]
    return subprocess.run(command, cwd=folder, env=environment, capture_output=True, text=True, check=True, **options)


def test_it_holds_all_sources_and_shipped_files(pinned):
    names = set(zipfile.ZipFile(pinned).namelist())
    sources = {f"rhodiff/{path.relative_to(PACKAGE)}" for path in PACKAGE.rglob("*.py")}
    shipped = {
        f"rhodiff/_shipped/{kind}/{entry.name}" for kind in SHIPPED_KINDS for entry in shipped_folder(kind).iterdir()
    }
    assert sources | shipped | {"rhodiff/report/template.html"} <= names
    assert {f"{source}c" for source in sources} <= names
    assert not [name for name in names if "__pycache__" in name]


def test_without_it_the_broken_checkout_would_run(broken):
    with pytest.raises(subprocess.CalledProcessError) as caught:
        run(broken, broken, "-c", "import rhodiff")
    assert "the edited checkout runs" in caught.value.stderr


def test_it_is_what_runs_and_reads_its_own_files(pinned, broken):
    code = (
        "import sys, importlib.resources, rhodiff.cli.app, rhodiff.jobs.body, rhodiff.stages.report\n"
        "from rhodiff.config.shipped import read_shipped, shipped_names\n"
        "from rhodiff.report.document import TEMPLATE\n"
        "files = {m.__file__ for n, m in sys.modules.items() if n.partition('.')[0] == 'rhodiff'}\n"
        "print(len(files), all(f.startswith(sys.argv[1]) and f.endswith('.pyc') for f in files))\n"
        "print(len(TEMPLATE.read_text()) > 1000, 'pipeline' in shipped_names('workflows'))\n"
        "print(read_shipped('configs', 'demo').startswith('#'))\n"
    )
    lines = run(pinned, broken, "-c", code, str(pinned)).stdout.splitlines()
    assert int(lines[0].split()[0]) > 100
    assert [*lines[0].split()[1:], *lines[1:]] == ["True", "True True", "True"]


def test_its_command_line_answers(pinned, broken):
    assert "Diffusion models of physical fields" in run(pinned, broken, "-m", "rhodiff.cli", "--help").stdout


def test_it_tells_the_state_of_the_checkout_that_it_was_pinned_from(pinned, broken):
    code = "from rhodiff.runtime.provenance import describe_environment; print(describe_environment()['git'])"
    recorded = json.loads(zipfile.ZipFile(pinned).read("rhodiff/_pinned.json"))["git"]
    assert run(pinned, broken, "-c", code).stdout.strip() == recorded


def test_pinning_from_a_pinned_package_finds_the_same_code(pinned, broken):
    code = (
        "import sys; from pathlib import Path; from rhodiff.jobs.pinning import pin_code\n"
        "from rhodiff.store.layout import JobsFolder; print(pin_code(JobsFolder(Path(sys.argv[1]))))\n"
    )
    assert run(pinned, broken, "-c", code, str(broken / "jobs")).stdout.strip() == pinned.name


def test_a_traceback_names_the_pinned_source(pinned, broken):
    code = "from rhodiff.jobs.submission_plan import read_plan\nfrom pathlib import Path\nread_plan(Path('no-plan'))"
    with pytest.raises(subprocess.CalledProcessError) as caught:
        run(pinned, broken, "-c", code)
    assert f'File "{pinned}/rhodiff/jobs/submission_plan.py"' in caught.value.stderr


@pytest.fixture
def copied(tmp_path, monkeypatch):
    """A package of two modules in the place of the running one."""
    (tmp_path / "package").mkdir()
    (tmp_path / "package" / "__init__.py").write_text("")
    (tmp_path / "package" / "module.py").write_text("value = 1\n")
    monkeypatch.setattr(pinning, "files", lambda name: tmp_path / "package")
    return tmp_path / "package"


def test_the_same_code_is_written_once_and_other_code_beside_it(copied, tmp_path):
    jobs = JobsFolder(tmp_path / "jobs")
    first = pin_code(jobs)
    before = (jobs.path / first).stat()
    assert pin_code(jobs) == first
    assert (jobs.path / first).stat().st_mtime_ns == before.st_mtime_ns
    (copied / "module.py").write_text("value = 2\n")
    second = pin_code(jobs)
    assert sorted(path.name for path in jobs.path.iterdir()) == sorted([first, second])


def test_editors_and_caches_leave_the_digest_alone(copied, tmp_path):
    first = pin_code(JobsFolder(tmp_path / "jobs"))
    (copied / ".module.py.swp").write_text("x")
    (copied / "__pycache__").mkdir()
    (copied / "__pycache__" / "module.cpython-311.pyc").write_bytes(b"x")
    assert pin_code(JobsFolder(tmp_path / "jobs")) == first


def test_code_of_another_python_is_compiled_anew(pinned, broken, tmp_path):
    """Bytecode of another version is passed over, and the source beside it is used."""
    other = tmp_path / "other.zip"
    with zipfile.ZipFile(pinned) as source, zipfile.ZipFile(other, "w") as target:
        for name in source.namelist():
            data = source.read(name)
            target.writestr(name, b"\0\0\0\0" + data[4:] if name.endswith(".pyc") else data)
    assert run(other, broken, "-c", "import rhodiff; print(rhodiff.__file__)").stdout.strip().startswith(str(other))


@pytest.mark.slow
def test_a_whole_pipeline_runs_from_it(pinned, broken):
    run(pinned, broken, "-m", "rhodiff.cli", "init", "tiny_harmonics")
    overrides = ["training.iterations=4", "training.checkpoint_every=4", "training.sheet_samples=0", "model.width=8"]
    overrides += ["sampling.num_samples=8", "sampling.evaluations=[2]", "evaluation.bootstrap=100"]
    sets = [word for override in overrides for word in ("--set", override)]
    run(pinned, broken, "-m", "rhodiff.cli", "run", "pipeline", *sets)
    (report,) = broken.glob("runs/*/report/report.html")
    assert "<html" in report.read_text()[:2000]
    environment = json.loads(next(broken.glob("runs/*/environment.json")).read_text())
    assert environment["git"] == json.loads(zipfile.ZipFile(pinned).read("rhodiff/_pinned.json"))["git"]
    shutil.rmtree(broken / "runs")
