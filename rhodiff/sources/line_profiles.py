r"""From lists of lines to spectra on a grid of frequencies.

Each line is a Gaussian, integrated over each bin, so that the spectrum times the width of a bin sums to the intensity
of all lines in the range (less what the wings of lines near its ends carry out):

    s_i = sum over lines of I / (f_{i+1} - f_i) * [Phi((f_{i+1} - nu) / w) - Phi((f_i - nu) / w)]
"""

import numpy as np
from numpy.typing import NDArray
from scipy.special import ndtr

__all__ = ["FrequencyGrid", "render_lines"]

Floats = NDArray[np.float64]
REACH = 8.0
"""Standard deviations after which a line is left out: 1e-15 of it is beyond."""


class FrequencyGrid:
    """Bins of one width.

    Args:
        low_mhz: lower edge of the first bin.
        high_mhz: upper edge of the last one.
        size: number of bins.
        width_bins: standard deviation of a line, in bins.
    """

    def __init__(self, low_mhz: float, high_mhz: float, size: int, width_bins: float) -> None:
        self.edges_mhz: Floats = np.linspace(low_mhz, high_mhz, size + 1)
        self.bin_mhz = (high_mhz - low_mhz) / size
        self.width_mhz = width_bins * self.bin_mhz

    @property
    def low_mhz(self) -> float:
        """Where lines begin to reach into the first bin."""
        return max(float(self.edges_mhz[0]) - REACH * self.width_mhz, 0.0)

    @property
    def high_mhz(self) -> float:
        """Where lines cease to reach into the last bin."""
        return float(self.edges_mhz[-1]) + REACH * self.width_mhz


def render_lines(frequency_mhz: Floats, intensity: Floats, grid: FrequencyGrid) -> Floats:
    """The spectrum of some lines.

    Args:
        frequency_mhz: centres, float64 [line].
        intensity: integrated, in any unit times MHz, float64 [line].
        grid: the bins.

    Returns:
        Intensity a MHz of each bin, float64 [bin].
    """
    size = len(grid.edges_mhz) - 1
    spectrum = np.zeros(size)
    reach = int(np.ceil(REACH * grid.width_mhz / grid.bin_mhz)) + 1
    centres = np.floor((frequency_mhz - grid.edges_mhz[0]) / grid.bin_mhz).astype(np.int64)
    offsets = np.arange(-reach, reach + 2)
    edges = grid.edges_mhz[0] + grid.bin_mhz * (centres[:, None] + offsets)
    shares = np.diff(ndtr((edges - frequency_mhz[:, None]) / grid.width_mhz), axis=1)
    bins = centres[:, None] + offsets[:-1]
    is_inside = (bins >= 0) & (bins < size)
    np.add.at(spectrum, bins[is_inside], (shares * intensity[:, None])[is_inside] / grid.bin_mhz)
    return spectrum
