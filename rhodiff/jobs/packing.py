"""How the elements of a submission share jobs, and jobs share calls of the scheduler, within its limits.

Three limits bind: the largest array (Slurm's MaxArraySize: a bigger one is split into several calls), the number of
jobs in the queue (each task of an array counts one, and so does each link of a chain: elements are packed until the
rest fits), and the throttle that the user asks for (over several calls it stays exact because one waits for the
other). What a limit decided is told.
"""

from dataclasses import dataclass, replace

from rhodiff.errors import ConfigError, SubmissionRefusedError
from rhodiff.jobs.submission_plan import Piece

__all__ = ["Packing", "PackingWishes", "QueueRoom", "pack_elements"]


@dataclass(frozen=True)
class PackingWishes:
    """What was asked for.

    Attributes:
        pack: elements a job; None: one, or as many as the limits force.
        side_by_side: elements of a job that run at a time.
        throttle: most jobs at a time; None: no limit.
        chain: jobs submitted ahead for each.
    """

    pack: int | None = None
    side_by_side: int = 1
    throttle: int | None = None
    chain: int = 1


@dataclass(frozen=True)
class QueueRoom:
    """What the scheduler takes of us now; None: no limit is known.

    Attributes:
        max_array_size: most jobs of one array.
        max_submitted_jobs: most jobs of ours in the queue.
        num_queued_jobs: jobs of ours that are there.
        num_reserved: jobs to leave room for, of later stages, as far as a single job finds room beside them.
    """

    max_array_size: int | None = None
    max_submitted_jobs: int | None = None
    num_queued_jobs: int = 0
    num_reserved: int = 0

    @property
    def num_free(self) -> int | None:
        """Jobs that may be submitted now."""
        if self.max_submitted_jobs is None:
            return None
        return max(0, self.max_submitted_jobs - self.num_queued_jobs)

    def describe(self) -> str:
        """The limit on jobs, for people."""
        verb = "is" if self.num_queued_jobs == 1 else "are"
        queued = f" and {self.num_queued_jobs} {verb} in the queue" if self.num_queued_jobs else ""
        reserved = f", with room kept for {self.num_reserved} of later stages" if self.num_reserved else ""
        return f"at most {self.max_submitted_jobs} jobs may be submitted{queued}{reserved}"


@dataclass(frozen=True)
class Packing:
    """How elements are spread over jobs and calls.

    Attributes:
        pack: elements a job.
        side_by_side: elements of a job that run at a time.
        pieces: calls of the scheduler.
        remarks: what a limit decided.
        warnings: what of the wishes could not be kept, or is easily overlooked.
    """

    pack: int
    side_by_side: int
    pieces: tuple[Piece, ...]
    remarks: tuple[str, ...] = ()
    warnings: tuple[str, ...] = ()

    @property
    def num_rounds(self) -> int:
        """Elements that a job runs in turn."""
        return -(-self.pack // self.side_by_side)


def pack_elements(num_elements: int, wishes: PackingWishes, room: QueueRoom) -> Packing:
    """Spread elements over jobs and calls.

    Args:
        num_elements: how many there are, at least one.
        wishes: what was asked for.
        room: what the scheduler takes.

    Raises:
        ConfigError: if fewer elements share a job than are to run in it at a time.
        SubmissionRefusedError: if not even one job (with its chain) finds room.
    """
    if wishes.pack is not None and wishes.pack < wishes.side_by_side:
        raise ConfigError(
            f"side_by_side {wishes.side_by_side} is more than the {wishes.pack} parts that share a job (pack): "
            "raise pack, or lower side_by_side"
        )
    pack, remarks, warnings = _forced_pack(num_elements, wishes, room)
    num_jobs = -(-num_elements // pack)
    throttle = wishes.throttle
    if throttle is not None and throttle >= num_jobs:
        warnings.append(f"throttle {throttle} has no effect: there are only {num_jobs} jobs")
        throttle = None
    pieces = _pieces(num_jobs, room.max_array_size or num_jobs, throttle, wishes.chain)
    per_link = len(pieces) // wishes.chain
    if per_link > 1:
        text = f"split into {per_link} calls of the scheduler: an array holds at most {room.max_array_size} jobs"
        if throttle is not None:
            text += f"; each waits for the one before, so that no more than {throttle} run at a time"
        remarks.append(text)
    return Packing(pack, min(wishes.side_by_side, pack), pieces, tuple(remarks), tuple(warnings))


def _forced_pack(num_elements: int, wishes: PackingWishes, room: QueueRoom) -> tuple[int, list[str], list[str]]:
    """Elements a job, with remarks and warnings."""
    wanted = min(wishes.pack or wishes.side_by_side, num_elements)
    if room.num_free is None:
        return wanted, [], []
    most_jobs = max(room.num_free - room.num_reserved, min(room.num_free, wishes.chain)) // wishes.chain
    if most_jobs < 1:
        links = f" with its chain of {wishes.chain}" if wishes.chain > 1 else ""
        shorter = ", or shorten the chain" if wishes.chain > 1 else ""
        raise SubmissionRefusedError(
            f"no job{links} can be submitted now: {room.describe()}. Wait until some have ended, or cancel "
            f"some{shorter}"
        )
    forced = -(-num_elements // most_jobs)
    if forced <= wanted:
        return wanted, [], []
    reason = room.describe() + (f", and each counts {wishes.chain} times with its chain" if wishes.chain > 1 else "")
    if wishes.pack is not None:
        return forced, [], [f"packed {forced} to a job instead of the {wishes.pack} that were asked for: {reason}"]
    return forced, [f"packed {forced} to a job: {reason}"], []


def _pieces(num_jobs: int, largest: int, throttle: int | None, chain: int) -> tuple[Piece, ...]:
    """Calls of the scheduler, link by link."""
    ranges = [(first, min(largest, num_jobs - first)) for first in range(0, num_jobs, largest)]
    pieces = [
        Piece(index, first, count, is_array=num_jobs > 1, link=index // len(ranges), throttle=throttle)
        for index, (first, count) in enumerate(ranges * chain)
    ]
    return tuple(replace(piece, after=_before(piece, len(ranges), throttle)) for piece in pieces)


def _before(piece: Piece, num_ranges: int, throttle: int | None) -> tuple[int, ...]:
    """Pieces that must have ended: the same jobs' link before, and where jobs are throttled the piece before."""
    found = {piece.index - num_ranges} if piece.link > 0 else set()
    if throttle is not None and piece.index > 0:
        found = {piece.index - 1}
    return tuple(sorted(found))
