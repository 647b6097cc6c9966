"""Displacements against exact solutions: one plane wave, three crossed waves, the spherical collapse expansion."""

import numpy as np
import pytest

from rhodiff.sources.cosmology import Cosmology
from rhodiff.sources.gaussian_field import linear_modes, white_noise
from rhodiff.sources.lpt import (
    lattice_positions,
    second_order_displacement,
    second_order_ratio,
    zeldovich_displacement,
)
from rhodiff.sources.mass_assignment import assign_mass

BOX = 50.0
SIZE = 32
K_F = 2 * np.pi / BOX
EDS_RATIO = -3 / 7


def lattice():
    q = np.arange(SIZE) * BOX / SIZE
    return np.meshgrid(q, q, q, indexing="ij")


def test_zeldovich_displacement_of_a_plane_wave_is_exact():
    wave = K_F * np.array([1, -2, 3])
    phase = sum(k * q for k, q in zip(wave, lattice(), strict=True))
    displacement = zeldovich_displacement(np.fft.rfftn(0.3 * np.cos(phase)), BOX)
    for axis in range(3):
        expected = -0.3 * wave[axis] / (wave**2).sum() * np.sin(phase)
        assert displacement[axis] == pytest.approx(expected, abs=1e-12)


def test_density_of_a_collapsing_plane_wave_is_the_exact_one_dimensional_solution():
    """rho(x(q)) = 1 / (1 - A cos kq) before streams cross: its mass in the cloud of each cell."""
    amplitude, cells = 0.6, 8
    modes = np.fft.rfftn(amplitude * np.cos(K_F * lattice()[0]))
    positions = lattice_positions(zeldovich_displacement(modes, BOX), BOX)
    density = assign_mass(positions, cells, BOX, "tsc") * (cells / SIZE) ** 3
    q = (np.arange(200_000) + 0.5) * BOX / 200_000
    # the lattice value i belongs to the particle that starts at the centre of cell i
    exact = q - amplitude / K_F * np.sin(K_F * (q - 0.5 * BOX / SIZE))
    distance = np.abs(exact[None] * cells / BOX - (np.arange(cells)[:, None] + 0.5))
    distance = np.minimum(distance, cells - distance)
    cloud = np.where(distance < 0.5, 0.75 - distance**2, 0.5 * np.clip(1.5 - distance, 0, None) ** 2)
    expected = cloud.mean(axis=1) * cells
    assert expected.max() > 1.6
    assert density == pytest.approx(np.broadcast_to(expected[:, None, None], density.shape), rel=4e-3)


@pytest.mark.parametrize("wave", [(1, 0, 0), (2, -1, 0), (1, 2, -3)])
def test_second_order_vanishes_for_a_plane_wave(wave):
    phase = sum(n * K_F * q for n, q in zip(wave, lattice(), strict=True))
    displacement = second_order_displacement(np.fft.rfftn(np.cos(phase)), BOX, EDS_RATIO)
    assert np.abs(displacement).max() < 1e-12 * BOX


def test_second_order_of_three_crossed_waves_is_exact():
    """phi1 = -A (cos x + cos y + cos z) / k^2: laplace phi2 = A^2 (cos x cos y + cos x cos z + cos y cos z)."""
    amplitude = 0.2
    x, y, z = (K_F * q for q in lattice())
    modes = np.fft.rfftn(amplitude * (np.cos(x) + np.cos(y) + np.cos(z)))
    displacement = second_order_displacement(modes, BOX, EDS_RATIO)
    for axis, (a, b, c) in enumerate([(x, y, z), (y, x, z), (z, x, y)]):
        expected = EDS_RATIO * amplitude**2 / (2 * K_F) * np.sin(a) * (np.cos(b) + np.cos(c))
        assert displacement[axis] == pytest.approx(expected, abs=1e-12)


def test_isotropic_peak_follows_spherical_collapse_to_second_order():
    """rho / mean = 1 + d + 17/21 d^2 + O(d^3) in an Einstein-de Sitter universe (Bernardeau et al. 2002, eq. 49)."""
    peak = 1e-3
    x, y, z = (K_F * q for q in lattice())
    modes = np.fft.rfftn(peak / 3 * (np.cos(x) + np.cos(y) + np.cos(z)))
    total = zeldovich_displacement(modes, BOX) + second_order_displacement(modes, BOX, EDS_RATIO)
    density = (1 + divergence(total)[0, 0, 0] / 3) ** -3
    assert (density - 1 - peak) / peak**2 == pytest.approx(17 / 21, rel=2e-3)


def test_displacements_of_a_random_field_have_no_curl():
    modes = linear_modes(white_noise(SIZE, 0, 0), lambda k: np.exp(-((4 * k) ** 2)), BOX)
    for displacement in (zeldovich_displacement(modes, BOX), second_order_displacement(modes, BOX, EDS_RATIO)):
        gradient = [[derivative(displacement[i], j) for j in range(3)] for i in range(3)]
        scale = max(np.abs(gradient[i][i]).max() for i in range(3))
        for i, j in ((0, 1), (0, 2), (1, 2)):
            assert np.abs(gradient[i][j] - gradient[j][i]).max() < 1e-10 * scale


def test_divergence_of_the_zeldovich_displacement_is_minus_the_density_contrast():
    field = np.random.default_rng(0).standard_normal((SIZE,) * 3)
    modes = np.fft.rfftn(field)
    modes[0, 0, 0] = 0
    for axis in range(3):
        np.moveaxis(modes, axis, 0)[SIZE // 2] = 0
    expected = -np.fft.irfftn(modes, s=(SIZE,) * 3, axes=(0, 1, 2))
    assert divergence(zeldovich_displacement(modes, BOX)) == pytest.approx(expected, abs=1e-10)


def test_second_order_ratio_is_that_of_an_einstein_de_sitter_universe_at_high_redshift():
    low_density = Cosmology(omega_m=0.25, omega_b=0.05, h=0.7, n_s=1.0, sigma_8=0.8)
    assert second_order_ratio(low_density, 100.0) == pytest.approx(-3 / 7, rel=1e-6)
    assert second_order_ratio(low_density, 0.0) == pytest.approx(-3 / 7 * 0.25 ** (-1 / 143), rel=1e-12)


def test_positions_stay_inside_the_box():
    displacement = np.zeros((3, 4, 4, 4))
    displacement[0] = -0.125 * BOX - 1e-18
    displacement[1] = 7.3 * BOX
    displacement[2, 0, 0, 0] = np.nextafter(-0.125 * BOX, -np.inf)
    positions = lattice_positions(displacement, BOX)
    assert positions.min() >= 0
    assert positions.max() < BOX


def derivative(field, axis):
    """Spectral derivative; exact for fields without power in the Nyquist planes."""
    k = np.fft.fftfreq(SIZE, BOX / SIZE / (2 * np.pi))
    k[SIZE // 2] = 0
    shape = [-1 if i == axis else 1 for i in range(3)]
    return np.fft.ifftn(1j * k.reshape(shape) * np.fft.fftn(field)).real


def divergence(vectors):
    return sum(derivative(vectors[axis], axis) for axis in range(3))
