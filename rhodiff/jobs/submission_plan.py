"""What one submission runs: ``plan.json``, written before anything is handed to a scheduler and never changed.

A stage is cut into parts ``k/n``; the parts a submission covers are its *elements*. ``pack`` consecutive elements
share one job; jobs are numbered from 0. A *piece* is one call of the scheduler: a single job, or an array over
consecutive jobs. Pieces with ``link`` > 0 are the later members of a chain, which repeat the jobs of the first member
and leave at once where these are done.

This module loads neither pydantic nor numpy: every job's body reads a plan.
"""

import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any, Literal

from rhodiff.errors import DataError

__all__ = ["Allocation", "BodyRules", "Container", "Dependency", "Launch", "Piece", "SubmissionPlan", "read_plan"]

SCHEMA_VERSION = 1


@dataclass(frozen=True)
class Allocation:
    """What one job asks the scheduler for.

    Attributes:
        nodes: nodes a job.
        tasks_per_node: processes a node that the launcher starts; 1 where there is no launcher.
        cpus_per_task: CPUs of each process.
        walltime_min: time limit.
        memory_gb: memory a node; None: the partition's default.
        gpus_per_node: devices a node; 0: none.
        gres: generic resources a node as Slurm writes them, e.g. ``gpu:max:4``; None: from ``gpus_per_node``.
        partition: partition; None: the cluster's default.
        account: account to charge.
        qos: quality of service.
        constraint: node features.
        exclusive: whole nodes.
        exclude: nodes not to use.
        options: any other sbatch options, long name -> value (``True`` for one without value).
    """

    nodes: int = 1
    tasks_per_node: int = 1
    cpus_per_task: int = 1
    walltime_min: int = 60
    memory_gb: float | None = None
    gpus_per_node: int = 0
    gres: str | None = None
    partition: str | None = None
    account: str | None = None
    qos: str | None = None
    constraint: str | None = None
    exclusive: bool = False
    exclude: tuple[str, ...] = ()
    options: Mapping[str, str | bool] = field(default_factory=dict)


@dataclass(frozen=True)
class Launch:
    """How the processes of one element are started inside its allocation.

    Attributes:
        kind: ``none`` (one process, started by the body itself), ``srun``, ``mpiexec`` or ``ibrun``.
        mpi: PMI type for ``srun --mpi``; None: not given.
        options: more words for the launcher.
    """

    kind: Literal["none", "srun", "mpiexec", "ibrun"] = "none"
    mpi: str | None = None
    options: tuple[str, ...] = ()


@dataclass(frozen=True)
class Container:
    """The image that the processes of an element run in; the body stays outside.

    Attributes:
        image: absolute path of the image.
        sha256: of the image when it was submitted.
        size: bytes of the image then.
        modified_ns: time of its last change then: as long as size and time are the same, it is not read again.
        binds: folders to bind, ``outside[:inside[:ro]]``.
        options: more words for ``apptainer exec``.
    """

    image: str
    sha256: str
    size: int
    modified_ns: int
    binds: tuple[str, ...] = ()
    options: tuple[str, ...] = ()


@dataclass(frozen=True)
class BodyRules:
    """What a job's body keeps to.

    Attributes:
        may_requeue: the site allows ``scontrol requeue`` of one's own jobs.
        max_attempts: attempts of an element in all.
        max_attempts_without_progress: attempts in a row after which nothing new was there.
        stall_timeout_s: seconds without a step after which an attempt is ended; None: never.
        stop_margin_s: seconds before the time limit at which the job is told to stop.
        patience_after_term_s: seconds to wait for the scheduler to end or requeue a job that got SIGTERM.
        early_death_s: an attempt that dies sooner than this, without progress, speaks against its node.
        progress_globs: files that are new where there is progress, absolute; empty: the heartbeat says.
        proof_glob: files of which one is there once an element is done, absolute; None: its exit code says. A
            launcher whose step Slurm ends may forget the codes of its processes.
    """

    may_requeue: bool = True
    max_attempts: int = 50
    max_attempts_without_progress: int = 3
    stall_timeout_s: float | None = 1800.0
    stop_margin_s: int = 120
    patience_after_term_s: float = 180.0
    early_death_s: float = 60.0
    progress_globs: tuple[str, ...] = ()
    proof_glob: str | None = None


@dataclass(frozen=True)
class Piece:
    """One call of the scheduler.

    Attributes:
        index: number of the piece, from 0.
        first: first of its jobs.
        count: number of its jobs.
        is_array: whether it is a job array over them.
        link: position in a chain.
        after: pieces of this submission that must have ended (in whatever way) before.
        throttle: most of its jobs at a time; None: no limit.
    """

    index: int
    first: int
    count: int
    is_array: bool
    link: int = 0
    after: tuple[int, ...] = ()
    throttle: int | None = None


@dataclass(frozen=True)
class Dependency:
    """What a submission waits for.

    Attributes:
        submission: folder of the other one, relative to the ``runs`` folder: ``<run>/jobs/<cluster>-<token>``.
        condition: ``afterok`` all its jobs are done; ``afterany`` ended; ``after`` begun.
    """

    submission: str
    condition: Literal["afterok", "afterany", "after"] = "afterok"


@dataclass(frozen=True)
class SubmissionPlan:
    """One stage of one run, as submitted.

    Attributes:
        token: 8 hexadecimal digits, unique; part of every job's name.
        number: number of the submission within its run, from 1.
        cluster: name of the cluster, or ``local-<host>``.
        scheduler: what runs it.
        stage: name of the stage.
        run: name of the run folder.
        folder: absolute folder that relative paths of the experiment start from.
        created: time, ISO 8601 UTC.
        user: who submitted.
        host: where.
        site: name of the site profile.
        command: words that run one element; ``{part}`` stands for ``k/n``.
        num_parts: n of ``k/n``, all parts of the stage.
        elements: the parts k that this submission covers.
        pack: elements a job.
        side_by_side: elements of a job that run at a time.
        allocation: what a job asks for.
        launch: how the processes of an element start.
        rules: what the body keeps to.
        pieces: calls of the scheduler.
        setup: lines of shell before the body starts (modules, the site's environment).
        environment: variables for the body and all below it.
        site_variables: the same with the profile's reasons, as processes are told them; empty: there are none.
        code: file name of the pinned package, beside the submission's folder.
        container: what the processes of an element run in; None: the environment of the body.
        after: other submissions that this one waits for.
        is_trial: ten steps to measure a training (``submit train --test``).
    """

    token: str
    number: int
    cluster: str
    scheduler: Literal["slurm", "local"]
    stage: str
    run: str
    folder: str
    created: str
    user: str
    host: str
    site: str
    command: tuple[str, ...]
    num_parts: int
    elements: tuple[int, ...]
    pack: int
    side_by_side: int
    allocation: Allocation
    launch: Launch
    rules: BodyRules
    pieces: tuple[Piece, ...]
    setup: tuple[str, ...] = ()
    environment: Mapping[str, str] = field(default_factory=dict)
    site_variables: str = ""
    code: str | None = None
    container: Container | None = None
    after: tuple[Dependency, ...] = ()
    is_trial: bool = False

    @property
    def num_jobs(self) -> int:
        """Jobs (array tasks count one each) that it takes to run every element once."""
        return -(-len(self.elements) // self.pack)

    def elements_of(self, job: int) -> tuple[int, ...]:
        """Elements that share job number ``job``."""
        return self.elements[job * self.pack : (job + 1) * self.pack]

    def job_of(self, element: int) -> int:
        """Number of the job that runs an element."""
        return self.elements.index(element) // self.pack

    def job_name(self, piece: int) -> str:
        """Name of a piece in the queue: how its jobs are found again without their ids."""
        return f"{self.stage}-{self.token}-{piece}"

    def element_command(self, element: int) -> list[str]:
        """Words that run one element."""
        return [word.replace("{part}", f"{element}/{self.num_parts}") for word in self.command]

    def to_plain(self) -> dict[str, Any]:
        """JSON values."""
        return {"schema": SCHEMA_VERSION, **asdict(self)}

    @classmethod
    def from_plain(cls, plain: Mapping[str, Any]) -> "SubmissionPlan":
        """The plan that :meth:`to_plain` wrote."""
        values = {name: value for name, value in plain.items() if name != "schema"}
        values["allocation"] = Allocation(**_with_tuples(values["allocation"]))
        values["launch"] = Launch(**_with_tuples(values["launch"]))
        values["rules"] = BodyRules(**_with_tuples(values["rules"]))
        container = values.get("container")
        values["container"] = None if container is None else Container(**_with_tuples(container))
        values["pieces"] = tuple(Piece(**_with_tuples(piece)) for piece in values["pieces"])
        values["after"] = tuple(Dependency(**dependency) for dependency in values["after"])
        return cls(**_with_tuples(values))


def _with_tuples(values: Mapping[str, Any]) -> dict[str, Any]:
    return {n: tuple(v) if isinstance(v, Sequence) and not isinstance(v, str) else v for n, v in values.items()}


def read_plan(path: Path) -> SubmissionPlan:
    """Read ``plan.json``.

    Raises:
        DataError: if it is missing, damaged or of a newer rhodiff.
    """
    try:
        plain = json.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        raise DataError(f"{path} is missing: the folder of the submission was moved or removed") from None
    except (OSError, ValueError) as error:
        raise _damaged(path, str(error)) from error
    schema = plain.get("schema") if isinstance(plain, dict) else None
    if isinstance(schema, int) and schema > SCHEMA_VERSION:
        raise DataError(f"{path} has schema {schema}, this rhodiff reads {SCHEMA_VERSION}: upgrade it")
    if schema != SCHEMA_VERSION:
        raise _damaged(path, "it has no schema that rhodiff ever wrote")
    try:
        return SubmissionPlan.from_plain(plain)
    except (KeyError, TypeError, ValueError, AttributeError) as error:
        raise _damaged(path, f"its content is incomplete: {error}") from error


def _damaged(path: Path, why: str) -> DataError:
    return DataError(
        f"{path} is damaged ({why}). Make sure that no job with '{path.parent.name[-8:]}' in its name waits or "
        f"runs, then move {path.parent} elsewhere: 'rhodiff-hpc submit' does what is missing then"
    )
