"""Which nodes an attempt that died at once speaks against."""

import re
from collections.abc import Sequence

from rhodiff.jobs.this_job import ThisJob

__all__ = ["find_suspects"]

OF_SRUN = re.compile(r"srun: error: (?P<node>[\w.-]+): tasks? [\d,-]+: (?!Exited with exit code)")
"""What ``srun`` says of ranks that a signal ended, e.g. ``srun: error: n3: task 5: Killed``."""


def find_suspects(job: ThisJob, last_lines: Sequence[str]) -> tuple[str, ...]:
    """Nodes, sorted; none where several nodes are possible and nothing tells them apart.

    Args:
        job: the job.
        last_lines: the end of what the attempt printed.
    """
    named = {found["node"] for line in last_lines if (found := OF_SRUN.search(line))}
    if named:
        return tuple(sorted(named))
    return (job.host,) if job.nodes == job.host else ()
