"""What was measured and compared is stored whole, and read back as it was."""

import dataclasses

import numpy as np
import pytest
import zarr

from rhodiff.config.evaluation import Evaluation, PixelDistribution, PowerSpectrum
from rhodiff.errors import DataError
from rhodiff.stages.comparison_set import (
    MeasuredSet,
    compare_sets,
    read_comparisons,
    read_measurements,
    write_comparisons,
)
from rhodiff.stages.measured_block import MeasuredBlock
from rhodiff.statistics import (
    NearestFields,
    ValueGrid,
    build_statistic,
    fit_channels,
    measure_channels,
    measure_values,
)
from rhodiff.store.spec import FieldSpec

SPEC = FieldSpec(name="delta", channels=("gas", "stars"), shape=(16,), spacing=(0.5,), periodic=(True,))
SETTINGS = Evaluation(bootstrap=100, statistics=(PowerSpectrum(), PixelDistribution(num_bins=12)))
COUNT = 40


def fields(seed, scale=1.0):
    return np.random.default_rng(seed).normal(scale=scale, size=(COUNT, 2, 16)).astype(np.float32)


GRIDS = {name: ValueGrid.of(fields(0)[:, c]) for c, name in enumerate(SPEC.channels)}
STATISTICS = [fit_channels(build_statistic(one), fields(0), SPEC) for one in SETTINGS.statistics]


def measured_set(seed, scale=1.0, distance=1.0):
    """Fields of two groups of 20, the first half of them held against training fields."""
    values, number = fields(seed, scale), np.arange(COUNT)
    found = [one for fitted in STATISTICS for one in measure_channels(fitted, values, SPEC)]
    rows = {name: measure_values(values[:, c], grid) for c, (name, grid) in enumerate(GRIDS.items())}
    distances = np.where(number < COUNT // 2, distance + 0.01 * number, np.nan)
    nearest = NearestFields(distances, np.where(number < COUNT // 2, 3, -1), 2 * distances)
    return MeasuredSet(MeasuredBlock(tuple(found), rows, nearest), number // 2)


def compared(one, two, **options):
    return compare_sets(SETTINGS, one, two, GRIDS, **{"matched": False, **options})


@pytest.fixture(scope="module")
def sets():
    return measured_set(0), measured_set(1, scale=2.0)


@pytest.fixture(scope="module")
def found(sets):
    return compared(*sets)


def assert_same(one, two):
    for field in dataclasses.fields(one):
        left, right = getattr(one, field.name), getattr(two, field.name)
        if dataclasses.is_dataclass(left):
            assert_same(left, right)
        elif isinstance(left, np.ndarray | float):
            np.testing.assert_array_equal(left, right, err_msg=field.name)
        else:
            assert left == right, field.name


def test_every_statistic_and_channel_is_compared(found):
    assert set(found.bins) == {(s, c) for s in ("power_spectrum", "pixel_distribution") for c in ("gas", "stars")}
    assert set(found.values) == {"gas", "stars"}
    assert set(found.vectors) == set(found.bins)
    assert set(found.needed) == {("power_spectrum", "gas"), ("power_spectrum", "stars")}


def test_amplitude_is_that_of_the_channel(found):
    reference, other = fields(0), fields(1, scale=2.0)
    for number, channel in enumerate(("gas", "stars")):
        expected = other[:, number].std() / reference[:, number].std()
        assert found.values[channel].std_ratio.value == pytest.approx(expected, rel=1e-5)


def test_reading_gives_back_what_was_written(found, sets, tmp_path):
    write_comparisons(tmp_path / "one.zarr", found, *sets, {"identity": "abc"})
    read = read_comparisons(tmp_path / "one.zarr")
    assert read.bins.keys() == found.bins.keys()
    for key, one in found.bins.items():
        assert_same(one, read.bins[key])
    for key, one in found.values.items():
        assert_same(one, read.values[key])
    for key, one in found.vectors.items():
        assert_same(one, read.vectors[key])
    assert read.needed == found.needed
    assert_same(found.memorisation, read.memorisation)


def test_measurements_of_single_fields_are_stored_with_their_axes(found, sets, tmp_path):
    write_comparisons(tmp_path / "one.zarr", found, *sets, {"identity": "abc"})
    group = zarr.open_group(tmp_path / "one.zarr", mode="r")["power_spectrum.gas"]
    assert np.array_equal(group["reference"][:], sets[0].rows.measurements[0].values)
    assert group["reference"].metadata.dimension_names == ("reference_field", "bin")
    assert group["edges"].shape[0] == group["axis"].shape[0] + 1
    read = read_measurements(tmp_path / "one.zarr", "generated")
    assert np.array_equal(read.groups, sets[1].groups)
    for one in sets[1].rows.measurements:
        stored = read.measurements[one.statistic, one.channel]
        stored.require_comparable(one)
        assert np.array_equal(stored.values, one.values)


def test_writing_again_replaces_and_leaves_nothing_beside(found, sets, tmp_path):
    for _ in range(2):
        write_comparisons(tmp_path / "one.zarr", found, *sets, {"identity": "abc"})
    assert [path.name for path in tmp_path.iterdir()] == ["one.zarr"]


def test_failed_writing_leaves_what_was_there(found, sets, tmp_path):
    write_comparisons(tmp_path / "one.zarr", found, *sets, {"identity": "abc"})
    with pytest.raises(TypeError):
        write_comparisons(tmp_path / "one.zarr", found, *sets, {"identity": object()})
    assert [path.name for path in tmp_path.iterdir()] == ["one.zarr"]
    assert read_comparisons(tmp_path / "one.zarr").bins.keys() == found.bins.keys()


def test_same_fields_do_not_differ(sets):
    same = compared(sets[0], sets[0], matched=True)
    for channel in ("gas", "stars"):
        assert same.bins["power_spectrum", channel].mean_absolute.value == 0
        assert same.values[channel].w1_over_std.value == 0
        assert "same value in every sample" in same.vectors["power_spectrum", channel]


def test_twice_the_amplitude_is_told_over_all_bins(found):
    spectrum = found.vectors["power_spectrum", "gas"]
    assert spectrum.p_value < 0.01
    assert spectrum.num_bins == len(spectrum.difference)


def test_histogram_that_sums_to_one_is_compared_without_the_bins_that_say_nothing():
    density = compared(measured_set(0), measured_set(1)).vectors["pixel_distribution", "gas"]
    assert density.num_bins < len(density.difference)
    assert np.isnan(density.difference).sum() == len(density.difference) - density.num_bins


def test_what_the_fields_do_not_allow_is_said_in_words(sets):
    few = [MeasuredSet(one.rows.take(np.arange(6)), np.arange(6)) for one in sets]
    found = compared(*few)
    assert "need 8 or more" in found.vectors["power_spectrum", "gas"]
    assert "too few for the covariance" in found.needed["power_spectrum", "gas"]
    assert "needs 8 or more" in found.memorisation
    assert compared(*few, not_searched="because").memorisation == "because"


def test_fields_that_were_not_held_against_the_training_set_do_not_count_as_far():
    near = compared(measured_set(0), measured_set(1, distance=0.1)).memorisation
    assert len(near.generated.distance) == len(near.test.distance) == COUNT // 2
    assert near.memorises
    assert not compared(measured_set(0), measured_set(1)).memorisation.memorises


def test_blocks_joined_are_the_set_and_survive_a_file(sets, tmp_path):
    rows = sets[0].rows
    parts = [rows.take(np.arange(0, 17)), rows.take(np.arange(17, COUNT))]
    for number, part in enumerate(parts):
        part.write(tmp_path / f"{number}.npz")
    joined = MeasuredBlock.join([MeasuredBlock.read(tmp_path / f"{number}.npz") for number in range(2)])
    for one, two in zip(joined.measurements, rows.measurements, strict=True):
        assert one.channel == two.channel
        assert np.array_equal(one.values, two.values)
    assert np.array_equal(joined.values["stars"].below, rows.values["stars"].below)
    assert np.array_equal(joined.nearest.distance, rows.nearest.distance, equal_nan=True)


@pytest.mark.parametrize("harm", ["cut", "changed", "gone"])
def test_damaged_block_is_an_error_that_names_it(harm, sets, tmp_path):
    path = tmp_path / "block.npz"
    sets[0].rows.write(path)
    content = bytearray(path.read_bytes())
    content[len(content) // 2] ^= 0xFF
    {"cut": lambda: path.write_bytes(content[:-100]), "changed": lambda: path.write_bytes(content)}.get(
        harm, path.unlink
    )()
    with pytest.raises(DataError, match=r"block.npz is missing or damaged"):
        MeasuredBlock.read(path)
