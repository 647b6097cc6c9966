"""Parts that other packages provide under the entry point group ``rhodiff.plugins``.

[project.entry-points."rhodiff.plugins"]
peak_counts = "my_package.peaks:PeakCounts"
"""

from collections.abc import Callable
from importlib.metadata import EntryPoint, entry_points
from typing import Any, TypeVar

from rhodiff.errors import ConfigError

__all__ = ["PLUGIN_GROUP", "build_plugin"]

PLUGIN_GROUP = "rhodiff.plugins"
"""Entry point group that other packages register in."""

Made = TypeVar("Made")


def build_plugin(name: str, key_path: str, kind: type[Made], call: Callable[[Any], Any]) -> Made:
    """Find a plug-in and have it make its part.

    Args:
        name: name of the entry point.
        key_path: where the experiment file names it, for errors.
        kind: what it must make.
        call: calls what the entry point loads to, e.g. ``lambda build: build(options, folder)``.

    Raises:
        ConfigError: if there is none or several of that name, it does not load, refuses how it is called, or makes
            something else.
    """
    where = f"{key_path}: plug-in '{name}'"
    point = _find(name, where)
    try:
        factory = point.load()
    except (ImportError, AttributeError) as error:
        raise ConfigError(f"{where} ({point.value}) does not load: {error}; repair its installation") from error
    try:
        made = call(factory)
    except (TypeError, ValueError) as error:
        raise ConfigError(f"{where} refuses its options: {error}") from error
    if not isinstance(made, kind):
        raise ConfigError(
            f"{where} made a {type(made).__name__}, it must make a {kind.__name__}: is it a plug-in of another kind?"
        )
    return made


def _find(name: str, where: str) -> EntryPoint:
    installed = entry_points(group=PLUGIN_GROUP)
    found = [point for point in installed if point.name == name]
    if not found:
        known = ", ".join(sorted(point.name for point in installed)) or "none"
        raise ConfigError(
            f"{where} is not installed in the entry point group '{PLUGIN_GROUP}' (installed: {known}): install its "
            "package into this environment or correct the name"
        )
    if len({point.value for point in found}) > 1:
        raise ConfigError(f"{where} is offered by several packages: {', '.join(point.value for point in found)}")
    return found[0]
