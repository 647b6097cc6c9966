"""Which statistic a name in the experiment file stands for, built-in or from another package.

Another package adds a statistic with an entry point in the group ``rhodiff.plugins`` that loads to a callable (a
class or a function): called with the options of the experiment file as keywords, it returns a
:class:`~rhodiff.statistics.statistic.Statistic`.
"""

from rhodiff.config.evaluation import (
    Bispectrum,
    CorrelationFunction,
    Minkowski,
    Peaks,
    PixelDistribution,
    PluginStatistic,
    PowerSpectrum,
    StatisticSettings,
    WaveletL1,
)
from rhodiff.runtime.plugins import build_plugin
from rhodiff.statistics.bispectrum_statistic import BispectrumStatistic
from rhodiff.statistics.correlation_statistic import CorrelationStatistic
from rhodiff.statistics.minkowski_statistic import MinkowskiStatistic
from rhodiff.statistics.peak_statistic import PeakStatistic
from rhodiff.statistics.statistic import SpectrumStatistic, Statistic, ValueDensity
from rhodiff.statistics.wavelet_statistic import WaveletStatistic

__all__ = ["build_statistic"]


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
        case Minkowski():
            return MinkowskiStatistic(settings)
        case Bispectrum():
            return BispectrumStatistic(settings)
        case WaveletL1():
            return WaveletStatistic(settings)
        case Peaks():
            return PeakStatistic(settings)
        case CorrelationFunction():
            return CorrelationStatistic(settings)
        case PluginStatistic():
            return build_plugin(
                settings.name,
                "evaluation.statistics",
                Statistic,  # type: ignore[type-abstract]
                lambda build: build(**settings.options),
            )
