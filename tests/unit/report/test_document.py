"""The report is one valid, self-contained, escaped page that holds its pictures and numbers."""

import base64
import csv
import io
from dataclasses import fields as record_fields
from html.parser import HTMLParser

import numpy as np
import pytest

from rhodiff.report import (
    CellRow,
    Fact,
    ReportContent,
    TrainingCurve,
    headline_numbers,
    render_report,
    report_distribution,
    report_loss,
    report_samples,
    report_spectrum,
    report_trajectory,
    sizes_sentence,
)
from rhodiff.statistics import Estimate
from rhodiff.statistics.comparison import SetSizes

VOID = {"meta", "img", "br", "link", "hr", "input"}
HOSTILE = "<script>alert('x')</script> & \"quoted\""


class Page(HTMLParser):
    """Collects what a browser would load, and checks that every tag is closed."""

    def __init__(self):
        super().__init__()
        self.open, self.addresses, self.loaded, self.tags, self.text, self.headings = [], [], [], [], "", []

    def handle_starttag(self, tag, attrs):
        self.tags.append(tag)
        self.addresses += [value for name, value in attrs if name in {"src", "href", "srcset", "data"}]
        self.loaded += [value for name, value in attrs if name == "src" or tag == "link"]
        if tag not in VOID:
            self.open.append(tag)

    def handle_endtag(self, tag):
        assert self.open.pop() == tag

    def handle_data(self, data):
        self.text += data
        if self.open and self.open[-1] == "h2":
            self.headings.append(data)


def parse(html):
    page = Page()
    page.feed(html)
    page.close()
    assert page.open == []
    return page


@pytest.fixture(scope="module")
def content(experiment_2d):
    one, name = experiment_2d, "dpmpp_2m"
    cell = CellRow(
        2000, name, 25, 0, "Omega_m = 0.3", 15, one.spectrum.mean_absolute, one.spectrum.worst,
        one.values.w1_over_std, one.values.std_ratio, one.values.skewness_difference, 0.031, shown=True,
    )  # fmt: skip
    return ReportContent(
        title=HOSTILE,
        summary=f"trained {HOSTILE}",
        basis=(sizes_sentence(one.spectrum.sizes), HOSTILE),
        key_numbers=headline_numbers(
            one.spectrum, one.values, training_spectrum=one.spectrum, training_values=one.values
        ),
        warnings=(HOSTILE,),
        samples=(report_samples(one.reference, one.generated, one.spec, note=HOSTILE),),
        spectra=(report_spectrum({HOSTILE: one.spectrum}),),
        distributions=(report_distribution({name: one.density}, {name: one.values}),),
        training=(report_loss(TrainingCurve(np.arange(1.0, 9), np.ones(8))),),
        cells=(cell,),
        trajectory=(report_trajectory(one.generated[:2, None], one.spec, noise_levels=[0.1]),),
        data=(Fact("source", HOSTILE, HOSTILE),),
        costs=(Fact("training", "10 min"),),
        configuration=f"name: {HOSTILE}\nseed: 0",
        environment=(Fact("host", HOSTILE),),
        created="2026-01-01T00:00:00Z",
        run="demo-1a2b3c4d",
    )


def test_the_page_is_well_formed_and_complete(content):
    page = parse(render_report(content))
    assert page.tags.count("img") == 5
    assert page.headings == [
        "Samples", "Power spectra", "Distributions of values", "Sampling sweep", "Sampling trajectory", "Training",
        "Data", "Costs", "Configuration", "Environment",
    ]  # fmt: skip
    assert "15 generated fields against 20 reference fields" in page.text


def test_the_page_loads_nothing_from_outside(content):
    html = render_report(content)
    page = parse(html)
    assert all(address.startswith(("data:", "#", "figures/")) for address in page.addresses)
    assert len(page.loaded) == 5
    assert all(address.startswith("data:image/") for address in page.loaded)
    assert "url(" not in html
    assert "@import" not in html


def test_what_users_supply_is_escaped(content):
    html = render_report(content)
    page = parse(html)
    assert "script" not in page.tags
    assert "<script" not in html
    assert page.text.count("<script>alert('x')</script> & \"quoted\"") >= 9


def test_links_of_the_page_have_targets(content):
    html = render_report(content)
    targets = [address[1:] for address in parse(html).addresses if address.startswith("#")]
    assert len(targets) == 10
    assert all(f'id="{target}"' in html for target in targets)


def test_the_numbers_behind_a_figure_can_be_taken_out(content, experiment_2d):
    page = parse(render_report(content))
    tables = [address for address in page.addresses if address.startswith("data:text/csv")]
    assert len(tables) == 3
    text = base64.b64decode(tables[0].partition("base64,")[2]).decode()
    rows = list(csv.DictReader(io.StringIO(text)))
    found = [float(row[f"{HOSTILE}: relative_difference"]) for row in rows]
    np.testing.assert_array_equal(found, experiment_2d.spectrum.relative_difference)


def test_pictures_decode_to_what_they_claim(content):
    page = parse(render_report(content))
    for address in page.addresses:
        if address.startswith("data:image/"):
            start = base64.b64decode(address.partition("base64,")[2])[:100]
            assert start.startswith(b"\x89PNG") if "png" in address[:20] else b"<?xml" in start


def test_the_page_links_to_every_file_of_its_figures(content):
    page = parse(render_report(content))
    found = {address for address in page.addresses if address.startswith("figures/")}
    assert found == {f"figures/{one.name}.{suffix}" for one in content.figures for suffix in one.files()}
    assert {"figures/samples.pdf", "figures/power_spectrum_value.csv", "figures/loss.svg"} <= found


def test_sheets_name_the_stores_of_their_fields(experiment_2d):
    one = experiment_2d
    sheet = report_samples(one.reference, one.generated, one.spec, stores=["run/samples/1a.zarr (generated)"])
    page = parse(render_report(ReportContent(title="one", summary="sheet", samples=(sheet,))))
    assert "run/samples/1a.zarr (generated)" in page.text
    assert set(sheet.files()) == {"pdf", "png"}


def test_headline_numbers_come_with_errors_floor_and_training(content):
    page = parse(render_report(content))
    assert "perfect model" in page.text
    assert "training against reference" in page.text
    assert page.text.count("±") >= 12


def test_sections_without_content_are_left_out():
    page = parse(render_report(ReportContent(title="empty", summary="nothing yet")))
    assert page.headings == []
    assert page.addresses == []


def test_the_configuration_is_open_when_printed(content):
    html = render_report(content)
    printed = html.partition("@media print")[2]
    assert "details::details-content" in printed
    assert "break-inside: avoid" in printed


def test_numbers_that_are_not_known_are_said_to_be(content):
    unknown = Estimate(0.1, float("nan"))
    row = CellRow(1, "heun", 3, 0, "", 1, unknown, unknown, unknown, unknown, unknown)
    page = parse(render_report(ReportContent(title="one", summary="group", cells=(row,))))
    assert page.text.count("error unknown") == 5
    assert "condition" not in page.text


def test_every_record_is_documented():
    for record in (CellRow, Fact, ReportContent):
        for field in record_fields(record):
            assert f"{field.name}:" in record.__doc__


@pytest.mark.parametrize(
    ("sizes", "text"),
    [
        (SetSizes(300, 20, 1, 1), "1 generated field against 300 test fields in 20 independent groups."),
        (SetSizes(5, 1, 8, 8), "8 generated fields against 5 test fields in 1 independent group."),
    ],
)
def test_sizes_are_said_in_words(sizes, text):
    assert sizes_sentence(sizes, "test") == text
