"""A small experiment in one, two and three dimensions: fields, comparisons, and the report made of them."""

from dataclasses import dataclass

import numpy as np
import pytest

from rhodiff.config.evaluation import PixelDistribution
from rhodiff.statistics import (
    SpectrumStatistic,
    ValueDensity,
    ValueGrid,
    compare_bins,
    compare_values,
    measure_values,
)
from rhodiff.store.spec import FieldSpec

SHAPES = {1: (48,), 2: (12, 12), 3: (6, 6, 8)}


@dataclass(frozen=True)
class Experiment:
    spec: FieldSpec
    reference: np.ndarray
    generated: np.ndarray
    spectrum: object
    density: object
    values: object


def make_experiment(ndim):
    shape = SHAPES[ndim]
    spec = FieldSpec(
        name="log density",
        unit="dex",
        shape=shape,
        spacing=(2.0,) * ndim,
        length_unit="Mpc/h",
        periodic=(True,) * ndim,
    )
    random = np.random.default_rng(ndim)
    reference, generated = random.normal(size=(20, *shape)), 1.1 * random.normal(size=(15, *shape))
    density = ValueDensity(PixelDistribution(num_bins=12)).fit(reference, spec)
    compared = [
        compare_bins(one.measure(reference, spec), one.measure(generated, spec), resamples=50)
        for one in (SpectrumStatistic(), density)
    ]
    grid = ValueGrid.of(reference)
    values = compare_values(*(measure_values(one, grid) for one in (reference, generated)), grid, resamples=50)
    return Experiment(spec, reference, generated, *compared, values)


@pytest.fixture(scope="session", params=[1, 2, 3], ids=["1D", "2D", "3D"])
def experiment(request):
    return make_experiment(request.param)


@pytest.fixture(scope="session")
def experiment_2d():
    return make_experiment(2)
