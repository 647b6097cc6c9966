"""Fields and thresholds that Minkowski functionals are timed on, the same in every interpreter."""

import numpy as np

__all__ = ["KINDS", "LEVELS", "make_fields"]

LEVELS = np.linspace(-3, 3, 100)
KINDS = ("2d_noise", "2d_smooth", "3d_noise", "3d_smooth")
SHAPES = {"2d": (256, 128, 128), "3d": (1, 64, 64, 64)}
SMOOTHING = 2.0
"""Width of the Gaussian that smooth fields are smoothed with, cells."""


def make_fields(kind: str) -> np.ndarray:
    """Fields of unit variance, ``[N, *space]``."""
    ndim, texture = kind.split("_")
    fields = np.random.default_rng(0).normal(size=SHAPES[ndim])
    if texture == "noise":
        return fields
    axes = tuple(range(1, fields.ndim))
    squares = [(2 * np.pi * np.fft.fftfreq(n)) ** 2 for n in fields.shape[1:]]
    kernel = np.exp(-sum(np.meshgrid(*squares, indexing="ij")) * SMOOTHING**2 / 2)
    smooth = np.fft.ifftn(np.fft.fftn(fields, axes=axes) * kernel, axes=axes).real
    return np.ascontiguousarray(smooth / smooth.std())
