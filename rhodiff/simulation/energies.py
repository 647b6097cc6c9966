"""Energies of a simulation over time, in the lines that Bonsai prints.

    iter=12 : time= 0.75  Etot= -1.0  Ekin= 1.0   Epot= -2.0 : de= 1e-05 ( 2e-05 ) ...

The embedded engine writes the same lines, so that both are judged by one reader. Units are those of
:mod:`rhodiff.simulation.units`: mass times (100 km/s)^2.
"""

import re
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from rhodiff.errors import DataError

__all__ = ["EnergyHistory", "energy_line", "parse_energies"]

Array = NDArray[np.float64]
KEYS = ("time", "Etot", "Ekin", "Epot")
LINE = re.compile(r"iter= *\d+ *: *" + " +".join(rf"{key}= *(\S+)" for key in KEYS) + " *:")
"""Up to the colon, so that a line that was cut off does not count."""


@dataclass(frozen=True, eq=False)
class EnergyHistory:
    """Energies in the order of the log; a run that was resumed may tell some times twice.

    Attributes:
        time: float64 [line], units of 9.778145 Myr.
        total: float64 [line].
        kinetic: float64 [line].
        potential: float64 [line].
    """

    time: Array
    total: Array
    kinetic: Array
    potential: Array

    @property
    def last_time(self) -> float:
        """How far the run came; -inf where nothing was told."""
        return float(self.time.max(initial=-np.inf))

    @property
    def relative_error(self) -> float:
        """Largest |E - E_0| / |E_0| with the first line's E_0; nan where an energy is no number or there is none."""
        if not len(self.total) or self.total[0] == 0:
            return float("nan")
        return float(np.max(np.abs(self.total / self.total[0] - 1)))


def energy_line(iteration: int, time: float, kinetic: float, potential: float, first_total: float) -> str:
    """One line as Bonsai prints it, without the end of the line.

    Args:
        iteration: number of the step.
        time: in units of 9.778145 Myr.
        kinetic: Ekin.
        potential: Epot.
        first_total: Etot at the start, for the relative error ``de``.
    """
    total = kinetic + potential
    error = (total - first_total) / first_total if first_total else float("nan")
    return (
        f"iter={iteration} : time= {time:.10g}  Etot= {total:.10g}  Ekin= {kinetic:.10g}   Epot= {potential:.10g} : "
        f"de= {error:.6g}"
    )


def parse_energies(log: str) -> EnergyHistory:
    """Energies told in a log, among whatever else it tells.

    Args:
        log: what the engine printed, as text.

    Raises:
        DataError: if such a line holds something that is no number (nan and inf are numbers here).
    """
    rows = [_numbers(match) for match in LINE.finditer(log)]
    return EnergyHistory(*np.array(rows, np.float64).reshape(-1, len(KEYS)).T)


def _numbers(match: re.Match[str]) -> list[float]:
    try:
        return [float(text) for text in match.groups()]
    except ValueError as error:
        raise DataError(
            f"the engine's log has the line {match.group()!r}, whose energies are no numbers: lines of several "
            "processes ran into each other, or it was cut off"
        ) from error
