"""Bispectrum, wavelets, peaks and correlation as statistics of an experiment: fitted, measured in parts, units."""

import numpy as np
import pytest
from pydantic import ValidationError

from rhodiff.config.evaluation import Bispectrum, CorrelationFunction, Peaks, WaveletL1
from rhodiff.errors import DataError
from rhodiff.statistics import Measurement, bispectrum, build_statistic, fit_channels, measure_channels, peaks_above
from rhodiff.store.spec import FieldSpec


def spec_of(*shape, periodic=True, channels=("value",)):
    return FieldSpec(
        name="rho",
        unit="K",
        channels=channels,
        shape=shape,
        spacing=(0.5,) * len(shape),
        length_unit="Mpc/h",
        periodic=(periodic,) * len(shape),
    )


def noise(*shape, seed=0):
    return np.random.default_rng(seed).normal(size=shape)


def measured(settings, fields, spec, reference=None):
    found = build_statistic(settings).fit(fields if reference is None else reference, spec).measure(fields, spec)
    return found if isinstance(found, tuple) else (found,)


EVERY = [
    Bispectrum(),
    WaveletL1(),
    Peaks(),
    CorrelationFunction(),
    WaveletL1(num_scales=2, num_bins=6),
    Peaks(boundary="open"),
]


@pytest.mark.parametrize("settings", EVERY, ids=lambda s: s.kind)
@pytest.mark.parametrize("shape", [(32,), (16, 16), (9, 9, 9)])
def test_parts_joined_are_the_whole(settings, shape):
    spec, fields = spec_of(*shape), noise(12, *shape)
    statistic = build_statistic(settings).fit(fields, spec)
    whole, parts = statistic.measure(fields, spec), [statistic.measure(part, spec) for part in np.split(fields, 3)]
    if isinstance(whole, Measurement):
        whole, parts = (whole,), [(part,) for part in parts]
    for i, one in enumerate(whole):
        joined = Measurement.concatenate([part[i] for part in parts])
        np.testing.assert_allclose(joined.values, one.values, rtol=1e-10, atol=1e-13)
        assert one.values.shape == (12, len(one.axis))
        assert np.all(np.diff(one.axis) > 0)
        assert np.all((one.edges[:-1] <= one.axis) & (one.axis <= one.edges[1:]))
        assert np.all(one.counts > 0)


@pytest.mark.parametrize("settings", EVERY, ids=lambda s: s.kind)
def test_each_channel_has_its_own(settings):
    spec = spec_of(16, 16, channels=("gas", "stars"))
    fields = noise(10, 2, 16, 16)
    fields[:, 1] *= 3
    found = measure_channels(fit_channels(build_statistic(settings), fields, spec), fields, spec)
    assert [one.channel for one in found[:: len(found) // 2]] == ["gas", "stars"]
    assert len({(one.statistic, one.channel) for one in found}) == len(found)


def test_the_bispectrum_is_divided_by_the_powers_of_the_reference():
    spec, fields = spec_of(16, 16), noise(20, 16, 16) ** 2
    equilateral, squeezed = measured(Bispectrum(), fields, spec)
    direct = bispectrum(fields, box_size=8.0)
    np.testing.assert_allclose(equilateral.values.mean(axis=0), direct.mean().reduced[0], rtol=1e-12)
    np.testing.assert_array_equal(equilateral.counts, direct.num_triangles)
    assert (equilateral.statistic, squeezed.statistic) == ("bispectrum_equilateral", "bispectrum_squeezed")
    assert (equilateral.axis_unit, equilateral.value_unit) == ("h/Mpc", "1/K")
    louder = measured(Bispectrum(), 2 * fields, spec, reference=fields)[0]
    np.testing.assert_allclose(louder.values, 8 * equilateral.values, rtol=1e-10)
    line = measured(Bispectrum(), noise(4, 32), spec_of(32))
    assert [one.statistic for one in line] == ["bispectrum_squeezed"]


def test_all_coefficients_count_whatever_their_size():
    spec, reference = spec_of(32, 32), noise(20, 32, 32)
    found = measured(WaveletL1(half_width_std=0.5), 100 * reference, spec, reference=reference)
    assert [one.statistic for one in found] == ["wavelet_l1_2", "wavelet_l1_4", "wavelet_l1_8", "wavelet_l1_16"]
    for one in found:
        assert one.values.sum(axis=1).mean() == pytest.approx(100 * np.sqrt(2 / np.pi), rel=0.1)


def test_all_peaks_count_per_area():
    spec, fields = spec_of(16, 16), noise(6, 16, 16)
    (found,) = measured(Peaks(half_width_std=0.5), fields, spec)
    total = peaks_above(fields, [-1e9])[:, 0]
    np.testing.assert_allclose(found.values.sum(axis=1), total / 64.0, rtol=1e-12)
    assert found.value_unit == "(h/Mpc)^2"
    assert found.axis_unit == "K"
    (inner,) = measured(Peaks(), fields, spec_of(16, 16, periodic=False))
    assert inner.counts[0] == 14 * 14


@pytest.mark.parametrize("settings", [WaveletL1(boundary="periodic"), Peaks(boundary="periodic")])
def test_open_fields_do_not_wrap(settings):
    with pytest.raises(DataError, match="does not wrap around"):
        measured(settings, noise(4, 16, 16), spec_of(16, 16, periodic=False))


@pytest.mark.parametrize("settings", [Bispectrum(), WaveletL1(), Peaks()], ids=lambda s: s.kind)
def test_what_has_no_power_or_was_not_fitted_is_refused(settings):
    with pytest.raises(DataError, match="not fixed yet"):
        build_statistic(settings).measure(noise(4, 16, 16), spec_of(16, 16))
    with pytest.raises(DataError, match=r"no power|no structure|constant"):
        build_statistic(settings).fit(np.zeros((4, 16, 16)), spec_of(16, 16))


def test_settings_without_sense_are_refused():
    for options in ({"bin_edges": [2, 1]}, {"triangles": []}, {"triangles": ["squeezed", "squeezed"]}):
        with pytest.raises(ValidationError, match=r"bin_edges|triangles"):
            Bispectrum(**options)
