"""``python -m rhodiff.jobs.body <folder of the submission> --piece 0``: what a job runs, as its last command.

A program of its own, not a part of the command line: 64 of these start at a time, so that it loads nothing but the
standard library and what reads a plan.
"""

import argparse
import os
import sys
import threading
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path

from rhodiff.errors import ConfigError, DataError, RhodiffError
from rhodiff.jobs.claim import claim_piece
from rhodiff.jobs.job_body import JobBody
from rhodiff.jobs.stop_signals import StopSignals, listen_for_signals
from rhodiff.jobs.submission_plan import Piece, SubmissionPlan, read_plan
from rhodiff.jobs.this_job import local_job, slurm_job
from rhodiff.store.journal import utc_now
from rhodiff.store.layout import SubmissionFolder

__all__ = ["main"]

_one_line_at_a_time = threading.Lock()


def main(words: Sequence[str] | None = None) -> int:
    """Run a job; returns its exit code."""
    parser = argparse.ArgumentParser(prog="rhodiff.jobs.body", description="Run one job of a submission.")
    parser.add_argument("folder", type=Path, help="folder of the submission")
    parser.add_argument("--piece", type=int, required=True, help="number of the piece that the job belongs to")
    options = parser.parse_args(words)
    with listen_for_signals() as signals:
        try:
            return _run(SubmissionFolder(options.folder), options.piece, signals)
        except RhodiffError as error:
            _tell(f"error: {error}")
            return error.exit_code


def _run(folder: SubmissionFolder, number: int, signals: StopSignals) -> int:
    plan = read_plan(folder.plan)
    piece = _piece(plan, number)
    job = (local_job if plan.scheduler == "local" else slurm_job)(os.environ, piece)
    restarts = f", restart {job.restart}" * (job.restart > 0)
    _tell(f"{plan.stage} {plan.token}: job {job.name}, piece {number}, on {job.nodes}{restarts}")
    holder = claim_piece(folder.claim(number), job.job_id)
    if holder != job.job_id:
        _tell(f"this piece belongs to job {holder} already, it was submitted twice: nothing to do")
        return 0
    if not Path(plan.folder).is_dir():
        raise DataError(f"the experiment's folder {plan.folder} is not there on {job.host}: was it moved?")
    home = os.environ.get("HOME")
    if not home or not Path(home).is_dir():
        _tell(f"there is no home folder on {job.host} (HOME={home}): going on without")
    return JobBody(folder, plan, piece, job, signals, os.environ, _tell, _write).run()


def _piece(plan: SubmissionPlan, number: int) -> Piece:
    for piece in plan.pieces:
        if piece.index == number:
            return piece
    raise ConfigError(f"--piece {number}: the plan has the pieces {', '.join(str(p.index) for p in plan.pieces)}")


def _tell(text: str) -> None:
    _write(f"{utc_now()} rhodiff: {text}")


def _write(line: str) -> None:
    """Write a line to the job's log; where that is full, the work goes on without it."""
    with _one_line_at_a_time, suppress(OSError):
        sys.stdout.write(line + "\n")
        sys.stdout.flush()


if __name__ == "__main__":
    sys.exit(main())
