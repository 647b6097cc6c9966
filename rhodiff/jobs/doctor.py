"""``rhodiff-hpc doctor``: which checks there are for a place and an experiment, and what is demanded of them."""

import os
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from rhodiff.config.experiment import Runtime
from rhodiff.errors import ConfigError
from rhodiff.jobs.site_files import GENERIC, SITE_VARIABLE, load_site
from rhodiff.jobs.site_variables import proposals_of
from rhodiff.jobs.sites import SiteProfile
from rhodiff.jobs.slurm_health import slurm_checks
from rhodiff.runtime.contract import SITE_VARIABLES, write_site_proposals
from rhodiff.runtime.health.checks import Check, Result, Section
from rhodiff.runtime.health.folders import folder_checks
from rhodiff.runtime.health.machine import machine_checks
from rhodiff.runtime.health.mpi import mpi_checks
from rhodiff.runtime.health.software import broken_torch, software_checks

__all__ = ["DEMANDABLE", "Patient", "all_checks", "check_demands", "find_missing", "node_checks"]

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
    "slurm",
    "account",
    "accounting",
    "requeue",
    "site",
    "site-fit",
    "folder",
    "locking",
    "all-reduce",
)
"""What ``--require`` takes: names of results."""


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


def all_checks(patient: Patient, environment: Mapping[str, str]) -> list[Check]:
    """Every check of this machine, cheap to ask for: nothing is looked at before they are run.

    Args:
        patient: what is looked at.
        environment: usually ``os.environ``.
    """
    profile, results = _read_profile(patient)
    return [
        *_software(environment),
        *_collectives(patient, profile, environment),
        *mpi_checks(),
        *slurm_checks(patient.site_name, profile, environment),
        Check("Slurm", "site", lambda: results),
        *folder_checks(patient.folder),
        *machine_checks(environment),
    ]


def node_checks(patient: Patient, environment: Mapping[str, str]) -> list[Check]:
    """The checks that each compute node answers for itself."""
    profile, _ = _read_profile(patient)
    return [
        *_software(environment),
        *_collectives(patient, profile, environment),
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
    verified = "somebody ran rhodiff there" if profile.verified else "nobody has run rhodiff there yet"
    return profile, (Result("site", "ok", f"profile {name} of {profile.updated}: {profile.description}; {verified}"),)


def _software(environment: Mapping[str, str]) -> Iterator[Check]:
    yield from software_checks(environment)


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
