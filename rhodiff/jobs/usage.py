"""How busy jobs kept what they were given: CPU time and memory, from one ``sacct``, where the site allows that.

Memory is that of the largest process (``MaxRSS``), sampled every half a minute or so: short peaks are missed, and
jobs shorter than that have none.
"""

import re
from collections.abc import Sequence
from dataclasses import dataclass

from rhodiff.errors import EnvironmentLacksError, SchedulerUnreachableError
from rhodiff.jobs.slurm_commands import ask_slurm

__all__ = ["Usage", "measure_usage", "parse_usage"]

FIELDS = "JobID,MaxRSS,TotalCPU,ElapsedRaw,AllocCPUS"
DEADLINE_S = 10.0
UNITS = {"": 1.0, "K": 1024.0, "M": 1024.0**2, "G": 1024.0**3, "T": 1024.0**4}
SIZE = re.compile(r"(\d+(?:\.\d+)?)([KMGT]?)")
TIME = re.compile(r"(?:(\d+)-)?(?:(\d+):)?(\d+):(\d+(?:\.\d+)?)")


@dataclass(frozen=True)
class Usage:
    """What a job used, all its attempts together.

    Attributes:
        cpu_s: CPU seconds that its processes computed.
        core_s: CPU seconds that it was given.
        memory_gb: most memory of one process; None where it was not sampled.
    """

    cpu_s: float
    core_s: float
    memory_gb: float | None


def measure_usage(jobs: Sequence[str]) -> dict[str, Usage]:
    """What jobs used, by id (that of the whole array); nothing where nobody says.

    Args:
        jobs: ids.
    """
    if not jobs:
        return {}
    try:
        answer = ask_slurm(["sacct", "-n", "-P", "-D", "-j", ",".join(jobs), "-o", FIELDS], DEADLINE_S)
    except (SchedulerUnreachableError, EnvironmentLacksError):
        return {}
    return parse_usage(answer.stdout) if answer.returncode == 0 else {}


def parse_usage(text: str) -> dict[str, Usage]:
    """Read what ``sacct`` prints for :data:`FIELDS`; lines that cannot be read are left out."""
    found: dict[str, Usage] = {}
    for line in text.splitlines():
        name, _, rest = line.partition("|")
        fields = rest.split("|")
        if len(fields) != FIELDS.count(","):
            continue
        job = re.split(r"[_.+]", name)[0]
        found[job] = _added(found.get(job, Usage(0.0, 0.0, None)), fields, is_step="." in name)
    return found


def _added(before: Usage, fields: Sequence[str], *, is_step: bool) -> Usage:
    """Steps tell memory; a job's own line tells its time, that of its steps included."""
    memory, cpu, elapsed, cores = fields
    if is_step:
        sizes = [size for size in (before.memory_gb, _gigabytes(memory)) if size is not None]
        return Usage(before.cpu_s, before.core_s, max(sizes, default=None))
    given = float(elapsed) * float(cores) if elapsed.isdecimal() and cores.isdecimal() else 0.0
    return Usage(before.cpu_s + _seconds(cpu), before.core_s + given, before.memory_gb)


def _gigabytes(text: str) -> float | None:
    match = SIZE.fullmatch(text)
    return None if match is None else float(match[1]) * UNITS[match[2]] / 1e9


def _seconds(text: str) -> float:
    match = TIME.fullmatch(text)
    if match is None:
        return 0.0
    days, hours, minutes, seconds = (float(group or 0) for group in match.groups())
    return ((days * 24 + hours) * 60 + minutes) * 60 + seconds
