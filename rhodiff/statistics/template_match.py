r"""Generated fields against the one known field that each is to be, and against all that it is not to be.

With g a generated field and t its template, both of N cells:

- relative L2 distance :math:`\|g - t\| / \|t\|`;
- Wasserstein-1 distance of the histograms of values, exact for equal numbers of cells: the mean of
  :math:`|g_{(i)} - t_{(i)}|` over the sorted values, in the unit of the field;
- amplitude :math:`g \cdot t / t \cdot t`, the best factor of the template: 1 for a perfect field;
- the template nearest to g in L2 among all, and whether that is its own. Templates that are equal to its own count as
  its own: no field can tell them apart.

Axes: n generated field, T template, ``*space`` one to three spatial axes.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from rhodiff.errors import DataError

__all__ = ["TemplateMatch", "equal_templates", "match_templates"]

Float = NDArray[np.float64]
Indices = NDArray[np.int64]
EQUAL = 1e-6
"""Templates that differ by less, over their norm, are the same."""


@dataclass(frozen=True, eq=False)
class TemplateMatch:
    """Each generated field against the templates.

    Attributes:
        own: template that each is to be, ``[n]``.
        nearest: template that each is nearest to; its own where that is as near, ``[n]``.
        relative_l2: distance from its own, over the norm of that, ``[n]``.
        w1: Wasserstein-1 distance of the values from those of its own, unit of the field, ``[n]``.
        amplitude: best factor of its own, ``[n]``.
    """

    own: Indices
    nearest: Indices
    relative_l2: Float
    w1: Float
    amplitude: Float

    @property
    def is_identified(self) -> NDArray[np.bool_]:
        """Whether its own template is the nearest, ``[n]``."""
        return np.asarray(self.nearest == self.own)


def match_templates(generated: Float, templates: Float, own: Indices) -> TemplateMatch:
    """Compare generated fields with templates.

    Args:
        generated: ``[n, *space]``.
        templates: ``[T, *space]``, none of them zero.
        own: template that each generated field is to be, ``[n]``.

    Raises:
        DataError: if the shapes differ, or a template is zero everywhere.
    """
    if generated.shape[1:] != templates.shape[1:] or len(own) != len(generated):
        raise DataError(
            f"fields {generated.shape} with {len(own)} templates to be cannot be held against templates "
            f"{templates.shape}: all axes but the first must agree"
        )
    fields, known = generated.reshape(len(generated), -1), templates.reshape(len(templates), -1)
    norms = np.square(known).sum(axis=1)
    if not (norms > 0).all():
        raise DataError(f"template {int(np.argmin(norms))} is zero everywhere: no distance is relative to it")
    products = fields @ known.T
    squares = np.square(fields).sum(axis=1)[:, None] - 2 * products + norms
    rows, target = np.arange(len(own)), known[own]
    squares[equal_templates(templates)[own]] = np.inf
    squares[rows, own] = np.square(fields - target).sum(axis=1)
    return TemplateMatch(
        own=own,
        nearest=squares.argmin(axis=1).astype(np.int64),
        relative_l2=np.sqrt(squares[rows, own] / norms[own]),
        w1=np.abs(np.sort(fields, axis=1) - np.sort(target, axis=1)).mean(axis=1),
        amplitude=products[rows, own] / norms[own],
    )


def equal_templates(templates: Float) -> NDArray[np.bool_]:
    """Which other templates are the same as each, ``[T, T]``; none is one of its own others."""
    known = templates.reshape(len(templates), -1)
    norms = np.linalg.norm(known, axis=1)
    same = np.array([np.linalg.norm(known - one, axis=1) for one in known]) < EQUAL * norms[:, None]
    np.fill_diagonal(same, False)
    return np.asarray(same)
