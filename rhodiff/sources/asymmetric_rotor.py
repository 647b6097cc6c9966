r"""Energies, line strengths and intensities of a rigid asymmetric rotor (Gordy & Cook, Microwave Molecular Spectra).

In the basis of the symmetric top with its axis along a (z = a, x = b, y = c), constants A >= B >= C,

    <K|H|K>     = (B + C) J (J + 1) / 2 + [A - (B + C) / 2] K^2
    <K +- 2|H|K> = (B - C) / 4 sqrt{[J (J + 1) - K (K +- 1)] [J (J + 1) - (K +- 1)(K +- 2)]}

With eigenvectors c and the dipole's components mu_0 = mu_a, mu_{+-1} = -+ (mu_b +- i mu_c) / sqrt 2, a line of
J -> J' has the strength

    S mu^2 = (2 J + 1) |sum_{K, q} c'_{K + q} c_K <J K; 1 q | J' K + q> mu_q|^2

(Clebsch-Gordan coefficients), which sums to (2 J + 1) mu^2 over all upper and lower partners of a level of J. Its
integrated intensity at temperature T is that of the JPL catalogue (Pickett et al. 1998, JQSRT 60, 883, eq. 1):

    I = 4.16231e-5 nu S mu^2 (exp(-E_lower / kT) - exp(-E_upper / kT)) / Q,   Q = sum (2 J + 1) exp(-E / kT)

with nu in MHz, mu in debye and I in nm^2 MHz. No centrifugal distortion, no nuclear spin weights, no vibration.
"""

from dataclasses import dataclass
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from rhodiff.errors import ConfigError

__all__ = ["KELVIN_MHZ", "AsymmetricRotor", "LineList"]

KELVIN_MHZ = 20836.61912
"""k / h in MHz / K (CODATA 2018)."""
INTENSITY = 4.16231e-5
"""8 pi^3 / 3 h c for MHz and debye, nm^2 MHz."""
LARGEST_J = 120
EMPTY = 30.0
"""Levels this many kT above the ground have no weight: exp(-30) is 1e-13."""

Floats = NDArray[np.float64]


@dataclass(frozen=True)
class LineList:
    """Lines in order of frequency.

    Attributes:
        frequency_mhz: float64 [line].
        intensity: nm^2 MHz, float64 [line].
        lower_mhz: energy of the lower level over h, float64 [line].
        strength: S mu^2 in debye^2, float64 [line].
        lower_j: J of the lower level, int64 [line].
        upper_j: J of the upper level, int64 [line].
    """

    frequency_mhz: Floats
    intensity: Floats
    lower_mhz: Floats
    strength: Floats
    lower_j: NDArray[np.int64]
    upper_j: NDArray[np.int64]

    def select(self, chosen: NDArray[np.bool_]) -> "LineList":
        """Some of the lines.

        Args:
            chosen: bool [line].
        """
        return LineList(*(values[chosen] for values in vars(self).values()))


@dataclass(frozen=True)
class AsymmetricRotor:
    """A rigid molecule.

    Attributes:
        a_mhz: rotational constant A.
        b_mhz: B.
        c_mhz: C.
        dipole_debye: components along a, b and c.

    Raises:
        ConfigError: unless A >= B >= C > 0, or there is no dipole.
    """

    a_mhz: float
    b_mhz: float
    c_mhz: float
    dipole_debye: tuple[float, float, float] = (1.0, 0.0, 0.0)

    def __post_init__(self) -> None:
        if not np.inf > self.a_mhz >= self.b_mhz >= self.c_mhz > 0:
            raise ConfigError(
                f"rotational constants must be A >= B >= C > 0, in MHz; got {self.a_mhz:g}, {self.b_mhz:g}, "
                f"{self.c_mhz:g}"
            )
        if not (np.isfinite(self.dipole_debye).all() and np.any(self.dipole_debye)):
            raise ConfigError(f"a molecule without a dipole has no rotational lines; got {self.dipole_debye} debye")

    @cached_property
    def _levels(self) -> dict[int, tuple[Floats, Floats]]:
        """Energies and eigenvectors that were worked out, by J."""
        return {}

    def levels(self, j: int) -> tuple[Floats, Floats]:
        """Energies of one J.

        Args:
            j: total angular momentum, >= 0.

        Returns:
            E / h in MHz, ascending, float64 [2 J + 1], and eigenvectors over K = -J ... J, float64 [K, level].
        """
        if j not in self._levels:
            energies, vectors = np.linalg.eigh(self._hamiltonian(j))
            self._levels[j] = energies, vectors
        return self._levels[j]

    def largest_j(self, temperature_k: float) -> int:
        """The J up to which levels have a population worth counting: C J (J + 1) = 30 kT.

        Raises:
            ConfigError: if that is above 120, where a rigid rotor means little and costs much, or the temperature
                is no number > 0.
        """
        if not 0 < temperature_k < np.inf:
            raise ConfigError(f"a rotational temperature is > 0 K and finite; got {temperature_k:g}")
        highest = EMPTY * KELVIN_MHZ * temperature_k / self.c_mhz
        j = (np.sqrt(1 + 4 * highest) - 1) / 2
        if j > LARGEST_J:
            raise ConfigError(
                f"at {temperature_k:g} K levels up to J = {j:.0f} are populated (C = {self.c_mhz:g} MHz); up to "
                f"{LARGEST_J} are worked out: take a lower temperature, or a lighter molecule"
            )
        return int(np.ceil(j))

    def partition_function(self, temperature_k: float) -> float:
        """Q at a temperature, by summation."""
        kt = KELVIN_MHZ * temperature_k
        top = self.largest_j(temperature_k)
        return float(sum((2 * j + 1) * np.exp(-self.levels(j)[0] / kt).sum() for j in range(top + 1)))

    def lines(self, temperature_k: float, low_mhz: float, high_mhz: float) -> LineList:
        """All lines in a range of frequencies.

        Args:
            temperature_k: of the gas.
            low_mhz: lower end.
            high_mhz: upper end.

        Raises:
            ConfigError: if the temperature is out of range.
        """
        kt, total = KELVIN_MHZ * temperature_k, self.partition_function(temperature_k)
        top = self.largest_j(temperature_k)
        parts = [self._lines_between(j, other) for j in range(top + 1) for other in (j, j + 1) if other > 0]
        lower, upper, strength, lower_j, upper_j = (np.concatenate(values) for values in zip(*parts, strict=True))
        frequency = upper - lower
        intensity = INTENSITY * frequency * strength * np.exp(-lower / kt) * -np.expm1(-frequency / kt) / total
        found = LineList(frequency, intensity, lower, strength, lower_j.astype(np.int64), upper_j.astype(np.int64))
        is_there = (frequency >= low_mhz) & (frequency < high_mhz) & (intensity > 0)
        chosen = found.select(is_there)
        order = np.argsort(chosen.frequency_mhz, kind="stable")
        return LineList(*(values[order] for values in vars(chosen).values()))

    def strengths(self, j: int, other: int) -> Floats:
        """S mu^2 between all levels of J and all of J' = J or J + 1, debye^2, float64 [level of J, level of J'].

        Args:
            j: J.
            other: J'.
        """
        mu_a, mu_b, mu_c = self.dipole_debye
        real, imaginary = np.zeros((2, 2 * j + 1, 2 * other + 1))
        if mu_a:
            real += mu_a * self._coupled(j, 0, other)
        if mu_b or mu_c:
            up, down = self._coupled(j, 1, other), self._coupled(j, -1, other)
            real += mu_b * (down - up) / np.sqrt(2)
            imaginary += mu_c * (down + up) / np.sqrt(2)
        return np.asarray((2 * j + 1) * (real**2 + imaginary**2))

    def _coupled(self, j: int, q: int, other: int) -> Floats:
        """Sum over K of c'_{K + q} c_K <J K; 1 q | J' K + q>, float64 [level of J, level of J']."""
        vectors, others = self.levels(j)[1], self.levels(other)[1]
        k = np.arange(max(-j, -other - q), min(j, other - q) + 1)
        return np.asarray((vectors[k + j].T * _clebsch_gordan(j, k, q, other)) @ others[k + q + other])

    def _hamiltonian(self, j: int) -> Floats:
        k = np.arange(-j, j + 1, dtype=np.float64)
        mean, square = (self.b_mhz + self.c_mhz) / 2, j * (j + 1)
        h = np.diag(mean * square + (self.a_mhz - mean) * k**2)
        row = np.arange(2 * j - 1)
        low = k[row]
        beside = np.sqrt((square - low * (low + 1)) * (square - (low + 1) * (low + 2)))
        h[row, row + 2] = h[row + 2, row] = (self.b_mhz - self.c_mhz) / 4 * beside
        return h

    def _lines_between(self, j: int, other: int) -> tuple[Floats, ...]:
        """Lower and upper energy, strength, and both J, of each pair of levels once, with upper above lower."""
        mine, others = self.levels(j)[0][:, None], self.levels(other)[0]
        strength = self.strengths(j, other)
        first, second = np.broadcast_arrays(mine, others)
        ahead = second > first
        pairs = ahead if j == other else np.ones_like(ahead)
        lower, upper = np.minimum(first, second)[pairs], np.maximum(first, second)[pairs]
        low_j, high_j = np.where(ahead, j, other)[pairs], np.where(ahead, other, j)[pairs]
        return lower, upper, strength[pairs], low_j, high_j


def _clebsch_gordan(j: int, k: NDArray[np.int64], q: int, other: int) -> Floats:
    """<J K; 1 q | J' K + q> for J' = J or J + 1 and J' > 0 (Varshalovich et al. 1988, table 8.2)."""
    sign = 1 if q >= 0 else -1
    s = sign * k.astype(np.float64)  # q = -1 is q = 1 with K reversed, up to a sign
    if other == j + 1:
        if q == 0:
            return np.sqrt((j - k + 1) * (j + k + 1) / ((2 * j + 1) * (j + 1)))
        return np.sqrt((j + s + 1) * (j + s + 2) / ((2 * j + 1) * (2 * j + 2)))
    if q == 0:
        return np.asarray(k / np.sqrt(j * (j + 1)))
    return np.asarray(-sign * np.sqrt((j + s + 1) * (j - s) / (2 * j * (j + 1))))
