"""Which nodes an attempt that died at once speaks against."""

import re
from collections.abc import Sequence

from rhodiff.jobs.this_job import ThisJob

__all__ = ["find_suspects"]

OF_SRUN = re.compile(r"srun: error: (?P<node>[\w.-]+): tasks? [\d,-]+: (?!Exited with exit code)")
"""What ``srun`` says of ranks that a signal ended, e.g. ``srun: error: n3: task 5: Killed``."""


def find_suspects(job: ThisJob, last_lines: Sequence[str]) -> tuple[str, ...]:
    """Nodes; none where several are possible and nothing tells them apart.

    Of the ranks that a launcher tells about only the first counts: the others it has ended because of that one.

    Args:
        job: the job.
        last_lines: the end of what the attempt printed.
    """
    named = next((found["node"] for line in last_lines if (found := OF_SRUN.search(line))), None)
    if named is not None:
        return (named,)
    return (job.host,) if job.nodes == job.host else ()
