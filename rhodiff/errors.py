"""The one error tree of rhodiff; every class carries the exit code that the command line ends with.

A message says what was got, what is allowed and what to do, and names the key path or the file.
"""

__all__ = [
    "ConfigError",
    "DataError",
    "EnvironmentLacksError",
    "PeerEndedError",
    "PeerLostError",
    "RhodiffError",
    "RunBusyError",
    "SchedulerUnreachableError",
    "StoppedEarly",
    "SubmissionRefusedError",
    "SubmissionUncertainError",
]


class RhodiffError(Exception):
    """A stage or job failed in a way that we can explain (exit code 1)."""

    exit_code = 1


class ConfigError(RhodiffError):
    """The request itself is wrong: unknown key, wrong type, impossible combination (exit code 2)."""

    exit_code = 2


class DataError(RhodiffError):
    """An input or a stored file is not what it claims to be: truncated, NaN, wrong shape (exit code 2)."""

    exit_code = 2


class RunBusyError(RhodiffError):
    """Another live process works on the same run or data folder (exit code 1)."""


class SubmissionRefusedError(RhodiffError):
    """The scheduler refused a job: unknown account, a limit, a partition that is down (exit code 2)."""

    exit_code = 2


class SchedulerUnreachableError(RhodiffError):
    """The scheduler does not answer; nothing is known about jobs meanwhile (exit code 3)."""

    exit_code = 3


class SubmissionUncertainError(RhodiffError):
    """A job was handed to the scheduler and it is not known yet whether it took it (exit code 4)."""

    exit_code = 4


class EnvironmentLacksError(RhodiffError):
    """The environment lacks something that was demanded: a package, a device, a backend (exit code 5)."""

    exit_code = 5


class PeerEndedError(RhodiffError):
    """All processes of a training end for one reason, which the first of them tells: nothing more is to be said.

    Args:
        exit_code: that of the reason.
    """

    def __init__(self, exit_code: int) -> None:
        super().__init__("the first process of this training says why it ended")
        self.exit_code = exit_code


class PeerLostError(RhodiffError):
    """Another process of a training is gone; what was saved is intact and the same command goes on (exit code 76)."""

    exit_code = 76


class StoppedEarly(RhodiffError):  # noqa: N818 - not an error: the state is saved
    """The work stopped on purpose before its end and goes on when the command is repeated (exit code 75)."""

    exit_code = 75
