"""``rhodiff-hpc doctor``: which checks there are for a place and an experiment, and what is demanded of them."""

import os
from collections.abc import Callable, Mapping, MutableMapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from rhodiff.config.experiment import Runtime
from rhodiff.errors import ConfigError
from rhodiff.jobs.site_files import GENERIC, SITE_VARIABLE, load_site
from rhodiff.jobs.site_variables import proposals_of
from rhodiff.jobs.sites import SiteProfile
from rhodiff.jobs.slurm_health import slurm_checks
from rhodiff.runtime.contract import SITE_VARIABLES, write_site_proposals
from rhodiff.runtime.health.checks import Check, Result, Section, run_checks
from rhodiff.runtime.health.engine import engine_checks
from rhodiff.runtime.health.folders import folder_checks
from rhodiff.runtime.health.machine import machine_checks
from rhodiff.runtime.health.mpi import compare_world, mpi_checks
from rhodiff.runtime.health.software import broken_torch, software_checks
from rhodiff.runtime.places import Place

__all__ = [
    "DEMANDABLE",
    "Examination",
    "Patient",
    "all_checks",
    "check_demands",
    "examine",
    "examine_together",
    "find_missing",
    "node_checks",
]

DEMANDABLE = (
    "xpu",
    "cuda",
    "xccl",
    "ccl",
    "nccl",
    "gloo",
    "oneccl",
    "ipex",
    "training",
    "compiler",
    "mpi",
    "apptainer",
    "slurm",
    "account",
    "accounting",
    "requeue",
    "site",
    "site-fit",
    "folder",
    "locking",
    "all-reduce",
    "arithmetic",
    "step",
    "resume",
    "sampling",
)
"""What ``--require`` takes: names of results, the last ones of ``selftest``."""


@dataclass(frozen=True)
class Patient:
    """What is looked at.

    Attributes:
        runtime: devices and backends that the experiment asks for.
        folder: folder of the runs.
        site: name of the site profile; None: ``$RHODIFF_SITE``, else ``generic``.
        num_processes: processes of a training.
    """

    runtime: Runtime
    folder: Path
    site: str | None = None
    num_processes: int = 2

    @property
    def site_name(self) -> str:
        """Name of the profile that counts."""
        return self.site or os.environ.get(SITE_VARIABLE) or GENERIC


@dataclass(frozen=True)
class Examination:
    """What was found.

    Attributes:
        sections: results.
        all_reduce: times of all-reduces by backend, JSON values; empty for a single process.
    """

    sections: tuple[Section, ...]
    all_reduce: tuple[dict[str, Any], ...] = ()


def examine(patient: Patient, environment: Mapping[str, str]) -> Examination:
    """What this process finds by itself.

    Args:
        patient: what is looked at.
        environment: usually ``os.environ``.
    """
    return Examination(tuple(run_checks(all_checks(patient, environment))))


def all_checks(patient: Patient, environment: Mapping[str, str]) -> list[Check]:
    """Every check of this machine, cheap to ask for: nothing is looked at before they are run.

    Args:
        patient: what is looked at.
        environment: usually ``os.environ``.
    """
    profile, results = _read_profile(patient)
    return [
        *software_checks(environment),
        *_collectives(patient, profile, environment),
        *mpi_checks(),
        *engine_checks(environment),
        *slurm_checks(patient.site_name, profile, environment),
        Check("Slurm", "site", lambda: results),
        *folder_checks(patient.folder),
        *machine_checks(environment),
    ]


def node_checks(patient: Patient, environment: Mapping[str, str]) -> list[Check]:
    """The checks that each compute node answers for itself."""
    profile, _ = _read_profile(patient)
    return [
        *software_checks(environment),
        *_collectives(patient, profile, environment),
        *engine_checks(environment),
        *folder_checks(patient.folder),
        *machine_checks(environment),
    ]


def _read_profile(patient: Patient) -> tuple[SiteProfile | None, tuple[Result, ...]]:
    """The profile, and what is to be said of it."""
    name = patient.site_name
    try:
        profile = load_site(name)
    except ConfigError as error:
        fix = (
            f"mend or replace it: --site, jobs.site or {SITE_VARIABLE} names it; 'rhodiff-hpc site list' shows others"
        )
        return None, (Result("site", "fault", str(error), fix),)
    verified = "rhodiff has been run with it" if profile.verified else "nobody has run rhodiff with it yet"
    return profile, (Result("site", "ok", f"profile {name} of {profile.updated}: {profile.description}; {verified}"),)


def _collectives(patient: Patient, profile: SiteProfile | None, environment: Mapping[str, str]) -> list[Check]:
    """Checks that load torch, or why it cannot be loaded."""
    told = dict(environment)
    if profile is not None and profile.environment and SITE_VARIABLES not in told:
        told[SITE_VARIABLES] = write_site_proposals(proposals_of(patient.site_name, profile))
    try:  # here and not in a thread: while it is loaded, nothing else runs
        from rhodiff.runtime.health.collectives import collective_checks
    except (ImportError, OSError) as error:
        return [broken_torch(error)]
    return collective_checks(patient.runtime, patient.num_processes, told)


def examine_together(
    patient: Patient,
    place: Place,
    environment: MutableMapping[str, str],
    tell: Callable[[Examination], None],
) -> Examination:
    """What several processes find, each on its node and all together; they all call it.

    Args:
        patient: what is looked at.
        place: this process's place.
        environment: usually ``os.environ``; what backends are to be told is set there.
        tell: called as soon as something is known, and again when there is more: what comes later may hang.

    Raises:
        RhodiffError: if the processes cannot meet.
    """
    from rhodiff.runtime.health.all_reduce import BackendTimes
    from rhodiff.runtime.health.collectives import usable_backends
    from rhodiff.runtime.health.together import hold_meeting, results_of, try_backends
    from rhodiff.runtime.probing import probe_environment
    from rhodiff.runtime.resolution import choose_device

    patient = replace(patient, num_processes=place.world_size)
    own = run_checks(node_checks(patient, environment)) if place.local_rank == 0 else []
    probes = probe_environment(loads_oneccl=True)
    backends = usable_backends(choose_device("auto", probes)[-1].candidate, probes)
    meeting = hold_meeting(place, own, backends, patient.folder)

    def known(times: Sequence[BackendTimes], *more: Section) -> Examination:
        sections = (meeting.sections[0], results_of(times), *more, *meeting.sections[1:])
        return Examination(sections, tuple(one.to_plain() for one in times))

    times = try_backends(meeting, patient.runtime, place, environment, lambda so_far: tell(known(so_far)))
    if any(one.backend == "oneccl" for one in times):  # both end in 'double free' then (Intel MPI 2021.18)
        why = "oneCCL ran in these processes, and MPI is not started beside it: run it without the extra 'oneccl'"
        found = known(times, Section("MPI", (Result("mpi-size", "absent", why),)))
    else:
        hangs = Result("mpi-size", "fault", "MPI did not start: it hangs (see the job's log)")
        tell(known(times, Section("MPI", (hangs,))))
        found = known(times, Section("MPI", (compare_world(place),)))
    tell(found)
    return found


def check_demands(demands: Sequence[str]) -> None:
    """Refuse demands that nothing answers.

    Raises:
        ConfigError: naming what can be demanded.
    """
    unknown = [name for name in demands if name not in DEMANDABLE]
    if unknown:
        raise ConfigError(f"--require {unknown[0]}: it is none of {', '.join(DEMANDABLE)}")


def find_missing(sections: Sequence[Section], demands: Sequence[str]) -> list[Result]:
    """What was demanded and is not there, or does not work.

    Args:
        sections: what was found.
        demands: names of results.
    """
    results = [result for section in sections for result in section.results]
    missing = []
    for name in dict.fromkeys(demands):
        found = [result for result in results if result.name == name]
        missing += [result for result in found if result.state in {"absent", "fault"}]
        missing += [] if found else [Result(name, "absent", "nothing was found out about it here")]
    return missing
