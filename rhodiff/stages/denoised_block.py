"""One block of denoised fields: the network's estimates, the filters' and all that is measured of them.

Estimates, by name:

    noisy              the observation itself
    posterior_mean     the network's E[x_0 | y]
    draw               one draw from the posterior: what paper A calls the denoised field
    filter_as_mean     Gaussian filter with the error of posterior_mean in the low-signal region
    filter_as_draw     Gaussian filter with the error of draw there
    filter_best        Gaussian filter of the width with the least error, which takes the truth to know
    wiener             Wiener filter of the power of the training fields

A field of which the network makes NaN or infinite values is not valid, and all that was measured of it is NaN.
"""

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from rhodiff.config.denoising import Denoising
from rhodiff.errors import DataError
from rhodiff.stages.observation import Observation
from rhodiff.stages.posterior import Posterior
from rhodiff.statistics import (
    EstimateScores,
    best_gaussian,
    matched_gaussian,
    measure_spread,
    power_spectrum,
    score_denoised,
    wiener_filter,
)
from rhodiff.statistics.fourier_bins import FourierBins
from rhodiff.store.block_store import BlockArray, KnownArray
from rhodiff.store.field_writing import SPACE_AXES
from rhodiff.store.spec import FieldSpec

__all__ = ["ESTIMATES", "FILTERS", "block_arrays", "known_arrays", "measure_block"]

Float = NDArray[np.float64]

ESTIMATES = ("noisy", "posterior_mean", "draw", "filter_as_mean", "filter_as_draw", "filter_best", "wiener")
"""What is scored; ``noisy`` first."""
FILTERS = {"posterior_mean": "filter_as_mean", "draw": "filter_as_draw"}
"""The filter that each of the network's estimates stands against."""
SCORES = ("rmse", "rmse_low", "correlation")
SPECTRA = ("power", "cross", "residual_power")
WIDTHS = ("filter_as_mean", "filter_as_draw", "filter_best")


def block_arrays(spec: FieldSpec, settings: Denoising) -> dict[str, BlockArray]:
    """What a block holds, by name.

    Args:
        spec: geometry of the fields, named after the values that noise is added to.
        settings: the ``denoising`` section.
    """
    space, number = SPACE_AXES[: spec.ndim], settings.posterior_samples
    bins = len(FourierBins.of(spec.shape, spec.box_size, None).k)
    power_unit = f"({spec.unit or '1'})^2 {spec.length_unit}^{spec.ndim}"
    field = {
        "truth": "values before the noise",
        "noisy": "values with noise",
        "posterior_mean": "the network's estimate of least squared error",
        "draw_mean": f"mean of {number} draws from the posterior",
        "draw_std": f"standard deviation of {number} draws from the posterior",
        "filter_as_mean": "Gaussian filter with the error of posterior_mean in the low-signal region",
    }
    return {
        **{n: BlockArray(("field", *space), spec.shape, unit=spec.unit, meaning=text) for n, text in field.items()},
        "draws": BlockArray(("field", "draw", *space), (settings.samples_kept, *spec.shape), unit=spec.unit),
        "valid": BlockArray(("field",), dtype="bool", meaning="False: the network's values are not finite"),
        "sigma": BlockArray(("field",), dtype="float64", unit=spec.unit, meaning="std of the noise"),
        "network_sigma": BlockArray(("field",), dtype="float64", meaning="std of the noise for the network"),
        **{n: BlockArray(("field", "estimate"), (len(ESTIMATES),), "float64") for n in SCORES},
        **{
            n: BlockArray(("field", "estimate", "bin"), (len(ESTIMATES), bins), "float64", power_unit)
            for n in SPECTRA
        },
        **{
            n: BlockArray(("field", "bin"), (bins,), "float64", power_unit)
            for n in ("truth_power", "spread_power", "error_power")
        },
        "ranks": BlockArray(("field", "rank"), (number + 1,), "int64", meaning="cells by the rank of the truth"),
        "width": BlockArray(("field", "filter"), (len(WIDTHS),), "float64", "cell", "std of the Gaussian kernel"),
        "reached": BlockArray(("field", "filter"), (len(WIDTHS),), "bool", meaning="the error asked for was reached"),
    }


def known_arrays(spec: FieldSpec, indices: NDArray[np.int64], groups: NDArray[np.int64]) -> dict[str, KnownArray]:
    """Labels of the axes, and of the fields.

    Args:
        spec: geometry of the fields.
        indices: which fields of the data set, ``[field]``.
        groups: independent group of each, ``[field]``.
    """
    bins = FourierBins.of(spec.shape, spec.box_size, None)
    return {
        "index": KnownArray(("field",), indices),
        "group": KnownArray(("field",), groups),
        "k": KnownArray(("bin",), bins.k, f"1/({spec.length_unit})"),
        "num_modes": KnownArray(("bin",), bins.num_modes),
        "bin_edges": KnownArray(("edge",), bins.edges, f"1/({spec.length_unit})"),
    }


def measure_block(
    seen: Observation, found: Posterior, spec: FieldSpec, power: Float, samples_kept: int
) -> dict[str, NDArray[Any]]:
    """Everything that a block stores.

    Args:
        seen: the noisy fields.
        found: what the network made of them.
        spec: geometry of the fields.
        power: mean power of the training fields for each mode, in network units, ``[*rspace]``.
        samples_kept: draws that are stored.

    Raises:
        DataError: if no field came out finite.
    """
    count = len(seen.truth)
    finite = [np.isfinite(values.reshape(count, -1)).all(axis=1) for values in (found.mean, found.draws)]
    valid = np.asarray(np.stack(finite).all(axis=0))
    if not valid.any():
        raise DataError(f"the network makes NaN or infinite values of all {count} fields: did its training diverge?")
    good = _only(seen, valid)
    measured = _measure(good, Posterior(found.mean[valid], found.draws[valid]), spec, power, samples_kept)
    return {
        "truth": seen.truth,
        "noisy": seen.noisy,
        "valid": valid,
        "sigma": seen.sigma,
        "network_sigma": seen.network_sigma,
        **{name: _spread_out(values, valid) for name, values in measured.items()},
    }


def _measure(
    seen: Observation, found: Posterior, spec: FieldSpec, power: Float, samples_kept: int
) -> dict[str, NDArray[Any]]:
    mean = seen.seen.back(found.mean)
    draws = np.stack([seen.seen.back(draw) for draw in np.moveaxis(found.draws, 1, 0)])
    spread = measure_spread(draws, seen.truth, spec.box_size)
    ours = {"noisy": seen.noisy, "posterior_mean": mean, "draw": draws[0]}
    scores = {name: score_denoised(estimate, seen.truth, spec.box_size) for name, estimate in ours.items()}
    filters = {
        own: matched_gaussian(seen.noisy, seen.truth, scores[name].rmse_low, spec.periodic)
        for name, own in FILTERS.items()
    } | {"filter_best": best_gaussian(seen.noisy, seen.truth, spec.periodic)}
    linear = seen.seen.back(wiener_filter(seen.seen.values.astype(np.float64), power, seen.network_sigma))
    others = {name: smoothed.fields for name, smoothed in filters.items()} | {"wiener": linear}
    scores |= {name: score_denoised(estimate, seen.truth, spec.box_size) for name, estimate in others.items()}
    return {
        "posterior_mean": mean,
        "draws": np.moveaxis(draws[:samples_kept], 0, 1),
        "draw_mean": spread.mean,
        "draw_std": spread.std,
        "filter_as_mean": others["filter_as_mean"],
        **_by_estimate(scores),
        "truth_power": power_spectrum(seen.truth, box_size=spec.box_size).power,
        "spread_power": spread.spread_power,
        "error_power": spread.error_power,
        "ranks": spread.ranks,
        "width": np.stack([filters[name].width for name in WIDTHS], axis=1),
        "reached": np.stack([filters[name].reached for name in WIDTHS], axis=1),
    }


def _by_estimate(scores: Mapping[str, EstimateScores]) -> dict[str, NDArray[Any]]:
    """Each score and spectrum of all estimates, ``[field, estimate, ...]``."""
    return {
        name: np.stack([getattr(scores[estimate], name) for estimate in ESTIMATES], axis=1)
        for name in (*SCORES, *SPECTRA)
    }


def _spread_out(values: NDArray[Any], valid: NDArray[np.bool_]) -> NDArray[Any]:
    """``[valid field, ...]`` to ``[field, ...]``, NaN (0, False) where a field is not valid."""
    blank = np.nan if values.dtype.kind == "f" else 0
    full = np.full((len(valid), *values.shape[1:]), blank, dtype=values.dtype)
    full[valid] = values
    return full


def _only(seen: Observation, chosen: NDArray[np.bool_]) -> Observation:
    network = seen.seen
    return Observation(
        indices=seen.indices[chosen],
        truth=seen.truth[chosen],
        noisy=seen.noisy[chosen],
        sigma=seen.sigma[chosen],
        seen=replace(
            network, values=network.values[chosen], scale=network.scale[chosen], offset=network.offset[chosen]
        ),
    )
