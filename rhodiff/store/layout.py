"""Every file name of a run and of a data set, in one place."""

import re
from dataclasses import dataclass
from pathlib import Path

__all__ = ["DataFolder", "JobsFolder", "ReportFolder", "RunFolder", "SubmissionFolder"]


@dataclass(frozen=True)
class DataFolder:
    """``data/<source>-<hash8>/``: one prepared data set."""

    path: Path

    @property
    def fields(self) -> Path:
        """The Zarr group with fields, parameters and split."""
        return self.path / "fields.zarr"

    @property
    def done(self) -> Path:
        """Marker: every shard is written."""
        return self.path / "markers" / "done.json"

    def shard_marker(self, shard: int) -> Path:
        """Marker of one shard."""
        return self.path / "markers" / f"shard-{shard:06d}.json"

    def transform(self, identity: str) -> Path:
        """A fitted transform with its constants."""
        return self.path / "transforms" / f"{identity}.json"

    @property
    def training_means(self) -> Path:
        """Mean of the training split by channel."""
        return self.path / "training_means.json"


@dataclass(frozen=True)
class RunFolder:
    """``runs/<experiment>-<hash8>/``: one trained network and all that was made with it."""

    path: Path

    @property
    def config(self) -> Path:
        """The resolved configuration of the last command."""
        return self.path / "config.yaml"

    @property
    def environment(self) -> Path:
        """Versions, git state and host of the last command."""
        return self.path / "environment.json"

    @property
    def journal(self) -> Path:
        """Folder of the journal."""
        return self.path / "journal"

    @property
    def checkpoints(self) -> Path:
        """Folder of the checkpoints."""
        return self.path / "checkpoints"

    @property
    def metrics(self) -> Path:
        """Folder of the training metrics, one JSON-lines file an attempt."""
        return self.path / "metrics"

    @property
    def tensorboard(self) -> Path:
        """Folder of TensorBoard's event files."""
        return self.path / "tensorboard"

    @property
    def training_lock(self) -> Path:
        """Held by the one training that works on this run."""
        return self.path / "locks" / "train"

    def sheet(self, checkpoint: str) -> Path:
        """Picture of fields generated during training."""
        return self.path / "sheets" / f"{checkpoint}.png"

    def samples(self, identity: str) -> Path:
        """Zarr group of one cell of a sweep."""
        return self.path / "samples" / f"{identity}.zarr"

    def samples_marker(self, identity: str, shard: int) -> Path:
        """Marker of one shard of a cell."""
        return self.path / "markers" / f"samples-{identity}-{shard:06d}.json"

    def statistics(self, identity: str) -> Path:
        """Zarr group with the statistics of one comparison."""
        return self.path / "statistics" / f"{identity}.zarr"

    def measured(self, identity: str) -> Path:
        """Folder of what was measured of one set of fields, block by block, until its comparison is stored."""
        return self.path / "statistics" / "parts" / identity

    def measured_block(self, identity: str, first: int) -> Path:
        """What was measured of the block that begins with field number ``first`` of a set."""
        return self.measured(identity) / f"{first:08d}.npz"

    def statistics_marker(self, identity: str) -> Path:
        """Marker of one comparison."""
        return self.path / "markers" / f"statistics-{identity}.json"

    def denoised(self, identity: str) -> Path:
        """Zarr group with the fields that one checkpoint denoised."""
        return self.path / "denoised" / f"{identity}.zarr"

    def denoised_marker(self, identity: str, block: int) -> Path:
        """Marker of one block of denoised fields."""
        return self.path / "markers" / f"denoised-{identity}-{block:06d}.json"

    def selection(self, identity: str) -> Path:
        """Ranking of the sweep's checkpoints."""
        return self.path / "statistics" / f"selection-{identity}.json"

    @property
    def report(self) -> Path:
        """The report."""
        return self.report_folder.page

    @property
    def report_folder(self) -> "ReportFolder":
        """The report and the files of its figures."""
        return ReportFolder(self.path / "report")

    @property
    def jobs(self) -> "JobsFolder":
        """What was submitted for this run."""
        return JobsFolder(self.path / "jobs")


@dataclass(frozen=True)
class ReportFolder:
    """``runs/<experiment>-<hash8>/report/``."""

    path: Path

    @property
    def page(self) -> Path:
        """The report."""
        return self.path / "report.html"

    def figure(self, name: str, suffix: str) -> Path:
        """One format of a figure; different names have different files, whatever signs they hold."""
        safe = re.sub(r"[^A-Za-z0-9._-]", lambda sign: f"~{ord(sign[0]):x}", name)
        return self.path / "figures" / f"{safe}.{suffix}"


@dataclass(frozen=True)
class JobsFolder:
    """``runs/<experiment>-<hash8>/jobs/``: the submissions of a run, one folder each."""

    path: Path

    @property
    def lock(self) -> Path:
        """Held by the one process that submits, retries or cancels for this run."""
        return self.path / "lock"

    def code(self, digest: str) -> Path:
        """The package as it was when something was submitted; submissions of the same code share it."""
        return self.path / f"code-{digest}.zip"

    def submission(self, cluster: str, token: str) -> "SubmissionFolder":
        """Folder of one submission."""
        return SubmissionFolder(self.path / f"{cluster}-{token}")

    def submissions(self) -> list["SubmissionFolder"]:
        """All submissions that have a plan, in no order; those just being made (``.new-...``) do not count."""
        return [SubmissionFolder(plan.parent) for plan in self.path.glob("[!.]*/plan.json")]


@dataclass(frozen=True)
class SubmissionFolder:
    """``jobs/<cluster>-<token>/``: one stage of a run, as it was submitted."""

    path: Path

    @property
    def plan(self) -> Path:
        """What is to run; written first and never changed."""
        return self.path / "plan.json"

    @property
    def config(self) -> Path:
        """The resolved experiment, as its jobs read it."""
        return self.path / "config.yaml"

    @property
    def calls(self) -> Path:
        """Each submission to the scheduler: intent before, answer after; JSON lines."""
        return self.path / "calls.jsonl"

    def script(self, piece: int) -> Path:
        """The script of one job or array."""
        return self.path / f"script-{piece:03d}.sbatch"

    def answer(self, piece: int, call: int = 0) -> Path:
        """What the scheduler's submit command printed for one job or array, the ``call``-th time it was called."""
        return self.path / (f"script-{piece:03d}.answer" + (f".{call}" if call else ""))

    @property
    def cancelled(self) -> Path:
        """Marker: the user cancelled this submission."""
        return self.path / "cancelled.json"

    @property
    def markers(self) -> Path:
        """Folder whose file names say how each element stands."""
        return self.path / "markers"

    def done(self, element: int) -> Path:
        """Marker: an element is finished."""
        return self.markers / f"{element:06d}.done.json"

    def failed(self, element: int) -> Path:
        """Marker: an element failed and is not tried again by itself; it says why."""
        return self.markers / f"{element:06d}.failed.json"

    def stopped(self, element: int) -> Path:
        """Marker: an element stopped early on purpose, and its job did not go back into the queue."""
        return self.markers / f"{element:06d}.stopped.json"

    def cancelled_element(self, element: int) -> Path:
        """Marker: the user cancelled this element; its job does not go back into the queue."""
        return self.markers / f"{element:06d}.cancelled.json"

    def attempts(self, element: int) -> Path:
        """What was tried for an element: JSON lines, one at the start and one at the end of each attempt."""
        return self.markers / f"{element:06d}.attempts.jsonl"

    def heartbeat(self, element: int) -> Path:
        """How far a running element is; removed when it ends."""
        return self.markers / f"{element:06d}.heartbeat.json"

    def claim(self, piece: int) -> Path:
        """Names the job that a piece belongs to: a second job of the same piece leaves at once."""
        return self.markers / f"piece-{piece:03d}.claim"

    @property
    def trial(self) -> Path:
        """Folder of the runs of a trial, while it lasts."""
        return self.path / "trial"

    @property
    def logs(self) -> Path:
        """Folder of the logs; it must exist before a job starts."""
        return self.path / "logs"

    def log(self, job_id: str, index: int | None) -> Path:
        """Log of a job, or of one task of an array: Slurm's ``%j.log`` and ``%A_%a.log``; attempts are appended."""
        return self.logs / (f"{job_id}.log" if index is None else f"{job_id}_{index}.log")

    def local_record(self, piece: int) -> Path:
        """What became of a piece that runs on local processes, JSON lines; its supervisor alone writes it."""
        return self.path / f"local-{piece:03d}.jsonl"

    def local_log(self, piece: int) -> Path:
        """What the supervisor of a local piece, and the set-up lines before it, printed."""
        return self.logs / f"local-{piece:03d}.log"

    def local_requests(self, piece: int) -> Path:
        """What the supervisor of a piece was asked to cancel, JSON lines."""
        return self.path / f"local-{piece:03d}.requests"
