"""What the condition encoders need of the training split, and what they saw there.

Axes: P parameter.
"""

from collections.abc import Mapping, Sequence
from difflib import get_close_matches

import numpy as np
from numpy.typing import ArrayLike, NDArray
from pydantic import Field

from rhodiff.config.model import Conditioning
from rhodiff.config.section import Section
from rhodiff.errors import ConfigError, DataError

__all__ = ["ConditioningTable", "continuous_parameters", "hashed_parameters"]


class ConditioningTable(Section):
    """Means, standard deviations, ranges and known values; plain numbers, so that a checkpoint can hold them."""

    names: tuple[str, ...] = ()
    """Parameters in the order of ``conditioning.parameters``: the columns of the values a network is given."""
    mean: tuple[float, ...] = ()
    """Mean of each continuous parameter over the training split, in their order."""
    std: tuple[float, ...] = ()
    """Standard deviation of each continuous parameter over the training split."""
    categories: Mapping[str, tuple[float, ...]] = Field(default_factory=dict)
    """Values of each categorical parameter that occur in the training split, rising."""
    ranges: Mapping[str, tuple[float, float]] = Field(default_factory=dict)
    """Smallest and largest value of each continuous parameter in the training split; empty in old checkpoints."""
    hashed: tuple[str, ...] = ()
    """Parameters that are hashed, in the order of ``names``; empty in old checkpoints."""
    combinations: tuple[tuple[float, ...], ...] = ()
    """Values of these that occur together in the training split, in rising order."""

    @classmethod
    def fit(cls, conditioning: Conditioning, names: Sequence[str], parameters: ArrayLike) -> "ConditioningTable":
        """Constants of a training split.

        Args:
            conditioning: which parameters the network is told, and how.
            names: names of the columns of ``parameters``.
            parameters: values in the training split, ``[sample, parameter]``, physical units.

        Returns:
            The table for ``conditioning.parameters``.

        Raises:
            ConfigError: if a parameter is not among ``names``, or a continuous one is constant.
            DataError: if a value is not finite.
        """
        columns = dict(zip(conditioning.parameters, cls.columns(conditioning, names), strict=True))
        values = np.asarray(parameters, dtype=np.float64)
        values = values.reshape(len(values), len(names))
        chosen = {name: values[:, column] for name, column in columns.items()}
        continuous, hashed = continuous_parameters(conditioning), hashed_parameters(conditioning)
        for name, column in chosen.items():
            _check_values(name, column, must_vary=name in continuous)
        together = np.unique(values[:, [columns[name] for name in hashed]], axis=0) if hashed else values[:0]
        return cls(
            names=conditioning.parameters,
            mean=tuple(float(chosen[name].mean()) for name in continuous),
            std=tuple(float(chosen[name].std()) for name in continuous),
            categories={name: tuple(np.unique(chosen[name]).tolist()) for name in conditioning.categorical},
            ranges={name: (float(chosen[name].min()), float(chosen[name].max())) for name in continuous},
            hashed=tuple(hashed),
            combinations=tuple(map(tuple, together.tolist())),
        )

    @staticmethod
    def columns(conditioning: Conditioning, names: Sequence[str]) -> list[int]:
        """Columns of a parameter table that hold ``conditioning.parameters``, in their order.

        Args:
            conditioning: which parameters the network is told.
            names: names of the columns.

        Raises:
            ConfigError: if a parameter is not among ``names``.
        """
        for name in conditioning.parameters:
            if name not in names:
                near = get_close_matches(name, names, n=1)
                hint = f": did you mean '{near[0]}'?" if near else ""
                raise ConfigError(
                    f"model.conditioning.parameters: '{name}' is not in the data, which has {list(names)}{hint}"
                )
        return [list(names).index(name) for name in conditioning.parameters]


def continuous_parameters(conditioning: Conditioning) -> list[str]:
    """Parameters that are standardised: those that are neither categorical nor hashed."""
    others = {*conditioning.categorical, *hashed_parameters(conditioning)}
    return [name for name in conditioning.parameters if name not in others]


def hashed_parameters(conditioning: Conditioning) -> list[str]:
    """Parameters that are hashed together: all with hash embedding."""
    if conditioning.embedding == "hash":
        return list(conditioning.parameters)
    return [name for name in conditioning.parameters if name in conditioning.hashed]


def _check_values(name: str, column: NDArray[np.float64], must_vary: bool) -> None:
    if not np.isfinite(column).all():
        raise DataError(f"parameter '{name}' holds NaN or infinite values: mask those fields out of the data")
    if must_vary and column.std() <= 1e-12 * abs(column.mean()):
        raise ConfigError(
            f"model.conditioning.parameters: '{name}' is {column.mean():g} in the whole training split, "
            "so a network cannot learn from it: remove it"
        )
