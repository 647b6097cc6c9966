"""Scores of generated fields at one parameter vector: a row of the calibration."""

from dataclasses import dataclass

from rhodiff.statistics.estimate import Estimate

__all__ = ["CalibrationRow"]


@dataclass(frozen=True)
class CalibrationRow:
    """One parameter vector.

    Attributes:
        parameters: as text.
        is_inside: within the trained range.
        true_fields: number of true fields.
        generated_fields: number of generated fields.
        spectrum: mean over bins of |dP/P|.
        w1_over_std: Wasserstein-1 distance over the true standard deviation.
        mean: difference of the means over the true standard deviation.
        std_ratio: generated over true standard deviation.
        skewness: difference of the skewness.
    """

    parameters: str
    is_inside: bool
    true_fields: int
    generated_fields: int
    spectrum: Estimate
    w1_over_std: Estimate
    mean: Estimate
    std_ratio: Estimate
    skewness: Estimate
