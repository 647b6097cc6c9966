"""The table from ``data.source.kind`` to the class that makes the fields.

A module is imported when its source is built, so that optional packages load only where they are used. Another
package adds a source by an entry point of the group ``rhodiff.plugins``, which names a callable
``(options: dict, folder: Path) -> Source``; it validates its options itself and raises
:class:`~rhodiff.errors.ConfigError`.
"""

from importlib import import_module
from pathlib import Path

from rhodiff.config.sources import PluginSource, SourceSettings
from rhodiff.errors import EnvironmentLacksError
from rhodiff.runtime.plugins import build_plugin
from rhodiff.sources.source import Source

__all__ = ["build_source"]

_CLASSES = {
    "arrays": ("rhodiff.sources.arrays", "Arrays"),
    "camels": ("rhodiff.sources.camels", "Camels"),
    "cosmic_web": ("rhodiff.sources.cosmic_web", "CosmicWeb"),
    "deepgalaxy": ("rhodiff.sources.deepgalaxy", "DeepGalaxy"),
    "dust": ("rhodiff.sources.dust", "Dust"),
    "harmonics": ("rhodiff.sources.harmonics", "Harmonics"),
    "mergers": ("rhodiff.sources.mergers", "Mergers"),
    "spectra": ("rhodiff.sources.spectra", "Spectra"),
    "spectra_file": ("rhodiff.sources.spectra_file", "SpectraFile"),
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
            return build_plugin(
                settings.name,
                "data.source.name",
                Source,  # type: ignore[type-abstract]
                lambda build: build(settings.options, folder),
            )
        module, name = _CLASSES[settings.kind]
        source: Source = getattr(import_module(module), name)(settings, folder)
    except ModuleNotFoundError as error:
        raise EnvironmentLacksError(
            f"data.source.kind '{settings.kind}' needs the package '{error.name}', which is not installed here"
        ) from error
    return source
