"""Statistics of generated fields at each parameter vector against those of true fields: the numbers.

Axes: V vector.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from rhodiff.report.calibration_rows import CalibrationRow
from rhodiff.report.content import Fact
from rhodiff.report.number_format import format_estimate, format_number
from rhodiff.statistics.calibration import CalibratedVector, CalibrationSummary
from rhodiff.statistics.estimate import Estimate
from rhodiff.store.spec import Parameter

__all__ = ["VectorSet", "calibration_facts", "calibration_rows"]

Float = NDArray[np.float64]


@dataclass(frozen=True, eq=False)
class VectorSet:
    """The vectors of a calibration.

    Attributes:
        found: their comparisons, V of them.
        parameters: what the vectors are made of.
        values: ``[V, parameter]``.
        is_inside: within the trained range, ``[V]``.
    """

    found: Sequence[CalibratedVector]
    parameters: Sequence[Parameter]
    values: Float
    is_inside: NDArray[np.bool_]

    def describe(self, index: int) -> str:
        """Parameters of one vector, for people."""
        pairs = zip(self.parameters, self.values[index], strict=True)
        return ", ".join(f"{one.name} = {value:.4g}" for one, value in pairs)


def calibration_facts(summaries: Mapping[str, CalibrationSummary], split: str) -> tuple[Fact, ...]:
    """Numbers over all vectors.

    Args:
        summaries: by the kind of vectors.
        split: that the vectors are of.
    """
    facts = []
    for kind, one in summaries.items():
        facts.append(Fact("parameter vectors", f"{one.num_vectors} {kind}", f"of the {split} split"))
        worst = f"{format_number(100 * one.worst_spectrum.value, 2)} %"
        facts += [
            _fact("mean |ΔP/P| at a vector", kind, one.spectrum, f"mean over vectors; the worst has {worst}", True),
            _fact("W₁ / std", kind, one.w1_over_std, "mean over vectors"),
            *_pair("mean", kind, one.mean, one.mean_scatter, "over the true standard deviation"),
            *_pair("standard deviation", kind, one.std, one.std_scatter, "ratio − 1", percent=True),
            *_pair("skewness", kind, one.skewness, one.skewness_scatter, "generated − true"),
        ]
    return tuple(facts)


def calibration_rows(
    vectors: VectorSet, listed: int, counts: Sequence[tuple[int, int]]
) -> tuple[CalibrationRow, ...]:
    """Rows evenly from the best to the worst vector by mean |dP/P|.

    Args:
        vectors: compared one by one.
        listed: rows at most.
        counts: true and generated fields of each.
    """
    order = np.argsort([one.spectrum.mean_absolute.value for one in vectors.found], kind="stable")
    chosen = order[np.linspace(0, len(order) - 1, min(listed, len(order))).round().astype(np.int64)]
    return tuple(
        CalibrationRow(
            parameters=vectors.describe(index),
            is_inside=bool(vectors.is_inside[index]),
            true_fields=counts[index][0],
            generated_fields=counts[index][1],
            spectrum=vectors.found[index].spectrum.mean_absolute,
            w1_over_std=vectors.found[index].values.w1_over_std,
            mean=vectors.found[index].values.mean_difference,
            std_ratio=vectors.found[index].values.std_ratio,
            skewness=vectors.found[index].values.skewness_difference,
        )
        for index in chosen.tolist()
    )


def _fact(name: str, kind: str, estimate: Estimate, note: str, percent: bool = False) -> Fact:
    scale, unit = (100, " %") if percent else (1, "")
    floor = f"; a perfect model would have {format_number(scale * estimate.floor, 2)}{unit}"
    return Fact(f"{name}, {kind}", format_estimate(estimate, percent=percent), note + floor)


def _pair(
    name: str, kind: str, mean: Estimate, scatter: Estimate, note: str, *, percent: bool = False
) -> tuple[Fact, Fact]:
    return (
        Fact(f"Δ {name}, {kind}", format_estimate(mean, percent=percent), f"{note}; mean over vectors"),
        _fact(f"rms Δ {name}", kind, scatter, f"{note}; scatter about zero", percent),
    )
