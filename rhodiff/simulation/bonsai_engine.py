"""Bonsai (Bedorf, Gaburov & Portegies Zwart 2012, J. Comput. Phys. 231, 2825), run as a program of the user's.

Its exit code proves nothing: missing input, snapshots that could not be written and failing devices all exit 0. So a
run is judged by its files alone, and the exit code only tells why a bad one may be bad. Softening is Plummer's.

Paths that Bonsai is given are absolute and shorter than 256 characters, the size of its buffers.
"""

import math
import os
import shlex
import shutil
import signal
import subprocess
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from rhodiff.errors import ConfigError, DataError, EnvironmentLacksError
from rhodiff.simulation.energies import parse_energies
from rhodiff.simulation.engine import (
    BASE,
    ERRORS,
    INITIAL,
    LOG,
    Ending,
    Engine,
    OnTime,
    RunSettings,
    SimulationFailedError,
)
from rhodiff.simulation.snapshot_files import find_rank_files, snapshot_name, snapshot_stem
from rhodiff.simulation.validation import ExpectedOutput
from rhodiff.store.files import checksum

__all__ = ["BonsaiEngine", "BonsaiProgram", "bonsai_command"]

PATH_LIMIT = 256
CUDA_EXIT = 255
POLL_S, GRACE_S = 1.0, 10.0


@dataclass(frozen=True)
class BonsaiProgram:
    """The program and where it runs.

    Attributes:
        executable: path, or a name on PATH.
        device: number of the first GPU (``--dev``).
        launcher: words before the executable that start its ranks, such as ``("srun", "-n", "2")``.
        ranks: number of processes that these start.

    Raises:
        ConfigError: if ranks or device make no sense, or several ranks have no launcher.
    """

    executable: str
    device: int = 0
    launcher: tuple[str, ...] = ()
    ranks: int = 1

    def __post_init__(self) -> None:
        if self.ranks < 1 or self.device < 0:
            raise ConfigError(f"Bonsai runs with ranks >= 1 on a device >= 0; got {self.ranks} and {self.device}")
        if self.ranks > 1 and not self.launcher:
            raise ConfigError(f"{self.ranks} ranks of Bonsai need a launcher, such as srun -n {self.ranks}")

    def find(self) -> Path:
        """The executable's path.

        Raises:
            EnvironmentLacksError: if it is not there or may not be executed.
        """
        found = shutil.which(self.executable)
        if found is not None:
            return Path(found).resolve()
        path = Path(self.executable)
        state = "is a folder" if path.is_dir() else "may not be executed" if path.exists() else "is not there"
        raise EnvironmentLacksError(
            f"engine.executable {self.executable!r} {state}: name Bonsai's program (bonsai2_slowdust), built for "
            "this machine, or take engine 'treegrav', which needs none"
        )


def bonsai_command(
    program: BonsaiProgram,
    settings: RunSettings,
    executable: Path,
    initial: Path,
    directory: Path,
    start: float | None,
) -> list[str]:
    """The words of a run.

    Args:
        program: launcher and device.
        settings: of the run.
        executable: path of the program.
        initial: initial conditions.
        directory: of the run.
        start: time of the snapshot to restart from, or None.

    Raises:
        ConfigError: if a path is too long for Bonsai.
    """
    base = directory.absolute() / BASE
    source = initial.absolute() if start is None else base.with_name(snapshot_stem(BASE, start))
    longest = base.with_name(snapshot_name(BASE, settings.end, program.ranks - 1))
    for path in (source, longest):
        if len(os.fsencode(path)) >= PATH_LIMIT:
            raise ConfigError(
                f"{path} has {len(os.fsencode(path))} characters; Bonsai's buffers hold paths under {PATH_LIMIT}: "
                "take a shorter path for data.source.scratch, or data.source.archive"
            )
    restart = [] if start is None else ["--restart"]
    words = ["-i", source, "-t", settings.time_step, "-T", settings.end, "-e", settings.softening_kpc]
    words += ["-o", settings.theta, "--snapname", base, "--snapiter", settings.snapshot_interval]
    words += ["--dev", program.device, "--log"]
    return [*program.launcher, str(executable), *restart, *map(str, words)]


class BonsaiEngine(Engine):
    """Runs simulations with a Bonsai that the user built.

    Args:
        settings: of the run.
        program: where Bonsai is and how it is started.

    Raises:
        EnvironmentLacksError: if the program is not there or may not be executed.
    """

    def __init__(self, settings: RunSettings, program: BonsaiProgram) -> None:
        super().__init__(settings)
        self._program, self._executable = program, program.find()

    @property
    def identity(self) -> dict[str, str]:
        """Name, checksum of the executable, and the softening's form."""
        return {"engine": "bonsai", "executable_sha256": checksum(self._executable), "softening": "Plummer"}

    def command(self, initial: Path, directory: Path, start: float | None = None) -> list[str]:
        """The command of a run, see :func:`bonsai_command`."""
        return bonsai_command(self._program, self.settings, self._executable, initial, directory, start)

    def describe_command(self, initial: Path, directory: Path) -> str:
        """The words of the command, as a shell takes them."""
        return shlex.join(self.command(initial, directory))

    def check_folder(self, directory: Path) -> None:
        """Refuse paths that Bonsai's buffers do not hold."""
        self.command(directory / INITIAL, directory)

    def _find_start(self, directory: Path, expected: ExpectedOutput) -> float | None:
        """As every engine, but only from files of the same number of ranks, which Bonsai asks for."""
        start = super()._find_start(directory, expected)
        if start is not None and len(find_rank_files(directory, BASE, start)) != self._program.ranks:
            return None
        return start

    def _advance(self, initial: Path, directory: Path, start: float | None, on_time: OnTime | None) -> Ending:
        words = self.command(initial, directory, start)
        with (directory / LOG).open("ab") as log, (directory / ERRORS).open("wb") as errors:
            try:
                process = subprocess.Popen(
                    words, cwd=directory, stdin=subprocess.DEVNULL, stdout=log, stderr=errors, start_new_session=True
                )
            except OSError as error:
                raise EnvironmentLacksError(
                    f"{words[0]} cannot be started ({error.strerror}): is it built for this machine? Command: "
                    f"{' '.join(words)}"
                ) from error
            code = _wait(process, directory, self.settings.timeout_min, on_time)
        return _ending(code, words)


def _wait(
    process: "subprocess.Popen[bytes]", directory: Path, timeout_min: float | None, on_time: OnTime | None
) -> int:
    """Exit code of a process; whatever ends the wait, the process and all it started are ended with it."""
    deadline = None if timeout_min is None else time.monotonic() + timeout_min * 60
    try:
        while True:
            try:
                return process.wait(POLL_S)
            except subprocess.TimeoutExpired:
                reached = _reached(directory / LOG)
            if deadline is not None and time.monotonic() > deadline:
                raise SimulationFailedError(
                    f"Bonsai in {directory} did not end within {timeout_min:g} min and was stopped; its log reaches "
                    f"time {reached:g}. Raise timeout_min if it was only slow; the same command goes on from the "
                    "last snapshot",
                    ["timed_out"],
                )
            if on_time is not None and reached >= 0:
                on_time(reached)
    finally:
        _end_group(process)


def _reached(log: Path) -> float:
    """The last time that a log tells; -inf while it tells none."""
    try:
        return parse_energies(log.read_text(errors="replace")).last_time
    except DataError:
        return -math.inf


def _end_group(process: "subprocess.Popen[bytes]") -> None:
    """End a process that still runs, and its children, all of which are in its own session."""
    if process.poll() is None:
        os.killpg(process.pid, signal.SIGTERM)  # a launcher hands this one on to other nodes
        try:
            process.wait(GRACE_S)
        except subprocess.TimeoutExpired:
            os.killpg(process.pid, signal.SIGKILL)
            process.wait()


def _ending(code: int, words: Sequence[str]) -> Ending:
    """What an exit code tells about a bad run."""
    command = f"Command: {' '.join(words)}"
    if code == CUDA_EXIT:
        return Ending(
            f"Bonsai ended with exit code 255, a CUDA error (device, memory or driver). {command}", "device_error"
        )
    if code < 0:
        return Ending(f"Bonsai was ended by signal {-code}. {command}", "killed")
    if code > 0:
        return Ending(f"Bonsai ended with exit code {code}. {command}", "failed_exit")
    return Ending(f"Bonsai ended with exit code 0, as if nothing were wrong. {command}")
