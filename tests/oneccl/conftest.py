"""The environment with oneCCL over that of the tests, and a prepared experiment."""

from pathlib import Path

import pytest
from experiments import Lab, tiny_settings, write_arrays
from oneccl_environment import oneccl_interpreter


@pytest.fixture(scope="session")
def oneccl_python() -> Path:
    """Interpreter of an environment with the extra ``oneccl``."""
    return oneccl_interpreter()


@pytest.fixture(scope="session")
def prepared(tmp_path_factory) -> Lab:
    """The tiny experiment's data; 50 steps."""
    folder = tmp_path_factory.mktemp("over-oneccl")
    settings = tiny_settings(write_arrays(folder / "fields.npy"))
    lab = Lab.make(folder, settings, "training.iterations=50", f"paths.data={folder / 'data'}")
    lab.do("run", "prepare")
    return lab
