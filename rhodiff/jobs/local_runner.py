"""``python -m rhodiff.jobs.local_runner <folder> --piece 0 [--after afterok:<id>]``: supervise a local piece."""

import argparse
import logging
import os
from collections.abc import Sequence
from pathlib import Path

from rhodiff.jobs.local_dependencies import find_awaited
from rhodiff.jobs.local_processes import Machine, start_ticks
from rhodiff.jobs.local_record import LocalRecord, Supervised
from rhodiff.jobs.local_supervisor import Supervisor
from rhodiff.jobs.submission_plan import read_plan
from rhodiff.store.layout import SubmissionFolder

__all__ = ["supervise"]

logger = logging.getLogger(__name__)


def supervise(words: Sequence[str] | None = None) -> None:
    """Run a piece to its end; leave at once if it has a supervisor.

    Args:
        words: arguments of the command; None: those of this process.
    """
    parser = argparse.ArgumentParser(prog="rhodiff.jobs.local_runner")
    parser.add_argument("folder", type=lambda text: SubmissionFolder(Path(text)))
    parser.add_argument("--piece", type=int, required=True)
    parser.add_argument("--after", action="append", default=[])
    asked = parser.parse_args(words)
    folder: SubmissionFolder = asked.folder
    plan = read_plan(folder.plan)
    piece = plan.pieces[asked.piece]
    pid = os.getpid()
    ticks = start_ticks(pid) or 0
    job_id, name = f"{pid}-{ticks}", plan.job_name(piece.index)
    first = Supervised(job_id, name, Machine.here(), pid, ticks, piece.count, piece.is_array)
    supervisor = Supervisor(folder, plan, piece, job_id)
    if not LocalRecord(folder.local_record(piece.index)).open(first):
        logger.warning("%s was handed over before: this supervisor leaves", name)
        return
    supervisor.run(find_awaited(folder.path.parents[2], asked.after))


if __name__ == "__main__":
    supervise()
