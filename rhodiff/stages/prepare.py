"""Stage prepare: the source's fields into a sharded store, one task a shard.

The store is made once, whole or not at all; a task makes a shard's fields, writes its files and then its marker. Once
every shard has its marker the data set is marked done. Repeating the command makes what is missing and nothing else.
"""

import time
from functools import partial
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from rhodiff.errors import ConfigError, DataError
from rhodiff.runtime.progress import Observer
from rhodiff.runtime.stopping import StopRequest, listen_for_stop
from rhodiff.sources.source import TEST, TRAIN, VALIDATION
from rhodiff.stages.parts import WHOLE, Part
from rhodiff.stages.workspace import Workspace
from rhodiff.store.field_store import FieldStore, num_shards, open_fields, shard_range, shared_files
from rhodiff.store.field_writing import create_fields, write_shard
from rhodiff.store.files import read_marker, write_marker

__all__ = ["checked_split", "missing_shards", "prepare", "shard_length"]


def prepare(workspace: Workspace, part: Part = WHOLE) -> Path:
    """Make the shards of one part, and finish the data set if nothing is missing then.

    Args:
        workspace: the experiment.
        part: which of the shards.

    Returns:
        The data folder.

    Raises:
        StoppedEarly: after a stop signal, with the shard at hand finished.
    """
    folder = workspace.data_folder
    if folder.done.exists():
        workspace.observer.note(f"data {folder.path.name}: {workspace.store.num_fields} fields, done before")
        return folder.path
    _tell_of_changed_input(workspace)
    store = _created_store(workspace)
    mine = part.of(range(num_shards(store.num_fields, store.shard_length)))
    todo = [shard for shard in mine if read_marker(folder.shard_marker(shard)) is None]
    started = time.perf_counter()
    with listen_for_stop() as stop:
        for done, shard in enumerate(todo):
            workspace.source.accompany(partial(_tell, workspace.observer, stop, done, len(todo)))
            _make_shard(workspace, store, shard)
            rate = (done + 1) / (time.perf_counter() - started)
            workspace.observer.progress(done + 1, len(todo), f"{rate * store.shard_length:.3g} fields/s")
            stop.leave_between(done + 1, len(todo))
    _finish(workspace, store)
    return folder.path


def shard_length(workspace: Workspace) -> int:
    """Fields in a shard: as configured, or more where fields are made together."""
    together = workspace.source.fields_together
    whole = -(-workspace.experiment.data.shard_length // together) * together
    return min(whole, workspace.source.num_fields)


def _tell(observer: Observer, stop: StopRequest, done: int, total: int, text: str) -> None:
    """Pass on how far a shard is, and leave it if that was asked for."""
    observer.progress(done, total, text)
    stop.leave_between(done, total)


def missing_shards(workspace: Workspace) -> list[int]:
    """Shards without marker."""
    total = num_shards(workspace.source.num_fields, shard_length(workspace))
    return [shard for shard in range(total) if read_marker(workspace.data_folder.shard_marker(shard)) is None]


def checked_split(workspace: Workspace) -> NDArray[np.int8]:
    """Part of each field, ``[sample]``.

    Raises:
        ConfigError: if a part that has a share gets no field.
    """
    source, shares = workspace.source, workspace.experiment.data.split
    split = source.assign_split(shares)
    for name, code in (("train", TRAIN), ("validation", VALIDATION), ("test", TEST)):
        share = getattr(shares, name)
        if share > 0 and not (split == code).any():
            raise ConfigError(
                f"data.split.{name} is {share}, but none of the {len(np.unique(source.groups()))} independent groups "
                f"({source.num_fields} fields) falls into it: make more fields, or set the share to 0"
            )
    return split


def _tell_of_changed_input(workspace: Workspace) -> None:
    """Say so if these settings were prepared before from other content of the same files."""
    wanted = workspace.data_attributes()
    if not wanted["input_files"] or workspace.data_folder.fields.exists():
        return
    for path in sorted(workspace.data_folder.path.parent.glob(f"{workspace.experiment.data.source.kind}-*")):
        try:
            found = open_fields(path).attributes
        except DataError:  # not ours to judge
            continue
        if all(found.get(name) == wanted[name] for name in ("data", "input_files")):
            workspace.observer.note(
                f"the input files have changed since {path.name} was prepared: preparing "
                f"{workspace.data_folder.path.name} from what they hold now"
            )


def _created_store(workspace: Workspace) -> FieldStore:
    source, data = workspace.source, workspace.experiment.data
    create_fields(
        workspace.data_folder.fields,
        source.spec,
        source.parameters,
        num_fields=source.num_fields,
        shard_length=shard_length(workspace),
        compression=data.compression,
        split=checked_split(workspace),
        group=source.groups(),
        attributes=workspace.data_attributes(),
    )
    return open_fields(workspace.data_folder.fields)


def _make_shard(workspace: Workspace, store: FieldStore, shard: int) -> None:
    start, stop = shard_range(shard, store.num_fields, store.shard_length)
    batch = workspace.source.make(start, stop)
    for failure in batch.failures:
        workspace.observer.warn(f"{failure} Its fields are masked; to try again: {_again(workspace)}")
    files = write_shard(store.path, start, batch.fields, batch.parameters, batch.valid)
    facts = {"failures": list(batch.failures)} if batch.failures else {}
    write_marker(workspace.data_folder.shard_marker(shard), files, {**batch.facts, **facts})


def _again(workspace: Workspace) -> str:
    return f"rhodiff-hpc data repair --failed {workspace.data_folder.path}"


def _finish(workspace: Workspace, store: FieldStore) -> None:
    missing = missing_shards(workspace)
    if missing:
        workspace.observer.note(f"data {workspace.data_folder.path.name}: {len(missing)} shards are still to be made")
        return
    finished = open_fields(store.path)
    if len(finished.indices(TRAIN)) == 0:
        raise DataError(f"{store.path}: not one field of the training split is valid")
    counts = {
        "train": len(finished.indices(TRAIN)),
        "validation": len(finished.indices(VALIDATION)),
        "test": len(finished.indices(TEST)),
        "failed": int((~finished.valid).sum()),
    }
    write_marker(workspace.data_folder.done, shared_files(finished), counts)
    summary = ", ".join(f"{number} {name}" for name, number in counts.items() if number or name != "failed")
    workspace.observer.note(f"data {workspace.data_folder.path.name}: {finished.num_fields} fields ({summary})")
