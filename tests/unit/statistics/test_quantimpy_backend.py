"""QuantImPy in process, under another interpreter, and not at all; the real one is asked in tests/oracles."""

import subprocess
import sys
from pathlib import Path
from types import ModuleType

import numpy as np
import pytest

from rhodiff.errors import DataError, EnvironmentLacksError
from rhodiff.statistics.quantimpy_backend import PYTHON_VARIABLE, quantimpy_functionals

FIELDS = np.random.default_rng(0).normal(size=(3, 5, 6)).astype(np.float32)
LEVELS = np.array([-0.5, 0.1, 3.0])
STAND_IN = "def functionals(mask):\n    return mask.sum(), mask[0].sum(), mask.shape[0]\n"
EXPECTED = [[[(f >= t).sum(), (f >= t)[0].sum(), 5] for t in LEVELS] for f in FIELDS.astype(float)]


@pytest.fixture(autouse=True)
def _nothing_named(monkeypatch):
    monkeypatch.delenv(PYTHON_VARIABLE, raising=False)
    monkeypatch.setitem(sys.modules, "quantimpy", None)


@pytest.fixture
def interpreter(tmp_path):
    """Another interpreter with a stand-in for QuantImPy."""
    package = tmp_path / "packages" / "quantimpy"
    package.mkdir(parents=True)
    (package / "__init__.py").write_text("")
    (package / "minkowski.py").write_text(STAND_IN)
    wrapper = tmp_path / "python"
    wrapper.write_text(f'#!/bin/sh\nPYTHONPATH="{package.parent}" exec "{sys.executable}" "$@"\n')
    wrapper.chmod(0o755)
    return wrapper


def test_a_worker_under_the_named_interpreter_measures_the_fields(interpreter):
    np.testing.assert_array_equal(quantimpy_functionals(FIELDS, LEVELS, python=interpreter), EXPECTED)


def test_the_environment_may_name_the_interpreter(interpreter, monkeypatch):
    monkeypatch.setenv(PYTHON_VARIABLE, str(interpreter))
    np.testing.assert_array_equal(quantimpy_functionals(FIELDS, LEVELS), EXPECTED)


def test_it_runs_in_process_where_it_imports(monkeypatch):
    package, module = ModuleType("quantimpy"), ModuleType("quantimpy.minkowski")
    exec(STAND_IN, module.__dict__)
    package.minkowski = module
    monkeypatch.setitem(sys.modules, "quantimpy", package)
    monkeypatch.setitem(sys.modules, "quantimpy.minkowski", module)
    monkeypatch.setattr(subprocess, "run", lambda *_, **__: pytest.fail("no worker is needed"))
    np.testing.assert_array_equal(quantimpy_functionals(FIELDS, LEVELS), EXPECTED)


def test_without_it_the_error_says_how_to_get_it():
    with pytest.raises(EnvironmentLacksError, match=f"python3.10 -m venv.*{PYTHON_VARIABLE}=.*backend: rhodiff"):
        quantimpy_functionals(FIELDS, LEVELS)


def test_an_interpreter_that_does_not_exist_is_named(tmp_path):
    with pytest.raises(EnvironmentLacksError, match=r"cannot start .*no-python"):
        quantimpy_functionals(FIELDS, LEVELS, python=tmp_path / "no-python")


def test_an_interpreter_without_it_shows_what_its_worker_said(monkeypatch):
    monkeypatch.setenv("PYTHONPATH", "")
    with pytest.raises(EnvironmentLacksError, match=r"(?s)ended with code 1.*ModuleNotFoundError.*quantimpy"):
        quantimpy_functionals(FIELDS, LEVELS, python=Path(sys.executable))


@pytest.mark.parametrize("fields", [np.zeros((2, 9)), np.full((1, 4, 4), np.nan)])
def test_fields_that_it_cannot_take_are_refused(fields):
    with pytest.raises(DataError, match=r"finite fields .* in 2D and 3D"):
        quantimpy_functionals(fields, LEVELS)
