"""Training metrics: one JSON line a time in a file of this attempt's own, TensorBoard, and W&B by extra.

Reading merges the attempts: from the iteration on where an attempt began, it replaces what earlier ones had written,
so that the history of a training that was killed ten times reads like one.
"""

import io
import json
import os
import socket
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Protocol

from rhodiff.errors import EnvironmentLacksError
from rhodiff.store.files import storage_errors
from rhodiff.store.journal import read_json_lines, utc_now

__all__ = ["JsonLines", "MetricsSink", "TensorBoard", "WeightsAndBiases", "read_metrics"]


class MetricsSink(Protocol):
    """Takes the scalars of an iteration."""

    def write(self, iteration: int, values: dict[str, float]) -> None:
        """Record ``values`` after step number ``iteration``."""

    def close(self) -> None:
        """Flush and end."""


class JsonLines:
    """Appends to a JSON-lines file of this attempt.

    Args:
        folder: the run's metrics folder.
        start: iteration this attempt goes on from.
    """

    def __init__(self, folder: Path, start: int) -> None:
        with storage_errors(folder):
            folder.mkdir(parents=True, exist_ok=True)
        numbers = [path.stem.removeprefix("attempt-") for path in folder.glob("attempt-*.jsonl")]
        earlier = [int(number) for number in numbers if number.isdecimal()]
        attempt = max(earlier, default=-1) + 1  # one training at a time: the run's lock is held
        self.path = folder / f"attempt-{attempt:04d}.jsonl"
        self._append({"start": start})

    def write(self, iteration: int, values: dict[str, float]) -> None:
        """Append one line."""
        self._append({"iteration": iteration, "time": utc_now(), **values})

    def close(self) -> None:
        """Nothing is held open."""

    def _append(self, record: dict[str, Any]) -> None:
        with storage_errors(self.path), self.path.open("a", encoding="utf-8") as handle:
            handle.write(json.dumps(record) + "\n")


class TensorBoard:
    """Writes a TensorBoard event file.

    It writes at once and from the caller's thread: torch's SummaryWriter does so from a thread of its own, where a
    full disk ends in a stack trace and later in a queue that nobody empties.

    Args:
        folder: where the file goes.
        start: iteration this attempt goes on from; later points of earlier attempts are hidden.
    """

    def __init__(self, folder: Path, start: int) -> None:
        from tensorboard.compat.proto.event_pb2 import Event, SessionLog

        name = f"events.out.tfevents.{time.time():.6f}.{socket.gethostname()}.{os.getpid()}"
        self.path = folder / name
        with storage_errors(self.path):
            folder.mkdir(parents=True, exist_ok=True)
        self._append(Event(wall_time=time.time(), file_version="brain.Event:2"))
        begun = SessionLog(status=SessionLog.START)
        self._append(Event(wall_time=time.time(), step=start + 1, session_log=begun))

    def write(self, iteration: int, values: dict[str, float]) -> None:
        """Record the scalars."""
        from tensorboard.compat.proto.event_pb2 import Event
        from tensorboard.compat.proto.summary_pb2 import Summary

        scalars = [Summary.Value(tag=name, simple_value=value) for name, value in values.items()]
        self._append(Event(wall_time=time.time(), step=iteration, summary=Summary(value=scalars)))

    def close(self) -> None:
        """Nothing is held open."""

    def _append(self, event: Any) -> None:
        from tensorboard.summary.writer.record_writer import RecordWriter

        record = io.BytesIO()
        RecordWriter(record).write(event.SerializeToString())
        with storage_errors(self.path), self.path.open("ab") as handle:
            handle.write(record.getbuffer())


class WeightsAndBiases:
    """Writes to Weights & Biases, offline unless WANDB_MODE says otherwise.

    Args:
        project: its project.
        name: name of the run, also its id: a resumed training goes on in the same one.
        folder: where offline files go.

    Raises:
        EnvironmentLacksError: if the extra ``wandb`` is not installed.
    """

    def __init__(self, project: str, name: str, folder: Path) -> None:
        try:
            import wandb
        except ImportError:
            raise EnvironmentLacksError(
                f"training.wandb_project is '{project}', but wandb is not installed: pip install 'rhodiff[wandb]'"
            ) from None
        mode = os.environ.get("WANDB_MODE", "offline")
        self._run = wandb.init(project=project, name=name, id=name, dir=folder, mode=mode, resume="allow")

    def write(self, iteration: int, values: dict[str, float]) -> None:
        """Record the scalars."""
        self._run.log(values, step=iteration)

    def close(self) -> None:
        """Finish the run."""
        self._run.finish()


def read_metrics(folder: Path) -> list[dict[str, Any]]:
    """The history of a training, by iteration, later attempts replacing earlier ones.

    Args:
        folder: the run's metrics folder.

    Returns:
        Records with ``iteration``, ``time`` and the scalars.
    """
    merged: list[dict[str, Any]] = []
    for path in sorted(folder.glob("attempt-*.jsonl")):
        records = list(read_json_lines(path))
        if records and "start" in records[0]:  # else it was killed before its first line was whole
            merged = _before(merged, records[0]["start"]) + [r for r in records if "iteration" in r]
    return merged


def _before(records: Sequence[dict[str, Any]], start: int) -> list[dict[str, Any]]:
    return [record for record in records if record["iteration"] <= start]
