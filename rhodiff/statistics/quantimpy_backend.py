"""QuantImPy as a backend: in this process where it imports, else in a worker process under another interpreter.

QuantImPy (Boelens & Tchelepi 2021, SoftwareX 16, 100823) has wheels up to CPython 3.10, which is older than what
rhodiff runs on. Fields go to the worker and functionals come back as ``.npy`` files in a temporary folder.

It promises in three dimensions volume and surface only: its mean curvature wraps around in an unsigned integer, and
its Euler number follows neither 6- nor 26-connectivity (:mod:`rhodiff.statistics.minkowski_3d`).
"""

import os
import subprocess
import tempfile
from collections.abc import Mapping
from importlib import import_module
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from rhodiff.errors import DataError, EnvironmentLacksError
from rhodiff.statistics import quantimpy_worker

__all__ = ["PYTHON_VARIABLE", "quantimpy_functionals"]

PYTHON_VARIABLE = "RHODIFF_QUANTIMPY_PYTHON"
HOW_TO = (
    "Make an environment for it, 'python3.10 -m venv quantimpy && quantimpy/bin/pip install quantimpy==0.4.6 "
    f'"numpy<2"\', and name its interpreter: {PYTHON_VARIABLE}=$PWD/quantimpy/bin/python or quantimpy_python in the '
    "statistic's settings. 'backend: rhodiff' gives the same values in 2D and needs none of it"
)
TOLD_LINES = 5


def quantimpy_functionals(
    fields: NDArray[np.floating], thresholds: NDArray[np.float64], *, python: Path | None = None
) -> NDArray[np.float64]:
    """QuantImPy's un-normalised functionals of the sets ``field >= threshold`` with open boundaries.

    Args:
        fields: ``[N, *space]`` with two or three axes.
        thresholds: ``[T]``.
        python: interpreter of an environment that has QuantImPy; None: this one if it has, else that of
            ``$RHODIFF_QUANTIMPY_PYTHON``.

    Returns:
        ``[N, T, ndim + 1]``.

    Raises:
        DataError: if the fields are not finite or have other than two or three axes.
        EnvironmentLacksError: if QuantImPy is neither here nor there.
    """
    if fields.ndim not in (3, 4) or not np.isfinite(fields).all():
        raise DataError(
            f"QuantImPy takes finite fields [N, *space] in 2D and 3D, got shape {fields.shape} or NaN/inf in it; "
            "use 'backend: rhodiff'"
        )
    if python is None and _imports_here():
        return quantimpy_worker.functionals(fields, thresholds)
    return _by_worker(_interpreter(python, os.environ), fields, thresholds)


def _imports_here() -> bool:
    try:
        import_module("quantimpy.minkowski")
    except ImportError:
        return False
    return True


def _interpreter(python: Path | None, environment: Mapping[str, str]) -> Path:
    named = python or (Path(environment[PYTHON_VARIABLE]) if environment.get(PYTHON_VARIABLE) else None)
    if named is None:
        raise EnvironmentLacksError(f"QuantImPy does not import in this interpreter. {HOW_TO}.")
    return named.expanduser()


def _by_worker(python: Path, fields: NDArray[np.floating], thresholds: NDArray[np.float64]) -> NDArray[np.float64]:
    with tempfile.TemporaryDirectory(prefix="rhodiff-quantimpy-") as name:
        folder = Path(name)
        np.save(folder / "fields.npy", fields)
        np.save(folder / "thresholds.npy", thresholds)
        command = [str(python), str(Path(quantimpy_worker.__file__)), str(folder)]
        try:
            ended = subprocess.run(command, capture_output=True, text=True, check=False, env=_environment())
        except OSError as error:
            raise EnvironmentLacksError(
                f"cannot start QuantImPy's interpreter '{python}': {error}. {HOW_TO}."
            ) from error
        result = folder / "functionals.npy"
        if ended.returncode or not result.exists():
            told = "\n".join(ended.stderr.strip().splitlines()[-TOLD_LINES:])
            raise EnvironmentLacksError(
                f"QuantImPy's worker under '{python}' ended with code {ended.returncode}:\n{told}\n{HOW_TO}."
            )
        return np.asarray(np.load(result))


def _environment() -> dict[str, str]:
    """Ours, less what would lead another interpreter to our packages."""
    return {name: value for name, value in os.environ.items() if name not in ("PYTHONPATH", "PYTHONHOME")}
