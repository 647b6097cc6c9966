"""Statistics of fields and their comparison, on NumPy and SciPy alone: nothing here loads torch."""

from rhodiff.statistics.accumulator import MeanCovariance, merge_all
from rhodiff.statistics.bin_covariance import hartlap_factor
from rhodiff.statistics.bispectra import BinnedBispectrum, bispectrum
from rhodiff.statistics.centres import Centres, find_separations, two_centres
from rhodiff.statistics.chi_squared import VectorComparison, compare_vectors
from rhodiff.statistics.comparison import BinnedComparison, SetSizes, SetSummary, compare_bins
from rhodiff.statistics.correlation_length import CorrelationFunction, CorrelationLengths, correlation_function
from rhodiff.statistics.cross_spectrum import CrossSpectrum, cross_power_spectrum
from rhodiff.statistics.denoised import (
    Contest,
    EstimateScores,
    compare_correlations,
    mean_estimate,
    residual_correlation,
    rms_ratio,
    score_denoised,
)
from rhodiff.statistics.denoised_set import DenoisedSet, DenoisingSummary, summarise_denoising
from rhodiff.statistics.estimate import Estimate
from rhodiff.statistics.mean_test import MeanTest, hotelling
from rhodiff.statistics.measurement import Measurement
from rhodiff.statistics.memorisation import Memorisation, compare_distances, find_memorisation
from rhodiff.statistics.minkowski import minkowski_functionals
from rhodiff.statistics.minkowski_statistic import MinkowskiStatistic
from rhodiff.statistics.nearest_field import NearestFields, nearest_fields
from rhodiff.statistics.paired import PowerRatio, median_estimate, power_ratio, relative_l2
from rhodiff.statistics.paired_set import PairedSet, PairedSummary, summarise_pairs
from rhodiff.statistics.peaks import peak_counts, peaks_above
from rhodiff.statistics.pixel_distribution import (
    Moments,
    histogram,
    histogram_edges,
    moments,
    quantiles,
    value_density,
    wasserstein_1,
)
from rhodiff.statistics.posterior_spread import PosteriorSpread, coverage, measure_spread
from rhodiff.statistics.registry import build_statistic
from rhodiff.statistics.resampling import Groups, GroupSums, draw_groups
from rhodiff.statistics.sample_size import groups_needed, samples_needed
from rhodiff.statistics.selection import CandidateRow, Ranking, Spread, rank_candidates
from rhodiff.statistics.selection_bootstrap import MeasuredSet
from rhodiff.statistics.selection_score import (
    CosmicVarianceDistance,
    MeanRank,
    PeakDifference,
    RelativeDifference,
    SumInFloors,
    paper_a,
)
from rhodiff.statistics.sliced_distance import compare_sliced, sliced_wasserstein
from rhodiff.statistics.smoothing import (
    SmoothedFields,
    best_gaussian,
    low_signal_region,
    matched_gaussian,
    wiener_filter,
)
from rhodiff.statistics.spectrum import BinnedSpectrum, default_bin_edges, nyquist, power_spectrum
from rhodiff.statistics.statistic import (
    SpectrumStatistic,
    Statistic,
    ValueDensity,
    fit_channels,
    inverse_unit,
    measure_channels,
)
from rhodiff.statistics.value_comparison import ValueComparison, compare_values
from rhodiff.statistics.value_rows import ValueGrid, ValueRows, measure_values
from rhodiff.statistics.vector_bins import compare_independent_bins
from rhodiff.statistics.wavelets import starlet, wavelet_l1, wavelet_std

__all__ = [
    "BinnedBispectrum",
    "BinnedComparison",
    "BinnedSpectrum",
    "CandidateRow",
    "Centres",
    "Contest",
    "CorrelationFunction",
    "CorrelationLengths",
    "CosmicVarianceDistance",
    "CrossSpectrum",
    "DenoisedSet",
    "DenoisingSummary",
    "Estimate",
    "EstimateScores",
    "GroupSums",
    "Groups",
    "MeanCovariance",
    "MeanRank",
    "MeanTest",
    "MeasuredSet",
    "Measurement",
    "Memorisation",
    "MinkowskiStatistic",
    "Moments",
    "NearestFields",
    "PairedSet",
    "PairedSummary",
    "PeakDifference",
    "PosteriorSpread",
    "PowerRatio",
    "Ranking",
    "RelativeDifference",
    "SetSizes",
    "SetSummary",
    "SmoothedFields",
    "SpectrumStatistic",
    "Spread",
    "Statistic",
    "SumInFloors",
    "ValueComparison",
    "ValueDensity",
    "ValueGrid",
    "ValueRows",
    "VectorComparison",
    "best_gaussian",
    "bispectrum",
    "build_statistic",
    "compare_bins",
    "compare_correlations",
    "compare_distances",
    "compare_independent_bins",
    "compare_sliced",
    "compare_values",
    "compare_vectors",
    "correlation_function",
    "coverage",
    "cross_power_spectrum",
    "default_bin_edges",
    "draw_groups",
    "find_memorisation",
    "find_separations",
    "fit_channels",
    "groups_needed",
    "hartlap_factor",
    "histogram",
    "histogram_edges",
    "hotelling",
    "inverse_unit",
    "low_signal_region",
    "matched_gaussian",
    "mean_estimate",
    "measure_channels",
    "measure_spread",
    "measure_values",
    "median_estimate",
    "merge_all",
    "minkowski_functionals",
    "moments",
    "nearest_fields",
    "nyquist",
    "paper_a",
    "peak_counts",
    "peaks_above",
    "power_ratio",
    "power_spectrum",
    "quantiles",
    "rank_candidates",
    "relative_l2",
    "residual_correlation",
    "rms_ratio",
    "samples_needed",
    "score_denoised",
    "sliced_wasserstein",
    "starlet",
    "summarise_denoising",
    "summarise_pairs",
    "two_centres",
    "value_density",
    "wasserstein_1",
    "wavelet_l1",
    "wavelet_std",
    "wiener_filter",
]
