"""Looking after stores: what they hold, whether every shard is what its marker vouches for, and mending them."""

import os
from dataclasses import dataclass
from pathlib import Path

from rhodiff.config.experiment import Experiment, Paths
from rhodiff.config.fields import Data
from rhodiff.errors import DataError
from rhodiff.runtime.progress import Observer
from rhodiff.stages.prepare import prepare
from rhodiff.stages.workspace import Workspace
from rhodiff.store.arrays import FieldStore, num_shards, open_fields, shard_files
from rhodiff.store.files import checksum, read_marker
from rhodiff.store.layout import DataFolder, RunFolder

__all__ = ["Inspected", "ShardFault", "find_faults", "inspect", "repair"]


@dataclass(frozen=True)
class ShardFault:
    """A shard that is not what it should be."""

    shard: int
    marker: Path
    reason: str


@dataclass(frozen=True)
class Inspected:
    """A store with the place of its markers."""

    store: FieldStore
    markers: tuple[Path, ...]
    done: Path | None

    @property
    def is_data_set(self) -> bool:
        """Whether this is a prepared data set, not generated samples."""
        return self.done is not None


def inspect(path: Path) -> Inspected:
    """Open a data folder, or a store of samples inside a run folder.

    Raises:
        DataError: if it is neither.
    """
    store = open_fields(path)
    shards = range(num_shards(store.num_fields, store.shard_length))
    if store.path.name == "fields.zarr":
        folder = DataFolder(store.path.parent)
        return Inspected(store, tuple(folder.shard_marker(s) for s in shards), folder.done)
    if store.path.parent.name != "samples":
        raise DataError(f"{path} is neither a prepared data folder nor a store in the samples folder of a run")
    run = RunFolder(store.path.parent.parent)
    return Inspected(store, tuple(run.samples_marker(store.path.stem, s) for s in shards), None)


def find_faults(inspected: Inspected) -> list[ShardFault]:
    """Compare every file of every shard with what its marker vouches for, reading all of it."""
    faults = []
    for shard, marker in enumerate(inspected.markers):
        reason = _fault(inspected, shard, marker)
        if reason is not None:
            faults.append(ShardFault(shard, marker, reason))
    return faults


def _fault(inspected: Inspected, shard: int, marker: Path) -> str | None:
    content = read_marker(marker)
    if content is None:
        return "not written (no marker)"
    root = marker.parent.parent
    expected = {os.path.relpath(file, root) for file in shard_files(inspected.store, shard)}
    if set(content["files"]) != expected:
        return "its marker vouches for other files"
    for name, vouched in content["files"].items():
        file = root / name
        if not file.exists():
            return f"{name} is missing"
        if file.stat().st_size != vouched["size"]:
            return f"{name} has {file.stat().st_size} bytes, its marker says {vouched['size']}"
        if checksum(file) != vouched["sha256"]:
            return f"the content of {name} has changed"
    return None


def repair(inspected: Inspected, observer: Observer) -> list[ShardFault]:
    """Make the faulty shards of a data set again; of samples, forget them so that ``run sample`` makes them again.

    Returns:
        The faults that were found.

    Raises:
        DataError: if the input files are not those that the data set was made from.
    """
    faults = find_faults(inspected)
    if not faults and (inspected.done is None or inspected.done.exists()):
        return faults
    workspace = _workspace_of(inspected, observer) if inspected.is_data_set else None
    for fault in faults:
        fault.marker.unlink(missing_ok=True)
    if workspace is not None and inspected.done is not None:
        inspected.done.unlink(missing_ok=True)
        prepare(workspace)
    return faults


def _workspace_of(inspected: Inspected, observer: Observer) -> Workspace:
    """The experiment, as far as the data set remembers it."""
    attributes, folder = inspected.store.attributes, inspected.store.path.parent
    experiment = Experiment(
        name="repair",
        data=Data.model_validate(attributes["data"]),
        paths=Paths(data=folder.resolve().parent, runs=Path("runs")),
    )
    workspace = Workspace(experiment, Path(attributes["folder"]), observer)
    if workspace.data_folder.path.name != folder.name:
        raise DataError(
            f"{folder} cannot be repaired: its input files {attributes['input_files']} have changed since (they now "
            f"give {workspace.data_folder.path.name})"
        )
    return workspace
