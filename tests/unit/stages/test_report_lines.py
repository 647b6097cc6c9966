"""The lines in a trained network's report: its numbers are those of the stored spectra; bad wishes are refused."""

import csv

import numpy as np
import pytest
from whole_runs import open_run, run_to_evaluation

from rhodiff.errors import ConfigError
from rhodiff.sources.source import TRAIN
from rhodiff.stages.checks import check_experiment
from rhodiff.stages.plan import plan_stage
from rhodiff.stages.reference import reference_indices
from rhodiff.stages.report import write_report
from rhodiff.stages.report_lines import lines_section
from rhodiff.stages.sweep import sweep_cells
from rhodiff.statistics.line_set import compare_spectra
from rhodiff.store.field_store import open_fields

SETTINGS = {
    "name": "lines",
    "data": {
        "source": {
            "kind": "spectra",
            "num_spectra": 40,
            "temperature_k": {"low": 1.0, "high": 1.0},
            "grid": {"low_ghz": 8.0, "high_ghz": 20.0, "size": 64},
        },
        "split": {"train": 0.6, "validation": 0.0, "test": 0.4},
    },
    "fields": {"transform": [{"kind": "asinh", "scale": 1e-6}, {"kind": "standardise"}]},
    "model": {
        "width": 8,
        "multipliers": [1, 2],
        "norm_groups": 4,
        "heads": 1,
        "head_channels": 4,
        "coordinates": 3,
        "conditioning": {"parameters": ["A_GHz", "B_GHz", "C_GHz"]},
    },
    "training": {"iterations": 4, "batch_size": 4, "checkpoint_every": 4, "metrics_every": 1, "sheet_samples": 0},
    "sampling": {"num_samples": 16, "micro_batch": 4, "shard_length": 8, "evaluations": [3]},
    "evaluation": {"bootstrap": 100, "statistics": [{"kind": "power_spectrum"}]},
    "report": {"lines": {"shown": 3}},
    "runtime": {"threads": 1, "device": "cpu"},
}


def workspace_of(folder, *overrides):
    return open_run(folder, SETTINGS, *overrides)


@pytest.fixture(scope="module")
def run(tmp_path_factory):
    """A small trained network, sampled at the parameters of the test spectra, with its report."""
    workspace = workspace_of(tmp_path_factory.mktemp("lines"))
    run_to_evaluation(workspace)
    return workspace, write_report(workspace)


def samples_of(workspace):
    (cell,) = sweep_cells(workspace)
    return open_fields(workspace.run_folder.samples(cell.identity))


def rows_of(path):
    with path.open() as handle:
        return list(csv.DictReader(handle))


def test_numbers_are_those_of_the_stored_spectra(run):
    workspace, _ = run
    samples, store = samples_of(workspace), workspace.store
    columns = [[p.name for p in of.parameter_info].index("A_GHz") for of in (samples, store)]
    place = {value: row for row, value in enumerate(store.parameters[:, columns[1]].tolist())}
    truths = [place[value] for value in samples.parameters[:, columns[0]].tolist()]
    found = compare_spectra(
        samples.fields[:][:, 0].astype(np.float64),
        store.fields[:][truths, 0].astype(np.float64),
        floor=0.02,
        reach=5.0,
    )
    offsets = np.abs(np.concatenate([one.offsets for one in found]))
    _, facts = lines_section(workspace, samples)
    told = {fact.label: fact.value for fact in facts}
    assert told["spectra"] == f"16 with {len(offsets)} lines"
    assert leading(told["distance, generated"]) == pytest.approx(np.median(np.minimum(offsets, 5)), abs=0.05)
    assert leading(told["missing, generated"]) == pytest.approx(100 * np.mean(np.isinf(offsets)), abs=0.5)
    assert leading(told["within a bin, generated"]) == pytest.approx(100 * np.mean(offsets <= 1), abs=0.5)
    assert told["spurious, generated"] == f"{100 * sum(one.num_spurious for one in found) / len(offsets):.2g} %"


def leading(text):
    return float(text.split()[0])


def test_the_baseline_is_the_training_spectrum_of_the_nearest_constants(run):
    workspace, written = run
    store = workspace.store
    fields, parameters = store.fields[:][:, 0].astype(np.float64), store.parameters[:, :3]
    training = store.indices(TRAIN)
    scatter = parameters[training].std(axis=0)
    truths = reference_indices(workspace)[:16]
    apart = np.linalg.norm((parameters[truths][:, None] - parameters[training]) / scatter, axis=2)
    found = compare_spectra(fields[training[apart.argmin(axis=1)]], fields[truths], floor=0.02, reach=5.0)
    expected = np.sort(np.abs(np.concatenate([one.offsets for one in found])))
    rows = rows_of(figure(written, "line_scores.csv"))
    told = [float(row["nearest training field: distance [bins]"]) for row in rows]
    np.testing.assert_allclose(told, expected, atol=2e-3)  # fields are read back through the transform in float32


def figure(written, name):
    return next(path for path in written.figures if path.name == name)


def test_the_figures_are_there_with_their_numbers(run):
    workspace, written = run
    page = written.page.read_text()
    assert 'id="lines"' in page
    shown = rows_of(figure(written, "lines.csv"))
    assert len(shown) == 64
    assert {"truth 1", "generated 1", "truth 3", "generated 3"} <= set(shown[0])
    truths = workspace.store.fields[:][:, 0]
    first = np.array([float(row["truth 1"]) for row in shown], dtype=np.float32)
    assert any(np.allclose(first, one, rtol=1e-5) for one in truths)
    assert plan_stage(workspace, "report").num_files >= len(list(written.page.parent.rglob("*.*")))


@pytest.mark.parametrize(
    ("overrides", "message"),
    [
        (["model.conditioning.parameters=[]"], r"report\.lines needs a network that is told parameters"),
        (
            ["sampling.conditions=[{A_GHz: 8, B_GHz: 3, C_GHz: 2}]"],
            r"report\.lines needs sampling\.conditions 'reference'",
        ),
    ],
)
def test_lines_that_cannot_be_compared_are_refused_at_plan_time(overrides, message, tmp_path):
    workspace = workspace_of(tmp_path, *overrides)
    with pytest.raises(ConfigError, match=message):
        check_experiment(workspace)


def test_fields_that_are_no_spectra_have_no_lines(tmp_path):
    source = "{kind: harmonics, size: 8, max_degree: 2, repeats: 4}"
    changes = [f"data.source={source}", "model.conditioning.parameters=[l, m]", "model.coordinates=0"]
    workspace = workspace_of(tmp_path, *changes, "evaluation.statistics=[{kind: power_spectrum}]")
    with pytest.raises(ConfigError, match=r"report\.lines are those of spectra \(1D\), the fields have 3"):
        check_experiment(workspace)


def test_without_the_setting_there_is_no_section(run):
    workspace, _ = run
    plain = workspace_of(workspace.folder, "report.lines=null")
    assert lines_section(plain, samples_of(workspace)) == ((), ())
