"""What became of a piece that runs on local processes: events that its supervisor appends, and their sum.

The first line names the supervisor. The file appears with it, in one step and only if there was none: of two
supervisors of one piece the second one finds it and leaves, so that no piece ever runs twice.
"""

import json
import os
import secrets
import time
from collections.abc import Iterable, Sequence
from contextlib import suppress
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

from rhodiff.jobs.local_processes import Machine, is_running
from rhodiff.store.files import storage_errors
from rhodiff.store.journal import read_json_lines

__all__ = ["LocalRecord", "LocalTask", "PieceState", "Supervised", "read_piece_state"]


@dataclass(frozen=True)
class Supervised:
    """The first line of a record.

    Attributes:
        job_id: id of the job: ``<pid>-<start ticks>`` of the supervisor.
        name: the job's name.
        machine: where it runs.
        pid: process id of the supervisor.
        ticks: its start, see :func:`~rhodiff.jobs.local_processes.start_ticks`.
        count: number of jobs.
        is_array: whether they are an array.
    """

    job_id: str
    name: str
    machine: Machine
    pid: int
    ticks: int
    count: int
    is_array: bool


@dataclass(frozen=True)
class LocalTask:
    """One job of a piece.

    Attributes:
        state: Slurm's word.
        reason: why it waits or ended.
        exit_code: ``code:signal``; None before it ended.
        restarts: times it was started again.
        began: start of its last attempt, seconds since 1970; None before it.
        ended: its end.
        before_s: seconds that the attempts before the last one took.
    """

    state: str = "PENDING"
    reason: str = ""
    exit_code: str | None = None
    restarts: int = 0
    began: float | None = None
    ended: float | None = None
    before_s: float = 0.0

    @property
    def is_over(self) -> bool:
        """Whether it has ended for good."""
        return self.state not in {"PENDING", "RUNNING"}


@dataclass(frozen=True)
class PieceState:
    """The sum of a record.

    Attributes:
        supervised: its first line.
        tasks: its jobs.
    """

    supervised: Supervised
    tasks: tuple[LocalTask, ...]

    @property
    def is_over(self) -> bool:
        """Whether all jobs have ended."""
        return all(task.is_over for task in self.tasks)

    def is_supervised(self, here: Machine) -> bool | None:
        """Whether the supervisor lives; None where that cannot be told from here."""
        there = self.supervised.machine
        if there == here:
            return is_running(self.supervised.pid, self.supervised.ticks)
        return False if there.host == here.host and there.boot != here.boot else None


class LocalRecord:
    """Appends to the record of a piece.

    Args:
        path: the record, see :meth:`~rhodiff.store.layout.SubmissionFolder.local_record`.
    """

    def __init__(self, path: Path) -> None:
        self.path = path

    def open(self, supervised: Supervised) -> bool:
        """Write the first line; False if another supervisor has done so."""
        temporary = self.path.with_name(f".{self.path.name}.{secrets.token_hex(4)}.tmp")
        with storage_errors(self.path):
            temporary.write_text(json.dumps(asdict(supervised)) + "\n", encoding="utf-8")
            try:
                os.link(temporary, self.path)
            except FileExistsError:
                return False
            finally:
                temporary.unlink(missing_ok=True)
        return True

    def write(self, *changes: dict[str, Any]) -> None:
        """Append changes of tasks: values of :class:`LocalTask`, and ``task``, its number (None: all that wait)."""
        now = time.time()
        lines = [json.dumps({"at": now, **change}) + "\n" for change in changes]
        with storage_errors(self.path), self.path.open("a", encoding="utf-8") as handle:
            handle.write("".join(lines))


def read_piece_state(path: Path) -> PieceState | None:
    """What a record says; None if there is none yet."""
    with suppress(FileNotFoundError):
        lines = read_json_lines(path)
        first = next(lines, None)
        if first is not None:
            machine = Machine(**first.pop("machine"))
            return _sum_up(Supervised(**first, machine=machine), lines)
    return None


def _sum_up(supervised: Supervised, changes: Iterable[dict[str, Any]]) -> PieceState:
    tasks = [LocalTask()] * supervised.count
    for change in changes:
        at, number = change.pop("at"), change.pop("task")
        for k in _affected(tasks, number):
            tasks[k] = _changed(tasks[k], change, at)
    return PieceState(supervised, tuple(tasks))


def _affected(tasks: Sequence[LocalTask], number: int | None) -> list[int]:
    return [k for k, task in enumerate(tasks) if task.state == "PENDING"] if number is None else [number]


def _changed(task: LocalTask, change: dict[str, Any], at: float) -> LocalTask:
    new = replace(task, **{"reason": "", **change})
    if new.state == "RUNNING":
        return replace(new, began=at)
    if new.restarts > task.restarts and task.began is not None:
        return replace(new, began=None, before_s=task.before_s + at - task.began)
    return replace(new, ended=at) if new.is_over else new
