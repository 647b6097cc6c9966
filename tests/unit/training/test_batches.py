"""A sample of a batch depends on (seed, iteration, position) and on nothing else."""

import numpy as np
import pytest
import torch
from training_parts import CELLS, NUM_FIELDS, Numbered, make_batches

from rhodiff.errors import ConfigError
from rhodiff.runtime.places import Place
from rhodiff.runtime.processes import Processes

EVERYTHING = ("fields", "noise", "uniform", "parameters", "positions")


@pytest.mark.parametrize("size", [1, 2, 3, 4])
@pytest.mark.parametrize("augmentation", [(), ("dihedral", "periodic_shift")], ids=["plain", "augmented"])
def test_shares_of_any_number_of_processes_make_up_the_same_batch(size, augmentation):
    source = make_batches(augmentation=augmentation)
    for iteration in (0, 1, 7):
        whole = source.make(iteration, range(6))
        shares = [Processes(Place(world_size=size), torch.device("cpu")).share(rank, 6) for rank in range(size)]
        parts = [source.make(iteration, share) for share in shares]
        for name in EVERYTHING:
            assert torch.equal(torch.cat([getattr(part, name) for part in parts]), getattr(whole, name)), name


def test_batches_in_a_row_are_those_made_one_by_one():
    source = make_batches(augmentation=("periodic_shift",))
    for iteration, batch in enumerate(source.batches(3, 6, range(6)), 3):
        alone = source.make(iteration, range(6))
        assert all(torch.equal(getattr(batch, name), getattr(alone, name)) for name in EVERYTHING)


def test_no_batch_is_made_beyond_the_end():
    assert len(list(make_batches().batches(4, 6, range(2)))) == 2


def test_parameters_belong_to_their_fields():
    batch = make_batches().make(5, range(6))
    numbers = batch.fields[:, 0, 0].round()
    assert torch.equal(batch.parameters[:, 0], numbers.double() / 10)
    assert batch.parameters.dtype == torch.float64


def test_augmentation_moves_cells_and_changes_none():
    batch = make_batches(augmentation=("dihedral", "periodic_shift")).make(0, range(6))
    plain = make_batches().make(0, range(6))
    assert torch.equal(batch.fields.sort(dim=2).values, plain.fields.sort(dim=2).values)
    assert not torch.equal(batch.fields, plain.fields)


def test_every_field_is_seen_once_in_an_epoch():
    batch = make_batches(batch_size=NUM_FIELDS).make(2, range(NUM_FIELDS))
    assert sorted(batch.fields[:, 0, 0].round().tolist()) == list(range(NUM_FIELDS))


def test_noise_differs_between_samples_iterations_and_seeds_and_is_normal():
    drawn = [
        make_batches(batch_size=200, seed=seed).make(iteration, range(200)).noise
        for seed in (0, 1)
        for iteration in (0, 1)
    ]
    noise = torch.cat(drawn)
    assert len(torch.unique(noise[:, 0, 0])) == len(noise)
    assert noise.mean().abs() < 4 / noise.numel() ** 0.5
    assert (noise.var() - 1).abs() < 4 * (2 / noise.numel()) ** 0.5


def test_uniform_numbers_are_uniform():
    uniform = torch.cat([make_batches(batch_size=100).make(i, range(100)).uniform for i in range(5)]).numpy()
    assert uniform.min() >= 0
    assert uniform.max() < 1
    distance = np.abs(np.sort(uniform) - (np.arange(500) + 0.5) / 500).max()
    assert distance < 1.63 / 500**0.5, "Kolmogorov-Smirnov at one per cent"


def test_shift_along_an_axis_that_does_not_wrap_is_refused():
    class Bounded(Numbered):
        class store:  # noqa: N801
            spec = Numbered.store.spec.model_copy(update={"periodic": (False,)})

    with pytest.raises(ConfigError, match="periodic_shift"):
        make_batches(augmentation=("periodic_shift",), reader=Bounded())


def test_batch_shapes():
    batch = make_batches().make(0, range(2, 5))
    assert batch.fields.shape == batch.noise.shape == (3, 1, CELLS)
    assert batch.uniform.shape == (3,)
    assert batch.positions.tolist() == [2, 3, 4]


def test_parameters_are_kept_from_the_network_in_the_share_asked_for():
    """Binomial: 6 x 1000 draws at 0.2 have a standard deviation of 31."""
    plain, dropped = make_batches(), make_batches(condition_dropout=0.2)
    kept_away = 0
    for iteration in range(1000):
        told, all_told = dropped.make(iteration, range(6)), plain.make(iteration, range(6))
        is_without = told.parameters.isnan().all(dim=1)
        assert torch.equal(told.parameters[~is_without], all_told.parameters[~is_without])
        assert torch.equal(told.noise, all_told.noise), "the other draws do not change"
        kept_away += int(is_without.sum())
    assert abs(kept_away - 1200) < 4 * 31


def test_who_is_told_does_not_depend_on_how_a_batch_is_shared():
    source = make_batches(condition_dropout=0.5)
    whole = source.make(3, range(6)).parameters
    parts = torch.cat([source.make(3, range(2)).parameters, source.make(3, range(2, 6)).parameters])
    assert whole.isnan().any()
    assert torch.equal(torch.nan_to_num(whole, -1), torch.nan_to_num(parts, -1))
    assert not torch.equal(whole.isnan(), source.make(4, range(6)).parameters.isnan())


def test_the_parameters_of_the_data_stay_as_they_are():
    source = make_batches(condition_dropout=0.9)
    first = [source.make(iteration, range(6)).parameters.isnan().sum() for iteration in range(5)]
    again = [source.make(iteration, range(6)).parameters.isnan().sum() for iteration in range(5)]
    assert first == again
