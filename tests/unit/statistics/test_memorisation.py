"""Nearest fields against brute force; replaying models are caught, true ones are not."""

import itertools

import numpy as np
import pytest

from rhodiff.errors import ConfigError, DataError
from rhodiff.statistics import Groups, find_memorisation, nearest_fields
from rhodiff.statistics.memorisation import _chance, compare_distances
from rhodiff.statistics.nearest_field import NearestFields, symmetries


def red_fields(number, seed, shape=(16, 16)):
    """Gaussian fields with P ~ k^-2, unit variance."""
    axes = tuple(range(1, len(shape) + 1))
    k = np.sqrt(sum(f**2 for f in np.meshgrid(*[np.fft.fftfreq(n) for n in shape], indexing="ij")))
    filtered = np.divide(1, k, out=np.zeros_like(k), where=k > 0)
    white = np.random.default_rng(seed).normal(size=(number, *shape))
    fields = np.fft.ifftn(np.fft.fftn(white, axes=axes) * filtered, axes=axes).real
    return fields / fields.std()


def replayed(training, number, seed):
    """Training fields, each shifted, turned and flipped at random."""
    random = np.random.default_rng(seed)
    copies = []
    for field in training[random.integers(len(training), size=number)]:
        turned = np.rot90(field, random.integers(4))
        flipped = turned.T if random.integers(2) else turned
        copies.append(np.roll(flipped, tuple(random.integers(16, size=2)), (0, 1)))
    return np.array(copies)


def brute_force(field, candidates, wraps):
    """Every shift and symmetry in turn, cell by cell."""
    shifts = list(
        itertools.product(*[range(n) if wrap else (0,) for n, wrap in zip(field.shape, wraps, strict=True)])
    )
    variants = [np.flip(field.transpose(order), reverse) for order, reverse in symmetries(field.shape, wraps)]
    moved = [np.roll(v, s, tuple(range(field.ndim))) for v in variants for s in shifts]
    return np.array([min(np.mean((m - c) ** 2) for m in moved) for c in candidates]) ** 0.5 / candidates.std()


@pytest.mark.parametrize(
    ("shape", "wraps"),
    [
        ((9,), (True,)),
        ((9,), (False,)),
        ((5, 5), (True, True)),
        ((5, 5), (False, False)),
        ((4, 6), (True, True)),
        ((5, 5), (True, False)),
        ((5, 5), (False, True)),
        ((3, 3, 3), (True, True, True)),
        ((3, 4, 3), (False, True, False)),
    ],
)
def test_it_finds_what_brute_force_finds(shape, wraps):
    random = np.random.default_rng(0)
    fields, candidates = random.normal(size=(3, *shape)), 5 + random.normal(size=(6, *shape))
    found = nearest_fields(fields, candidates, periodic=wraps)
    truth = np.array([brute_force(field, candidates, wraps) for field in fields])
    np.testing.assert_allclose(found.distance, truth.min(axis=1), rtol=1e-6)
    np.testing.assert_array_equal(found.index, truth.argmin(axis=1))
    np.testing.assert_allclose(found.second_distance, np.sort(truth, axis=1)[:, 1], rtol=1e-4)


@pytest.mark.parametrize(("shape", "number"), [((8,), 2), ((8, 8), 8), ((8, 6), 4), ((4, 4, 4), 48), ((4, 4, 6), 16)])
def test_the_symmetries_are_those_of_the_grid(shape, number):
    labels = np.arange(np.prod(shape)).reshape(shape)
    found = {np.flip(labels.transpose(o), r).tobytes() for o, r in symmetries(shape, (True,) * len(shape))}
    assert len(found) == number


def test_a_shifted_and_flipped_copy_lies_at_zero():
    training = red_fields(20, 0).astype(np.float32)
    found = nearest_fields(replayed(training, 10, 1), training, periodic=True)
    assert found.distance.max() < 1e-6
    assert found.second_distance.min() > 0.3
    alone = nearest_fields(training[:3], training[:1], periodic=True)
    assert np.isnan(alone.second_distance).all()


def test_shifts_alone_do_not_undo_a_reflection():
    training = red_fields(5, 0)
    turned = np.rot90(training, axes=(1, 2))
    assert nearest_fields(turned, training, periodic=True).distance.max() < 1e-6
    assert nearest_fields(turned, training, periodic=True, reflect=False).distance.min() > 0.1
    assert nearest_fields(np.roll(training, 3, 1), training, periodic=False).distance.min() > 0.1


@pytest.mark.parametrize("seed", range(3))
def test_a_true_model_passes(seed):
    found = find_memorisation(
        red_fields(40, 10 + seed), red_fields(40, 20 + seed), red_fields(60, seed), periodic=True
    )
    assert not found.memorises
    assert found.ratio.value == pytest.approx(1, abs=4 * found.ratio.error)
    assert found.gap_ratio.value == pytest.approx(1, abs=4 * found.gap_ratio.error)
    assert 0 < found.ratio.error < 0.05


def test_true_models_are_hardly_ever_accused():
    """The ratio is 3 errors below 1 in about 0.3 % of such sets (Student); copies and chance are rarer."""
    accused, pulls = 0, []
    for s in range(150):
        white = np.random.default_rng(s).normal(size=(24 + 24 + 40, 24))
        fields = white + 0.7 * np.roll(white, 1, axis=1)
        found = find_memorisation(*np.split(fields, [24, 48]), periodic=True, resamples=100)
        accused += found.is_nearer or found.memorises
        pulls.append((found.ratio.value - 1) / found.ratio.error)
    assert accused <= 4
    assert np.std(pulls) == pytest.approx(1, abs=0.2)


def test_half_of_the_test_fields_pass_as_a_model():
    test, training = red_fields(80, 2), red_fields(60, 0)
    found = find_memorisation(test[::2], test[1::2], training, periodic=True)
    assert not found.memorises
    assert (len(found.copies), found.ratio.value) == (0, pytest.approx(1, abs=3 * found.ratio.error))


def test_a_replaying_model_is_caught():
    training = red_fields(60, 0)
    found = find_memorisation(replayed(training, 40, 5), red_fields(40, 2), training, periodic=True)
    assert found.memorises
    assert len(found.copies) == 40
    assert found.ratio.value < 1e-5
    assert found.chance < 1e-9


def test_replays_with_noise_and_rare_replays_are_caught():
    training, test = red_fields(60, 0), red_fields(40, 2)
    noisy = replayed(training, 40, 5) + 0.3 * np.random.default_rng(6).normal(size=(40, 16, 16))
    assert find_memorisation(noisy, test, training, periodic=True).memorises
    rare = red_fields(40, 7)
    rare[11] = replayed(training, 1, 8)[0]
    found = find_memorisation(rare, test, training, periodic=True)
    assert found.memorises
    np.testing.assert_array_equal(found.copies, [11])


def test_too_little_variance_shows_in_the_ratio_and_not_in_the_gap():
    found = find_memorisation(0.5 * red_fields(40, 1), red_fields(40, 2), red_fields(60, 0), periodic=True)
    assert found.is_nearer
    assert not found.memorises
    assert found.ratio.value < 0.9
    assert found.gap_ratio.value > 0.98
    assert len(found.copies) == 0


@pytest.mark.parametrize(("generated", "test"), [(5, 7), (1, 9), (8, 8)])
def test_the_chance_of_nearer_fields_is_that_of_all_orders(generated, test):
    """Counted over all places of the generated fields in the common order."""
    everyone = set(range(generated + test))
    places = list(itertools.combinations(sorted(everyone), generated))
    below = [sum(p < min(everyone - set(chosen)) for p in chosen) for chosen in places]
    for k in range(generated + 1):
        assert _chance(k, generated, test) == pytest.approx(np.mean([b >= k for b in below]))


def test_fields_of_one_group_count_once():
    near = NearestFields(np.r_[np.ones(16), 0.5 * np.ones(16)], np.zeros(32, dtype=int), np.full(32, 2.0))
    test = NearestFields(1 + 0.1 * np.arange(32), np.zeros(32, dtype=int), np.full(32, 2.0))
    each = compare_distances(near, test, Groups.of(None, 32, "g"), Groups.of(None, 32, "t"))
    shared = compare_distances(near, test, Groups.of(np.arange(32) // 4, 32, "g"), Groups.of(None, 32, "t"))
    assert shared.ratio.value == each.ratio.value
    assert shared.ratio.error > 1.5 * each.ratio.error


@pytest.mark.parametrize(
    ("generated", "test", "training", "told"),
    [
        (red_fields(9, 0), red_fields(9, 1), red_fields(9, 1), "is one of the training fields"),
        (red_fields(5, 0), red_fields(9, 1), red_fields(9, 2), "generated set has 5 independent"),
        (red_fields(9, 0), red_fields(2, 1), red_fields(9, 2), "test set has 2 independent"),
        (red_fields(9, 0)[:, :8], red_fields(9, 1), red_fields(9, 2), "cannot compare fields of"),
        (np.full((9, 4, 4), np.nan), np.zeros((9, 4, 4)), np.zeros((9, 4, 4)), "NaN"),
        (np.zeros((9, 4, 4)), np.zeros((9, 4, 4)), np.zeros((9, 4, 4)), "constant"),
    ],
)
def test_sets_that_tell_nothing_are_refused(generated, test, training, told):
    with pytest.raises(DataError, match=told):
        find_memorisation(generated, test, training, periodic=True)


def test_periodic_needs_an_answer_an_axis():
    with pytest.raises(ConfigError, match="3 entries for 2"):
        nearest_fields(red_fields(2, 0), red_fields(2, 0), periodic=(True, True, True))
