"""Whether anything new is there: a fingerprint of the files whose appearance or change is progress."""

import glob
import hashlib
import os
from collections.abc import Iterable

__all__ = ["fingerprint"]


def fingerprint(patterns: Iterable[str]) -> str:
    """Fingerprint of the names, sizes and times of files; times are only compared for equality.

    Args:
        patterns: absolute globs.
    """
    digest = hashlib.sha256()
    names = {name for pattern in patterns for name in glob.glob(pattern)}  # noqa: PTH207 - patterns are absolute
    for name in sorted(names):
        try:
            found = os.stat(name)  # noqa: PTH116
        except FileNotFoundError:  # thinned out meanwhile
            continue
        digest.update(f"{name}\0{found.st_size}\0{found.st_mtime_ns}\n".encode())
    return digest.hexdigest()[:16]
