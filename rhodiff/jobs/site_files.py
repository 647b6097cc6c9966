"""Site profiles as files: those that come with rhodiff, by name, and the user's own, by path."""

from pathlib import Path

from rhodiff.config.loading import parse_section, read_yaml
from rhodiff.config.shipped import read_shipped, shipped_names
from rhodiff.errors import ConfigError
from rhodiff.jobs.sites import SiteProfile

__all__ = ["GENERIC", "KIND", "SITE_VARIABLE", "list_sites", "load_site", "read_site_text"]

GENERIC = "generic"
"""The profile of a cluster that nothing is known about."""
SITE_VARIABLE = "RHODIFF_SITE"
"""Names the profile where neither command line nor experiment does."""
KIND = "slurm"
"""Shipped folder of the profiles."""


def list_sites() -> dict[str, SiteProfile]:
    """The profiles that come with rhodiff, by name."""
    return {name: load_site(name) for name in shipped_names(KIND)}


def load_site(name: str) -> SiteProfile:
    """Read a site profile.

    Args:
        name: of a shipped profile, or path of a YAML file: whatever ends in ``.yaml`` or ``.yml`` or has a ``/``.

    Raises:
        ConfigError: if there is none, or naming every wrong key path in it.
    """
    profile = parse_section(SiteProfile, read_yaml(read_site_text(name), name), f"site profile {name}")
    _check_gres(profile, name)
    return profile


def read_site_text(name: str) -> str:
    """Text of a site profile.

    Args:
        name: as for :func:`load_site`.

    Raises:
        ConfigError: if there is none.
    """
    path = Path(name).expanduser()
    if path.suffix not in {".yaml", ".yml"} and "/" not in name:
        if name not in shipped_names(KIND):
            raise ConfigError(
                f"there is no site profile '{name}'; there are: {', '.join(shipped_names(KIND))}. One of your own is "
                "named by its file, e.g. ./mysite.yaml, which 'rhodiff-hpc site probe --write mysite.yaml' starts"
            )
        return read_shipped(KIND, name)
    try:
        return path.read_text(encoding="utf-8")
    except FileNotFoundError:
        raise ConfigError(f"there is no site profile {path} (looked in {Path.cwd()})") from None
    except (OSError, UnicodeDecodeError) as error:
        raise ConfigError(f"cannot read the site profile {path}: {error}") from error


def _check_gres(profile: SiteProfile, name: str) -> None:
    if profile.gres is None:
        return
    try:
        same = profile.gres.format(count=1) == profile.gres.format(count=2)
    except (KeyError, IndexError, ValueError):
        same = True
    if same:
        raise ConfigError(
            f"site profile {name}: gres: got '{profile.gres}', which has no place for the number of GPUs: write "
            "'{count}' there, e.g. 'gpu:{count}'"
        )
