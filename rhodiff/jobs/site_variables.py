"""What a site profile proposes for the environment, in the words that the processes of a training are told."""

from collections.abc import MutableMapping

from rhodiff.jobs.site_files import SITE_VARIABLE, load_site
from rhodiff.jobs.sites import SiteProfile
from rhodiff.runtime.contract import SITE_VARIABLES, Proposal, SiteProposals, write_site_proposals
from rhodiff.runtime.launcher_variables import LAUNCHER

__all__ = ["proposals_of", "tell_site_variables"]


def proposals_of(site: str, profile: SiteProfile) -> SiteProposals:
    """Variables of a profile, with how old it is and whether it was verified.

    Args:
        site: name of the profile.
        profile: the profile.
    """
    verified = "" if profile.verified else ", not verified on the site"
    variables = {name: Proposal(variable.value, variable.reason) for name, variable in profile.environment.items()}
    return SiteProposals(f"{site} of {profile.updated}{verified}", variables)


def tell_site_variables(site: str | None, environment: MutableMapping[str, str]) -> None:
    """Name the profile's variables to this process and those below it, as a job of ``submit`` does.

    Only inside a job of Slurm, where somebody runs a training by hand; elsewhere the fabric of a site means nothing.

    Args:
        site: ``jobs.site``; None: ``$RHODIFF_SITE``.
        environment: usually ``os.environ``.

    Raises:
        ConfigError: if there is no such profile.
    """
    name = site or environment.get(SITE_VARIABLE)
    is_by_hand = "SLURM_JOB_ID" in environment and not environment.keys() & {LAUNCHER, SITE_VARIABLES}
    if name and is_by_hand:
        environment[SITE_VARIABLES] = write_site_proposals(proposals_of(name, load_site(name)))
