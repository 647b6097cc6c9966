"""Sample i is the same whatever else is generated with it, and what cannot be stored is marked."""

import numpy as np
import pytest
import torch

from rhodiff.config.sampling import SamplerSteps
from rhodiff.diffusion import SAMPLERS
from rhodiff.errors import ConfigError
from rhodiff.fields.steps import ImageMinMaxStep
from rhodiff.fields.transforms import Transform
from rhodiff.stages.generation import generate, kept_steps, plan_sampler, to_stored_space
from rhodiff.stages.sweep import Cell, sweep_cells
from rhodiff.training.restored import restore_model

CONDITIONS = np.array([[2.0, 1.0], [3.0, -2.0], [0.0, 0.0], [1.0, 1.0], [3.0, 3.0]])


@pytest.fixture(scope="module")
def cell(trained):
    (found,) = sweep_cells(trained)
    return found


@pytest.fixture(scope="module")
def model(cell):
    return restore_model(cell.checkpoint.path, "ema", torch.device("cpu"))


def other(cell, **changes):
    return Cell(**{**cell.__dict__, **changes})


@pytest.mark.parametrize("sampler", SAMPLERS)
def test_filled_up_batch_gives_the_same_samples_as_a_full_one(sampler, model, cell):
    cell = other(cell, sampler=sampler)
    full = generate(model, cell, CONDITIONS[:4], 0, 4, 0)
    short = generate(model, cell, CONDITIONS[:3], 0, 4, 0)
    assert np.array_equal(short.fields, full.fields[:3])
    assert short.fields.shape == (3, 1, 8, 8, 8)


def test_sample_does_not_depend_on_its_batch_mates(model, cell):
    one = generate(model, cell, CONDITIONS[:4], 0, 4, 0)
    changed = CONDITIONS[:4].copy()
    changed[1:] = [0.0, 0.0]
    assert np.array_equal(generate(model, cell, changed, 0, 4, 0).fields[0], one.fields[0])


@pytest.mark.parametrize("sampler", SAMPLERS)
def test_samples_differ_by_index_seed_and_condition(sampler, model, cell):
    same = np.tile(CONDITIONS[:1], (4, 1))
    cell = other(cell, sampler=sampler)
    first, second = generate(model, cell, same, 0, 4, 0).fields, generate(model, cell, same, 4, 4, 0).fields
    seeded = generate(model, other(cell, seed=1), same, 0, 4, 0).fields
    at_condition = generate(model, other(cell, condition={"l": 2.0, "m": 1.0}), same, 0, 4, 0).fields
    everything = np.concatenate([first, second, seeded, at_condition]).reshape(16, -1)
    assert len(np.unique(everything, axis=0)) == 16


def test_trajectory_ends_with_the_sample(model, cell):
    found = generate(model, other(cell, sampler="ddim", evaluations=6), CONDITIONS[:2], 0, 2, 3)
    assert found.trajectory.shape == (2, 3, 1, 8, 8, 8)
    assert np.array_equal(found.trajectory[:, -1], found.fields)


@pytest.mark.parametrize(("steps", "number"), [(1, 1), (5, 1), (5, 2), (10, 4), (7, 7), (25, 8)])
def test_kept_steps_are_spread_over_all(steps, number):
    kept = kept_steps(steps, number)
    assert len(kept) == number
    assert kept == sorted(set(kept))
    assert kept[-1] == steps - 1
    if number > 1:
        assert kept[0] == 0


def test_levels_of_the_plan_are_those_of_the_sampler(model, cell):
    plan = plan_sampler(model, cell)
    assert len(plan.levels) == 3
    assert plan.levels[0] == pytest.approx(model.formulation.sigma_max)
    assert plan.levels[-1] == pytest.approx(model.formulation.sigma_min)


@pytest.mark.parametrize("sampler", SAMPLERS)
def test_every_sampler_starts_from_noise_and_training_spectrum_and_can_start_from_noise_alone(sampler, model, cell):
    plan = plan_sampler(model, other(cell, sampler=sampler))
    assert plan.spectrum is model.spectrum
    assert plan_sampler(model, other(cell, sampler=sampler, steps=SamplerSteps(start="white"))).spectrum is None


def test_the_experiment_overrides_range_and_grid(model, cell):
    low, high = 2 * model.formulation.sigma_min, model.formulation.sigma_max / 2
    plan = plan_sampler(model, other(cell, steps=SamplerSteps(sigma_min=low, sigma_max=high, grid="rho", rho=1.0)))
    assert plan.levels == pytest.approx([high, (low + high) / 2, low])


@pytest.mark.parametrize(("end", "factor"), [("sigma_min", 0.5), ("sigma_max", 2.0)])
def test_a_range_beyond_that_of_the_training_is_refused(end, factor, model, cell):
    steps = SamplerSteps(**{end: factor * getattr(model.formulation, end)})
    with pytest.raises(ConfigError, match="within that of the training"):
        plan_sampler(model, other(cell, steps=steps))


def test_samples_follow_the_steps_that_are_asked_for(model, cell):
    cell = other(cell, sampler="ddim")
    plain = generate(model, cell, CONDITIONS[:2], 0, 2, 0).fields
    white = generate(model, other(cell, steps=SamplerSteps(start="white")), CONDITIONS[:2], 0, 2, 0).fields
    assert not np.array_equal(plain, white)


def log_transform():
    return Transform.from_record({"steps": [{"kind": "log10", "offset": 0.0, "floor": None}]})


@pytest.mark.parametrize(
    "value", [np.nan, np.inf, 60.0, -60.0], ids=["nan", "infinite", "too_large", "underflows_to_zero"]
)
def test_sample_that_cannot_be_stored_is_nan_and_marked(value):
    fields = np.zeros((3, 1, 4), np.float32)
    fields[1, 0, 2] = value
    stored, valid = to_stored_space(fields, log_transform())
    assert valid.tolist() == [True, False, True]
    assert np.isnan(stored[1]).all()
    assert np.array_equal(stored[[0, 2]], np.ones((2, 1, 4)))


def test_fields_scaled_each_by_itself_are_stored_where_they_can_be_compared():
    scaled = Transform(steps=(ImageMinMaxStep(low=-1.0, high=1.0),))
    fields = np.linspace(-1, 1, 8, dtype=np.float32).reshape(2, 1, 4)
    stored, valid = to_stored_space(fields, scaled)
    assert valid.all()
    assert np.array_equal(stored, fields)
