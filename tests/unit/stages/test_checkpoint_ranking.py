"""Checkpoints are ranked from what is stored of their fields, equal numbers of each; reports show the best."""

import json
import re

import numpy as np
import pytest
import zarr

from rhodiff.config.loading import apply_overrides, parse_experiment
from rhodiff.errors import DataError
from rhodiff.runtime.places import Place
from rhodiff.runtime.progress import Silent
from rhodiff.stages.comparison_space import ComparisonSpace
from rhodiff.stages.evaluate import evaluate
from rhodiff.stages.measured import read_measured
from rhodiff.stages.plan import plan_stage
from rhodiff.stages.prepare import prepare
from rhodiff.stages.reference import reference_indices
from rhodiff.stages.report import write_report
from rhodiff.stages.sample import sample_sweep
from rhodiff.stages.selection import family_of, measured_candidates, rank_checkpoints
from rhodiff.stages.sweep import sweep_cells
from rhodiff.stages.train import train
from rhodiff.stages.training_data import open_training_reader
from rhodiff.stages.workspace import Workspace
from rhodiff.statistics import power_spectrum
from rhodiff.store.field_store import open_fields
from rhodiff.store.reader import read_fields

SETTINGS = {
    "name": "ranked",
    "data": {
        "source": {"kind": "cosmic_web", "size": 8, "box_size_mpc_h": 50, "num_vectors": 40, "fields_per_vector": 1},
        "split": {"train": 0.5, "validation": 0.2, "test": 0.3},
    },
    "fields": {"transform": [{"kind": "log10", "offset": 0.05}, {"kind": "standardise"}]},
    "model": {"width": 8, "multipliers": [1, 2], "norm_groups": 4, "heads": 1, "head_channels": 4},
    "training": {"iterations": 4, "batch_size": 4, "checkpoint_every": 2, "metrics_every": 1, "sheet_samples": 0},
    "sampling": {"num_samples": 9, "micro_batch": 9, "shard_length": 9, "evaluations": [3], "checkpoints": "all"},
    "evaluation": {
        "bootstrap": 100,
        "memorisation": None,
        "statistics": [{"kind": "power_spectrum"}],
        "selection": {"resamples": 200},
    },
    "runtime": {"threads": 1, "device": "cpu"},
}


@pytest.fixture(scope="session")
def ranked_folder(tmp_path_factory):
    workspace = Workspace(parse_experiment(SETTINGS, "test"), tmp_path_factory.mktemp("ranked"), Silent())
    prepare(workspace)
    train(workspace, Place())
    return workspace.folder


@pytest.fixture
def sweep(ranked_folder):
    """A sweep with other settings, sampled and evaluated."""

    def opened(*overrides):
        return Workspace(parse_experiment(apply_overrides(SETTINGS, overrides), "test"), ranked_folder, Silent())

    def make(*overrides, evaluated=True):
        workspace = opened(*overrides)
        sample_sweep(workspace)
        if evaluated:
            evaluate(workspace)
        return workspace

    make.workspace = opened
    return make


def mean_spectrum(space, fields):
    return power_spectrum(fields[:, 0], box_size=space.spec.box_size[0]).power.mean(axis=0)


def test_the_score_is_that_of_the_stored_samples(sweep):
    workspace = sweep()
    (found,) = rank_checkpoints(workspace)
    space = ComparisonSpace(workspace)
    reference = mean_spectrum(
        space, space.of_data(open_training_reader(workspace).read(reference_indices(workspace)))
    )
    assert [row.name for row in found.outcome.rows] == sorted(
        found.cells, key=lambda name: next(row.score.value for row in found.outcome.rows if row.name == name)
    )
    assert {cell.checkpoint.iteration for cell in found.cells.values()} >= {2, 4}
    for row in found.outcome.rows:
        samples = open_fields(workspace.run_folder.samples(found.cells[row.name].identity))
        power = mean_spectrum(space, space.of_samples(read_fields(samples, np.arange(9))))
        assert row.score.value == pytest.approx(np.mean(np.abs(power / reference - 1)), rel=1e-6)


def test_the_ranking_is_kept_with_its_settings(sweep):
    workspace = sweep()
    (found,) = rank_checkpoints(workspace)
    (path,) = (workspace.run_folder.path / "statistics").glob("selection-*.json")
    kept = json.loads(path.read_text())
    assert kept["schema"] == 1
    assert path.name == f"selection-{kept['identity']}.json"
    assert kept["settings"]["level"] == 0.05
    assert kept["rankings"][0]["sentence"] == found.outcome.sentence()
    assert kept["rankings"][0]["ranking"]["rows"][0]["name"] == found.outcome.best.name
    assert kept["rankings"][0]["samples"][found.outcome.best.name] == found.best.identity
    before = path.read_bytes()
    rank_checkpoints(workspace)
    assert path.read_bytes() == before
    path.unlink()


def test_another_ranking_measures_nothing_again(sweep):
    sweep()
    again = sweep("evaluation.selection.level=0.2", evaluated=False)
    (found,) = rank_checkpoints(again)
    assert found.outcome.level == 0.2


def test_samples_that_diverged_anywhere_are_left_out_everywhere(sweep):
    workspace = sweep("sampling.seeds=[31]", evaluated=False)
    cells = sweep_cells(workspace)
    spoilt = zarr.open_group(workspace.run_folder.samples(cells[0].identity), mode="r+")["valid"]
    spoilt[4] = False
    evaluate(workspace)
    given = measured_candidates(workspace, cells)
    name = "power_spectrum/value"
    assert given.num_samples == 8
    assert {len(one.values[name].values) for one in given.candidates} == {8}
    whole = read_measured(workspace, cells[1]).measurements["power_spectrum", "value"].values
    np.testing.assert_array_equal(given.candidates[1].values[name].values, np.delete(whole, 4, axis=0))


def test_samplers_are_families_of_one_ranking(sweep):
    workspace = sweep("sampling.samplers=[ddim, dpmpp_2m]", "sampling.seeds=[0, 1]")
    (found,) = rank_checkpoints(workspace)
    assert {row.family for row in found.outcome.rows} == {
        f"{sampler} 3, seed {seed}" for sampler in ("ddim", "dpmpp_2m") for seed in (0, 1)
    }
    assert found.outcome.best.family == family_of(workspace, found.best)
    assert {spread.over for spread in found.outcome.spreads} >= {"families", "candidates of ddim 3, seed 0"}


def test_widths_of_the_average_are_ranked_at_one_checkpoint_against_the_validation_split(sweep):
    two = ("training.ema_gamma=[16.97, 6.94]", "training.checkpoint_every=1", "evaluation.reference=validation")
    train(sweep.workspace(*two), Place())
    workspace = sweep(*two, "sampling.checkpoints=last", "sampling.ema_gamma=[7, 10, 16]")
    (found,) = rank_checkpoints(workspace)
    assert {cell.ema_gamma for cell in found.cells.values()} == {7, 10, 16}
    scores = {found.cells[row.name].ema_gamma: row.score.value for row in found.outcome.rows}
    space = ComparisonSpace(workspace)
    fields = open_training_reader(workspace).read(reference_indices(workspace))
    reference = mean_spectrum(space, space.of_data(fields))
    for cell in sweep_cells(workspace):
        samples = read_fields(open_fields(workspace.run_folder.samples(cell.identity)), np.arange(9))
        ratio = mean_spectrum(space, space.of_samples(samples)) / reference - 1
        assert scores[cell.ema_gamma] == pytest.approx(np.abs(ratio).mean(), rel=1e-6)
    assert found.best.ema_gamma == min(scores, key=scores.get)
    page = write_report(workspace).page.read_text()
    assert all(f"EMA gamma {width}" in page for width in (7, 10, 16))


@pytest.mark.parametrize(
    ("overrides", "reason"),
    [
        (("sampling.checkpoints=last",), "one checkpoint, that of iteration 4: .* sampling.checkpoints: all"),
        (("evaluation.statistics=[{kind: pixel_distribution}]",), "add power_spectrum or minkowski"),
        (("sampling.num_samples=6", "sampling.micro_batch=6", "sampling.shard_length=6"), "6 independent groups"),
    ],
)
def test_what_cannot_be_ranked_says_why_and_the_report_shows_the_last(sweep, overrides, reason):
    workspace = sweep(*overrides)
    (found,) = rank_checkpoints(workspace)
    assert found.best is None
    assert re.search(reason, found.outcome)
    page = write_report(workspace).page.read_text()
    assert "There is no ranking" in page
    assert "too good on average" not in page


def test_a_sweep_that_is_not_evaluated_is_refused(sweep):
    with pytest.raises(DataError, match="run 'rhodiff-hpc run evaluate'"):
        rank_checkpoints(sweep("evaluation.seed=9", evaluated=False))


def test_the_report_shows_the_best_and_warns_or_the_last(sweep):
    workspace = sweep()
    (found,) = rank_checkpoints(workspace)
    text = write_report(workspace).page.read_text()
    best = f"iteration {found.best.checkpoint.iteration}, {found.best.sampler} {found.best.evaluations}"
    assert "too good on average" in text
    assert f"that of iteration {found.best.checkpoint.iteration} with" in text
    assert "Selection of checkpoints" in text
    written = {path.name for path in write_report(workspace).figures}
    assert {"checkpoints_spread.pdf", "checkpoints_power_spectrum_value.csv", "checkpoints_spread.csv"} <= written
    table = workspace.run_folder.report_folder.figure("power_spectrum_value", "csv").read_text()
    assert f"generated ({best}): mean" in table
    assert len(written) + 2 <= plan_stage(workspace, "report").num_files
    last = write_report(sweep("report.shown=last"))
    assert "too good on average" not in last.page.read_text()
    table = workspace.run_folder.report_folder.figure("power_spectrum_value", "csv").read_text()
    assert "generated (iteration 4, " in table
