"""Gaussian random fields on a periodic cube with a given power spectrum.

Axes are ``[x, y, z]``; Fourier modes are those of ``rfftn``, ``[x, y, z half]``, of a field on N^3 points of a box of
side L: with delta_k = sum_x delta(x) exp(-ikx), the spectrum is P(k) = <|delta_k|^2> L^3 / N^6 (Martel 2005,
arXiv:astro-ph/0506540). The modes come from white noise in real space, w of unit variance, delta_k = w_k
sqrt(P(k) N^3 / L^3), so that they are Hermitian, Nyquist planes included, without further care. The mean is zero; no
power lies beyond the corner of the cube of modes, and a box has none below 2 pi / L.
"""

from collections.abc import Callable

import numpy as np
import scipy.fft
from numpy.typing import NDArray

__all__ = ["linear_modes", "modes_to_field", "white_noise"]

Array = NDArray[np.float64]
Modes = NDArray[np.complex128]

PURPOSE_PHASES = 0x706861736573
"""Second key word of the random stream of initial phases."""


def white_noise(size: int, seed: int, index: int) -> Array:
    """Standard normal numbers ``[size, size, size]`` from (seed, index): one Philox stream for each box.

    Another ``size`` is another realisation, not a refinement of the same one.
    """
    generator = np.random.Philox(key=np.array([seed, PURPOSE_PHASES], dtype=np.uint64), counter=[0, 0, 0, index])
    return np.random.Generator(generator).standard_normal((size, size, size))


def linear_modes(noise: Array, power: Callable[[Array], Array], box_size: float) -> Modes:
    """Fourier modes of the Gaussian field that white noise turns into.

    Args:
        noise: standard normal ``[N, N, N]``, N even.
        power: P(k) in box_size^3 units of wavenumbers in 1 / box_size units.
        box_size: side of the box.

    Returns:
        complex128 ``[N, N, N // 2 + 1]``, unnormalised ``rfftn`` convention, zero mode 0.
    """
    size = noise.shape[0]
    squares = np.round(np.fft.fftfreq(size, 1 / size)).astype(np.int64) ** 2
    norm = squares[:, None, None] + squares[None, :, None] + squares[None, None, : size // 2 + 1]
    # |k|^2 takes few values on a lattice: evaluate the spectrum once for each
    table = power(2 * np.pi / box_size * np.sqrt(np.arange(norm.max() + 1, dtype=np.float64)))
    amplitude = np.sqrt(table * size**3 / box_size**3)
    amplitude[0] = 0.0
    modes = scipy.fft.rfftn(noise)
    modes *= amplitude[norm]
    return np.asarray(modes)


def modes_to_field(modes: Modes) -> Array:
    """Real field ``[N, N, N]`` of the modes ``[N, N, N // 2 + 1]``, N even."""
    size = modes.shape[0]
    return np.asarray(scipy.fft.irfftn(modes, s=(size, size, size)))
