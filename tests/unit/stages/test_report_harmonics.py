"""Harmonics in a trained network's report: its numbers are those of the stored volumes; bad wishes are refused."""

import csv

import numpy as np
import pytest
from whole_runs import open_run, run_to_evaluation

from rhodiff.errors import ConfigError
from rhodiff.sources.harmonics import real_harmonic
from rhodiff.stages.checks import check_experiment
from rhodiff.stages.plan import plan_stage
from rhodiff.stages.report import write_report
from rhodiff.stages.report_harmonics import harmonics_section
from rhodiff.stages.sweep import sweep_cells
from rhodiff.store.field_store import open_fields

SETTINGS = {
    "name": "harmonics",
    "data": {
        "source": {"kind": "harmonics", "size": 8, "max_degree": 1, "repeats": 4},
        "split": {"train": 0.5, "validation": 0.0, "test": 0.5, "shuffle": False},
    },
    "model": {
        "width": 8,
        "multipliers": [1, 2],
        "norm_groups": 4,
        "heads": 1,
        "head_channels": 4,
        "conditioning": {"parameters": ["l", "m"]},
    },
    "training": {"iterations": 4, "batch_size": 4, "checkpoint_every": 4, "metrics_every": 1, "sheet_samples": 0},
    "sampling": {"num_samples": 16, "micro_batch": 4, "shard_length": 16, "evaluations": [3]},
    "evaluation": {"bootstrap": 100, "statistics": [{"kind": "power_spectrum"}]},
    "report": {"harmonics": {"degree": 1, "order": -1}},
    "runtime": {"threads": 1, "device": "cpu"},
}


def workspace_of(folder, *overrides):
    return open_run(folder, SETTINGS, *overrides)


@pytest.fixture(scope="module")
def run(tmp_path_factory):
    """A small trained network, sampled four times at each (l, m), with its report."""
    workspace = workspace_of(tmp_path_factory.mktemp("harmonics"))
    run_to_evaluation(workspace)
    return workspace, write_report(workspace)


def test_the_table_is_that_of_the_stored_volumes(run):
    workspace, written = run
    (cell,) = sweep_cells(workspace)
    samples = open_fields(workspace.run_folder.samples(cell.identity))
    names = [parameter.name for parameter in samples.parameter_info]
    asked = samples.parameters[:][:, [names.index("l"), names.index("m")]]
    fields = samples.fields[:][:, 0].astype(np.float64)
    path = next(path for path in written.figures if path.name == "harmonic_scores.csv")
    with path.open() as handle:
        rows = list(csv.DictReader(handle))
    assert [(int(row["l"]), int(row["m"])) for row in rows] == [(0, 0), (1, -1), (1, 0), (1, 1)]
    for row in rows:
        mine = fields[(asked == [int(row["l"]), int(row["m"])]).all(axis=1)]
        truth = real_harmonic(int(row["l"]), int(row["m"]), 8)
        l2 = [np.linalg.norm(one - truth) / np.linalg.norm(truth) for one in mine]
        w1 = [np.abs(np.sort(one.ravel()) - np.sort(truth.ravel())).mean() for one in mine]
        assert int(row["volumes"]) == len(mine) == 4
        assert float(row["relative L2"]) == pytest.approx(np.mean(l2), rel=1e-5)
        assert float(row["relative L2, standard deviation"]) == pytest.approx(np.std(l2), rel=1e-3)
        assert float(row["W1 of the values"]) == pytest.approx(np.mean(w1), rel=1e-5)


def test_the_page_has_the_section_and_its_files_are_planned(run):
    workspace, written = run
    page = written.page.read_text()
    assert 'id="harmonics"' in page and page.count("W₁ of the values") >= 2
    assert {"harmonic.png", "harmonic.pdf", "harmonic_scores.svg"} <= {path.name for path in written.figures}
    assert plan_stage(workspace, "report").num_files >= len(list(written.page.parent.rglob("*.*")))


def test_without_the_setting_there_is_no_section(run):
    workspace, _ = run
    (cell,) = sweep_cells(workspace)
    samples = open_fields(workspace.run_folder.samples(cell.identity))
    assert harmonics_section(workspace_of(workspace.folder, "report.harmonics=null"), samples) == ((), (), ())


@pytest.mark.parametrize(
    ("overrides", "message"),
    [
        (["model.conditioning.parameters=[]"], r"told l and m; model\.conditioning\.parameters is \[\]"),
        (["model.conditioning.parameters=[l]"], r"told l and m; model\.conditioning\.parameters is \['l'\]"),
        (["report.harmonics.degree=2"], r"shows l = 2, m = -1, but the data has l = 0 to 1"),
        (["report.harmonics.order=2"], r"no order m = 2 of degree l = 1"),
        (
            ["data.source={kind: spectra, num_spectra: 40}", "model.conditioning.parameters=[A_GHz]"],
            r"report\.harmonics needs data\.source\.kind 'harmonics', here it is 'spectra'",
        ),
    ],
)
def test_harmonics_that_cannot_be_compared_are_refused_at_plan_time(overrides, message, tmp_path):
    with pytest.raises(ConfigError, match=message):
        check_experiment(workspace_of(tmp_path, *overrides))
