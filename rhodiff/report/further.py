"""Figures and numbers of statistics without a section of their own: bispectra, wavelets, peaks, and so on.

Curves that differ in a final number alone (``wavelet_l1_2``, ``wavelet_l1_4``) are panels of one figure; every other
statistic has its own. One that is a single number a field has no figure, but its difference with the sign.
"""

import re
from collections.abc import Mapping, Sequence

from rhodiff.report.content import KeyNumber, ReportFigure
from rhodiff.report.encoding import encode_curves
from rhodiff.report.functionals import functional_csv, functional_figure
from rhodiff.report.headline import sizes_sentence
from rhodiff.statistics.comparison import BinnedComparison
from rhodiff.statistics.estimate import Estimate

__all__ = ["further_numbers", "further_statistics", "report_further"]

OWN_SECTIONS = ("power_spectrum", "pixel_distribution", "minkowski_")

TITLES = {
    "bispectrum_equilateral": "Bispectrum, equilateral triangles",
    "bispectrum_squeezed": "Bispectrum, squeezed triangles",
    "wavelet_l1": "Wavelet ℓ1-norm by scale",
    "peaks": "Peak counts",
    "correlation_function": "Correlation function",
}

Key = tuple[str, str]


def further_statistics(bins: Mapping[Key, BinnedComparison], channel: str) -> dict[str, list[BinnedComparison]]:
    """Comparisons of one channel that no other section shows, by family."""
    found: dict[str, list[BinnedComparison]] = {}
    for (name, of), one in bins.items():
        if of == channel and not name.startswith(OWN_SECTIONS):
            found.setdefault(_family(name), []).append(one)
    return found


def report_further(
    curves: Sequence[Mapping[str, BinnedComparison]], *, training: Sequence[BinnedComparison | None] = ()
) -> ReportFigure:
    """One family of curves, each with its difference below.

    Args:
        curves: comparisons by name, one mapping a panel, all on one axis.
        training: training against reference fields, of each panel.
    """
    pictures = encode_curves(functional_figure(curves, training=training))
    one = next(iter(curves[0].values()))
    relative = "the largest absolute reference mean" if one.relative_to == "peak" else "the reference mean"
    caption = (
        f"{sizes_sentence(one.sizes)} Light band: central 68 % of single reference fields; dark band: standard error "
        f"of the reference mean. Lower panels: difference of the means in per cent of {relative}; bars are its "
        "standard error (both sets, bootstrap over independent groups), the band is the reference's share."
    )
    family = _family(one.statistic)
    channel = "" if one.channel == "value" else f": {one.channel}"
    title = f"{TITLES.get(family, family.replace('_', ' '))}{channel}"
    return ReportFigure(f"{family}_{one.channel}", title, pictures, caption, functional_csv(curves, training))


def further_numbers(
    found: Mapping[str, Sequence[BinnedComparison]], training: Mapping[str, Sequence[BinnedComparison]]
) -> tuple[KeyNumber, ...]:
    """One headline number a statistic: the mean absolute difference of a curve, the difference of a single number."""
    own = {one.statistic: one for family in training.values() for one in family}
    return tuple(_number(one, own.get(one.statistic)) for family in found.values() for one in family)


def _number(one: BinnedComparison, training: BinnedComparison | None) -> KeyNumber:
    name = one.statistic.replace("_", " ")
    relative = " / peak" if one.relative_to == "peak" else ""
    if len(one.axis) == 1:
        same = _single(training) if training else None
        meaning = f"{one.value_name}: generated − reference, over the reference"
        return KeyNumber(f"Δ{relative}, {name}", _single(one), True, 0.0, same, meaning)
    same = training.mean_absolute if training else None
    meaning = f"{one.value_name}: mean over {len(one.axis)} bins"
    return KeyNumber(f"mean |Δ|{relative}, {name}", one.mean_absolute, True, None, same, meaning)


def _single(one: BinnedComparison) -> Estimate:
    return Estimate(float(one.relative_difference[0]), float(one.relative_error[0]))


def _family(name: str) -> str:
    return re.sub(r"_\d+$", "", name)
