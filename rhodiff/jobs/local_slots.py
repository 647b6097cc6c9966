"""CPUs of this machine, shared between all local jobs of a user, whoever supervises them.

A CPU is taken by binding an abstract Unix socket with its number: no file is left anywhere, and the kernel gives it
back when its holder dies, however it dies. Jobs that ask for devices run one at a time: which of them uses which
device is not ours to say. Not promised: fairness; a job with many CPUs waits while small ones take turns.
"""

import os
import socket
from collections.abc import Sequence
from contextlib import ExitStack

__all__ = ["Slots", "SlotsTaken"]


class SlotsTaken:
    """CPUs that one job holds.

    Attributes:
        cpus: their numbers.
    """

    def __init__(self, cpus: Sequence[int], sockets: ExitStack) -> None:
        self.cpus = tuple(cpus)
        self._sockets = sockets

    def give_back(self) -> None:
        """Let others have them."""
        self._sockets.close()


class Slots:
    """The CPUs that this process may use.

    Args:
        cpus: their numbers; None: those of this process.
    """

    def __init__(self, cpus: Sequence[int] | None = None) -> None:
        self.cpus = sorted(os.sched_getaffinity(0) if cpus is None else cpus)

    def take(self, count: int, *, devices: bool = False) -> SlotsTaken | None:
        """Take CPUs, or none at all.

        Args:
            count: how many; all of them where there are fewer.
            devices: for a job that uses devices.

        Returns:
            What was taken; None if too few are free.
        """
        with ExitStack() as sockets:
            if devices and not _bind(sockets, "devices"):
                return None
            found = self._bind_cpus(sockets, min(count, len(self.cpus)))
            return None if found is None else SlotsTaken(found, sockets.pop_all())

    def _bind_cpus(self, sockets: ExitStack, count: int) -> list[int] | None:
        found: list[int] = []
        for cpu in self.cpus:
            if len(found) == count:
                break
            if _bind(sockets, f"cpu-{cpu}"):
                found.append(cpu)
        return found if len(found) == count else None


def _bind(sockets: ExitStack, name: str) -> bool:
    """Bind the socket of one thing, unless somebody has."""
    holder = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
    try:
        holder.bind(f"\0rhodiff-{os.getuid()}-{name}")
    except OSError:
        holder.close()
        return False
    sockets.enter_context(holder)
    return True
