"""Scores of generated harmonics, one row for each (l, m)."""

from collections.abc import Sequence
from dataclasses import dataclass

from rhodiff.report.encoding import columns_to_csv

__all__ = ["HarmonicRow", "harmonic_rows_to_csv"]


@dataclass(frozen=True)
class HarmonicRow:
    """Scores of one (l, m): mean over generated volumes, and their standard deviation.

    Attributes:
        degree: l.
        order: m.
        number: generated volumes.
        w1: distance of the histograms of values, unit of the harmonic.
        w1_spread: its standard deviation over volumes.
        l2: relative L2 distance.
        l2_spread: its standard deviation over volumes.
        amplitude: best factor of the true volume.
        amplitude_spread: its standard deviation over volumes.
        identified: share that is nearest to its own harmonic.
        nearest: harmonics that the others are nearest to.
    """

    degree: int
    order: int
    number: int
    w1: float
    w1_spread: float
    l2: float
    l2_spread: float
    amplitude: float
    amplitude_spread: float
    identified: float
    nearest: str = ""

    @property
    def name(self) -> str:
        """``l = 5, m = 2``."""
        return f"l = {self.degree}, m = {self.order}"


def harmonic_rows_to_csv(rows: Sequence[HarmonicRow]) -> str:
    """All rows as CSV."""
    titles = {
        "degree": "l",
        "order": "m",
        "number": "volumes",
        "w1": "W1 of the values",
        "w1_spread": "W1, standard deviation",
        "l2": "relative L2",
        "l2_spread": "relative L2, standard deviation",
        "amplitude": "amplitude",
        "amplitude_spread": "amplitude, standard deviation",
        "identified": "share identified",
        "nearest": "taken for",
    }
    return columns_to_csv({title: [getattr(row, name) for row in rows] for name, title in titles.items()})
