"""The hash embedding of rho-Diffusion: a vector that names a set of parameter values.

The SHA-512 of the parameters' JSON (sorted keys, default separators) as 128 hexadecimal digits; each digit's ASCII
code over 128 is one entry, repeated elementwise to the wanted length.

Reference: Cai & Lee 2023, arXiv:2312.08153.

It cannot interpolate: neighbouring values get unrelated vectors, and the integer 1 and the float 1.0 differ.
"""

import hashlib
import json
from collections.abc import Mapping

import numpy as np
from numpy.typing import NDArray

from rhodiff.errors import ConfigError

__all__ = ["HASH_DIGITS", "hash_embedding"]

HASH_DIGITS = 128
"""Hexadecimal digits of SHA-512; lengths are multiples of it."""


def hash_embedding(parameters: Mapping[str, int | float | str], length: int) -> NDArray[np.float32]:
    """The vector that stands for a set of parameter values.

    Args:
        parameters: values by name; 1 and 1.0 are different values.
        length: entries of the vector, a multiple of 128.

    Returns:
        float32 ``[length]`` with entries in (0, 1).

    Raises:
        ConfigError: if ``length`` is not a positive multiple of 128.
    """
    if length <= 0 or length % HASH_DIGITS:
        raise ConfigError(f"hash length {length} is not a positive multiple of {HASH_DIGITS}: take 128, 256, ...")
    text = json.dumps(dict(parameters), sort_keys=True, default=_plain)
    digest = hashlib.sha512(text.encode()).hexdigest()
    codes = np.frombuffer(digest.encode("ascii"), dtype=np.uint8).astype(np.float32) / HASH_DIGITS
    return np.repeat(codes, length // HASH_DIGITS)


def _plain(value: object) -> int | float:
    """The Python number of a NumPy scalar, which JSON does not know."""
    if isinstance(value, np.integer):
        return int(value)
    if isinstance(value, np.floating):
        return float(value)
    raise ConfigError(f"a parameter is of type {type(value).__name__}: only numbers and strings can be hashed")
