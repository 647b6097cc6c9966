"""The figures of denoised fields draw what they were given, and say so in their tables."""

import csv
import io

import numpy as np
import pytest

from rhodiff.report.denoising import denoising_facts, report_denoised_fields, report_denoised_residuals
from rhodiff.report.denoising_curves import (
    report_denoised_calibration,
    report_denoised_correlations,
    report_denoised_spectra,
)
from rhodiff.statistics import DenoisedSet, coverage, score_denoised, summarise_denoising
from rhodiff.statistics.spectrum import power_spectrum
from rhodiff.store.spec import FieldSpec

BOOTSTRAP = {"resamples": 100, "seed": 0}
NAMES = ("noisy", "posterior_mean", "draw", "filter_as_mean", "filter_as_draw", "filter_best", "wiener")


def spec_of(*shape):
    return FieldSpec(name="E", unit="mag", shape=shape, spacing=(1.0,) * len(shape), periodic=(True,) * len(shape))


def fields_of(*shape, number=12):
    random = np.random.default_rng(len(shape))
    truth = random.normal(size=(number, *shape))
    noisy = truth + 0.5 * random.normal(size=truth.shape)
    factors = (1, 0.8, 0.85, 0.7, 0.95, 0.75, 0.78)
    return truth, {name: factor * noisy for name, factor in zip(NAMES, factors, strict=True)}


@pytest.fixture(params=[(24,), (8, 8), (6, 6, 8)], ids=["1D", "2D", "3D"])
def spec(request):
    return spec_of(*request.param)


@pytest.fixture
def found(spec):
    truth, estimates = fields_of(*spec.shape)
    scores = [score_denoised(estimate, truth, spec.box_size) for estimate in estimates.values()]

    def by_estimate(*names):
        return {name: np.stack([getattr(one, name) for one in scores], axis=1) for name in names}

    spectrum = power_spectrum(truth, box_size=spec.box_size)
    ranks = np.random.default_rng(5).multinomial(100, np.ones(5) / 5, size=len(truth))
    return DenoisedSet(
        estimates=NAMES,
        matched={"posterior_mean": "filter_as_mean", "draw": "filter_as_draw"},
        groups=np.repeat(np.arange(6), 2),
        scores=by_estimate("rmse", "rmse_low", "correlation"),
        spectra=by_estimate("power", "cross", "residual_power"),
        truth_power=spectrum.power,
        spread_power=0.81 * spectrum.power,
        error_power=spectrum.power,
        ranks=ranks,
        reached={"filter_as_mean": np.ones(12, bool), "filter_as_draw": np.zeros(12, bool)},
        k=spectrum.k,
        num_lost=0,
    )


def table(figure):
    rows = list(csv.DictReader(io.StringIO(figure.csv)))
    return {name: [row[name] for row in rows] for name in rows[0]}


def numbers(figure, column):
    return np.array([float(value) for value in table(figure)[column]])


def test_panels_of_fields_and_residuals_are_drawn_in_every_dimension(spec):
    truth, estimates = fields_of(*spec.shape)
    shown = {"truth": truth, **{name: estimates[name] for name in ("noisy", "posterior_mean")}}
    for make in (report_denoised_fields, report_denoised_residuals):
        figure = make(shown, spec, stores=("a.zarr (truth)",))
        assert figure.pictures.png.startswith(b"\x89PNG")
        assert figure.stores == ("a.zarr (truth)",)


def test_spectra_in_the_table_are_means_over_fields(found, spec):
    figure = report_denoised_spectra(found, spec, **BOOTSTRAP)
    np.testing.assert_allclose(numbers(figure, "truth: power"), found.truth_power.mean(axis=0))
    power, cross = (found.spectrum(name, "wiener").mean(axis=0) for name in ("power", "cross"))
    truth = found.truth_power.mean(axis=0)
    np.testing.assert_allclose(numbers(figure, "wiener: ratio"), power / truth)
    np.testing.assert_allclose(numbers(figure, "wiener: coherence"), cross / np.sqrt(power * truth))
    residual = found.spectrum("residual_power", "noisy").mean(axis=0)
    np.testing.assert_allclose(numbers(figure, "noisy: residual"), residual)
    assert (numbers(figure, "noisy: ratio error") > 0).all()


def test_correlations_in_the_table_are_those_of_each_field(found):
    figure = report_denoised_correlations(found, summarise_denoising(found, **BOOTSTRAP))
    for name in ("draw", "filter_as_draw"):
        np.testing.assert_allclose(numbers(figure, name), found.score("correlation", name))
    np.testing.assert_array_equal(numbers(figure, "group"), found.groups)


def test_calibration_in_the_table_is_coverage_ranks_and_spread_by_scale(found, spec):
    figure = report_denoised_calibration(found, spec, **BOOTSTRAP)
    curve, x, value = (np.array(table(figure)[name]) for name in ("curve", "x", "value"))
    of = {name: (x[curve == name].astype(float), value[curve == name].astype(float)) for name in np.unique(curve)}
    probabilities, covered = of["coverage"]
    np.testing.assert_allclose(covered, coverage(found.ranks, probabilities.tolist()).mean(axis=0))
    np.testing.assert_allclose(of["rank"][1], found.ranks.mean(axis=0) / 20)
    np.testing.assert_allclose(of["spread_over_error"][1], 0.9)


def test_facts_say_who_won_and_in_how_many_fields_the_filter_was_matched(found):
    summary = summarise_denoising(found, **BOOTSTRAP)
    facts = {fact.label: fact for fact in denoising_facts(summary, "white")}
    assert facts["fields"].value == "12"
    assert "in 6 independent groups" in facts["fields"].note
    assert "reaches the same error in 100 % of the fields" in facts["fields won, posterior mean"].note
    assert "reaches the same error in 0 % of the fields" in facts["fields won, posterior draw"].note
    assert facts["spread over error"].value.startswith("0.9")
    assert {f"error, {name}" for name in ("posterior mean", "Wiener filter", "best Gaussian filter")} <= set(facts)
