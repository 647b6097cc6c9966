"""Processes that stand still where a test wants them, so that what is done to them there does not depend on speed.

Each function here is for ``before=`` of :meth:`experiments.Lab.start`: it has the process stop itself (SIGSTOP) at a
step or a write that it counts. The test waits until it is held, does what it came for, and releases it.
"""

import itertools
import os
import signal
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from rhodiff.runtime import stop_agreement
from rhodiff.training import loop


def hold() -> None:
    """Stand still until SIGCONT comes."""
    os.kill(os.getpid(), signal.SIGSTOP)


def hold_in_step(number: int) -> None:
    """Stand still within a step of this process's training, counted from 1."""
    _begin_step_with(number, hold)


def work_for_ever_in_step(number: int) -> None:
    """Stand still within a step, again when the next interrupt has come, and never end that step."""

    def endless() -> None:
        came = threading.Event()
        receive = signal.getsignal(signal.SIGINT)
        assert callable(receive)

        def noticed(received: int, frame: Any) -> None:
            came.set()
            receive(received, frame)

        signal.signal(signal.SIGINT, noticed)
        hold()
        while not came.is_set():
            time.sleep(0.001)
        hold()
        while True:
            time.sleep(0.001)

    _begin_step_with(number, endless)


def hold_in_write(name: str, number: int) -> None:
    """Stand still when a file whose name has this in it is written and not yet in its place; counted from 1."""
    real, writes = os.fsync, itertools.count(1)

    def fsync(descriptor: int) -> None:
        path = Path(f"/proc/self/fd/{descriptor}").readlink()
        if path.name.endswith(".tmp") and name in path.name and next(writes) == number:
            hold()
        real(descriptor)

    os.fsync = fsync


def ask_after_every_step() -> None:
    """Several processes ask after each step whether to stop, however fast their steps are."""
    stop_agreement.INTERVAL_S = 0.0


def all_of(*actions: Callable[[], object]) -> None:
    """Do one after another."""
    for action in actions:
        action()


def _begin_step_with(number: int, action: Callable[[], None]) -> None:
    real, steps = loop.batch_gradient, itertools.count(1)

    def gradient(*arguments: Any) -> Any:
        if next(steps) == number:
            action()
        return real(*arguments)

    loop.batch_gradient = gradient
