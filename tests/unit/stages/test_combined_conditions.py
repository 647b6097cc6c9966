"""Continuous, categorical and hashed parameters in one model, from a table of parameters to its report.

Fields of 16 periodic cells: white noise whose mean is the height, with the sign that the side says, and whose
standard deviation the pattern says. Heights are continuous and in part held out, the side is a label, the pattern a
number that names one of three roughnesses.
"""

import numpy as np
import pytest
import torch

from rhodiff.config.loading import apply_overrides, parse_experiment
from rhodiff.errors import ConfigError
from rhodiff.runtime.places import Place
from rhodiff.runtime.progress import Silent
from rhodiff.sources.source import TRAIN
from rhodiff.stages.checks import check_experiment
from rhodiff.stages.evaluate import evaluate
from rhodiff.stages.prepare import prepare
from rhodiff.stages.report import write_report
from rhodiff.stages.sample import sample_sweep
from rhodiff.stages.train import train
from rhodiff.stages.workspace import Workspace
from rhodiff.store.field_store import open_fields

CELLS = 16
LADDER, HELD_OUT = np.linspace(0.5, 2.0, 12), [3, 6, 9]
HEIGHTS = np.concatenate([np.delete(LADDER, HELD_OUT), LADDER[HELD_OUT]])  # the last quarter, inner ones, is held out
SIDES = {3.0: 1.0, 8.0: -1.0}
PATTERNS = {17.0: 0.1, 4.0: 0.3, 99.0: 0.8}


def expected(parameters):
    """Mean and standard deviation of a cell at each row of parameters, ``[field]`` each."""
    height, side, pattern = parameters.T
    return height * [SIDES[one] for one in side], np.array([PATTERNS[one] for one in pattern])


def settings_of(folder):
    return {
        "name": "combined",
        "data": {
            "source": {
                "kind": "arrays",
                "fields": str(folder / "fields.npy"),
                "parameters": str(folder / "parameters.npy"),
                "parameter_names": ["height", "side", "pattern"],
                "group_by": ["height"],
                "periodic": True,
            },
            "split": {"train": 0.75, "validation": 0, "test": 0.25, "shuffle": False},
            "shard_length": 120,
        },
        "model": {
            "width": 16,
            "multipliers": [1, 2],
            "norm_groups": 4,
            "heads": 1,
            "head_channels": 4,
            "conditioning": {
                "parameters": ["height", "side", "pattern"],
                "categorical": ["side"],
                "hashed": ["pattern"],
                "dropout": 0.1,
            },
        },
        "training": {
            "iterations": 500,
            "batch_size": 16,
            "checkpoint_every": 500,
            "sheet_samples": 0,
            "optimizer": {"learning_rate": 0.004},
        },
        "sampling": {
            "num_samples": 180,
            "samplers": ["dpmpp_2m"],
            "evaluations": [12],
            "micro_batch": 60,
            "shard_length": 180,
        },
        "evaluation": {"bootstrap": 100, "statistics": [{"kind": "power_spectrum"}, {"kind": "pixel_distribution"}]},
        "report": {"calibration": {}},
        "runtime": {"threads": 1, "device": "cpu"},
    }


@pytest.fixture(scope="module")
def trained_combination(tmp_path_factory):
    """A workspace with fields of all combinations, ten of each, trained and sampled."""
    torch.set_num_threads(1)
    folder = tmp_path_factory.mktemp("combined")
    table = np.array([(h, s, p) for h in HEIGHTS for s in SIDES for p in PATTERNS for _ in range(10)])
    mean, std = expected(table)
    noise = np.random.default_rng(5).normal(size=(len(table), CELLS))
    np.save(folder / "fields.npy", (mean[:, None] + std[:, None] * noise).astype(np.float32))
    np.save(folder / "parameters.npy", table)
    workspace = Workspace(parse_experiment(settings_of(folder), "test"), folder, Silent())
    prepare(workspace)
    train(workspace, Place())
    (cell,) = sample_sweep(workspace)
    return workspace, open_fields(workspace.run_folder.samples(cell.identity))


def test_all_three_kinds_are_learned_and_heights_between_the_trained_ones_interpolated(trained_combination):
    workspace, samples = trained_combination
    trained = workspace.store.parameters[workspace.store.indices(TRAIN)]
    asked = samples.parameters[:, 0]
    assert not set(asked) & set(trained[:, 0]), "heights were held out"
    assert trained[:, 0].min() < asked.min() < asked.max() < trained[:, 0].max()
    mean, std = expected(samples.parameters)
    fields = np.asarray(samples.fields)[:, 0]
    assert np.corrcoef(fields.mean(axis=1), mean)[0, 1] > 0.95
    slope = np.polyfit(np.abs(mean), np.abs(fields.mean(axis=1)), 1)[0]
    assert slope == pytest.approx(1, abs=0.3), "heights that were not trained lie between those that were"
    roughness = [np.median(fields[std == one].std(axis=1)) for one in PATTERNS.values()]
    assert roughness == sorted(roughness)
    assert roughness[2] > 2 * roughness[0]


def test_the_report_has_a_row_for_each_held_out_combination(trained_combination):
    workspace, samples = trained_combination
    evaluate(workspace)
    written = write_report(workspace)
    page = written.page.read_text()
    vectors = len(np.unique(samples.parameters, axis=0))
    assert vectors == 18
    rows = page[page.index('id="calibration"') :].partition("</table></div>")[0].count("height = ")
    assert rows == vectors
    assert {"calibration.csv", "calibration_errors.csv"} <= {path.name for path in written.figures}
    (table,) = [path for path in written.figures if path.name == "calibration.csv"]
    assert len(table.read_text().splitlines()) == 1 + vectors


@pytest.mark.parametrize(
    ("override", "message"),
    [
        (
            "model.conditioning.parameters=[heigth, side, pattern]",
            "'heigth' is not in the data.*did you mean 'height'",
        ),
        ("sampling.conditions=[{height: 1, side: 3, patern: 4}]", "for 'patern', did you mean 'pattern'"),
        ("sampling.conditions=[{height: 1, side: 4, pattern: 4}]", "'side' has values 4 .* allowed are 3, 8"),
        (
            "sampling.conditions=[{height: 1, side: 3, pattern: 4}]",
            "report.calibration needs sampling.conditions 'ref",
        ),
        ("report.calibration.fewest_fields=50", "none of the 18 parameter vectors.*50 reference fields"),
    ],
)
def test_what_cannot_be_is_one_error_before_anything_runs(trained_combination, observer, override, message):
    workspace, _ = trained_combination
    changed = apply_overrides(settings_of(workspace.folder), [override])
    with pytest.raises(ConfigError, match=message):
        check_experiment(Workspace(parse_experiment(changed, "test"), workspace.folder, observer))


def test_a_combination_that_was_not_trained_is_told(trained_combination, observer):
    workspace, _ = trained_combination
    changed = apply_overrides(
        settings_of(workspace.folder),
        ["sampling.conditions=[{height: 9, side: 3, pattern: 5}]", "report.calibration=null"],
    )
    check_experiment(Workspace(parse_experiment(changed, "test"), workspace.folder, observer))
    assert "height = 9 is outside" in observer.warnings[0]
    assert "pattern = 5 was not trained" in observer.warnings[0]
