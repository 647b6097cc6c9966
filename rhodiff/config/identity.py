"""Chained identities: what a result is called follows from everything that could change it, and from nothing else.

    data      = H(source, split, store form, fingerprints of the input files)
    training  = H(data, fields, model, diffusion, training, seed)
    samples   = H(training, checkpoint weights, condition, sampler, evaluations, seed, ...)
    statistics= H(samples of all cells, evaluation)

Paths and resources are left out: a moved folder or another device is the same experiment. Contents of input files
are in, by fingerprint: their size, their first and last block and blocks sampled evenly between (a change inside an
unsampled block of a large file, with the size kept, is not seen; ``data verify`` reads everything we wrote).
"""

import hashlib
import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from rhodiff.config.experiment import Experiment
from rhodiff.config.fields import TransformStep
from rhodiff.config.section import result_settings
from rhodiff.errors import DataError

__all__ = ["data_identity", "fingerprint", "identity_hash", "training_identity", "transform_identity"]

SCHEMA_VERSION = 1
"""Raised when the meaning of a stored result changes, so that old results are not taken for new ones."""

BLOCK_BYTES = 1 << 16
SAMPLED_BLOCKS = 64


def identity_hash(*parts: Any) -> str:
    """First 8 hex digits of the SHA-256 of the parts' canonical JSON (sorted keys, no spaces)."""
    text = json.dumps([SCHEMA_VERSION, *parts], sort_keys=True, separators=(",", ":"), allow_nan=False)
    return hashlib.sha256(text.encode()).hexdigest()[:8]


def fingerprint(path: Path) -> str:
    """Short digest of a file's content, or of a folder's files (a Zarr store).

    Raises:
        DataError: if the file is missing or unreadable.
    """
    files = sorted(p for p in path.rglob("*") if p.is_file()) if path.is_dir() else [path]
    digest = hashlib.sha256()
    for file in files:
        if path.is_dir():
            digest.update(str(file.relative_to(path)).encode())
        _update_from_blocks(digest, file)
    return digest.hexdigest()


def _update_from_blocks(digest: Any, file: Path) -> None:
    try:
        size = file.stat().st_size
        digest.update(str(size).encode())
        with file.open("rb") as handle:
            last = max(0, size - BLOCK_BYTES)
            starts = sorted({last * i // (SAMPLED_BLOCKS - 1) for i in range(SAMPLED_BLOCKS)})
            for start in starts:
                handle.seek(start)
                digest.update(handle.read(BLOCK_BYTES))
    except OSError as error:
        raise DataError(f"cannot read the input file {file}: {error.strerror or error}") from error


def data_identity(experiment: Experiment, input_files: Sequence[Path]) -> str:
    """Identity of the prepared data set.

    Args:
        experiment: its ``data`` section counts.
        input_files: the source's input files, in the source's order.
    """
    return identity_hash("data", result_settings(experiment.data), [fingerprint(path) for path in input_files])


def transform_identity(steps: Sequence[TransformStep]) -> str:
    """Identity of a fitted transform, within the data set.

    Args:
        steps: as in ``fields.transform``.
    """
    return identity_hash("transform", [result_settings(step) for step in steps])


def training_identity(experiment: Experiment, data: str) -> str:
    """Identity of the trained network.

    Args:
        experiment: its ``fields``, ``model``, ``diffusion``, ``training`` and ``seed`` count.
        data: identity of the data set.
    """
    sections = (experiment.fields, experiment.model, experiment.diffusion, experiment.training)
    return identity_hash("training", data, [result_settings(s) for s in sections], experiment.seed)
