"""Processes that share the tasks of a stage: one alone, or the ranks of MPI.

Ranks work apart and meet rarely, so a meeting is polled with pauses instead of spun on, and news travel beside it: a
rank that fails or stops tells all others, who end at their next look. Where a rank is killed, its launcher ends the
others (hydra at once, srun with ``--kill-on-bad-exit``); what was committed to disk stays.

MPI itself is loaded only where a launcher started several processes. Its COMM_WORLD must then have the launcher's
size: an MPI that does not understand the launcher's PMI silently makes every process a world of its own, each of
which would do all the work.
"""

import socket
from abc import ABC, abstractmethod
from collections.abc import Iterator
from contextlib import contextmanager
from time import sleep
from typing import TYPE_CHECKING

from rhodiff.errors import EnvironmentLacksError, PeerEndedError, RhodiffError, StoppedEarly
from rhodiff.runtime.places import Place

if TYPE_CHECKING:
    from mpi4py import MPI

__all__ = ["ALONE", "Alone", "MpiTeam", "Team", "join_team"]

PAUSE_S = 0.02
"""Between two looks at a meeting: waiting ranks leave the cores to those that work."""
NEWS_TAG = 7401


class Team(ABC):
    """The processes that share a stage.

    Attributes:
        rank: number of this process, from 0.
        size: number of processes.
    """

    rank: int
    size: int

    @abstractmethod
    def look_for_news(self) -> None:
        """Look whether another process has ended; cheap enough between any two tasks.

        Raises:
            PeerEndedError: if one has told so.
        """

    @abstractmethod
    def meet(self) -> None:
        """Return when every process has come here.

        Raises:
            PeerEndedError: if one has ended instead.
        """


class Alone(Team):
    """A single process."""

    rank, size = 0, 1

    def look_for_news(self) -> None:
        """There is nobody to hear of."""

    def meet(self) -> None:
        """Everybody is here."""


ALONE = Alone()


class MpiTeam(Team):
    """The ranks of a communicator.

    Args:
        communicator: of mpi4py.
    """

    def __init__(self, communicator: "MPI.Intracomm") -> None:
        self._communicator = communicator
        self.rank, self.size = communicator.Get_rank(), communicator.Get_size()

    def look_for_news(self) -> None:
        """See :meth:`Team.look_for_news`."""
        if self._communicator.Iprobe(tag=NEWS_TAG):
            raise PeerEndedError(self._communicator.recv(tag=NEWS_TAG))

    def meet(self) -> None:
        """See :meth:`Team.meet`."""
        request = self._communicator.Ibarrier()
        while not request.Test():
            self.look_for_news()
            sleep(PAUSE_S)

    def tell(self, exit_code: int) -> None:
        """Have all others end with this code."""
        others = [rank for rank in range(self.size) if rank != self.rank]
        requests = [self._communicator.isend(exit_code, dest=rank, tag=NEWS_TAG) for rank in others]
        for request in requests:
            request.Free()  # a few bytes are on their way at once; nobody may be left to wait for them


@contextmanager
def join_team(place: Place) -> Iterator[Team]:
    """The processes that a launcher started with this one; an error in the block is told to the others.

    Args:
        place: where the launcher says that this process stands.

    Raises:
        EnvironmentLacksError: if mpi4py or an MPI library is missing, or does not fit the launcher.
    """
    if place.world_size == 1:
        yield ALONE
        return
    team = MpiTeam(_world(place))
    try:
        yield team
    except PeerEndedError:
        raise
    except StoppedEarly as stopped:
        team.tell(stopped.exit_code)
        raise
    except RhodiffError as error:
        team.tell(error.exit_code)
        where = f"process {team.rank} of {team.size} on {socket.gethostname()}"
        raise type(error)(f"{where}: {error}") from error
    except BaseException:
        team.tell(RhodiffError.exit_code)
        raise


def _world(place: Place) -> "MPI.Intracomm":
    try:
        from mpi4py import MPI
    except (ImportError, RuntimeError) as error:  # mpi4py raises RuntimeError where it finds no MPI library
        raise EnvironmentLacksError(
            f"a launcher started {place.world_size} processes, and they need MPI to share this stage: {error}. "
            "Install 'rhodiff[mpi]', or mpi4py beside the MPI of the site; without MPI use --procs, or --part for "
            "each process"
        ) from error
    size = MPI.COMM_WORLD.Get_size()
    if size != place.world_size:
        library = " ".join(MPI.Get_library_version().splitlines()[0].split())
        raise EnvironmentLacksError(
            f"the launcher started {place.world_size} processes, but MPI ({library}) finds {size}: it does not "
            "understand the launcher's PMI. With srun choose another type ('srun --mpi=list' names them, 'mpi' of "
            "the site profile sets it; MPICH and Intel MPI take pmi2); else use this MPI's own mpiexec"
        )
    return MPI.COMM_WORLD
