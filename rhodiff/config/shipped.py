"""Files that come with rhodiff: the copy inside an installed or pinned package, else the checkout it runs from."""

from importlib.resources import files
from importlib.resources.abc import Traversable
from pathlib import Path

from rhodiff.errors import ConfigError

__all__ = ["SHIPPED_KINDS", "read_shipped", "shipped_folder", "shipped_names"]

SHIPPED_KINDS = ("configs", "workflows", "slurm", "containers")
"""What there is: experiments, workflows, site profiles, and container definitions."""


def shipped_folder(kind: str) -> Traversable:
    """Folder of the shipped files of a kind.

    Raises:
        ConfigError: if the installation lacks them.
    """
    package = files("rhodiff")
    inside = package / "_shipped" / kind
    if inside.is_dir():
        return inside
    if isinstance(package, Path) and (package.parent / kind).is_dir():
        return package.parent / kind
    raise ConfigError(f"this installation of rhodiff lacks its folder '{kind}': install it again")


def shipped_names(kind: str) -> list[str]:
    """Names of the shipped YAML files of a kind, without ending, sorted."""
    names = [file.name for file in shipped_folder(kind).iterdir()]
    return sorted(name.removesuffix(".yaml") for name in names if name.endswith(".yaml"))


def read_shipped(kind: str, name: str) -> str:
    """Text of a shipped YAML file.

    Raises:
        ConfigError: naming what there is, if there is none of that name.
    """
    if name not in shipped_names(kind):
        raise ConfigError(f"no shipped {kind} called '{name}'; there are: {', '.join(shipped_names(kind))}")
    return (shipped_folder(kind) / f"{name}.yaml").read_text(encoding="utf-8")
