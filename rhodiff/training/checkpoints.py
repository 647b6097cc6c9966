"""Checkpoints: written whole, vouched for by a marker with checksum, loaded without executing anything.

    step-00002000.pt                 weights that do not depend on the length of the training
    step-00010000-of-00010000.pt     weights after the rate began to fall for a training of that length

A marker beside each file is written last. A file without marker is not a checkpoint; one whose name, size or
checksum disagrees with its marker is passed over with a warning, and the one before it is used. Kept are the newest
ones as asked and, always, the one before the rate falls, from which a longer training goes on.
"""

import hashlib
import io
import pickle
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch

from rhodiff.errors import DataError
from rhodiff.store.files import checksum, read_json, write_atomic, write_json

__all__ = ["Checkpoint", "CheckpointFolder", "read_checkpoint", "weights_digest"]

SCHEMA_VERSION = 1
NAME = re.compile(r"step-(\d{8})(?:-of-(\d{8}))?\.pt")


@dataclass(frozen=True, order=True)
class Checkpoint:
    """A finished checkpoint on disk.

    Attributes:
        iteration: steps made.
        horizon: length of the training it belongs to; None before the rate began to fall: it belongs to any.
        path: the file.
        digest: digest of the weights, which names what is sampled from them.
    """

    iteration: int
    horizon: int | None
    path: Path
    digest: str

    @property
    def name(self) -> str:
        """File name without ending."""
        return self.path.stem

    def is_on_the_way(self, horizon: int, last_common: int) -> bool:
        """Whether a training of length ``horizon`` passes through these weights."""
        return self.horizon == horizon or (self.horizon is None and self.iteration <= last_common)


class CheckpointFolder:
    """The checkpoints of one run.

    Args:
        path: the folder.
    """

    def __init__(self, path: Path) -> None:
        self.path = path

    def save(self, content: Mapping[str, Any], iteration: int, horizon: int | None) -> Checkpoint:
        """Write a checkpoint and then its marker.

        Args:
            content: tensors and plain values, with ``model`` and ``ema`` weights.
            iteration: steps made.
            horizon: length of the training if it matters to these weights, else None.

        Raises:
            StorageError: if the disk refuses; earlier checkpoints are intact.
        """
        suffix = "" if horizon is None else f"-of-{horizon:08d}"
        path = self.path / f"step-{iteration:08d}{suffix}.pt"
        buffer = io.BytesIO()
        torch.save({"schema_version": SCHEMA_VERSION, **content}, buffer)
        sha256 = write_atomic(path, lambda handle: handle.write(buffer.getbuffer()))
        digest = weights_digest(content)
        marker = {"file": path.name, "size": path.stat().st_size, "sha256": sha256, "weights": digest}
        write_json(_marker(path), marker)
        return Checkpoint(iteration, horizon, path, digest)

    def list(self, horizon: int | None = None, last_common: int | None = None) -> list[Checkpoint]:
        """Finished checkpoints, by iteration.

        Args:
            horizon: only those on the way of a training of this length; None: all.
            last_common: iteration up to which the weights of that training do not depend on its length.
        """
        named = [checkpoint for path in self.path.glob("step-*.pt") if (checkpoint := _described(path)) is not None]
        if horizon is not None and last_common is not None:
            named = [c for c in named if c.is_on_the_way(horizon, last_common)]
        return sorted(named, key=lambda c: (c.iteration, c.horizon or 0))

    def damaged(self, horizon: int, last_common: int) -> dict[Checkpoint, str]:
        """Checkpoints that cannot be read, and why, as far as can be told without reading all of them.

        Their file is gone, has another size than its marker says, or was found damaged before.

        Args:
            horizon: see :meth:`list`.
            last_common: see :meth:`list`.
        """
        paths = (marker.with_suffix(".pt") for marker in sorted(self.path.glob("step-*.json")))
        named = [checkpoint for path in paths if (checkpoint := _described(path)) is not None]
        found = {c: self._why_damaged(c.path) for c in named if c.is_on_the_way(horizon, last_common)}
        return {checkpoint: why for checkpoint, why in found.items() if why}

    def _why_damaged(self, path: Path) -> str:
        marker = _read_marker(path)
        if marker is None or not path.exists():
            return "the file is gone"
        stamp = _stamp(path)
        if stamp["size"] != marker["size"]:
            return f"it has {stamp['size']} bytes, its marker says {marker['size']}"
        record = self._damage_record(path)
        known = read_json(record) if record.exists() else {}
        return str(known["reason"]) if known.get("stamp") == stamp else ""

    def record_damage(self, checkpoint: Checkpoint, reason: str) -> None:
        """Remember that reading a checkpoint showed damage, until its file is replaced."""
        write_json(self._damage_record(checkpoint.path), {"stamp": _stamp(checkpoint.path), "reason": reason})

    def _damage_record(self, path: Path) -> Path:
        return self.path / f"damaged-{path.stem}.json"

    def load_newest(
        self, horizon: int, last_common: int, warn: Callable[[str], None]
    ) -> tuple[Checkpoint, dict[str, Any]] | None:
        """The newest checkpoint that a training can go on from, with its content.

        Args:
            horizon: length of the training.
            last_common: see :meth:`list`.
            warn: told about each damaged file that is passed over.
        """
        for path in sorted(self.path.glob("*.pt")):
            if _described(path) is None:
                warn(f"{path} is passed over: it has no marker that vouches for a checkpoint of this name")
        for candidate in reversed(self.list(horizon, last_common)):
            try:
                return candidate, read_checkpoint(candidate.path)
            except DataError as error:
                warn(f"{error}. Going on from the checkpoint before it")
        return None

    def remove_temporaries(self) -> None:
        """Remove what processes that were killed while writing left behind; the caller holds the run's lock."""
        for path in self.path.glob(".*.tmp"):
            path.unlink(missing_ok=True)

    def prune(self, keep: int | None, horizon: int, last_common: int) -> None:
        """Remove all but the newest ``keep`` and the one before the rate falls; None keeps all."""
        if keep is None:
            return
        on_the_way = self.list(horizon, last_common)
        common = [c for c in on_the_way if c.horizon is None]
        spared = {c.path for c in on_the_way[-keep:]} | {c.path for c in common[-1:]}
        for checkpoint in on_the_way:
            if checkpoint.path not in spared:
                _marker(checkpoint.path).unlink(missing_ok=True)  # first: a file without marker is none
                checkpoint.path.unlink(missing_ok=True)


def _stamp(path: Path) -> dict[str, int]:
    """What changes when a file is replaced."""
    status = path.stat()
    return {"size": status.st_size, "mtime_ns": status.st_mtime_ns}


def _described(path: Path) -> Checkpoint | None:
    match = NAME.fullmatch(path.name)
    marker = _read_marker(path)
    if match is None or marker is None:
        return None
    return Checkpoint(int(match[1]), int(match[2]) if match[2] else None, path, str(marker["weights"]))


def _read_marker(path: Path) -> dict[str, Any] | None:
    """The marker of a checkpoint, or None if there is none that vouches for a file of this name."""
    try:
        marker = read_json(_marker(path))
    except DataError:
        return None
    return marker if isinstance(marker, dict) and marker.get("file") == path.name else None


def read_checkpoint(path: Path) -> dict[str, Any]:
    """Load a checkpoint after its checksum was compared with its marker's.

    Raises:
        DataError: if it is missing, torn, damaged or of another schema.
    """
    marker = _read_marker(path)
    if marker is None or not path.exists():
        raise DataError(f"there is no finished checkpoint {path}")
    if path.stat().st_size != marker["size"] or checksum(path) != marker["sha256"]:
        raise DataError(f"the checkpoint {path} is damaged: its size or checksum is not what its marker says")
    try:
        content: dict[str, Any] = torch.load(path, map_location="cpu", weights_only=True)
    except (pickle.UnpicklingError, RuntimeError, EOFError) as error:
        raise DataError(f"{path} is no checkpoint of rhodiff: {error}") from error
    if content.get("schema_version") != SCHEMA_VERSION:
        raise DataError(
            f"the checkpoint {path} has schema {content.get('schema_version')}, this rhodiff reads {SCHEMA_VERSION}"
        )
    return content


def weights_digest(content: Mapping[str, Any]) -> str:
    """Digest of the raw and averaged weights, bit for bit."""
    digest = hashlib.sha256()
    for part in ("model", "ema", "ema_second"):
        for name, tensor in sorted((content.get(part) or {}).items()):
            digest.update(name.encode())
            digest.update(tensor.detach().cpu().contiguous().reshape(-1).view(torch.uint8).numpy())
    return digest.hexdigest()[:16]


def _marker(path: Path) -> Path:
    return path.with_suffix(".json")
