"""Headline numbers of one comparison, and the sentences that say what stands behind them."""

from rhodiff.report.content import KeyNumber
from rhodiff.report.number_format import format_number
from rhodiff.statistics.comparison import BinnedComparison, SetSizes
from rhodiff.statistics.estimate import Estimate
from rhodiff.statistics.value_comparison import ValueComparison

__all__ = ["headline_numbers", "sizes_sentence"]


def headline_numbers(
    spectrum: BinnedComparison | None,
    values: ValueComparison | None,
    *,
    training_spectrum: BinnedComparison | None = None,
    training_values: ValueComparison | None = None,
) -> tuple[KeyNumber, ...]:
    """The numbers of the headline box, those that were measured.

    Args:
        spectrum: power spectra, generated against reference.
        values: distributions of the values, generated against reference.
        training_spectrum: power spectra, training against reference.
        training_values: distributions of the values, training against reference.
    """
    numbers: list[KeyNumber] = []
    if spectrum is not None:
        numbers += _of_spectrum(spectrum, training_spectrum)
    if values is not None:
        numbers += _of_values(values, training_values)
    return tuple(numbers)


def sizes_sentence(sizes: SetSizes, reference_name: str = "reference") -> str:
    """How many fields and independent groups are compared, one sentence."""
    return (
        f"{_counted(sizes.generated_fields, sizes.generated_groups, 'generated')} against "
        f"{_counted(sizes.reference_fields, sizes.reference_groups, reference_name)}."
    )


def _counted(fields: int, groups: int, name: str) -> str:
    noun = "field" if fields == 1 else "fields"
    if groups == fields:
        return f"{fields} {name} {noun}"
    return f"{fields} {name} {noun} in {groups} independent group{'' if groups == 1 else 's'}"


def _of_spectrum(one: BinnedComparison, training: BinnedComparison | None) -> list[KeyNumber]:
    where = f"{one.axis_name} = {format_number(one.worst_axis)} {one.axis_unit}".strip()
    mean = training.mean_absolute if training else None
    worst = training.worst if training else None
    return [
        KeyNumber("mean |ΔP/P|", one.mean_absolute, True, None, mean, f"mean over {len(one.axis)} bins, unweighted"),
        KeyNumber("worst bin |ΔP/P|", one.worst, True, None, worst, f"at {where}; its error is that of the bin"),
    ]


def _of_values(one: ValueComparison, training: ValueComparison | None) -> list[KeyNumber]:
    return [
        KeyNumber(
            "W₁ / std",
            one.w1_over_std,
            training=training.w1_over_std if training else None,
            meaning="Wasserstein-1 distance of the values over the reference standard deviation",
        ),
        KeyNumber(
            "ratio of std",
            one.std_ratio,
            ideal=1.0,
            training=training.std_ratio if training else None,
            meaning="generated over reference",
        ),
        KeyNumber(
            "Δ skewness",
            one.skewness_difference,
            ideal=0.0,
            training=training.skewness_difference if training else None,
            meaning=f"generated − reference; the reference has {format_number(one.reference.skewness)}",
        ),
        _highest_quantile(one, training),
    ]


def _highest_quantile(one: ValueComparison, training: ValueComparison | None) -> KeyNumber:
    last = int(one.probabilities.argmax())
    difference = Estimate(float(one.quantile_difference[last]), float(one.quantile_error[last]))
    same = None
    if training is not None:
        same = Estimate(float(training.quantile_difference[last]), float(training.quantile_error[last]))
    name = f"Δ quantile {100 * one.probabilities[last]:g} %"
    return KeyNumber(name, difference, ideal=0.0, training=same, meaning="over the reference standard deviation")
