"""Blocks of several arrays: each a file of its own, written once, and missed when it is gone."""

import numpy as np
import pytest
import zarr

from rhodiff.errors import DataError
from rhodiff.store.block_store import (
    BlockArray,
    KnownArray,
    create_blocks,
    open_attributes,
    read_blocks,
    write_block,
)

ARRAYS = {
    "values": BlockArray(("field", "x"), (3,), "float64", "mag", "what was seen"),
    "good": BlockArray(("field",), dtype="bool"),
}
KNOWN = {"k": KnownArray(("bin",), np.arange(4.0), "1/Mpc")}
CONTENT = {"values": np.arange(15.0).reshape(5, 3), "good": np.array([True, False, True, True, False])}


@pytest.fixture
def path(tmp_path):
    create_blocks(tmp_path / "a.zarr", ARRAYS, KNOWN, length=5, block_length=2, attributes={"identity": "abc"})
    return tmp_path / "a.zarr"


def block(number):
    return {name: values[2 * number : 2 * number + 2] for name, values in CONTENT.items()}


def test_blocks_in_any_order_make_the_whole(path):
    for number in (2, 0, 1):
        files = write_block(path, number, block(number))
        assert [file.relative_to(path).as_posix() for file in files] == [f"values/c.{number}.0", f"good/c.{number}"]
        assert all(file.exists() for file in files)
    found = read_blocks(path, ("values", "good", "k"))
    for name, values in (CONTENT | {"k": KNOWN["k"].values}).items():
        np.testing.assert_array_equal(found[name], values)


def test_axes_units_and_attributes_are_recorded(path):
    root = zarr.open_group(path, mode="r")
    assert root["values"].metadata.dimension_names == ("field", "x")
    assert root["values"].attrs["unit"] == "mag"
    assert root["k"].attrs["unit"] == "1/Mpc"
    assert open_attributes(path) == {"identity": "abc", "block_length": 2}


def test_first_entries_can_be_read_before_the_rest_is_there(path):
    write_block(path, 0, block(0))
    np.testing.assert_array_equal(read_blocks(path, ("values",), 2)["values"], CONTENT["values"][:2])
    with pytest.raises(DataError, match="block 1 of 'values' is missing"):
        read_blocks(path, ("values",), 3)


def test_block_that_was_lost_or_cut_off_is_an_error_and_not_zeros(path):
    for number in range(3):
        write_block(path, number, block(number))
    (path / "values" / "c.1.0").write_bytes(b"short")
    with pytest.raises(DataError, match=r"a\.zarr is damaged"):
        read_blocks(path, ("values",))
    (path / "good" / "c.1").unlink()
    with pytest.raises(DataError, match="block 1 of 'good' is missing"):
        read_blocks(path, ("good",))
    write_block(path, 1, block(1))
    np.testing.assert_array_equal(read_blocks(path, ("values",))["values"], CONTENT["values"])


def test_block_of_another_length_is_our_own_bug(path):
    with pytest.raises(AssertionError, match="block 2 of 'values' has 1 entries"):
        write_block(path, 2, block(0))


def test_store_that_exists_is_left_as_it_is(path):
    write_block(path, 0, block(0))
    create_blocks(path, ARRAYS, KNOWN, length=5, block_length=2, attributes={"identity": "other"})
    assert open_attributes(path)["identity"] == "abc"
    assert not list(path.parent.glob(".*"))


def test_store_without_metadata_is_damaged(path):
    (path / "zarr.json").unlink()
    with pytest.raises(DataError, match="is damaged"):
        open_attributes(path)
    with pytest.raises(DataError, match="is damaged"):
        read_blocks(path, ("values",))
