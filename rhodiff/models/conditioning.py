r"""What the network is told about a field: physical parameters, turned into a vector.

Three encoders, each a module from raw values ``[N, P]`` in physical units to an embedding ``[N, E]``:

- continuous: :math:`z = (\theta - \mu) / s` with mean and standard deviation of the training split, then
  :math:`(z, \cos f_j z, \sin f_j z)` and an MLP; it interpolates between values seen in training;
- categorical: a table with a row for each value seen in training, and no other;
- hash: rho-Diffusion's vector (:mod:`rhodiff.models.hashing`) and an MLP; a value that training did not see gets an
  unrelated vector.

Their embeddings are added. A row of NaN says nothing of a field: with dropout of conditions a learned vector takes
the place of the sum, and stands for all fields of the training set together (Ho & Salimans 2022, arXiv:2207.12598).

Constants are buffers, so a state dict is self-contained. Columns follow ``conditioning.parameters``.

Axes: N sample, P parameter, E embedding, V value of a table.
"""

import math
from collections.abc import Sequence

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from rhodiff.config.model import Conditioning
from rhodiff.errors import ConfigError, DataError
from rhodiff.models.conditioning_table import ConditioningTable, continuous_parameters, hashed_parameters
from rhodiff.models.embedding import FourierFeatures, perceptron
from rhodiff.models.hashing import hash_embedding

__all__ = [
    "CategoricalEncoder",
    "ConditionEncoder",
    "ConditioningTable",
    "ContinuousEncoder",
    "HashEncoder",
    "SumEncoder",
    "build_condition_encoder",
]

LOWEST_FREQUENCY = math.pi / 8
HIGHEST_FREQUENCY = 4 * math.pi
"""Radians for a standard deviation: from a sixteenth of a turn, which is nearly linear, to two turns."""


class ConditionEncoder(nn.Module):
    """Raw parameter values to an embedding, in two steps: :meth:`encode` has no gradient, the network follows."""

    network: nn.Module

    def encode(self, values: Tensor) -> Tensor:
        """Raw values ``[N, P]`` to what the network takes.

        Raises:
            DataError: if a value is not one the encoder knows.
        """
        raise NotImplementedError

    def forward(self, values: Tensor) -> Tensor:
        """``[N, P]`` in physical units to ``[N, E]``."""
        with torch.no_grad():
            encoded = self.encode(values)
        out: Tensor = self.network(encoded)
        return out


class ContinuousEncoder(ConditionEncoder):
    """Standardised values and their Fourier features, then an MLP.

    Args:
        columns: columns of the values that this encoder reads.
        mean: their mean.
        std: their standard deviation.
        num_frequencies: Fourier frequencies of each.
        width: entries of the embedding, E.
    """

    def __init__(
        self, columns: Sequence[int], mean: Sequence[float], std: Sequence[float], num_frequencies: int, width: int
    ) -> None:
        super().__init__()
        self.columns = list(columns)
        self.mean: Tensor
        self.std: Tensor
        self.register_buffer("mean", torch.tensor(mean, dtype=torch.float64))
        self.register_buffer("std", torch.tensor(std, dtype=torch.float64))
        self.features = FourierFeatures(num_frequencies, LOWEST_FREQUENCY, HIGHEST_FREQUENCY)
        self.network = perceptron(len(self.columns) * (2 * num_frequencies + 1), width)

    def encode(self, values: Tensor) -> Tensor:
        """``[N, P]`` to ``[N, columns (1 + 2 frequencies)]``."""
        z = ((values[:, self.columns] - self.mean) / self.std).float()
        return torch.cat((z[..., None], self.features(z)), dim=-1).flatten(1)


class CategoricalEncoder(ConditionEncoder):
    """A table of vectors, one for each value seen in training.

    Args:
        name: the parameter, for messages.
        column: column of the values that this encoder reads.
        categories: values seen in training, rising.
        width: entries of the embedding, E.
    """

    def __init__(self, name: str, column: int, categories: Sequence[float], width: int) -> None:
        super().__init__()
        self.name = name
        self.values: Tensor
        self.column = column
        self.register_buffer("values", torch.tensor(categories, dtype=torch.float64))
        self.network = nn.Embedding(len(categories), width)

    def encode(self, values: Tensor) -> Tensor:
        """``[N, P]`` to rows of the table, ``[N]``."""
        matches = values[:, self.column, None].to(self.values) == self.values.to(values.dtype)
        known = matches.any(dim=1)
        if not bool(known.all()):
            unknown = sorted(set(values[~known, self.column].tolist()))
            raise DataError(
                f"parameter '{self.name}' has values {unknown} that training did not see; "
                f"allowed are {self.values.tolist()}"
            )
        return matches.int().argmax(dim=1)


class HashEncoder(ConditionEncoder):
    """rho-Diffusion's hash vector, then an MLP.

    Values without a fractional part are hashed as integers, 5.0 as 5; values in single precision are hashed through
    their shortest decimal, so 0.3 is 0.3 in either precision.

    Args:
        names: the parameters, which the hash includes.
        columns: columns of the values that hold them.
        length: entries of the hash vector.
        width: entries of the embedding, E.
    """

    def __init__(self, names: Sequence[str], columns: Sequence[int], length: int, width: int) -> None:
        super().__init__()
        self.names = tuple(names)
        self.columns = list(columns)
        self.length = length
        self.known: dict[bytes, NDArray[np.float32]] = {}
        self.network = perceptron(length, width)

    def encode(self, values: Tensor) -> Tensor:
        """``[N, P]`` to hash vectors ``[N, length]``, made on the host outside of any graph."""
        rows = values[:, self.columns].detach().cpu().numpy()
        return torch.from_numpy(np.stack([self._vector(row) for row in rows])).to(values.device)

    def _vector(self, row: NDArray[np.floating]) -> NDArray[np.float32]:
        key = row.tobytes()
        if key not in self.known:
            numbers = {name: _number(value) for name, value in zip(self.names, row, strict=True)}
            self.known[key] = hash_embedding(numbers, self.length)
        return self.known[key]


class SumEncoder(ConditionEncoder):
    """The sum of several encoders' embeddings.

    Args:
        names: the parameters, for messages.
        encoders: encoders that each read their own columns.
        stand_in: values that all encoders know, ``[P]``, where rows of NaN are to be embedded by a vector of their
            own, which is learned; None: there are no such rows.
        width: entries of the embedding, E.
    """

    def __init__(
        self,
        names: Sequence[str],
        encoders: Sequence[ConditionEncoder],
        stand_in: Sequence[float] | None = None,
        width: int = 0,
    ) -> None:
        super().__init__()
        self.names = tuple(names)
        self.encoders = nn.ModuleList(encoders)
        self.stand_in: Tensor | None
        known = None if stand_in is None else torch.tensor(stand_in, dtype=torch.float64)
        self.register_buffer("stand_in", known, persistent=False)
        if known is not None:
            self.without = nn.Parameter(torch.zeros(width))

    def encode(self, values: Tensor) -> Tensor:
        """The values themselves, their number of columns checked."""
        if values.ndim != 2 or values.shape[1] != len(self.names):
            raise DataError(
                f"the network takes values [N, {len(self.names)}] of {list(self.names)}, got {list(values.shape)}"
            )
        return values

    def forward(self, values: Tensor) -> Tensor:
        """``[N, P]`` in physical units to ``[N, E]``."""
        checked = self.encode(values)
        if self.stand_in is None:
            return self._sum(checked)
        is_without = checked.isnan().all(dim=1, keepdim=True)
        known = torch.where(is_without, self.stand_in.to(checked), checked)
        return torch.where(is_without, self.without, self._sum(known))

    def _sum(self, values: Tensor) -> Tensor:
        return torch.stack([encoder(values) for encoder in self.encoders]).sum(dim=0)


def build_condition_encoder(conditioning: Conditioning, table: ConditioningTable, width: int) -> ConditionEncoder:
    """The encoder that the settings describe.

    Args:
        conditioning: which parameters the network is told, and how.
        table: constants of the training split.
        width: entries of the embedding, E.
    """
    names = conditioning.parameters
    if table.names != names:
        raise ConfigError(f"the conditioning table is of {list(table.names)}, the settings want {list(names)}")
    encoders: list[ConditionEncoder] = [
        CategoricalEncoder(name, names.index(name), table.categories[name], width)
        for name in conditioning.categorical
    ]
    continuous, hashed = continuous_parameters(conditioning), hashed_parameters(conditioning)
    if continuous:
        columns = [names.index(name) for name in continuous]
        encoders.append(ContinuousEncoder(columns, table.mean, table.std, conditioning.fourier_features, width))
    if hashed:
        columns = [names.index(name) for name in hashed]
        encoders.append(HashEncoder(hashed, columns, conditioning.hash_length, width))
    return SumEncoder(names, encoders, _stand_in(conditioning, table) if conditioning.dropout else None, width)


def _stand_in(conditioning: Conditioning, table: ConditioningTable) -> list[float]:
    """Values that every encoder knows, in the order of the table's names."""
    known = dict(zip(continuous_parameters(conditioning), table.mean, strict=True))
    known |= {name: values[0] for name, values in table.categories.items()}
    return [known.get(name, 0.0) for name in table.names]


def _number(value: np.floating) -> int | float:
    number = float(str(value))
    return int(number) if number.is_integer() else number
