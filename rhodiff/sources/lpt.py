"""Lagrangian perturbation theory: where particles go under gravity, to first and second order.

A particle from the lattice point q is found at

    x = q - grad phi1(q) + (D2 / D1^2) grad phi2(q),
    laplace phi1 = delta,   laplace phi2 = sum_{i<j} (phi1,ii phi1,jj - phi1,ij^2),
    D2 = -3/7 D1^2 Omega_m(z)^(-1/143)

with the linear density contrast delta at the wanted redshift, so that D1 is contained in it (Zel'dovich 1970, A&A 5,
84; Bouchet et al. 1995, A&A 296, 575; Scoccimarro 1998, MNRAS 299, 1097). Axes: ``[x, y, z]`` of the lattice,
displacements ``[axis, x, y, z]``; modes ``[x, y, z half]`` as in :mod:`rhodiff.sources.gaussian_field`. Where streams
of particles cross, and on small scales, this is an approximation: haloes are too diffuse. The products of the second
order are taken on the lattice itself, without padding against aliasing.
"""

import numpy as np
import scipy.fft
from numpy.typing import NDArray

from rhodiff.sources.cosmology import Cosmology, matter_density
from rhodiff.sources.gaussian_field import modes_to_field

__all__ = ["lattice_positions", "second_order_displacement", "second_order_ratio", "zeldovich_displacement"]

Array = NDArray[np.float64]
Modes = NDArray[np.complex128]


def zeldovich_displacement(modes: Modes, box_size: float) -> Array:
    """First-order displacement -grad phi1, laplace phi1 = delta.

    Args:
        modes: of the linear density contrast, ``[N, N, N // 2 + 1]``.
        box_size: side of the box.

    Returns:
        ``[3, N, N, N]``, unit of ``box_size``. Modes in a Nyquist plane do not move particles across it.
    """
    return -_gradient(_inverse_laplacian(modes, box_size), box_size)


def second_order_displacement(modes: Modes, box_size: float, ratio: float) -> Array:
    """Second-order displacement (D2 / D1^2) grad phi2.

    Args:
        modes: of the linear density contrast, ``[N, N, N // 2 + 1]``.
        box_size: side of the box.
        ratio: D2 / D1^2 from :func:`second_order_ratio`, about -3/7.

    Returns:
        ``[3, N, N, N]``, unit of ``box_size``.
    """
    potential = _inverse_laplacian(modes, box_size)
    source = scipy.fft.rfftn(_second_invariant(potential, box_size))
    return ratio * _gradient(_inverse_laplacian(np.asarray(source), box_size), box_size)


def second_order_ratio(cosmology: Cosmology, redshift: float) -> float:
    """D2 / D1^2 = -3/7 Omega_m(z)^(-1/143) (Bouchet et al. 1995)."""
    return float(-3 / 7 * matter_density(cosmology, redshift) ** (-1 / 143))


def lattice_positions(displacement: Array, box_size: float) -> Array:
    """Positions of particles that started from the centres of N^3 cells, wrapped into the box.

    Args:
        displacement: ``[3, N, N, N]``, unit of ``box_size``.
        box_size: side of the box.

    Returns:
        ``[3, N^3]`` in [0, box_size).
    """
    size = displacement.shape[1]
    start = (np.arange(size) + 0.5) * (box_size / size)
    positions = displacement.copy()
    for axis in range(3):
        positions[axis] += start.reshape([-1 if i == axis else 1 for i in range(3)])
    positions %= box_size
    # the remainder of a tiny negative number rounds up to the box size itself
    positions[positions >= box_size] = 0.0
    return positions.reshape(3, -1)


def _wavenumbers(size: int, box_size: float) -> list[Array]:
    """Wavenumbers along the three axes, shaped to broadcast against modes."""
    full = np.asarray(2 * np.pi / box_size * np.fft.fftfreq(size, 1 / size), dtype=np.float64)
    half = 2 * np.pi / box_size * np.arange(size // 2 + 1, dtype=np.float64)
    return [full[:, None, None], full[None, :, None], half[None, None, :]]


def _odd_wavenumbers(size: int, box_size: float) -> list[Array]:
    """The same for odd derivatives: a real field has none at the Nyquist frequency, whose sign is undefined."""
    waves = _wavenumbers(size, box_size)
    nyquist = np.pi * size / box_size
    return [np.where(np.isclose(np.abs(k), nyquist), 0.0, k) for k in waves]


def _inverse_laplacian(modes: Modes, box_size: float) -> Modes:
    kx, ky, kz = _wavenumbers(modes.shape[0], box_size)
    k2 = kx**2 + ky**2 + kz**2
    k2[0, 0, 0] = 1.0
    potential = -modes / k2
    potential[0, 0, 0] = 0.0
    return potential


def _gradient(potential: Modes, box_size: float) -> Array:
    size = potential.shape[0]
    gradient = np.empty((3, size, size, size))
    for axis, k in enumerate(_odd_wavenumbers(size, box_size)):
        gradient[axis] = modes_to_field(1j * k * potential)
    return gradient


def _second_invariant(potential: Modes, box_size: float) -> Array:
    """sum_{i<j} (phi,ii phi,jj - phi,ij^2) in real space."""
    size = potential.shape[0]
    even, odd = _wavenumbers(size, box_size), _odd_wavenumbers(size, box_size)
    xx, yy, zz = (modes_to_field(-(k**2) * potential) for k in even)
    invariant = xx * yy + (xx + yy) * zz
    for i, j in ((0, 1), (0, 2), (1, 2)):
        invariant -= modes_to_field(-odd[i] * odd[j] * potential) ** 2
    return invariant
