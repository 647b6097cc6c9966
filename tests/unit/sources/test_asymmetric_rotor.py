"""The rigid asymmetric rotor: closed forms of low J and symmetric tops, sum rules, a catalogue's water line."""

import numpy as np
import pytest

from rhodiff.errors import ConfigError
from rhodiff.sources.asymmetric_rotor import KELVIN_MHZ, AsymmetricRotor

A, B, C = 9000.0, 3100.0, 2300.0
WATER = (835840.288, 435351.717, 278138.700)
"""MHz, ground state (De Lucia et al. 1974)."""


def rotor(*dipole, constants=(A, B, C)):
    return AsymmetricRotor(*constants, dipole)


def test_levels_of_j_0_and_1_are_the_sums_of_two_constants():
    assert rotor(1, 0, 0).levels(0)[0] == pytest.approx([0], abs=1e-9)
    assert rotor(1, 0, 0).levels(1)[0] == pytest.approx(sorted([B + C, A + C, A + B]), rel=1e-12)


def test_levels_of_j_2_have_their_closed_form():
    root = 2 * np.sqrt((B - C) ** 2 + (A - C) * (A - B))
    expected = [2 * (A + B + C) + sign * root for sign in (-1, 1)] + [4 * A + B + C, A + 4 * B + C, A + B + 4 * C]
    assert rotor(1, 0, 0).levels(2)[0] == pytest.approx(sorted(expected), rel=1e-12)


@pytest.mark.parametrize("j", [1, 4, 9, 25])
def test_energies_of_one_j_have_the_trace_of_the_hamiltonian(j):
    total = (2 * j + 1) * j * (j + 1) * (A + B + C) / 3
    assert rotor(1, 0, 0).levels(j)[0].sum() == pytest.approx(total, rel=1e-12)


@pytest.mark.parametrize("j", [1, 5, 12])
def test_symmetric_tops_have_their_closed_form(j):
    k = np.abs(np.arange(-j, j + 1))
    prolate = rotor(1, 0, 0, constants=(A, B, B)).levels(j)[0]
    oblate = rotor(0, 0, 1, constants=(A, A, C)).levels(j)[0]
    assert prolate == pytest.approx(np.sort(B * j * (j + 1) + (A - B) * k**2), rel=1e-12)
    assert oblate == pytest.approx(np.sort(A * j * (j + 1) + (C - A) * k**2), rel=1e-12)


@pytest.mark.parametrize("j", [1, 4, 10])
def test_a_prolate_tops_strengths_are_those_of_hoenl_and_london(j):
    top = rotor(1.5, 0, 0, constants=(A, B, B))
    energies, k = top.levels(j)[0], np.abs(np.arange(-j, j + 1))
    level = np.argsort(B * j * (j + 1) + (A - B) * k**2, kind="stable")
    found = [top.strengths(j, other).sum(axis=1) for other in (j, j + 1)]
    within = (2 * j + 1) * k**2 / (j * (j + 1))
    above = ((j + 1) ** 2 - k**2) / (j + 1)
    assert len(energies) == 2 * j + 1
    assert found[0] == pytest.approx(1.5**2 * within[level], abs=1e-9)
    assert found[1] == pytest.approx(1.5**2 * above[level], rel=1e-9)


@pytest.mark.parametrize(("dipole", "frequency"), [((1, 0, 0), B + C), ((0, 1, 0), A + C), ((0, 0, 1), A + B)])
def test_each_component_of_the_dipole_has_its_own_first_line(dipole, frequency):
    strengths = rotor(*dipole).strengths(0, 1)[0]
    levels = rotor(*dipole).levels(1)[0]
    assert strengths.sum() == pytest.approx(1, rel=1e-12)
    assert levels[np.argmax(strengths)] == pytest.approx(frequency, rel=1e-12)
    assert strengths.max() == pytest.approx(1, rel=1e-12)


@pytest.mark.parametrize("j", [1, 2, 6, 15])
def test_strengths_to_all_partners_of_a_level_sum_to_the_dipole_squared(j):
    molecule = rotor(1.0, 0.5, 0.3)
    total = molecule.strengths(j, j).sum(axis=1) + molecule.strengths(j, j + 1).sum(axis=1)
    total = total + molecule.strengths(j - 1, j).sum(axis=0)
    assert total == pytest.approx((2 * j + 1) * (1 + 0.25 + 0.09), rel=1e-10)


def test_the_partition_function_becomes_the_classical_one():
    kt = KELVIN_MHZ * 40
    classical = np.sqrt(np.pi * kt**3 / (A * B * C))
    # the next term of the expansion is of order (A + B + C) / kT, here 0.2 %
    assert rotor(1, 0, 0).partition_function(40) == pytest.approx(classical, rel=5e-3)


def test_water_at_557_ghz_has_the_catalogues_intensity():
    """JPL catalogue, 1_10 - 1_01 of H2O: log10 I = -0.819 at 300 K with nuclear weights 3 (ortho) and 1."""
    molecule = rotor(0, 1.8546, 0, constants=WATER)
    line = molecule.lines(300, 550e3, 565e3)
    strongest = np.argmax(line.intensity)
    assert line.frequency_mhz[strongest] == pytest.approx(WATER[0] - WATER[2], rel=1e-9)
    with_spins = line.intensity[strongest] * 3 / 2  # ortho has 3 of 4 spin states: Q doubles, the level counts 3
    # rigid: 0.15 % in frequency, and 2 % in Q
    assert np.log10(with_spins) == pytest.approx(-0.819, abs=0.02)


def test_lines_are_in_range_in_order_and_between_their_levels():
    molecule = rotor(1.0, 0.5, 0.3)
    lines = molecule.lines(5, 8e3, 20e3)
    assert len(lines.frequency_mhz) > 100
    assert np.all(np.diff(lines.frequency_mhz) >= 0)
    assert lines.frequency_mhz.min() >= 8e3
    assert lines.frequency_mhz.max() < 20e3
    assert np.all(np.abs(lines.upper_j - lines.lower_j) <= 1)
    for row in range(0, len(lines.frequency_mhz), 37):
        lower = molecule.levels(int(lines.lower_j[row]))[0]
        upper = molecule.levels(int(lines.upper_j[row]))[0]
        assert np.abs(lower - lines.lower_mhz[row]).min() == pytest.approx(0, abs=1e-6)
        expected = lines.lower_mhz[row] + lines.frequency_mhz[row]
        assert np.abs(upper - expected).min() == pytest.approx(0, abs=1e-6)


def test_a_range_holds_the_lines_of_its_parts():
    molecule = rotor(1.0, 0.0, 0.4)
    whole = molecule.lines(5, 8e3, 20e3)
    parts = [molecule.lines(5, 8e3, 13e3), molecule.lines(5, 13e3, 20e3)]
    joined = np.concatenate([part.frequency_mhz for part in parts])
    assert joined == pytest.approx(whole.frequency_mhz, abs=0)


def test_cold_gas_has_the_line_from_the_ground_level_alone():
    lines = rotor(1, 0, 0).lines(0.005, 1.0, 1e5)
    assert lines.frequency_mhz[np.argmax(lines.intensity)] == pytest.approx(B + C, rel=1e-12)
    assert lines.intensity.max() / lines.intensity.sum() > 0.999999


@pytest.mark.parametrize(
    ("constants", "dipole", "message"),
    [
        ((3000.0, 9000.0, 2000.0), (1, 0, 0), "A >= B >= C"),
        ((3000.0, 2000.0, 0.0), (1, 0, 0), "A >= B >= C"),
        ((3000.0, 2000.0, 1000.0), (0, 0, 0), "without a dipole"),
    ],
)
def test_impossible_molecules_are_refused(constants, dipole, message):
    with pytest.raises(ConfigError, match=message):
        AsymmetricRotor(*constants, dipole)


@pytest.mark.parametrize(
    ("temperature", "message"), [(-1, "> 0 K"), (0, "> 0 K"), (np.inf, "> 0 K"), (5000, "take a lower temperature")]
)
def test_temperatures_out_of_range_are_refused(temperature, message):
    with pytest.raises(ConfigError, match=message):
        rotor(1, 0, 0).lines(temperature, 8e3, 20e3)
