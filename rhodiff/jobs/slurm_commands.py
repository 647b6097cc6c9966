"""Running Slurm's own commands: the one place that starts ``squeue``, ``sacct``, ``sinfo``, ``scontrol``, ``sbatch``.

Each call has a deadline and a clean environment: variables of a job around us, and a user's ``SQUEUE_FORMAT`` and the
like, would change what is asked or answered. A question is asked again while nobody answers; ``sbatch`` never is,
since a submission that timed out may have succeeded. What was answered is told apart from silence: only silence, and
what cannot be read, is "unknown".

Commands ask the default cluster of ``SLURM_CONF``: a federation's other members are not addressed.
"""

import os
import signal
import subprocess
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass

from rhodiff.errors import EnvironmentLacksError, SchedulerUnreachableError

__all__ = ["SlurmAnswer", "SlurmCall", "ask_slurm", "clean_environment", "recorded_calls", "run_slurm", "unreachable"]

SCRUBBED = ("SLURM_", "SBATCH_", "SRUN_", "SALLOC_", "SQUEUE_", "SACCT_", "SINFO_", "SCANCEL_", "SCONTROL_")
KEPT = {"SLURM_CONF", "SLURM_CONF_SERVER", "SLURM_JWT"}
"""How the commands find the cluster and prove who asks."""

PLAIN_ANSWERS = {"LC_ALL": "C", "SLURM_BITSTR_LEN": "0", "SLURM_TIME_FORMAT": "%s"}
"""English messages, times in seconds since 1970, and long lists of array tasks in full, without "..."."""

SILENCE = (
    "unable to contact slurm controller",
    "slurm_load_jobs error",
    "slurm_load_node",
    "slurm_load_partitions",
    "slurm_load_ctl_conf error",
    "socket timed out",
    "zero bytes were transmitted",
    "connection refused",
    "connection timed out",
    "connection reset",
    "no route to host",
    "problem talking to the database",
    "slurm backup controller in standby mode",
    "controller is in standby mode",
    "resource temporarily unavailable",
    "resolve_ctls_from_dns_srv",
    "could not establish a configuration source",
    "invalid authentication credential",
    "protocol authentication error",
    "munge encode failed",
    "unexpected message received",
)
"""What commands print when nobody answered, lower case (22.05 to 24.11)."""

ANSWERED = ("invalid job id", "invalid user", "access/permission denied")
"""... unless this is in it too: the controller did answer."""

FIRST_PAUSE_S = 0.5
LONGEST_PAUSE_S = 5.0
SHORTEST_ATTEMPT_S = 2.0
QUESTION_DEADLINE_S = 25.0
"""Two attempts at a controller that is down: each gives up after 9 to 10 s by itself."""


@dataclass(frozen=True)
class SlurmCall:
    """That a command was run.

    Attributes:
        argv: its words.
        seconds: how long it took.
        returncode: its exit code; None where it did not end in time.
    """

    argv: tuple[str, ...]
    seconds: float
    returncode: int | None


@dataclass(frozen=True)
class SlurmAnswer:
    """What a command said.

    Attributes:
        argv: its words.
        returncode: its exit code; None where it did not end in time.
        stdout: what it printed.
        stderr: what it complained about.
    """

    argv: tuple[str, ...]
    returncode: int | None
    stdout: str
    stderr: str

    @property
    def is_silence(self) -> bool:
        """Nobody answered: the command ran out of time, or says that it could not reach the scheduler."""
        if self.returncode is None or self.returncode < 0:
            return True
        said = self.stderr.lower()
        if self.returncode == 0 or any(phrase in said for phrase in ANSWERED):
            return False
        return any(phrase in said for phrase in SILENCE)

    def describe(self) -> str:
        """Why it is not what was wanted, in one line."""
        lines = [line for line in (self.stderr.strip() or self.stdout.strip()).splitlines() if line.strip()]
        if self.returncode is None:
            return f"'{self.argv[0]}' did not answer in time" + (f" ({lines[-1]})" if lines else "")
        return f"'{self.argv[0]}' ended with code {self.returncode}: {lines[-1] if lines else 'no message'}"

    def text(self) -> str:
        """What a command that succeeded printed.

        Raises:
            SchedulerUnreachableError: if it did not succeed.
        """
        if self.returncode != 0:
            raise unreachable(self.describe())
        return self.stdout


def unreachable(why: str) -> SchedulerUnreachableError:
    """The error for "nothing is known", with what to do."""
    return SchedulerUnreachableError(
        f"the scheduler does not answer: {why}. Jobs go on without us, and nothing is known about them meanwhile: "
        "ask again in a minute ('scontrol ping' tells whether the controller is up)"
    )


_recorders: list[list[SlurmCall]] = []


@contextmanager
def recorded_calls() -> Iterator[list[SlurmCall]]:
    """Collect the calls that are made within the block."""
    calls: list[SlurmCall] = []
    _recorders.append(calls)
    try:
        yield calls
    finally:
        _recorders[:] = [recorder for recorder in _recorders if recorder is not calls]


def clean_environment(base: Mapping[str, str] | None = None) -> dict[str, str]:
    """An environment without any job's variables and without defaults for Slurm's commands.

    Args:
        base: what to clean; None: this process's.
    """
    base = os.environ if base is None else base
    return {name: value for name, value in base.items() if name in KEPT or not name.startswith(SCRUBBED)}


def run_slurm(
    argv: Sequence[str],
    deadline_s: float = 60.0,
    *,
    stdin: str | None = None,
    environment: Mapping[str, str] | None = None,
) -> SlurmAnswer:
    """Run a command once, whatever comes of it.

    Args:
        argv: its words, e.g. ``["sbatch", "--parsable", "script"]``.
        deadline_s: after this it is ended, and its answer has no exit code.
        stdin: what it reads; None: nothing.
        environment: all its variables, which ``sbatch`` hands on to the job; None: :func:`clean_environment`, with
            messages in English.

    Raises:
        EnvironmentLacksError: if there is no such command.
    """
    begun = time.monotonic()
    variables = {**clean_environment(), **PLAIN_ANSWERS} if environment is None else dict(environment)
    answer = _communicate(tuple(argv), deadline_s, stdin, variables)
    for recorder in _recorders:
        recorder.append(SlurmCall(answer.argv, time.monotonic() - begun, answer.returncode))
    return answer


def ask_slurm(
    argv: Sequence[str],
    deadline_s: float = QUESTION_DEADLINE_S,
    *,
    pause: Callable[[float], None] = time.sleep,
) -> SlurmAnswer:
    """Ask, again and again while nobody answers; only for commands that change nothing, or may be repeated.

    Args:
        argv: words of the command.
        deadline_s: for all attempts together.
        pause: waits between attempts.

    Returns:
        What was answered, which may be a refusal.

    Raises:
        SchedulerUnreachableError: if nobody answered before the deadline.
        EnvironmentLacksError: if there is no such command.
    """
    end = time.monotonic() + deadline_s
    wait_s = FIRST_PAUSE_S
    while True:
        answer = run_slurm(argv, max(end - time.monotonic(), 0.1))
        if not answer.is_silence:
            return answer
        if time.monotonic() + wait_s + SHORTEST_ATTEMPT_S >= end:
            raise unreachable(answer.describe())
        pause(wait_s)
        wait_s = min(2 * wait_s, LONGEST_PAUSE_S)


def _communicate(argv: tuple[str, ...], deadline_s: float, stdin: str | None, env: dict[str, str]) -> SlurmAnswer:
    """Run in a session of its own: sites wrap these commands in scripts, whose children must end too."""
    try:
        process = subprocess.Popen(
            argv,
            stdin=subprocess.DEVNULL if stdin is None else subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            env=env,
            text=True,
            encoding="utf-8",
            errors="replace",
            start_new_session=True,
        )
    except (FileNotFoundError, PermissionError) as error:
        raise EnvironmentLacksError(
            f"cannot run '{argv[0]}' ({error.strerror}): this machine has no Slurm on its PATH. "
            "Load the site's Slurm module or log in to its login node; 'submit --local' does without Slurm"
        ) from error
    try:
        out, err = process.communicate(stdin, timeout=deadline_s)
        return SlurmAnswer(argv, process.returncode, out, err)
    except subprocess.TimeoutExpired:
        _end_session(process)
        out, err = process.communicate()
        return SlurmAnswer(argv, None, out, err)
    finally:
        if process.poll() is None:
            _end_session(process)


def _end_session(process: "subprocess.Popen[str]") -> None:
    with suppress(ProcessLookupError):
        os.killpg(process.pid, signal.SIGKILL)
