"""Figures and tables as bytes and text: SVG, PDF, PNG, CSV, and data URIs that need nothing outside themselves.

The same figure gives the same bytes: no dates, no names of programs, no random ids.
"""

import base64
import csv
import io
from collections.abc import Mapping
from dataclasses import dataclass

import matplotlib as mpl
import numpy as np
from matplotlib.figure import Figure
from numpy.typing import ArrayLike

from rhodiff.errors import DataError

__all__ = [
    "PNG",
    "SVG",
    "Pictures",
    "columns_to_csv",
    "data_uri",
    "encode_curves",
    "encode_fields",
    "figure_to_pdf",
    "figure_to_png",
    "figure_to_svg",
]

PNG, SVG = "image/png", "image/svg+xml"
"""Media types."""

DPI = 200
"""Dots per inch of what is raster: twice what a screen shows at the report's width."""


@dataclass(frozen=True)
class Pictures:
    """One figure in all its formats.

    Attributes:
        png: raster picture.
        pdf: for papers; curves are vectors, fields a raster picture with vector axes.
        svg: vector picture; None for pictures of fields.
    """

    png: bytes
    pdf: bytes
    svg: bytes | None = None

    @property
    def shown(self) -> tuple[bytes, str]:
        """The picture that a page shows, and its media type: vectors where there are any."""
        return (self.png, PNG) if self.svg is None else (self.svg, SVG)

    def files(self) -> dict[str, bytes]:
        """Contents by the suffix of their file."""
        vector = {} if self.svg is None else {"svg": self.svg}
        return {**vector, "pdf": self.pdf, "png": self.png}


def encode_curves(figure: Figure) -> Pictures:
    """A figure of lines and points; its layout is fixed thereby."""
    _fix_layout(figure)
    return Pictures(figure_to_png(figure), figure_to_pdf(figure), figure_to_svg(figure))


def encode_fields(figure: Figure) -> Pictures:
    """A figure of fields, which a vector format would hold as rasters anyway; its layout is fixed thereby."""
    _fix_layout(figure)
    return Pictures(figure_to_png(figure), figure_to_pdf(figure))


def _fix_layout(figure: Figure) -> None:
    """Lay a figure out once, so that all formats look the same and none does it again."""
    figure.draw_without_rendering()
    figure.set_layout_engine("none")


def figure_to_svg(figure: Figure) -> bytes:
    """Vector picture with text as paths.

    Put it into a page as an image (:func:`data_uri`), not inline: ids of several figures would clash.
    """
    buffer = io.BytesIO()
    with mpl.rc_context({"svg.hashsalt": "rhodiff", "svg.fonttype": "path"}):
        figure.savefig(buffer, format="svg", metadata={"Date": None})
    return buffer.getvalue()


def figure_to_pdf(figure: Figure) -> bytes:
    """Vector picture with TrueType fonts embedded, as journals ask for."""
    buffer = io.BytesIO()
    with mpl.rc_context({"pdf.fonttype": 42}):
        nothing = {"CreationDate": None, "Creator": None, "Producer": None}
        figure.savefig(buffer, format="pdf", dpi=DPI, metadata=nothing)
    return buffer.getvalue()


def figure_to_png(figure: Figure, dpi: float = DPI) -> bytes:
    """Raster picture."""
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
