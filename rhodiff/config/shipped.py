"""Files that come with rhodiff: the copy inside an installed wheel, else the checkout the package runs from."""

from pathlib import Path

from rhodiff.errors import ConfigError

__all__ = ["read_shipped", "shipped_folder", "shipped_names"]

PACKAGE = Path(__file__).resolve().parent.parent


def shipped_folder(kind: str) -> Path:
    """Folder of the shipped files of a kind (``configs``, ``workflows``).

    Raises:
        ConfigError: if the installation lacks them.
    """
    for folder in (PACKAGE / "_shipped" / kind, PACKAGE.parent / kind):
        if folder.is_dir():
            return folder
    raise ConfigError(f"this installation of rhodiff lacks its folder '{kind}': install it again")


def shipped_names(kind: str) -> list[str]:
    """Names of the shipped YAML files of a kind, without ending, sorted."""
    return sorted(path.stem for path in shipped_folder(kind).glob("*.yaml"))


def read_shipped(kind: str, name: str) -> str:
    """Text of a shipped YAML file.

    Raises:
        ConfigError: naming what there is, if there is none of that name.
    """
    path = shipped_folder(kind) / f"{name}.yaml"
    if name not in shipped_names(kind):
        raise ConfigError(f"no shipped {kind} called '{name}'; there are: {', '.join(shipped_names(kind))}")
    return path.read_text(encoding="utf-8")
