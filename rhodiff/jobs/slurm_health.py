"""What ``rhodiff-hpc doctor`` asks Slurm: whether it answers, and what of it jobs will meet. No Slurm is no fault."""

import os
from collections.abc import Iterator, Mapping
from pathlib import Path
from shutil import which

from rhodiff.errors import RhodiffError
from rhodiff.jobs.cluster_facts import Cluster
from rhodiff.jobs.limits import read_limits
from rhodiff.jobs.site_check import check_site
from rhodiff.jobs.sites import SiteProfile
from rhodiff.jobs.slurm_commands import run_slurm
from rhodiff.jobs.surroundings import read_surroundings
from rhodiff.runtime.health.checks import Check, Result

__all__ = ["slurm_checks"]

TITLE = "Slurm"
FIRST_ANSWER_S = 6.0
LIMIT_S = 25.0
NO_CLUSTER = "could not establish a configuration source"
TESTED = (22, 5)
"""The oldest Slurm that rhodiff was run on."""


def slurm_checks(site: str, profile: SiteProfile | None, environment: Mapping[str, str]) -> list[Check]:
    """All questions to Slurm.

    Args:
        site: name of the site profile.
        profile: the profile; None: it cannot be read, which another check tells.
        environment: usually ``os.environ``.
    """
    return [Check(TITLE, "slurm", lambda: check_slurm(site, profile, environment), LIMIT_S)]


def check_slurm(site: str, profile: SiteProfile | None, environment: Mapping[str, str]) -> Iterator[Result]:
    """Whether it answers; and then, what it has and allows."""
    missing = _without_commands(environment)
    if missing is not None:
        yield missing
        return
    silence = _why_silent(environment)
    if silence is not None:
        yield silence
        return
    cluster = read_limits()
    yield _version_result(cluster)
    yield _partition_result(cluster)
    yield _account_result(cluster)
    yield _accounting_result(cluster, environment)
    yield _requeue_result(cluster, profile)
    limits = f"arrays of at most {cluster.max_array_size:,} jobs, {cluster.kill_wait_s} s from SIGTERM to SIGKILL"
    yield Result("limits", "ok", limits + _submit_limits(cluster))
    if profile is not None:
        yield from _site_results(site, profile, cluster)


def _without_commands(environment: Mapping[str, str]) -> Result | None:
    if which("sbatch", path=environment.get("PATH")) and which("scontrol", path=environment.get("PATH")):
        return None
    if "SLURM_JOB_ID" in environment:
        found = f"this is job {environment['SLURM_JOB_ID']}, and this node has no 'sbatch' and 'scontrol' on the PATH"
        fix = "bind them into the container, or set 'may_requeue: false' in the site profile and submit with --chain"
        return Result("slurm", "warning", f"{found}: a job cannot put itself back into the queue", fix)
    if environment.get("SLURM_CONF"):
        found = f"SLURM_CONF is {environment['SLURM_CONF']}, and there is no 'sbatch' and 'scontrol' on the PATH"
        return Result("slurm", "fault", found, "load the site's module of Slurm, or unset SLURM_CONF")
    return Result("slurm", "absent", "there is none on the PATH: 'submit' starts processes of this machine")


def _why_silent(environment: Mapping[str, str]) -> Result | None:
    """One question, asked once: a controller that is down must not hold us up."""
    conf = environment.get("SLURM_CONF")
    if conf and not os.access(conf, os.R_OK):
        why = "cannot be read" if Path(conf).exists() else "does not exist"
        return Result("slurm", "fault", f"SLURM_CONF is {conf}, which {why}", "unset SLURM_CONF, or name the site's")
    answer = run_slurm(["scontrol", "show", "config"], FIRST_ANSWER_S)
    if answer.returncode == 0:
        return None
    if not conf and NO_CLUSTER in answer.stderr.lower():
        found = "its commands are here and know of no cluster"
        return Result("slurm", "warning", found, "'submit --local' does without; or set SLURM_CONF to the site's")
    fix = "'scontrol ping' tells whether the controller is up; if it is, look at SLURM_CONF"
    return Result("slurm", "fault", f"it does not answer: {answer.describe()}", fix)


def _version_result(cluster: Cluster) -> Result:
    found = f"Slurm {cluster.slurm_version}, cluster '{cluster.name}'"
    numbers = tuple(int(part) for part in cluster.slurm_version.split(".")[:2] if part.isdecimal())
    if numbers and numbers < TESTED:
        return Result("slurm", "warning", found, "rhodiff was run on Slurm 22.05 and later: try a small job first")
    return Result("slurm", "ok", found)


def _partition_result(cluster: Cluster) -> Result:
    """Nodes that work, by partition."""
    up = {name: own for name, own in cluster.partitions.items() if own.state == "UP"}
    found = ", ".join(
        f"{name}{'*' if own.is_default else ''} {own.num_up} of {own.num_nodes} nodes" for name, own in up.items()
    )
    if not any(own.num_up for own in up.values()):
        fix = "'sinfo -R' says why nodes are down; jobs wait until some are back"
        return Result("partitions", "fault", f"no node works ({found or 'no partition is up'})", fix)
    if cluster.default_partition is None:
        return Result(
            "partitions", "warning", f"{found}; none is the default", "name one by 'partition' or --partition"
        )
    return Result("partitions", "ok", found)


def _account_result(cluster: Cluster) -> Result:
    if cluster.associations is None:
        return Result("account", "absent", "not known without accounting")
    names = sorted({own.account for own in cluster.associations})
    if not names and cluster.enforces_accounts:
        return Result(
            "account", "fault", "you have none that jobs can be charged to", "ask the site's support for one"
        )
    if names and cluster.enforces_accounts and not any(own.is_default for own in cluster.associations):
        return Result(
            "account", "warning", f"{', '.join(names)}, none the default", "name one by 'account', --account"
        )
    return Result("account", "ok" if names else "absent", ", ".join(names) or "the cluster asks for none")


def _accounting_result(cluster: Cluster, environment: Mapping[str, str]) -> Result:
    if not cluster.has_accounting:
        found = "there is none: how jobs ended is known from rhodiff's markers, and from squeue for some minutes"
        return Result("accounting", "absent", found)
    if cluster.silent:
        found = "; ".join(cluster.silent)
        if "SLURM_JOB_ID" in environment:
            return Result("accounting", "absent", f"{found} from this node, and jobs do without: login nodes ask it")
        return Result("accounting", "warning", found, "ask again; if it stays so, tell the site")
    return Result("accounting", "ok", f"sacct; enforced: {', '.join(sorted(cluster.enforced)) or 'nothing'}")


def _requeue_result(cluster: Cluster, profile: SiteProfile | None) -> Result:
    if profile is not None and not profile.may_requeue:
        return Result("requeue", "absent", "the site profile forbids it: submit trainings with --chain")
    if cluster.requeues_by_default:
        return Result("requeue", "ok", "jobs go back into the queue when a node fails or a time limit nears")
    found = "the cluster requeues no job that does not ask for it (JobRequeue=0), and rhodiff's jobs ask"
    return Result("requeue", "ok", f"{found}; where the site forbids that: 'may_requeue: false' in its profile")


def _submit_limits(cluster: Cluster) -> str:
    own = [one.max_submitted_jobs for one in cluster.associations or () if one.max_submitted_jobs is not None]
    own += [one.max_submitted_jobs for one in (cluster.qos or {}).values() if one.max_submitted_jobs is not None]
    return f", as few as {min(own):,} jobs in the queue" if own and cluster.enforces_limits else ""


def _site_results(site: str, profile: SiteProfile, cluster: Cluster) -> Iterator[Result]:
    """What of the profile cannot work on this cluster."""
    fix = f"'rhodiff-hpc site check {site}' tells all; 'rhodiff-hpc site probe' what the cluster has"
    try:
        findings = check_site(profile, cluster, read_surroundings())
    except RhodiffError as error:
        findings = []
        yield Result("site-fit", "fault", str(error), fix)
    for finding in findings:
        if finding.is_problem:
            yield Result("site-fit", "fault", f"{finding.where}: {finding.text}", fix)
    if not any(finding.is_problem for finding in findings):
        yield Result("site-fit", "ok", f"site profile {site} fits the cluster")
