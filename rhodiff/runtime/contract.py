"""The environment that libraries of a training read: each variable with its value, whose it is, and why.

The user's own value always wins, then the site profile's, then the default that rhodiff proposes. Defaults are what
holds on any machine; what depends on a site (a fabric's provider, thresholds of algorithms) is in its profile, dated.
"""

import json
from collections.abc import Iterable, Mapping, MutableMapping
from dataclasses import asdict, dataclass
from typing import Literal

__all__ = [
    "SITE_VARIABLES",
    "Proposal",
    "SiteProposals",
    "Variable",
    "apply_variables",
    "read_site_proposals",
    "settle_variables",
    "write_site_proposals",
]

SITE_VARIABLES = "RHODIFF_SITE_VARIABLES"
"""Variable by which processes are told what the site profile proposes, as JSON."""


@dataclass(frozen=True)
class Proposal:
    """What a variable should be.

    Attributes:
        value: its value.
        reason: why.
    """

    value: str
    reason: str


@dataclass(frozen=True)
class SiteProposals:
    """What a site profile proposes.

    Attributes:
        site: name of the profile, with its date and whether somebody ran rhodiff there with it.
        variables: name -> proposal.
    """

    site: str
    variables: Mapping[str, Proposal]


NO_SITE = SiteProposals("none", {})


@dataclass(frozen=True)
class Variable:
    """A variable as it is.

    Attributes:
        name: its name.
        value: its value.
        origin: who set it.
        reason: why; for the user's own value what it takes the place of.
    """

    name: str
    value: str
    origin: Literal["user", "profile", "default"]
    reason: str


def settle_variables(
    environment: Mapping[str, str], site: SiteProposals, defaults: Mapping[str, Proposal]
) -> list[Variable]:
    """What each variable is to be.

    Args:
        environment: usually ``os.environ``. A value that is just what is proposed counts as proposed: a job, or a
            training before this one, has set it.
        site: what the site profile proposes.
        defaults: what rhodiff proposes.

    Returns:
        One for each name that is proposed, sorted.
    """
    return [_settle(name, environment, site, defaults) for name in sorted({*site.variables, *defaults})]


def apply_variables(variables: Iterable[Variable], environment: MutableMapping[str, str]) -> None:
    """Set those that are not set."""
    for variable in variables:
        environment.setdefault(variable.name, variable.value)


def write_site_proposals(proposals: SiteProposals) -> str:
    """The value of :data:`SITE_VARIABLES`."""
    return json.dumps(asdict(proposals))


def read_site_proposals(environment: Mapping[str, str]) -> SiteProposals:
    """What a job, or the command line, says that the site profile proposes."""
    text = environment.get(SITE_VARIABLES)
    if not text:
        return NO_SITE
    told = json.loads(text)
    return SiteProposals(told["site"], {name: Proposal(**proposal) for name, proposal in told["variables"].items()})


def _settle(
    name: str, environment: Mapping[str, str], site: SiteProposals, defaults: Mapping[str, Proposal]
) -> Variable:
    ours, theirs = defaults.get(name), site.variables.get(name)
    proposed = theirs or ours
    assert proposed is not None, "only names that are proposed are settled"
    source = f"site profile {site.site}" if theirs is not None else "default"
    given = environment.get(name)
    if given is not None and given != proposed.value:
        return Variable(name, given, "user", f"in place of {proposed.value} ({source}: {proposed.reason})")
    if theirs is not None:
        return Variable(name, theirs.value, "profile", f"{theirs.reason} ({source})")
    return Variable(name, proposed.value, "default", proposed.reason)
