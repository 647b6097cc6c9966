"""Where the records of local jobs lie: found by name or id, from the files under ``runs`` alone."""

from collections.abc import Iterator, Sequence
from pathlib import Path

from rhodiff.jobs.local_record import PieceState, read_piece_state
from rhodiff.store.layout import SubmissionFolder

__all__ = ["LocalPiece", "find_by_id", "find_by_name"]

TOKEN_DIGITS = 8


class LocalPiece:
    """A piece that was handed to local processes.

    Args:
        folder: folder of its submission.
        number: its number there.
        state: what its record says.
    """

    def __init__(self, folder: SubmissionFolder, number: int, state: PieceState) -> None:
        self.folder, self.number, self.state = folder, number, state


def find_by_name(runs: Path, names: Sequence[str]) -> dict[str, LocalPiece]:
    """Pieces with one of some names, by name.

    Args:
        runs: folder of all runs.
        names: ``<stage>-<token>-<piece>``; others are passed over.
    """
    wanted = set(names)
    tokens = {words[1] for name in wanted if len(words := name.rsplit("-", 2)) == len(("stage", "token", "piece"))}
    found = {piece.state.supervised.name: piece for piece in _read_pieces(runs, tokens)}
    return {name: piece for name, piece in found.items() if name in wanted}


def find_by_id(runs: Path, ids: Sequence[str]) -> dict[str, LocalPiece]:
    """Pieces with one of some job ids, by id."""
    found = {piece.state.supervised.job_id: piece for piece in _read_pieces(runs, None)}
    return {job_id: found[job_id] for job_id in ids if job_id in found}


def _read_pieces(runs: Path, tokens: set[str] | None) -> Iterator[LocalPiece]:
    for record in sorted(runs.glob("*/jobs/local-*/local-*.jsonl")):
        if tokens is not None and record.parent.name[-TOKEN_DIGITS:] not in tokens:
            continue
        state = read_piece_state(record)
        if state is not None:
            yield LocalPiece(SubmissionFolder(record.parent), int(record.stem.rpartition("-")[2]), state)
