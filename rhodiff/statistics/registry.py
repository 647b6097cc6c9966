"""Which statistic a name in the experiment file stands for, built-in or from another package.

Another package adds a statistic with an entry point in the group ``rhodiff.plugins`` that loads to a callable (a
class or a function): called with the options of the experiment file as keywords, it returns a
:class:`~rhodiff.statistics.statistic.Statistic`.

    [project.entry-points."rhodiff.plugins"]
    peak_counts = "my_package.peaks:PeakCounts"
"""

from importlib.metadata import EntryPoint, entry_points

from rhodiff.config.evaluation import PixelDistribution, PluginStatistic, PowerSpectrum, StatisticSettings
from rhodiff.errors import ConfigError
from rhodiff.statistics.statistic import SpectrumStatistic, Statistic, ValueDensity

__all__ = ["PLUGIN_GROUP", "build_statistic"]

PLUGIN_GROUP = "rhodiff.plugins"
"""Entry point group that other packages register in."""


def build_statistic(settings: StatisticSettings) -> Statistic:
    """The statistic that these settings describe.

    Raises:
        ConfigError: if a plug-in is unknown, does not load, or refuses its options.
    """
    match settings:
        case PowerSpectrum():
            return SpectrumStatistic(settings)
        case PixelDistribution():
            return ValueDensity(settings)
        case PluginStatistic():
            return _build_plugin(settings)


def _build_plugin(settings: PluginStatistic) -> Statistic:
    where = f"evaluation.statistics: plug-in {settings.name!r}"
    factory = _find_plugin(settings.name, where)
    try:
        statistic = factory.load()(**settings.options)
    except (ImportError, AttributeError) as error:
        raise ConfigError(f"{where} ({factory.value}) does not load: {error}; repair its installation") from error
    except (TypeError, ValueError) as error:
        raise ConfigError(f"{where} refuses the options {settings.options}: {error}") from error
    if not isinstance(statistic, Statistic):
        raise ConfigError(f"{where} made a {type(statistic).__name__}, not a rhodiff.statistics.Statistic")
    return statistic


def _find_plugin(name: str, where: str) -> EntryPoint:
    installed = entry_points(group=PLUGIN_GROUP)
    found = [entry for entry in installed if entry.name == name]
    if not found:
        known = ", ".join(sorted(entry.name for entry in installed)) or "none"
        raise ConfigError(f"{where} is not installed in group {PLUGIN_GROUP!r} (installed: {known})")
    if len({entry.value for entry in found}) > 1:
        raise ConfigError(f"{where} is offered by several packages: {', '.join(entry.value for entry in found)}")
    return found[0]
