"""Stage evaluate: statistics of every cell of the sweep against the reference split.

One more comparison belongs to every evaluation: training fields against the reference. It is what a perfect model
would show, and so the floor of every difference.

The fields of all sets are first measured, block by block, then each comparison is made of what was measured. Blocks
and comparisons are shared between the processes of a team (MPI); parts of an array take comparisons of their own and
help each other with the blocks of the reference. Every block is committed as it is done, so that an evaluation that
was killed goes on where it was, and its numbers do not depend on who measured what.
"""

import shutil
import time
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from rhodiff.config.evaluation import Evaluation
from rhodiff.config.identity import identity_hash
from rhodiff.config.section import result_settings
from rhodiff.errors import DataError
from rhodiff.runtime.places import Place
from rhodiff.runtime.stopping import StopRequest, listen_for_stop
from rhodiff.runtime.team import ALONE, Team
from rhodiff.stages.compared_sets import (
    CellSet,
    ComparedSet,
    block_length,
    open_cell,
    reference_set,
    training_set,
)
from rhodiff.stages.comparison_set import (
    ComparisonSet,
    MeasuredSet,
    compare_sets,
    read_comparisons,
    write_comparisons,
)
from rhodiff.stages.comparison_space import ComparisonSpace
from rhodiff.stages.measured_block import MeasuredBlock
from rhodiff.stages.measuring import Measurer
from rhodiff.stages.parts import WHOLE, Part
from rhodiff.stages.reference import pair_with_reference, reference_indices
from rhodiff.stages.sample import sample_sweep
from rhodiff.stages.sweep import Cell, sweep_cells
from rhodiff.stages.workspace import Workspace
from rhodiff.store.files import read_marker, write_marker

__all__ = [
    "EvaluationTask",
    "evaluate",
    "evaluation_tasks",
    "finished_comparison",
    "generate_missing",
    "read_evaluation",
]

MEASURING = ("reference", "space", "statistics", "memorisation")
"""Settings that what is measured of a field depends on."""
COMPARING = (*MEASURING, "bootstrap", "seed")
"""Settings that a comparison depends on."""


@dataclass(frozen=True)
class EvaluationTask:
    """One comparison.

    Attributes:
        identity: names its store.
        cell: the cell; None: training fields.
    """

    identity: str
    cell: Cell | None

    def describe(self) -> str:
        """For people."""
        return "training fields" if self.cell is None else self.cell.describe()


def evaluation_tasks(workspace: Workspace) -> list[EvaluationTask]:
    """The comparisons of the experiment, the one of training fields first."""
    settings = _settings(workspace.experiment.evaluation, COMPARING)
    training = identity_hash("statistics", workspace.data_id, workspace.transform_id, settings)
    cells = sweep_cells(workspace)
    return [
        EvaluationTask(training, None),
        *(EvaluationTask(identity_hash("statistics", cell.identity, settings), cell) for cell in cells),
    ]


def _settings(evaluation: Evaluation, names: Sequence[str]) -> dict[str, object]:
    every = result_settings(evaluation)
    return {name: every[name] for name in names}


def evaluate(workspace: Workspace, part: Part = WHOLE, team: Team = ALONE) -> list[EvaluationTask]:
    """Make the comparisons of one part that are not there yet.

    Args:
        workspace: the experiment, sampled.
        part: which of the comparisons.
        team: the processes that share them; each calls this with the same arguments otherwise.

    Returns:
        All comparisons of the experiment.

    Raises:
        DataError: if a cell is not sampled completely, or a field is not finite.
        StoppedEarly: after a stop signal, with the block or comparison at hand finished.
        PeerEndedError: if another process of the team ended.
    """
    tasks = evaluation_tasks(workspace)
    run = workspace.run_folder
    todo = [task for task in part.of(tasks) if read_marker(run.statistics_marker(task.identity)) is None]
    team.meet()  # all have seen the same tasks before the first is finished
    if not todo:
        workspace.observer.note(f"statistics: all {len(part.of(tasks))} comparisons done before")
        return tasks
    began, began_cpu = time.perf_counter(), time.process_time()
    evaluation = _Evaluation(workspace, todo)
    with listen_for_stop() as stop:
        measured = evaluation.measure(part, team, stop)
        team.meet()
        compared = evaluation.compare(team, stop)
        team.meet()
    workspace.journal.write(
        "evaluated",
        rank=team.rank,
        ranks=team.size,
        fields=measured,
        comparisons=compared,
        wall_s=time.perf_counter() - began,
        cpu_s=time.process_time() - began_cpu,
    )
    return tasks


def generate_missing(workspace: Workspace, part: Part, team: Team, place: Place) -> None:
    """Make the samples that the comparisons of one part still lack, shared by the same processes.

    Args:
        workspace: the experiment, trained.
        part: which of the comparisons.
        team: the processes that share the samples.
        place: this process among those of its node.
    """
    cells = [task.cell for task in part.of(evaluation_tasks(workspace)) if task.cell is not None]
    sample_sweep(workspace, Part(team.rank, team.size), cells, place)
    team.meet()


def read_evaluation(workspace: Workspace, task: EvaluationTask) -> ComparisonSet:
    """A finished comparison.

    Raises:
        DataError: if it was not made yet.
    """
    return read_comparisons(finished_comparison(workspace, task))


def finished_comparison(workspace: Workspace, task: EvaluationTask) -> Path:
    """Where a finished comparison is stored.

    Raises:
        DataError: if it was not made yet.
    """
    if read_marker(workspace.run_folder.statistics_marker(task.identity)) is None:
        raise DataError("the statistics are not there (completely): run 'rhodiff-hpc run evaluate'")
    return workspace.run_folder.statistics(task.identity)


@dataclass(frozen=True, eq=False)
class _Pair:
    """A comparison and the fields that it is made of, as positions in their sets."""

    task: EvaluationTask
    other: ComparedSet
    reference_at: NDArray[np.int64]
    other_at: NDArray[np.int64]
    matched: bool


@dataclass(frozen=True, eq=False)
class _Block:
    """Consecutive fields of a set, measured together."""

    identity: str
    fields: ComparedSet
    first: int
    length: int

    @property
    def positions(self) -> NDArray[np.int64]:
        return np.arange(self.first, min(self.first + self.length, self.fields.num_fields), dtype=np.int64)


class _Evaluation:
    """The comparisons that are to be made."""

    def __init__(self, workspace: Workspace, todo: Sequence[EvaluationTask]) -> None:
        self._workspace, self._run = workspace, workspace.run_folder
        space = ComparisonSpace(workspace)
        self._reference, training = reference_set(workspace, space), training_set(workspace, space)
        self._pairs = [self._pair(task, space, training) for task in todo]
        self._measurer = Measurer(workspace, space, self._reference, training)
        self._length = workspace.experiment.evaluation.block_fields or block_length(workspace.store.spec.field_shape)
        settings = _settings(workspace.experiment.evaluation, MEASURING)
        self._basis = (workspace.data_id, workspace.transform_id, self._length, settings)

    def _pair(self, task: EvaluationTask, space: ComparisonSpace, training: ComparedSet) -> _Pair:
        if task.cell is None:
            every, others = np.arange(self._reference.num_fields), np.arange(training.num_fields)
            return _Pair(task, training, every, others, matched=False)
        samples: CellSet = open_cell(self._workspace, task.cell, space)
        pairing = pair_with_reference(self._workspace, task.cell, samples.valid)
        order = reference_indices(self._workspace)
        place = np.empty(int(order.max()) + 1, dtype=np.int64)
        place[order] = np.arange(len(order))
        generated = samples.positions(pairing.generated)
        return _Pair(task, samples, place[pairing.reference], generated, pairing.matched)

    def measure(self, part: Part, team: Team, stop: StopRequest) -> int:
        """Measure the blocks of this process that are not there yet; returns the number of fields."""
        shared = list(self._reference_blocks())
        own = [block for pair in self._pairs for block in self._other_blocks(pair)]
        start = part.index * len(shared) // part.count  # parts begin with different ones, and skip those done
        blocks = [*shared[start:], *shared[:start], *own][team.rank :: team.size]  # before looking what is done
        fields = 0
        for done, block in enumerate(blocks, 1):
            if self._is_missing(block):
                measured = self._measurer.measure(block.fields, block.positions)
                measured.write(self._run.measured_block(block.identity, block.first))
                fields += len(block.positions)
            self._workspace.observer.progress(done, len(blocks), f"measuring {block.fields.title}")
            team.look_for_news()
            stop.leave_between(done, len(blocks) + 1)
        return fields

    def compare(self, team: Team, stop: StopRequest) -> int:
        """Make the comparisons of this process; returns their number."""
        pairs = self._pairs[team.rank :: team.size]
        for done, pair in enumerate(pairs, 1):
            self._compare(pair)
            self._workspace.observer.progress(done, len(pairs), f"compared {pair.task.describe()}")
            team.look_for_news()
            stop.leave_between(done, len(pairs))
        return len(pairs)

    def _compare(self, pair: _Pair) -> None:
        reference = self._measured(self._reference_identity, self._reference, pair.reference_at)
        other = self._measured(self._other_identity(pair), pair.other, pair.other_at)
        search = self._measurer.search
        not_searched = search if isinstance(search, str) else None
        if pair.task.cell is None:
            not_searched = "these are training fields"
        settings, grids = self._workspace.experiment.evaluation, self._measurer.grids
        found = compare_sets(settings, reference, other, grids, matched=pair.matched, not_searched=not_searched)
        path, identity = self._run.statistics(pair.task.identity), pair.task.identity
        cell = None if pair.task.cell is None else pair.task.cell.identity
        write_comparisons(path, found, reference, other, {"identity": identity, "samples": cell})
        write_marker(self._run.statistics_marker(identity), [path / "zarr.json"])
        shutil.rmtree(self._run.measured(self._other_identity(pair)), ignore_errors=True)

    def _measured(self, identity: str, fields: ComparedSet, positions: NDArray[np.int64]) -> MeasuredSet:
        """What was measured of these fields; a block that is damaged is measured again."""
        firsts = sorted({int(first) for first in positions // self._length * self._length})
        blocks, starts = [], np.zeros(fields.num_fields // self._length + 1, dtype=np.int64)
        count = 0
        for first in firsts:
            block = _Block(identity, fields, first, self._length)
            blocks.append(self._read(block))
            starts[first // self._length] = count
            count += len(block.positions)
        at = starts[positions // self._length] + positions % self._length
        return MeasuredSet(MeasuredBlock.join(blocks).take(at), fields.groups[positions])

    def _read(self, block: _Block) -> MeasuredBlock:
        try:
            return MeasuredBlock.read(self._run.measured_block(block.identity, block.first))
        except DataError as error:
            self._workspace.observer.warn(f"{error}: measured again")
            return self._measurer.measure(block.fields, block.positions)

    def _is_missing(self, block: _Block) -> bool:
        return not self._run.measured_block(block.identity, block.first).exists()

    @property
    def _reference_identity(self) -> str:
        return identity_hash("measured", "reference", *self._basis)

    def _other_identity(self, pair: _Pair) -> str:
        return identity_hash("measured", pair.task.identity, *self._basis)

    def _reference_blocks(self) -> Iterator[_Block]:
        needed = np.concatenate([pair.reference_at for pair in self._pairs])
        return self._blocks(self._reference_identity, self._reference, needed)

    def _other_blocks(self, pair: _Pair) -> Iterator[_Block]:
        return self._blocks(self._other_identity(pair), pair.other, pair.other_at)

    def _blocks(self, identity: str, fields: ComparedSet, needed: NDArray[np.int64]) -> Iterator[_Block]:
        firsts: Iterable[int] = np.unique(needed // self._length * self._length).tolist()
        return (_Block(identity, fields, first, self._length) for first in firsts)
