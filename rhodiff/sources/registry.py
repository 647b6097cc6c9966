"""The table from ``data.source.kind`` to the class that makes the fields.

A module is imported when its source is built, so that optional packages load only where they are used. Another
package adds a source by an entry point of the group ``rhodiff.plugins``, which names a callable
``(options: dict, folder: Path) -> Source``; it validates its options itself and raises
:class:`~rhodiff.errors.ConfigError`.
"""

from importlib import import_module
from importlib.metadata import EntryPoint, entry_points
from pathlib import Path

from rhodiff.config.sources import PluginSource, SourceSettings
from rhodiff.errors import ConfigError, EnvironmentLacksError
from rhodiff.sources.source import Source

__all__ = ["PLUGIN_GROUP", "build_source"]

PLUGIN_GROUP = "rhodiff.plugins"
"""Entry point group of sources, models, samplers and statistics from other packages."""

_CLASSES = {
    "arrays": ("rhodiff.sources.arrays", "Arrays"),
    "camels": ("rhodiff.sources.camels", "Camels"),
    "cosmic_web": ("rhodiff.sources.cosmic_web", "CosmicWeb"),
    "dust": ("rhodiff.sources.dust", "Dust"),
    "harmonics": ("rhodiff.sources.harmonics", "Harmonics"),
}


def build_source(settings: SourceSettings, folder: Path) -> Source:
    """The data source that the settings ask for.

    Args:
        settings: ``data.source`` of the experiment.
        folder: folder of the experiment file; relative paths start here.

    Returns:
        The source, validated against its input files.

    Raises:
        ConfigError: for a plug-in that is not installed or makes no source, and as the source itself raises.
        DataError: as the source itself raises.
        EnvironmentLacksError: if a package that the source needs is not installed.
    """
    try:
        if isinstance(settings, PluginSource):
            return _build_plugin(settings, folder)
        module, name = _CLASSES[settings.kind]
        source: Source = getattr(import_module(module), name)(settings, folder)
    except ModuleNotFoundError as error:
        raise EnvironmentLacksError(
            f"data.source.kind '{settings.kind}' needs the package '{error.name}', which is not installed here"
        ) from error
    return source


def _build_plugin(settings: PluginSource, folder: Path) -> Source:
    source = _find_plugin(settings.name).load()(settings.options, folder)
    if not isinstance(source, Source):
        raise ConfigError(
            f"data.source.name: the plug-in '{settings.name}' made a {type(source).__name__}, it must make a "
            "rhodiff.sources.source.Source; is it a plug-in of another kind?"
        )
    return source


def _find_plugin(name: str) -> EntryPoint:
    installed = entry_points(group=PLUGIN_GROUP)
    if name not in installed.names:
        known = ", ".join(sorted(installed.names)) or "none"
        raise ConfigError(
            f"data.source.name: no plug-in '{name}' under the entry point group '{PLUGIN_GROUP}' "
            f"(installed: {known}); install its package into this environment or correct the name"
        )
    return installed[name]
