"""Every file name of a run and of a data set, in one place."""

from dataclasses import dataclass
from pathlib import Path

__all__ = ["DataFolder", "RunFolder"]


@dataclass(frozen=True)
class DataFolder:
    """``data/<source>-<hash8>/``: one prepared data set."""

    path: Path

    @property
    def fields(self) -> Path:
        """The Zarr group with fields, parameters and split."""
        return self.path / "fields.zarr"

    @property
    def done(self) -> Path:
        """Marker: every shard is written."""
        return self.path / "markers" / "done.json"

    def shard_marker(self, shard: int) -> Path:
        """Marker of one shard."""
        return self.path / "markers" / f"shard-{shard:06d}.json"

    def transform(self, identity: str) -> Path:
        """A fitted transform with its constants."""
        return self.path / "transforms" / f"{identity}.json"


@dataclass(frozen=True)
class RunFolder:
    """``runs/<experiment>-<hash8>/``: one trained network and all that was made with it."""

    path: Path

    @property
    def config(self) -> Path:
        """The resolved configuration of the last command."""
        return self.path / "config.yaml"

    @property
    def environment(self) -> Path:
        """Versions, git state and host of the last command."""
        return self.path / "environment.json"

    @property
    def journal(self) -> Path:
        """Folder of the journal."""
        return self.path / "journal"

    @property
    def checkpoints(self) -> Path:
        """Folder of the checkpoints."""
        return self.path / "checkpoints"

    @property
    def metrics(self) -> Path:
        """Folder of the training metrics, one JSON-lines file an attempt."""
        return self.path / "metrics"

    @property
    def tensorboard(self) -> Path:
        """Folder of TensorBoard's event files."""
        return self.path / "tensorboard"

    @property
    def training_lock(self) -> Path:
        """Held by the one training that works on this run."""
        return self.path / "locks" / "train"

    def sheet(self, checkpoint: str) -> Path:
        """Picture of fields generated during training."""
        return self.path / "sheets" / f"{checkpoint}.png"

    def samples(self, identity: str) -> Path:
        """Zarr group of one cell of a sweep."""
        return self.path / "samples" / f"{identity}.zarr"

    def samples_marker(self, identity: str, shard: int) -> Path:
        """Marker of one shard of a cell."""
        return self.path / "markers" / f"samples-{identity}-{shard:06d}.json"

    def statistics(self, identity: str) -> Path:
        """Zarr group with the statistics of one comparison."""
        return self.path / "statistics" / f"{identity}.zarr"

    def statistics_marker(self, identity: str) -> Path:
        """Marker of one comparison."""
        return self.path / "markers" / f"statistics-{identity}.json"

    @property
    def report(self) -> Path:
        """The report."""
        return self.path / "report" / "report.html"
