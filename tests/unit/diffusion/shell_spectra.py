"""Spectra in shells, as those of one-dimensional fields: mode k has the power of shell k of a field in two."""

import numpy as np


def shell_spectrum(num_cells, slope, std=1.0):
    """S(k) for k = 0..Nyquist of a 2D field with S ~ k^-slope and standard deviation std; no power at k = 0."""
    axis = np.fft.fftfreq(num_cells, 1 / num_cells)
    k = np.hypot(*np.meshgrid(axis, axis, indexing="ij"))
    k[0, 0] = np.inf
    shells = np.arange(num_cells // 2 + 1.0)
    shells[0] = np.inf
    return std**2 / np.mean(k**-slope) * shells**-slope


def worst_percent(bias):
    """The worst |dP/P| over k = 1..Nyquist, in percent."""
    return 100 * float(np.abs(bias[1:]).max())
