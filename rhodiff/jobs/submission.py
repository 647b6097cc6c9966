"""Slurm as a scheduler, through submitit: the only module that imports it.

submitit writes the script, names the command that submits it and reads the id from the answer. It pickles nothing
and starts nothing of its own: the script ends by becoming the job's body (:mod:`rhodiff.jobs.body`), which therefore
receives Slurm's signals and starts the processes of its elements itself.
"""

import shlex
import shutil
import sys
import time
from collections.abc import Sequence
from functools import cached_property

import submitit

from rhodiff.errors import (
    EnvironmentLacksError,
    SchedulerUnreachableError,
    SubmissionRefusedError,
    SubmissionUncertainError,
)
from rhodiff.jobs import queue
from rhodiff.jobs.calls import CallRecord
from rhodiff.jobs.claim import read_claim
from rhodiff.jobs.job_setup import setup_lines
from rhodiff.jobs.sbatch_answers import SbatchAnswer, advise, read_answer
from rhodiff.jobs.sbatch_call import SbatchCall
from rhodiff.jobs.sbatch_options import check_paths, sbatch_options
from rhodiff.jobs.scheduler import JobRecord, KnownJob
from rhodiff.jobs.slurm_commands import ask_slurm
from rhodiff.jobs.submission_plan import Piece, SubmissionPlan
from rhodiff.store.files import write_atomic
from rhodiff.store.layout import SubmissionFolder

__all__ = ["SlurmScheduler"]

ARRIVES_WITHIN_S = 10.0
"""A request that was sent is in the queue this long after its sender fell silent, ..."""
ARRIVES_LATE_WITHIN_S = 30.0
"""... or this long, where the controller was too busy to answer it."""
LOOK_S = 1.0

SUBMITITS = {
    "account", "comment", "constraint", "cpus-per-task", "dependency", "exclude", "exclusive", "gpus-per-node",
    "gres", "job-name", "mem", "nodes", "ntasks-per-node", "partition", "qos", "time",
}  # fmt: skip
"""Options that submitit knows by name; it passes the others on."""


class BodyExecutor(submitit.SlurmExecutor):
    """submitit's executor, with the body of our jobs in the place of a pickled function.

    Args:
        folder: folder of the submission.
        piece: number of the piece.
        call: how often it was submitted before.
    """

    def __init__(self, folder: SubmissionFolder, piece: int, call: int = 0) -> None:
        super().__init__(folder.path)
        self.script, self.call = folder.script(piece), SbatchCall(folder.answer(piece, call))

    @classmethod
    def affinity(cls) -> int:
        """Scripts are written, and shown, without Slurm too."""
        return 2

    def text(self, command: str) -> str:
        """The script that ends with a command."""
        return self._make_submission_file_text(command, "").rstrip("\n") + "\n"

    def _submit_command(self, command: str) -> submitit.SlurmJob[None]:
        """Submit the script.

        Raises:
            SubmissionRefusedError: if Slurm refused it.
            SchedulerUnreachableError: if it was never sent.
            SubmissionUncertainError: if its fate is open.
        """
        text = self.text(command)
        write_atomic(self.script, lambda handle: handle.write(text.encode()))
        answer = read_answer(self.call.make(self._make_submission_command(self.script)))
        return submitit.SlurmJob(folder=self.folder, job_id=self.accepted_id(answer))

    def accepted_id(self, answer: SbatchAnswer) -> str:
        """Id of a job that was accepted; raises as :meth:`_submit_command` does where it was not."""
        if answer.verdict == "refused":
            raise SubmissionRefusedError(
                f"Slurm refused {self.script}: {answer.words}. What to do: {advise(answer.words)}"
            )
        if answer.verdict == "unsent":
            raise SchedulerUnreachableError(
                f"Slurm does not answer, and nothing was submitted: {answer.words}. Repeat the command when "
                "'scontrol ping' says that the controller is up"
            )
        if answer.verdict == "open":
            raise SubmissionUncertainError(f"Slurm did not say whether it took {self.script}: {answer.words}")
        return self._get_job_id_from_submission_command(answer.words)


class SlurmScheduler:
    """The cluster that ``SLURM_CONF`` names."""

    @cached_property
    def cluster(self) -> str:
        """Its ClusterName."""
        for line in ask_slurm(["scontrol", "show", "config"]).text().splitlines():
            name, _, value = line.partition("=")
            if name.strip() == "ClusterName":
                return value.strip()
        raise SchedulerUnreachableError("'scontrol show config' names no ClusterName: is this a Slurm cluster?")

    def script(self, folder: SubmissionFolder, plan: SubmissionPlan, piece: Piece, after: Sequence[str]) -> str:
        """The exact script of a piece.

        Raises:
            ConfigError: if something in it cannot be told to Slurm.
        """
        return _executor(folder, plan, piece, after).text(_body_command(folder, piece))

    def submit(self, folder: SubmissionFolder, plan: SubmissionPlan, piece: Piece, after: Sequence[str]) -> str:
        """Hand over one piece, which its record of calls names last.

        Raises:
            SubmissionRefusedError: if Slurm refused it: there is no job.
            SchedulerUnreachableError: if it did not arrive: there is no job.
            SubmissionUncertainError: if it may or may not have been taken.
        """
        executor = _executor(folder, plan, piece, after)
        if shutil.which("sbatch") is None:
            raise EnvironmentLacksError(
                "there is no 'sbatch' on the PATH: load the site's Slurm module, or log in there"
            )
        try:
            return executor._submit_command(_body_command(folder, piece)).job_id
        except SubmissionUncertainError as doubt:
            job_id = self.recover(folder, plan, piece)
            if job_id is not None:
                return job_id
            raise SchedulerUnreachableError(f"{doubt}. It did not arrive: repeat the command") from doubt

    def recover(self, folder: SubmissionFolder, plan: SubmissionPlan, piece: Piece) -> str | None:
        """Settle what became of a submission: from its answer, from the job's own claim, at last by its name."""
        call = SbatchCall(folder.answer(piece.index, _last_call(folder, piece)))
        text = call.settle()
        if text is None:
            return None
        answer = read_answer(text)
        if answer.verdict == "accepted":
            return _executor(folder, plan, piece, ()).accepted_id(answer)
        if answer.verdict in {"refused", "unsent"}:
            return None
        return read_claim(folder.claim(piece.index)) or self._await(plan.job_name(piece.index), call, answer)

    def find(self, names: Sequence[str]) -> dict[str, str]:
        """Ids of jobs by name, waiting, running or ended."""
        return queue.find(names)

    def observe(self, jobs: Sequence[KnownJob]) -> list[JobRecord]:
        """What Slurm knows of jobs."""
        return queue.observe(jobs)

    def cancel(self, jobs: Sequence[str]) -> None:
        """End jobs."""
        queue.cancel(jobs)

    def _await(self, name: str, call: SbatchCall, answer: SbatchAnswer) -> str | None:
        """Look for a job of a name for as long as a request that was sent may still arrive."""
        patience_s = ARRIVES_LATE_WITHIN_S if answer.words else ARRIVES_WITHIN_S
        while True:
            is_last = call.silent_for_s() > patience_s
            try:
                found = self.find([name])
            except SchedulerUnreachableError as error:
                raise SubmissionUncertainError(
                    f"it is not known whether Slurm has the job '{name}', and it does not answer now: {error}. "
                    "Repeat the command, which asks for the job and never submits it twice"
                ) from error
            if found or is_last:
                return found.get(name)
            time.sleep(LOOK_S)


def _last_call(folder: SubmissionFolder, piece: Piece) -> int:
    return max(CallRecord(folder).of_piece(piece.index).num_intents - 1, 0)


def _executor(folder: SubmissionFolder, plan: SubmissionPlan, piece: Piece, after: Sequence[str]) -> BodyExecutor:
    check_paths(folder, on_python_path=plan.code is not None)
    executor = BodyExecutor(folder, piece.index, _last_call(folder, piece))
    options = sbatch_options(folder, plan, piece, after)
    executor.update_parameters(
        **{name.replace("-", "_"): value for name, value in options.items() if name in SUBMITITS},
        additional_parameters={name: value for name, value in options.items() if name not in SUBMITITS},
        setup=setup_lines(folder, plan),
        stderr_to_stdout=True,
        use_srun=False,
        wckey=None,
    )
    return executor


def _body_command(folder: SubmissionFolder, piece: Piece) -> str:
    words = [sys.executable, "-m", "rhodiff.jobs.body", str(folder.path), "--piece", str(piece.index)]
    return f"exec {shlex.join(words)}"
