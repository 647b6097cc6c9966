import numpy as np
import pytest

from rhodiff.errors import ConfigError
from rhodiff.models import hash_embedding


def test_published_vector():
    vector = hash_embedding({"l": 5, "m": 2}, 128)
    assert vector.dtype == np.float32
    assert vector.shape == (128,)
    assert vector[:4].tolist() == [0.3828125, 0.4140625, 0.7734375, 0.4140625]
    assert float(vector.sum()) == 68.0625


def test_longer_vectors_repeat_each_code():
    short, long = hash_embedding({"l": 5, "m": 2}, 128), hash_embedding({"l": 5, "m": 2}, 384)
    assert np.array_equal(long, np.repeat(short, 3))


def test_order_of_names_does_not_matter_and_types_do():
    assert np.array_equal(hash_embedding({"m": 2, "l": 5}, 128), hash_embedding({"l": 5, "m": 2}, 128))
    assert not np.array_equal(hash_embedding({"l": 5.0, "m": 2}, 128), hash_embedding({"l": 5, "m": 2}, 128))
    numpy_scalars = {"l": np.int32(5), "m": np.int64(2)}
    assert np.array_equal(hash_embedding(numpy_scalars, 128), hash_embedding({"l": 5, "m": 2}, 128))


@pytest.mark.parametrize("length", [0, -128, 100, 129])
def test_other_lengths_are_refused(length):
    with pytest.raises(ConfigError, match=f"{length} is not a positive multiple of 128"):
        hash_embedding({"l": 5}, length)
