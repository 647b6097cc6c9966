"""Numbers as a reader expects them: rounded to what their error supports."""

import math

from rhodiff.statistics.estimate import Estimate

__all__ = ["format_estimate", "format_number", "format_seconds"]

MOST_DECIMALS, LARGEST = 6, 1e5
"""Beyond these a number takes a power of ten."""

MINUS, DASH = "−", "–"
"""The sign of negative numbers, and what stands for a number that is not known."""


def format_number(value: float, digits: int = 3) -> str:
    """Three significant digits, or as many as asked; a dash for NaN."""
    if math.isnan(value):
        return DASH
    return f"{value:.{digits}g}".replace("-", MINUS)


def format_estimate(estimate: Estimate, *, percent: bool = False) -> str:
    """Value and error to the last digit that the error supports: ``1.94 ± 0.12 %``.

    The error keeps two significant digits up to 3.5 times a power of ten, else one, as the Particle Data Group
    rounds (Phys. Rev. D 110, 030001, 5.3). Without a known error the value has three digits and says so.
    """
    scale, unit = (100, " %") if percent else (1, "")
    value, error = scale * estimate.value, scale * estimate.error
    if math.isnan(value):
        return DASH
    if not math.isfinite(error) or error <= 0:
        return f"{format_number(value)}{unit} (error unknown)"
    leading = math.floor(math.log10(error))
    digits = 1 if error / 10.0**leading < 3.55 else 0
    decimals = max(0, digits - leading)
    if decimals > MOST_DECIMALS or max(abs(value), error) >= LARGEST:
        return f"{value:.3g} ± {error:.2g}{unit}".replace("-", MINUS)
    return f"{value:.{decimals}f} ± {error:.{decimals}f}{unit}".replace("-", MINUS)


def format_seconds(seconds: float) -> str:
    """A duration in the two largest units that it fills: ``45.2 s``, ``12 min 5 s``, ``3 h 20 min``."""
    if math.isnan(seconds):
        return DASH
    if seconds < 60:
        return f"{seconds:.3g} s"
    minutes, rest = divmod(round(seconds), 60)
    if minutes < 60:
        return f"{minutes} min {rest} s"
    return f"{minutes // 60} h {minutes % 60} min"
