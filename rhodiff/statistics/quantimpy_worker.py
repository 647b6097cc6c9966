"""Minkowski functionals by QuantImPy, in whichever interpreter has it: a module, and a program of two packages.

    python quantimpy_worker.py FOLDER

reads ``fields.npy`` and ``thresholds.npy`` from the folder and writes ``functionals.npy``. It imports NumPy and
QuantImPy alone and runs on Python 3.8 and newer, since QuantImPy's wheels end at CPython 3.10.

Axes: fields ``[N, *space]``, functionals ``[N, threshold, ndim + 1]``.
"""

import sys
from pathlib import Path

import numpy as np

__all__ = ["functionals"]


def functionals(fields: np.ndarray, thresholds: np.ndarray) -> np.ndarray:
    """QuantImPy's un-normalised functionals of the sets ``field >= threshold``, whatever they are.

    Args:
        fields: ``[N, *space]`` with two or three axes.
        thresholds: ``[T]``.
    """
    from quantimpy import minkowski

    values = np.asarray(fields, dtype=np.float64)
    found = np.empty((len(values), len(thresholds), values.ndim))
    for n, field in enumerate(values):
        for t, level in enumerate(np.asarray(thresholds, dtype=np.float64)):
            found[n, t] = minkowski.functionals(np.ascontiguousarray(field >= level))
    return found


def _main(folder: Path) -> None:
    found = functionals(np.load(str(folder / "fields.npy")), np.load(str(folder / "thresholds.npy")))
    np.save(str(folder / "functionals.npy"), found)


if __name__ == "__main__":
    _main(Path(sys.argv[1]))
