"""Where an experiment stands: its identities, folders and opened data, worked out once a command.

Identities are chained (see :mod:`rhodiff.config.identity`), so the folders follow from the experiment file and the
content of its input files alone.
"""

import json
from copy import copy
from functools import cached_property
from pathlib import Path
from typing import Any

from rhodiff.config.experiment import Experiment
from rhodiff.config.identity import data_identity, training_identity, transform_identity
from rhodiff.config.loading import dump_experiment
from rhodiff.errors import DataError
from rhodiff.runtime.progress import Observer
from rhodiff.runtime.provenance import describe_environment
from rhodiff.sources.registry import build_source
from rhodiff.sources.source import Source
from rhodiff.store.field_store import FieldStore, absent_files, open_fields
from rhodiff.store.files import read_json, write_atomic, write_json
from rhodiff.store.journal import Journal
from rhodiff.store.layout import DataFolder, RunFolder

__all__ = ["Workspace"]


class Workspace:
    """An experiment in its folder.

    Args:
        experiment: the resolved experiment.
        folder: folder that relative paths start from.
        observer: told what happens.
    """

    def __init__(self, experiment: Experiment, folder: Path, observer: Observer) -> None:
        self.experiment = experiment
        self.folder = folder
        self.observer = observer
        self._warned: set[str] = set()

    def at_checkpoints(self, iterations: tuple[int, ...]) -> "Workspace":
        """The same experiment with its sweep narrowed to some checkpoints: its cells keep their identities.

        Args:
            iterations: of the checkpoints.
        """
        narrowed = copy(self)  # with what was opened already: none of it depends on the sweep
        sampling = self.experiment.sampling.model_copy(update={"checkpoints": iterations})
        narrowed.experiment = self.experiment.model_copy(update={"sampling": sampling})
        return narrowed

    def warn_once(self, text: str) -> None:
        """Warn of something that several stages of one command come upon."""
        if text not in self._warned:
            self._warned.add(text)
            self.observer.warn(text)

    @cached_property
    def source(self) -> Source:
        """The data source, its input files checked."""
        return build_source(self.experiment.data.source, self.folder)

    @cached_property
    def data_id(self) -> str:
        """Identity of the data set."""
        return data_identity(self.experiment, self.source.input_files)

    @cached_property
    def training_id(self) -> str:
        """Identity of the trained network."""
        return training_identity(self.experiment, self.data_id)

    @cached_property
    def transform_id(self) -> str:
        """Identity of the fitted transform, within the data set."""
        return transform_identity(self.experiment.fields.transform)

    @property
    def data_folder(self) -> DataFolder:
        """Folder of the prepared data set."""
        kind = self.experiment.data.source.kind
        return DataFolder(self.folder / self.experiment.paths.data / f"{kind}-{self.data_id}")

    @property
    def run_folder(self) -> RunFolder:
        """Folder of the run."""
        return RunFolder(self.folder / self.experiment.paths.runs / f"{self.experiment.name}-{self.training_id}")

    @cached_property
    def journal(self) -> Journal:
        """This process's file of the run's journal."""
        return Journal(self.run_folder.journal)

    @cached_property
    def store(self) -> FieldStore:
        """The prepared data set.

        Raises:
            DataError: if it is not prepared, or is not what this experiment asks for.
        """
        if not self.data_folder.done.exists():
            raise DataError(
                f"the data set {self.data_folder.path} is not prepared (completely): run 'rhodiff-hpc run prepare'"
            )
        store = open_fields(self.data_folder.fields)
        found = store.attributes.get("identity")
        if found != self.data_id:
            raise DataError(
                f"{store.path} holds the data set {found}, this experiment asks for {self.data_id}: the folder was "
                "renamed or copied over. Remove it and run 'rhodiff-hpc run prepare'"
            )
        absent = absent_files(store)
        if absent:
            raise DataError(
                f"{len(absent)} files of {store.path} are gone, the first is {absent[0].name} of "
                f"'{absent[0].parent.name}': run 'rhodiff-hpc data repair {self.data_folder.path}'"
            )
        return store

    def record_run(self) -> None:
        """Write the resolved configuration and the environment beside the results."""
        text = dump_experiment(self.experiment)
        write_atomic(self.run_folder.config, lambda handle: handle.write(text.encode()))
        write_json(self.run_folder.environment, describe_environment())

    def data_attributes(self) -> dict[str, Any]:
        """What the data set's store records of its making."""
        return {
            "identity": self.data_id,
            "data": json.loads(self.experiment.data.model_dump_json()),
            "input_files": [str(path) for path in self.source.input_files],
            "folder": str(self.folder.resolve()),
            "provenance": dict(self.source.provenance),
            "environment": describe_environment(),
        }

    def read_record(self, path: Path) -> dict[str, Any]:
        """A JSON record that a stage wrote."""
        record = read_json(path)
        assert isinstance(record, dict), f"{path} holds no mapping"
        return record
