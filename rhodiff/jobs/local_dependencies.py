"""What a local job waits for: Slurm's ``afterok``, ``afterany`` and ``after``, judged from records.

As with ``--kill-on-invalid-dep=yes`` a condition that can never be met ends the job that waits for it; an id that
nobody knows is such a condition (Slurm lets the job run).
"""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from rhodiff.errors import ConfigError
from rhodiff.jobs.local_processes import Machine
from rhodiff.jobs.local_record import PieceState, read_piece_state
from rhodiff.jobs.local_registry import find_by_id

__all__ = ["Awaited", "find_awaited", "is_met", "parse_conditions"]

KINDS = ("afterok", "afterany", "after")


@dataclass(frozen=True)
class Awaited:
    """A condition and the record that it is judged from.

    Attributes:
        text: the condition as it was given.
        kind: ``afterok``, ``afterany`` or ``after``.
        record: record of the other job; None if there is no such job.
    """

    text: str
    kind: str
    record: Path | None

    def is_met(self, here: Machine) -> bool | None:
        """Whether it is met; None while that is open."""
        state = None if self.record is None else read_piece_state(self.record)
        return False if state is None else is_met(self.kind, state, state.is_supervised(here))


def parse_conditions(after: Sequence[str]) -> list[tuple[str, str]]:
    """Kind and job id of each condition; ``afterok:1:2`` is two.

    Raises:
        ConfigError: if one is none of ours.
    """
    pairs = []
    for text in after:
        kind, *ids = text.split(":")
        if kind not in KINDS or not ids or not all(re.fullmatch(r"\d+-\d+", job_id) for job_id in ids):
            raise ConfigError(f"'{text}' is no condition of local jobs: write {', '.join(KINDS)} and ids: afterok:ID")
        pairs += [(kind, job_id) for job_id in ids]
    return pairs


def find_awaited(runs: Path, after: Sequence[str]) -> list[Awaited]:
    """The records that conditions are judged from."""
    pairs = parse_conditions(after)
    known = find_by_id(runs, [job_id for _, job_id in pairs]) if pairs else {}
    records = {job_id: piece.folder.local_record(piece.number) for job_id, piece in known.items()}
    return [Awaited(f"{kind}:{job_id}", kind, records.get(job_id)) for kind, job_id in pairs]


def is_met(kind: str, state: PieceState, supervised: bool | None) -> bool | None:
    """Whether a condition is met by what is known of a job; None while that is open.

    Args:
        kind: ``afterok``, ``afterany`` or ``after``.
        state: what its record says.
        supervised: whether its supervisor lives; None where that is not known.
    """
    if kind == "afterok" and any(task.is_over and task.state != "COMPLETED" for task in state.tasks):
        return False
    if state.is_over:
        return True
    if supervised is False:
        return kind != "afterok"
    if kind == "after" and all(task.state != "PENDING" for task in state.tasks):
        return True
    return None
