"""The fast reader gives what zarr gives, and neither reads a damaged shard as numbers."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from rhodiff.errors import DataError
from rhodiff.store.field_store import num_shards, open_fields, shard_files, shard_range
from rhodiff.store.field_writing import create_fields, write_shard
from rhodiff.store.reader import MappedReader, ZarrReader, open_reader, read_fields
from rhodiff.store.spec import FieldSpec

NUM_FIELDS, SHARD = 11, 4
SPEC = FieldSpec(name="a", channels=("p", "q"), shape=(4, 6), spacing=(1.0, 1.0), periodic=(True, True))
FIELDS = np.random.default_rng(1).normal(size=(NUM_FIELDS, *SPEC.field_shape)).astype(np.float32)


def make_store(path, compression):
    create_fields(path, SPEC, (), num_fields=NUM_FIELDS, shard_length=SHARD, compression=compression)
    for shard in range(num_shards(NUM_FIELDS, SHARD)):
        start, stop = shard_range(shard, NUM_FIELDS, SHARD)
        count = stop - start
        write_shard(path, start, FIELDS[start:stop], np.empty((count, 0)), np.ones(count, np.bool_))
    return open_fields(path)


@pytest.fixture(scope="module")
def stores(tmp_path_factory):
    folder = tmp_path_factory.mktemp("stores")
    return {name: make_store(folder / f"{name}.zarr", name) for name in ("none", "zstd")}


@settings(deadline=None, max_examples=30)
@given(indices=st.lists(st.integers(0, NUM_FIELDS - 1), max_size=20))
def test_all_readers_give_the_fields_in_the_order_asked_for(stores, indices):
    wanted = np.array(indices, dtype=np.int64)
    for reader in (MappedReader(stores["none"]), ZarrReader(stores["none"]), ZarrReader(stores["zstd"])):
        read = reader.read(wanted)
        assert read.dtype == np.float32
        np.testing.assert_array_equal(read, FIELDS[wanted])


def test_what_is_read_can_be_changed_without_harm(stores):
    reader = MappedReader(stores["none"])
    first = reader.read(np.array([3, 3]))
    first[0] = 0
    np.testing.assert_array_equal(reader.read(np.array([3]))[0], FIELDS[3])
    np.testing.assert_array_equal(first[1], FIELDS[3])


def test_the_fastest_reader_that_fits_is_taken(stores):
    assert isinstance(open_reader(stores["none"]), MappedReader)
    assert isinstance(open_reader(stores["none"], memory_map=False), ZarrReader)
    assert isinstance(open_reader(stores["zstd"]), ZarrReader)


@pytest.mark.parametrize("compression", ["none", "zstd"])
def test_negative_indices_are_refused(stores, compression):
    with pytest.raises(AssertionError, match="counted from 0, got -1"):
        open_reader(stores[compression]).read(np.array([0, -1]))


def flip(data, position):
    return data[:position] + bytes([data[position] ^ 0x10]) + data[position + 1 :]


DAMAGES = {
    "missing": None,
    "empty": lambda data: b"",
    "a few bytes": lambda data: data[:7],
    "last byte lost": lambda data: data[:-1],
    "half": lambda data: data[: len(data) // 2],
    "first byte lost": lambda data: data[1:],
    "index only": lambda data: data[-16 * SHARD - 4 :],
    "flipped checksum": lambda data: flip(data, len(data) - 1),
    "flipped last length": lambda data: flip(data, len(data) - 5),
    "flipped first offset": lambda data: flip(data, len(data) - 16 * SHARD - 4),
    "zeros": lambda data: bytes(len(data)),
}


@pytest.mark.parametrize("damage", DAMAGES)
@pytest.mark.parametrize(("compression", "memory_map"), [("none", True), ("none", False), ("zstd", False)])
@pytest.mark.parametrize("shard", [0, 2])
def test_a_damaged_shard_is_an_error_that_names_it_and_the_way_out(tmp_path, damage, compression, memory_map, shard):
    store = make_store(tmp_path / "fields.zarr", compression)
    file = shard_files(store, shard)[0]
    change, data = DAMAGES[damage], file.read_bytes()
    file.unlink()
    if change is not None:
        file.write_bytes(change(data))
    with pytest.raises(DataError, match=rf"{file} is damaged or missing.*rhodiff-hpc data repair"):
        open_reader(store, memory_map=memory_map)


def test_a_shard_of_fewer_fields_than_it_should_have_is_refused(tmp_path):
    """The file of the short last shard in place of a full one: its index is sound, but has empty entries."""
    store = make_store(tmp_path / "fields.zarr", "none")
    shard_files(store, 0)[0].write_bytes(shard_files(store, 2)[0].read_bytes())
    for memory_map in (True, False):
        with pytest.raises(DataError, match="index points outside"):
            open_reader(store, memory_map=memory_map)


def test_damaged_compressed_bytes_are_an_error(tmp_path):
    store = make_store(tmp_path / "fields.zarr", "zstd")
    file = shard_files(store, 1)[0]
    data = file.read_bytes()
    file.write_bytes(bytes(100) + data[100:])
    with pytest.raises(DataError, match="damaged"):
        open_reader(store).read(np.array([4, 5, 6, 7]))


def test_a_few_fields_of_an_unfinished_store_can_be_read(tmp_path):
    store = make_store(tmp_path / "fields.zarr", "none")
    file = shard_files(store, 1)[0]
    for change in (file.unlink, file.touch):
        change()
        wanted = np.array([10, 0, 3])
        np.testing.assert_array_equal(read_fields(store, wanted), FIELDS[wanted])
        with pytest.raises(DataError, match="damaged or missing"):
            read_fields(store, np.array([0, 4]))
    assert read_fields(store, np.array([], dtype=np.int64)).shape == (0, *SPEC.field_shape)
