"""What every statistic does with fields that are broken, constant, of another box or of another resolution."""

import numpy as np
import pytest

from rhodiff.config.evaluation import (
    Bispectrum,
    CorrelationFunction,
    Minkowski,
    Peaks,
    PixelDistribution,
    PowerSpectrum,
    WaveletL1,
)
from rhodiff.errors import DataError
from rhodiff.statistics import Measurement, build_statistic, compare_bins, compare_vectors
from rhodiff.store.spec import FieldSpec

KINDS = [
    PowerSpectrum(),
    PixelDistribution(num_bins=10),
    Minkowski(),
    Bispectrum(),
    WaveletL1(),
    Peaks(),
    CorrelationFunction(),
]
every_kind = pytest.mark.parametrize("settings", KINDS, ids=lambda settings: settings.kind)


def spec_of(*shape, spacing=2.0):
    spacing = (spacing,) * len(shape) if np.isscalar(spacing) else spacing
    return FieldSpec(name="rho", shape=shape, spacing=spacing, length_unit="Mpc", periodic=(True,) * len(shape))


def fields_of(*shape, count=12, seed=0):
    noise = np.random.default_rng(seed).normal(size=(count, *shape))
    return noise + 0.5 * np.roll(noise, 1, axis=-1)


def measure(settings, fields, spec, reference=None):
    found = build_statistic(settings).fit(fields if reference is None else reference, spec).measure(fields, spec)
    return found if isinstance(found, tuple) else (found,)


@every_kind
@pytest.mark.parametrize("bad", [np.nan, np.inf, -np.inf])
def test_one_cell_that_is_not_finite_is_refused(settings, bad):
    spec, fields = spec_of(16, 16), fields_of(16, 16)
    broken = fields.copy()
    broken[7, 3, 4] = bad
    for given, reference in ((broken, fields), (broken, broken)):
        with pytest.raises(DataError, match=r"NaN|finite"):
            measure(settings, given, spec, reference=reference)


@every_kind
@pytest.mark.parametrize("shape", [(16, 16), (7, 7)])
def test_a_constant_reference_is_refused(settings, shape):
    constant = np.full((12, *shape), 14.022648267725224)
    with pytest.raises(DataError, match=r"constant|coincide|no power|no structure"):
        measure(settings, constant, spec_of(*shape))


@every_kind
def test_a_collapsed_model_is_far_off_or_has_no_number(settings):
    spec, fields, constant = spec_of(16, 16), fields_of(16, 16), np.full((12, 16, 16), 0.1)
    pairs = zip(measure(settings, fields, spec), measure(settings, constant, spec, reference=fields), strict=True)
    for one, two in pairs:
        found = compare_bins(one, two, resamples=100).mean_absolute
        if one.statistic == "correlation_length":
            assert np.isnan(two.values).all()
            assert np.isnan(found.value)
        else:
            assert np.isfinite(two.values).all()
            assert found.value > 0.05


@every_kind
def test_sets_of_another_resolution_are_not_compared(settings):
    fine, coarse = spec_of(16, 16, spacing=2.0), spec_of(8, 8, spacing=4.0)
    fields = fields_of(16, 16)
    binned = fields.reshape(12, 8, 2, 8, 2).mean(axis=(2, 4))
    ours = measure(settings, fields, fine)
    if settings.kind == "bispectrum":
        with pytest.raises(DataError, match="one box size, grid and binning"):
            measure(settings, binned, coarse, fields)
        return
    for one, two in zip(ours, measure(settings, binned, coarse, fields), strict=False):
        for joined in (compare_bins, compare_vectors, lambda *pair: Measurement.concatenate(pair)):
            with pytest.raises(DataError, match="one box size, grid and binning"):
                joined(one, two)


@pytest.mark.parametrize("settings", [PowerSpectrum(), CorrelationFunction(), Bispectrum()], ids=lambda s: s.kind)
def test_sets_of_another_box_are_not_compared(settings):
    fields = fields_of(16, 16)
    small, large = (measure(settings, fields, spec_of(16, 16, spacing=spacing))[0] for spacing in (1.0, 1.02))
    with pytest.raises(DataError, match="different edges"):
        compare_bins(small, large)


@pytest.mark.parametrize("settings", [PowerSpectrum(), CorrelationFunction()], ids=lambda s: s.kind)
def test_a_box_that_is_not_square_has_the_scales_of_its_axes(settings):
    """Waves of one wavelength along either axis have one power and one length."""
    spec, grid = spec_of(16, 32, spacing=(2.0, 1.0)), np.indices((16, 32))
    wave_one, wave_two = np.cos(2 * np.pi * 3 * grid[0] / 16), np.cos(2 * np.pi * 3 * grid[1] / 32)
    found = measure(settings, np.stack([wave_one, wave_two]), spec)
    np.testing.assert_allclose(found[0].values[0].max(), found[0].values[1].max(), rtol=1e-9)
    if settings.kind == "power_spectrum":
        np.testing.assert_allclose(found[0].values[0], found[0].values[1], rtol=1e-9, atol=1e-9)
        assert found[0].axis[found[0].values[0].argmax()] == pytest.approx(2 * np.pi * 3 / 32, rel=0.05)
    else:
        np.testing.assert_allclose(found[1].values, 32 / (2 * np.pi * 3) * np.sqrt(2), rtol=1e-9)


def test_cells_of_unequal_sides_have_no_minkowski_functionals():
    with pytest.raises(DataError, match="one size along every axis"):
        measure(Minkowski(), fields_of(16, 16), spec_of(16, 16, spacing=(1.0, 2.0)))
