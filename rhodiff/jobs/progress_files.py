"""Whether anything new is there: a fingerprint of the files whose appearance or change is progress."""

import glob
import hashlib
import os

__all__ = ["fingerprint"]


def fingerprint(pattern: str) -> str:
    """Fingerprint of the names, sizes and times of files; times are only compared for equality.

    Args:
        pattern: absolute glob.
    """
    digest = hashlib.sha256()
    for name in sorted(glob.glob(pattern)):  # noqa: PTH207 - the pattern is absolute
        try:
            found = os.stat(name)  # noqa: PTH116
        except FileNotFoundError:  # thinned out meanwhile
            continue
        digest.update(f"{name}\0{found.st_size}\0{found.st_mtime_ns}\n".encode())
    return digest.hexdigest()[:16]
