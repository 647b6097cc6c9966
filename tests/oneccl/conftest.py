"""The environment with oneCCL over that of the tests, and a prepared experiment."""

import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from experiments import Lab, tiny_settings, write_arrays

from rhodiff.runtime.oneccl.extension import CACHE_VARIABLE

ROOT = Path(__file__).resolve().parents[2]


@pytest.fixture(scope="session")
def oneccl_python() -> Path:
    """Interpreter of an environment with the extra ``oneccl``, where the process group is compiled."""
    words = [ROOT / "tests/oneccl/setup_environment.sh", ROOT / ".venv-oneccl", sys.executable]
    made = subprocess.run(words, capture_output=True, text=True, check=False, timeout=600)
    assert made.returncode == 0, f"the environment of oneCCL cannot be made:\n{made.stderr}"
    python = Path(made.stdout.strip())
    compile_once = "from rhodiff.runtime.oneccl.backend import prepare_backend; prepare_backend()"
    environment = {name: value for name, value in os.environ.items() if name not in {CACHE_VARIABLE, "CCL_ROOT"}}
    compiled = subprocess.run(
        [python, "-c", compile_once],
        env=environment,
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
        timeout=600,
    )
    assert compiled.returncode == 0, compiled.stderr
    return python


@pytest.fixture(scope="session")
def prepared(tmp_path_factory) -> Iterator[Lab]:
    """The tiny experiment's data; 50 steps."""
    folder = tmp_path_factory.mktemp("over-oneccl")
    settings = tiny_settings(write_arrays(folder / "fields.npy"))
    lab = Lab.make(folder, settings, "training.iterations=50", f"paths.data={folder / 'data'}")
    lab.do("run", "prepare")
    return lab
