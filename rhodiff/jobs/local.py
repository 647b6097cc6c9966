"""Jobs without Slurm: local processes, with the same folders, the same body and the same words for states.

A piece is handed to a supervisor of its own (:mod:`rhodiff.jobs.local_runner`), detached from us: it goes on after
the terminal is closed. Its record in the submission's folder is all that is ever asked; a supervisor that died
without an end in its record took its jobs with it, which is told as ``NODE_FAIL``. Of another machine's processes
nothing is known here.
"""

import os
import shlex
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Sequence
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

from rhodiff.errors import SubmissionRefusedError, SubmissionUncertainError
from rhodiff.jobs.job_setup import setup_lines
from rhodiff.jobs.local_dependencies import parse_conditions
from rhodiff.jobs.local_processes import Machine, processes_of, signal_processes
from rhodiff.jobs.local_record import LocalTask, PieceState, read_piece_state
from rhodiff.jobs.local_registry import LocalPiece, find_by_id, find_by_name
from rhodiff.jobs.local_requests import request_cancel
from rhodiff.jobs.scheduler import JobRecord, KnownJob
from rhodiff.jobs.submission_plan import Piece, SubmissionPlan
from rhodiff.store.files import write_atomic
from rhodiff.store.layout import SubmissionFolder

__all__ = ["LocalScheduler"]

START_DEADLINE_S = 120.0
POLL_S = 0.02
OUTER_JOB = ("SLURM_", "PMI_", "RHODIFF_JOB_", "RHODIFF_RESTART")
OUTER_PROCESS = {"RANK", "LOCAL_RANK", "WORLD_SIZE", "LOCAL_WORLD_SIZE", "MASTER_ADDR", "MASTER_PORT"}


class LocalScheduler:
    """This machine's processes as a scheduler.

    Args:
        runs: folder of all runs.
    """

    def __init__(self, runs: Path) -> None:
        self.runs = runs
        self._started: list[subprocess.Popen[bytes]] = []

    @property
    def cluster(self) -> str:
        """``local-<host>``."""
        return f"local-{socket.gethostname()}"

    def script(self, folder: SubmissionFolder, plan: SubmissionPlan, piece: Piece, after: Sequence[str]) -> str:
        """The script that becomes the supervisor of a piece.

        Raises:
            ConfigError: if a condition is none that local jobs know, or a line of the set-up has no effect.
        """
        parse_conditions(after)
        words = [sys.executable, "-m", "rhodiff.jobs.local_runner", str(folder.path), "--piece", str(piece.index)]
        words += [word for condition in after for word in ("--after", condition)]
        head = ["#!/bin/bash", f"# {plan.job_name(piece.index)}"]
        return "\n".join([*head, *setup_lines(folder, plan), f"exec {shlex.join(words)}", ""])

    def submit(self, folder: SubmissionFolder, plan: SubmissionPlan, piece: Piece, after: Sequence[str]) -> str:
        """Start the supervisor of a piece, unless it has one, and wait until it has its id.

        Raises:
            SubmissionRefusedError: if it ended before.
            SubmissionUncertainError: if it does not answer in time.
        """
        if plan.allocation.nodes > 1:
            raise SubmissionRefusedError(f"{plan.allocation.nodes} nodes were asked for, and this machine is one")
        text = self.script(folder, plan, piece, after)
        write_atomic(folder.script(piece.index), lambda handle: handle.write(text.encode()))
        folder.logs.mkdir(parents=True, exist_ok=True)
        folder.markers.mkdir(exist_ok=True)
        with folder.local_log(piece.index).open("ab") as log:
            process = subprocess.Popen(
                ["/bin/bash", str(folder.script(piece.index))],
                cwd=plan.folder,
                env=_outer_environment(),
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=subprocess.STDOUT,
                start_new_session=True,
            )
        self._started.append(process)
        return _wait_for_id(folder, piece, process)

    def recover(self, folder: SubmissionFolder, plan: SubmissionPlan, piece: Piece) -> str | None:
        """Id of a piece whose supervisor has begun; None otherwise, since a second one would find it and leave."""
        name = plan.job_name(piece.index)
        return self.find([name]).get(name)

    def find(self, names: Sequence[str]) -> dict[str, str]:
        """Ids of pieces by their names."""
        pieces = find_by_name(self.runs, names)
        return {name: piece.state.supervised.job_id for name, piece in pieces.items()}

    def observe(self, jobs: Sequence[KnownJob]) -> list[JobRecord]:
        """How jobs stand; those of other machines are left out."""
        for process in self._started:
            process.poll()  # one that has ended is no process any more
        pieces, here = find_by_name(self.runs, [job.name for job in jobs]), Machine.here()
        known = [pieces[job.name].state for job in jobs if job.name in pieces]
        ids = {job.job_id for job in jobs}
        return [record for state in known if state.supervised.job_id in ids for record in _records(state, here)]

    def cancel(self, jobs: Sequence[str]) -> None:
        """Ask supervisors to end jobs; where one has died, what is left of its jobs is ended at once."""
        asked = [job.partition("_")[::2] for job in jobs]
        pieces, here = find_by_id(self.runs, [job_id for job_id, _ in asked]), Machine.here()
        for job_id, index in asked:
            if job_id in pieces:
                _cancel(pieces[job_id], int(index) if index else None, here)


def _outer_environment() -> dict[str, str]:
    """Our variables without those of a job or launcher that we may run in ourselves."""
    return {
        name: value
        for name, value in os.environ.items()
        if not name.startswith(OUTER_JOB) and name not in OUTER_PROCESS
    }


def _wait_for_id(folder: SubmissionFolder, piece: Piece, process: subprocess.Popen[bytes]) -> str:
    deadline = time.monotonic() + START_DEADLINE_S
    while time.monotonic() < deadline:
        ended = process.poll()
        state = read_piece_state(folder.local_record(piece.index))
        if state is not None:
            return state.supervised.job_id
        if ended is not None:
            raise SubmissionRefusedError(_why_it_ended(folder.local_log(piece.index), ended))
        time.sleep(POLL_S)
    raise SubmissionUncertainError(
        f"the supervisor of a local job (process {process.pid}) has not begun after {START_DEADLINE_S:.0f} s: see "
        f"{folder.local_log(piece.index)}; repeat the command, which takes the job up if it has begun by then"
    )


def _why_it_ended(log: Path, code: int) -> str:
    tail = " | ".join(log.read_text(errors="replace").splitlines()[-3:])
    return f"the supervisor of a local job ended with {code} before it began: {tail or 'it said nothing'} ({log})"


def _records(state: PieceState, here: Machine) -> list[JobRecord]:
    """What is told of the jobs of a piece; nothing where its machine is another one."""
    supervised = True if state.is_over else state.is_supervised(here)
    if supervised is None:
        return []
    tasks = state.tasks if supervised else _without_supervisor(state)
    return [_job_record(state, number, task) for number, task in enumerate(tasks)]


def _without_supervisor(state: PieceState) -> list[LocalTask]:
    """Jobs whose supervisor died: bodies that are still stopping, and those that are gone or will never begin."""
    is_stopping = bool(processes_of(state.supervised.job_id))
    fates = {"PENDING": "NODE_FAIL", "RUNNING": "COMPLETING" if is_stopping else "NODE_FAIL"}
    return [
        task if task.is_over else replace(task, state=fates[task.state], reason="SupervisorDied")
        for task in state.tasks
    ]


def _job_record(state: PieceState, number: int, task: LocalTask) -> JobRecord:
    supervised = state.supervised
    began = task.began is not None
    elapsed_s = 0.0 if task.began is None else max((task.ended or time.time()) - task.began, 0.0)
    return JobRecord(
        job_id=supervised.job_id,
        name=supervised.name,
        index=number if supervised.is_array else None,
        state=task.state,
        reason=task.reason,
        nodes=supervised.machine.host if began else "",
        num_nodes=int(began),
        elapsed_s=elapsed_s,
        exit_code=task.exit_code,
        restarts=task.restarts,
        ended=None if task.ended is None else datetime.fromtimestamp(task.ended, UTC).isoformat(),
        total_elapsed_s=task.before_s + elapsed_s,
    )


def _cancel(piece: LocalPiece, index: int | None, here: Machine) -> None:
    state = piece.state
    if state.is_over:
        return
    request_cancel(piece.folder.local_requests(piece.number), [index])
    if state.is_supervised(here) is False:
        signal_processes(processes_of(state.supervised.job_id, index), signal.SIGKILL)
