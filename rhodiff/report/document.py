"""The report of an experiment: one HTML file that needs no network, no script and no other file, and prints on A4.

The page is laid out in ``template.html``; everything that a user or a run supplied is escaped. Pictures and tables of
numbers are data URIs in the page itself; it links to the files of its figures, which lie beside it, as well.
"""

import math
from importlib.resources import files
from pathlib import Path

import jinja2

from rhodiff.report.content import KeyNumber, ReportContent, ReportFigure
from rhodiff.report.encoding import data_uri
from rhodiff.report.number_format import format_estimate, format_number, format_seconds
from rhodiff.report.style import raise_powers
from rhodiff.store.layout import ReportFolder

__all__ = ["render_report"]

TEMPLATE = files("rhodiff.report") / "template.html"


def render_report(content: ReportContent) -> str:
    """The page as text, to be written as UTF-8.

    Args:
        content: what to show; sections without content are left out.
    """
    environment = jinja2.Environment(
        autoescape=True, undefined=jinja2.StrictUndefined, trim_blocks=True, lstrip_blocks=True
    )
    environment.filters |= {
        "estimate": format_estimate,
        "expected": _format_expected,
        "files": _file_addresses,
        "image": _image_address,
        "number": format_number,
        "seconds": format_seconds,
        "table": _table_address,
        "units": raise_powers,
    }
    return environment.from_string(TEMPLATE.read_text(encoding="utf-8")).render(content=content)


def _format_expected(number: KeyNumber) -> str:
    """What a perfect model would show at these set sizes: the floor, or the ideal with the error of the number."""
    scale, unit = (100, " %") if number.percent else (1, "")
    if number.ideal is None and math.isnan(number.estimate.floor):
        return format_number(math.nan)
    if number.ideal is None:
        return f"{format_number(scale * number.estimate.floor, 2)}{unit}"
    return f"{format_number(scale * number.ideal)}{unit}"


def _image_address(figure: ReportFigure) -> str:
    return data_uri(*figure.pictures.shown)


def _file_addresses(figure: ReportFigure) -> dict[str, str]:
    """Addresses of a figure's files, relative to the page, by format."""
    page = ReportFolder(Path())
    return {suffix.upper(): page.figure(figure.name, suffix).as_posix() for suffix in figure.files()}


def _table_address(figure: ReportFigure) -> str:
    return data_uri((figure.csv or "").encode(), "text/csv;charset=utf-8")
