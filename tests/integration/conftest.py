"""A prepared data set and an undisturbed training that the tests of a session share."""

from pathlib import Path

import pytest
from experiments import Lab, tiny_settings, write_arrays


@pytest.fixture(scope="session")
def arrays(tmp_path_factory) -> Path:
    """A file with one-dimensional fields."""
    return write_arrays(tmp_path_factory.mktemp("arrays") / "fields.npy")


@pytest.fixture(scope="session")
def prepared(arrays, tmp_path_factory) -> Lab:
    """The data set of the tiny experiment; its data folder is shared and must not be changed."""
    lab = Lab.make(tmp_path_factory.mktemp("prepared"), tiny_settings(arrays))
    lab.do("run", "prepare")
    return lab


@pytest.fixture(scope="session")
def undisturbed(prepared) -> Lab:
    """The tiny experiment, trained in one go by one process."""
    prepared.do("run", "train")
    return prepared


LONG = ("training.iterations=150", "training.checkpoint_every=2")


@pytest.fixture(scope="session")
def undisturbed_long(prepared, tmp_path_factory) -> Lab:
    """A training that is long enough to be disturbed, in one go by one process."""
    lab = _with_shared_data(prepared, tmp_path_factory.mktemp("undisturbed"), *LONG)
    lab.do("run", "train")
    return lab


@pytest.fixture
def long_lab(prepared, tmp_path) -> Lab:
    """The same training, not begun."""
    return _with_shared_data(prepared, tmp_path, *LONG)


@pytest.fixture
def lab(prepared, tmp_path) -> Lab:
    """The tiny experiment with the shared data set and runs of its own."""
    return _with_shared_data(prepared, tmp_path)


def _with_shared_data(prepared: Lab, folder: Path, *overrides: str) -> Lab:
    return prepared.sibling(folder, f"paths.data={prepared.folder / 'data'}", *overrides)
