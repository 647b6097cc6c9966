"""What was measured and compared is stored whole, and read back as it was."""

import dataclasses

import numpy as np
import pytest
import zarr

from rhodiff.config.evaluation import Evaluation, PixelDistribution, PowerSpectrum
from rhodiff.stages.comparison_set import FieldSet, compare_sets, read_comparisons, write_comparisons
from rhodiff.store.spec import FieldSpec

SPEC = FieldSpec(name="delta", channels=("gas", "stars"), shape=(16,), spacing=(0.5,), periodic=(True,))
SETTINGS = Evaluation(bootstrap=100, statistics=(PowerSpectrum(), PixelDistribution(num_bins=12)))


def field_set(seed, count=12, scale=1.0):
    values = np.random.default_rng(seed).normal(scale=scale, size=(count, 2, 16)).astype(np.float32)
    return FieldSet(values, np.arange(count) // 2)


@pytest.fixture
def found():
    return compare_sets(SETTINGS, SPEC, field_set(0), field_set(1, scale=2.0), matched=False)


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


def test_amplitude_is_that_of_the_channel(found):
    reference, other = field_set(0).fields, field_set(1, scale=2.0).fields
    for number, channel in enumerate(("gas", "stars")):
        expected = other[:, number].std() / reference[:, number].std()
        assert found.values[channel].std_ratio.value == pytest.approx(expected, rel=1e-5)


def test_reading_gives_back_what_was_written(found, tmp_path):
    write_comparisons(tmp_path / "one.zarr", found, {"identity": "abc"})
    read = read_comparisons(tmp_path / "one.zarr")
    assert read.bins.keys() == found.bins.keys()
    for key, one in found.bins.items():
        assert_same(one, read.bins[key])
    for key, one in found.values.items():
        assert_same(one, read.values[key])


def test_measurements_of_single_fields_are_stored_with_their_axes(found, tmp_path):
    write_comparisons(tmp_path / "one.zarr", found, {"identity": "abc"})
    group = zarr.open_group(tmp_path / "one.zarr", mode="r")["power_spectrum.gas"]
    reference, other = found.measurements["power_spectrum", "gas"]
    assert np.array_equal(group["reference"][:], reference.values)
    assert np.array_equal(group["generated"][:], other.values)
    assert group["reference"].metadata.dimension_names == ("reference_field", "bin")
    assert group["edges"].shape[0] == group["axis"].shape[0] + 1


def test_writing_again_replaces_and_leaves_nothing_beside(found, tmp_path):
    for _ in range(2):
        write_comparisons(tmp_path / "one.zarr", found, {"identity": "abc"})
    assert [path.name for path in tmp_path.iterdir()] == ["one.zarr"]


def test_failed_writing_leaves_what_was_there(found, tmp_path):
    write_comparisons(tmp_path / "one.zarr", found, {"identity": "abc"})
    with pytest.raises(TypeError):
        write_comparisons(tmp_path / "one.zarr", found, {"identity": object()})
    assert [path.name for path in tmp_path.iterdir()] == ["one.zarr"]
    assert read_comparisons(tmp_path / "one.zarr").bins.keys() == found.bins.keys()


def test_same_fields_do_not_differ():
    same = compare_sets(SETTINGS, SPEC, field_set(0), field_set(0), matched=True)
    for channel in ("gas", "stars"):
        assert same.bins["power_spectrum", channel].mean_absolute.value == 0
        assert same.values[channel].w1_over_std.value == 0
