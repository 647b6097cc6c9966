"""Looking after stores: what they hold, whether every shard is what its marker vouches for, and mending them."""

import os
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from rhodiff.config.evaluation import Evaluation
from rhodiff.config.experiment import Experiment, Paths
from rhodiff.config.fields import Data
from rhodiff.errors import ConfigError, DataError
from rhodiff.runtime.progress import Observer
from rhodiff.sources.source import Source
from rhodiff.stages.prepare import prepare
from rhodiff.stages.workspace import Workspace
from rhodiff.store.field_store import FieldStore, num_shards, open_fields, shard_files, shared_files
from rhodiff.store.files import checksum, read_marker
from rhodiff.store.layout import DataFolder, RunFolder

__all__ = ["Fault", "Inspected", "find_failures", "find_faults", "inspect", "open_source", "repair"]


@dataclass(frozen=True)
class Fault:
    """A part of a store that is not what it should be.

    Attributes:
        shard: number of the shard; None: the store as a whole.
        marker: the marker that vouches, or should, for the part.
        reason: what was found.
    """

    shard: int | None
    marker: Path
    reason: str

    def describe(self) -> str:
        """One line for people."""
        return f"{'store' if self.shard is None else f'shard {self.shard}'}: {self.reason}"


@dataclass(frozen=True)
class Inspected:
    """A store with the place of its markers.

    Attributes:
        store: the store.
        markers: marker of each shard.
        done: marker of a whole data set; None for generated samples.
    """

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
    store = open_fields(path.resolve())
    shards = range(num_shards(store.num_fields, store.shard_length))
    if store.path.name == "fields.zarr":
        folder = DataFolder(store.path.parent)
        return Inspected(store, tuple(folder.shard_marker(s) for s in shards), folder.done)
    if store.path.parent.name != "samples":
        raise DataError(f"{path} is neither a prepared data folder nor a store in the samples folder of a run")
    run = RunFolder(store.path.parent.parent)
    return Inspected(store, tuple(run.samples_marker(store.path.stem, s) for s in shards), None)


def find_faults(inspected: Inspected) -> list[Fault]:
    """Compare every file with what its marker vouches for, reading all of it; the store as a whole comes last."""
    store = inspected.store
    faults = [
        Fault(shard, marker, reason)
        for shard, marker in enumerate(inspected.markers)
        if (reason := _fault(marker, shard_files(store, shard))) is not None
    ]
    if inspected.done is not None and (reason := _fault(inspected.done, shared_files(store))) is not None:
        faults.append(Fault(None, inspected.done, reason))
    return faults


def _fault(marker: Path, files: Sequence[Path]) -> str | None:
    content = read_marker(marker)
    if content is None:
        return f"not finished (no marker {marker.name})"
    root = marker.parent.parent
    if set(content["files"]) != {os.path.relpath(file, root) for file in files}:
        return f"its marker {marker.name} vouches for other files"
    for name, vouched in content["files"].items():
        file = root / name
        if not file.exists():
            return f"{name} is missing"
        if file.stat().st_size != vouched["size"]:
            return f"{name} has {file.stat().st_size} bytes, its marker says {vouched['size']}"
        if checksum(file) != vouched["sha256"]:
            return f"the content of {name} has changed"
    return None


def find_failures(inspected: Inspected) -> dict[int, list[str]]:
    """Why fields of a data set could not be made and are masked, by shard; a sound store can have some."""
    told = {shard: (read_marker(marker) or {}).get("failures", []) for shard, marker in enumerate(inspected.markers)}
    return {shard: failures for shard, failures in told.items() if failures}


def repair(inspected: Inspected, observer: Observer, *, failed: bool = False) -> list[Fault]:
    """Make the faulty shards of a data set again; of samples, forget them so that ``run sample`` makes them again.

    Args:
        inspected: the store.
        observer: told what happens.
        failed: try fields again too that could not be made; of data sets alone.

    Returns:
        The faults that were found.

    Raises:
        ConfigError: if samples' failures are to be tried again.
        DataError: if the input files are not those that the data set was made from, or what all shards share is
            damaged.
    """
    if failed and not inspected.is_data_set:
        raise ConfigError("--failed is for data sets: samples that diverged would diverge again")
    faults = find_faults(inspected)
    if failed:
        faults += [
            Fault(shard, inspected.markers[shard], f"{len(told)} failures are tried again")
            for shard, told in find_failures(inspected).items()
            if shard not in {fault.shard for fault in faults}
        ]
    if not faults:
        return faults
    workspace = _workspace_of(inspected, observer) if inspected.is_data_set else None
    for fault in faults:
        if fault.shard is None and read_marker(fault.marker) is not None:
            raise DataError(
                f"{inspected.store.path} cannot be repaired: {fault.reason}, which all shards depend on. Remove the "
                "folder and run 'rhodiff-hpc run prepare'"
            )
    if failed and workspace is not None:
        workspace.source.forget_failures()
    for fault in faults:
        fault.marker.unlink(missing_ok=True)
    if workspace is not None and inspected.done is not None:
        inspected.done.unlink(missing_ok=True)
        prepare(workspace)
    return faults


def open_source(inspected: Inspected, observer: Observer) -> Source:
    """The source of a data set.

    Raises:
        DataError: if it was not made from what is there now.
    """
    if not inspected.is_data_set:
        raise DataError(f"{inspected.store.path} holds samples, which have no source")
    return _workspace_of(inspected, observer).source


def _workspace_of(inspected: Inspected, observer: Observer) -> Workspace:
    """The experiment, as far as the data set remembers it."""
    attributes, folder = inspected.store.attributes, inspected.store.path.parent
    if not {"data", "identity", "folder"} <= set(attributes):
        raise DataError(f"{folder} cannot be repaired: it was not made by 'rhodiff-hpc run prepare'")
    data = Data.model_validate(attributes["data"])
    if folder.name != f"{data.source.kind}-{attributes['identity']}":
        raise DataError(
            f"{folder} cannot be repaired: it was renamed from '{data.source.kind}-{attributes['identity']}'. Give "
            "it that name back first"
        )
    experiment = Experiment(
        name="repair",
        data=data,
        paths=Paths(data=folder.parent, runs=Path("runs")),
        evaluation=Evaluation(reference="test" if data.fills("test") else "validation"),
    )
    workspace = Workspace(experiment, Path(attributes["folder"]), observer)
    if workspace.data_folder.path.name != folder.name:
        raise DataError(
            f"{folder} cannot be repaired: its input files {attributes['input_files']} have changed since (they now "
            f"give {workspace.data_folder.path.name})"
        )
    return workspace
