"""Commands that wait less than their users would: for an answer that will not come, and between two looks."""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager

from rhodiff.cli import waiting
from rhodiff.jobs import queue
from rhodiff.jobs.slurm_commands import SlurmAnswer, ask_slurm

GIVEN_UP_AFTER_S = 2.5


def ask_briefly(argv: Sequence[str], deadline_s: float = GIVEN_UP_AFTER_S) -> SlurmAnswer:
    """Ask, but not for long."""
    return ask_slurm(argv, min(deadline_s, GIVEN_UP_AFTER_S))


def give_up_soon() -> None:
    """Questions about jobs are given up soon; for ``before=`` of :meth:`experiments.Lab.start`."""
    queue.ask_slurm = ask_briefly


def look_often() -> None:
    """``--wait`` looks twice a second, where it spares a scheduler that all users share; for ``before=`` too."""
    waiting.FIRST_LOOKS_S, waiting.LOOK_S = (), 0.5


@contextmanager
def impatience() -> Iterator[None]:
    """Questions of this process about jobs are given up soon within the block."""
    before = queue.ask_slurm
    give_up_soon()
    try:
        yield
    finally:
        queue.ask_slurm = before
