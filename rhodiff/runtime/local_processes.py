"""Start several processes of one command on this machine, as a launcher would, and end them together."""

import os
import signal
import socket
import subprocess
import time
from collections.abc import Sequence
from types import FrameType

__all__ = ["run_processes"]

POLL_S = 0.1
GRACE_S = 30.0
PASSED_ON = (signal.SIGTERM, signal.SIGINT, signal.SIGUSR1, signal.SIGUSR2)


def run_processes(commands: Sequence[Sequence[str]]) -> int:
    """Run commands side by side with torchrun's variables set, and wait for all.

    If one fails the others are told to stop (SIGTERM) and killed after a grace time. Stop signals that this process
    gets are passed on. What the commands print on stdout is dropped: the result is the caller's to show.

    Args:
        commands: program and arguments of each.

    Returns:
        The exit code of the first process that failed, else 0.
    """
    port = _free_port()
    children: list[subprocess.Popen[bytes]] = []

    def pass_on(number: int, _frame: FrameType | None) -> None:
        # Ctrl-C reaches the whole process group: a second SIGINT would tell the children not to save any more.
        for child in children:
            child.send_signal(signal.SIGTERM if number == signal.SIGINT else number)

    previous = {number: signal.signal(number, pass_on) for number in PASSED_ON}
    try:
        for rank, command in enumerate(commands):
            environment = _environment(rank, len(commands), port)
            children.append(subprocess.Popen(command, env=environment, stdout=subprocess.DEVNULL))
        return _wait(children)
    finally:
        for number, handler in previous.items():
            signal.signal(number, handler)
        for child in children:
            child.kill()


def _environment(rank: int, num_processes: int, port: int) -> dict[str, str]:
    return {
        **os.environ,
        "RANK": str(rank),
        "LOCAL_RANK": str(rank),
        "WORLD_SIZE": str(num_processes),
        "LOCAL_WORLD_SIZE": str(num_processes),
        "MASTER_ADDR": "127.0.0.1",
        "MASTER_PORT": str(port),
    }


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def _wait(children: Sequence["subprocess.Popen[bytes]"]) -> int:
    failed = 0
    deadline: float | None = None
    while any(child.poll() is None for child in children):
        time.sleep(POLL_S)
        codes = [code for child in children if (code := child.poll()) is not None]
        failed = failed or next((code for code in codes if code != 0), 0)
        if failed and deadline is None:
            deadline = time.monotonic() + GRACE_S
            for child in children:
                child.terminate()
        if deadline is not None and time.monotonic() > deadline:
            for child in children:
                child.kill()
    codes = [child.returncode for child in children]
    failed = failed or next((code for code in codes if code != 0), 0)
    return failed if failed >= 0 else 128 - failed
