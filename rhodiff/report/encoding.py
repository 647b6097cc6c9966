"""Figures and tables as bytes and text: SVG, PNG, CSV and data URIs that need nothing outside themselves."""

import base64
import csv
import io
from collections.abc import Mapping

import matplotlib as mpl
import numpy as np
from matplotlib.figure import Figure
from numpy.typing import ArrayLike

from rhodiff.errors import DataError

__all__ = ["PNG", "SVG", "columns_to_csv", "data_uri", "figure_to_png", "figure_to_svg"]

PNG, SVG = "image/png", "image/svg+xml"
"""Media types."""


def figure_to_svg(figure: Figure) -> bytes:
    """Vector picture with text as paths; the same figure gives the same bytes.

    Put it into a page as an image (:func:`data_uri`), not inline: ids of several figures would clash.
    """
    buffer = io.BytesIO()
    with mpl.rc_context({"svg.hashsalt": "rhodiff", "svg.fonttype": "path"}):
        figure.savefig(buffer, format="svg", metadata={"Date": None})
    return buffer.getvalue()


def figure_to_png(figure: Figure, dpi: float = 200) -> bytes:
    """Raster picture; 200 dots per inch is twice what a screen shows at the report's width."""
    buffer = io.BytesIO()
    figure.savefig(buffer, format="png", dpi=dpi, metadata={"Software": None})
    return buffer.getvalue()


def columns_to_csv(columns: Mapping[str, ArrayLike]) -> str:
    """Columns of one length as CSV (RFC 4180) with a header; numbers are written so that they read back exactly.

    Raises:
        DataError: if the columns differ in length.
    """
    arrays = {name: np.asarray(values) for name, values in columns.items()}
    if len({array.shape for array in arrays.values()}) > 1 or any(array.ndim != 1 for array in arrays.values()):
        raise DataError(f"columns of a table must have one length, got { {n: a.shape for n, a in arrays.items()} }")
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(arrays)
    writer.writerows(zip(*(array.tolist() for array in arrays.values()), strict=True))
    return text.getvalue()


def data_uri(content: bytes, media_type: str) -> str:
    """A ``data:`` address that holds the content itself."""
    return f"data:{media_type};base64,{base64.b64encode(content).decode('ascii')}"
