"""Measurements of the built-in statistics: units, channels, storage."""

import json

import numpy as np
import pytest

from rhodiff.config.evaluation import PixelDistribution, PowerSpectrum
from rhodiff.errors import DataError
from rhodiff.statistics import (
    Measurement,
    SpectrumStatistic,
    ValueDensity,
    fit_channels,
    inverse_unit,
    measure_channels,
    power_spectrum,
)
from rhodiff.store.spec import FieldSpec

SPEC = FieldSpec(
    name="density",
    unit="Msun",
    channels=("gas", "stars"),
    shape=(8, 6),
    spacing=(0.5, 0.5),
    length_unit="Mpc/h",
    periodic=(True, True),
)


def two_channels(num_fields=5):
    fields = np.random.default_rng(0).normal(size=(num_fields, 2, 8, 6)).astype(np.float32)
    fields[:, 1] *= 100
    return fields


def test_spectra_carry_box_units_and_channels():
    fields = two_channels()
    statistics = fit_channels(SpectrumStatistic(), fields, SPEC)
    gas, stars = measure_channels(statistics, fields, SPEC)
    truth = power_spectrum(fields[:, 1], box_size=(4.0, 3.0))
    np.testing.assert_array_equal(stars.values, truth.power)
    np.testing.assert_array_equal(stars.counts, truth.num_modes)
    assert (gas.channel, stars.channel) == ("gas", "stars")
    assert (gas.axis_unit, gas.value_unit) == ("h/Mpc", "Msun^2 (Mpc/h)^2")


def test_densities_lie_on_bins_of_their_own_channel():
    fields = two_channels()
    statistics = fit_channels(ValueDensity(PixelDistribution(num_bins=10)), fields, SPEC)
    gas, stars = measure_channels(statistics, fields, SPEC)
    assert stars.edges[-1] > 50 * gas.edges[-1]
    assert gas.values.shape == (5, 10)
    assert gas.value_unit == "1/Msun"
    np.testing.assert_array_equal(gas.counts, 48)


def test_a_density_needs_its_reference_first():
    with pytest.raises(DataError, match="fit it"):
        ValueDensity().measure(two_channels()[:, 0], SPEC)


@pytest.mark.parametrize("statistic", [SpectrumStatistic(), ValueDensity()])
def test_fields_that_do_not_fit_the_spec_are_refused(statistic):
    with pytest.raises(DataError, match="of the spec"):
        statistic.measure(np.zeros((2, 8, 8)), SPEC)
    with pytest.raises(DataError, match="channel"):
        fit_channels(statistic, np.zeros((2, 1, 8, 6)), SPEC)


def test_a_measurement_survives_storage_and_joins_its_parts():
    fields = two_channels(6)[:, 0]
    statistic = SpectrumStatistic(PowerSpectrum())
    whole = statistic.measure(fields, SPEC)
    parts = [statistic.measure(part, SPEC) for part in (fields[:1], fields[1:4], fields[4:])]
    attributes = json.loads(json.dumps(whole.attributes()))
    stored = Measurement.from_arrays(whole.to_arrays(), attributes | {"more": 1})
    joined = Measurement.concatenate(parts)
    for other in (stored, joined):
        assert other.attributes() == whole.attributes()
        for name, array in whole.to_arrays().items():
            np.testing.assert_allclose(other.to_arrays()[name], array, rtol=1e-13)


def test_what_is_no_measurement_is_refused():
    whole = SpectrumStatistic().measure(two_channels()[:, 0], SPEC)
    arrays = whole.to_arrays()
    with pytest.raises(DataError, match="lacks counts, channel"):
        short = {name: text for name, text in whole.attributes().items() if name != "channel"}
        Measurement.from_arrays({name: a for name, a in arrays.items() if name != "counts"}, short)
    with pytest.raises(DataError, match="values must be"):
        Measurement.from_arrays(arrays | {"values": np.zeros((5, 99))}, whole.attributes())
    with pytest.raises(DataError, match="edges"):
        Measurement.from_arrays(arrays | {"edges": np.zeros(2)}, whole.attributes())
    with pytest.raises(DataError, match="nothing to join"):
        Measurement.concatenate([])


@pytest.mark.parametrize(
    ("unit", "inverse"), [("", ""), ("deg", "1/deg"), ("Mpc/h", "h/Mpc"), ("kpc^2 s", "1/(kpc^2 s)")]
)
def test_units_are_inverted_as_they_are_written(unit, inverse):
    assert inverse_unit(unit) == inverse
