"""Guidance as an axis of a sweep: cells, their samples and what is recorded of them."""

import numpy as np
import pytest
import torch

from rhodiff.config.loading import apply_overrides, parse_experiment
from rhodiff.runtime.places import Place
from rhodiff.runtime.progress import Silent
from rhodiff.stages.evaluate import evaluate
from rhodiff.stages.generation import generate
from rhodiff.stages.plan import plan_stage
from rhodiff.stages.report import write_report
from rhodiff.stages.sample import sample_sweep
from rhodiff.stages.sweep import check_sweep, sweep_cells
from rhodiff.stages.train import train
from rhodiff.stages.workspace import Workspace
from rhodiff.store.field_store import open_fields
from rhodiff.training.restored import restore_model

CONDITIONS = np.array([[2.0, 1.0], [3.0, -2.0], [1.0, 0.0], [1.0, 1.0]])


@pytest.fixture(scope="module")
def settings(trained):
    """Those of the trained experiment, with dropout."""
    plain = trained.experiment.model_dump(mode="json")
    return apply_overrides(plain, ["model.conditioning.dropout=0.3"])


@pytest.fixture(scope="module")
def folder(trained, settings):
    """Where the network with dropout was trained."""
    train(Workspace(parse_experiment(settings, "test"), trained.folder, Silent()), Place())
    return trained.folder


@pytest.fixture
def guided(folder, settings, observer):
    """Makes a workspace of the trained network with other settings."""

    def change(*overrides):
        return Workspace(parse_experiment(apply_overrides(settings, overrides), "test"), folder, observer)

    return change


def test_guidance_is_an_axis_whose_default_keeps_the_names_of_cells(guided):
    (plain,) = sweep_cells(guided())
    several = sweep_cells(guided("sampling.guidance=[0, 1, 2]", "sampling.seeds=[0, 1]"))
    assert [(cell.guidance, cell.seed) for cell in several] == [(w, s) for w in (0, 1, 2) for s in (0, 1)]
    assert len({cell.identity for cell in several}) == 6
    assert plain.identity == several[2].identity
    assert plan_stage(guided("sampling.guidance=[0, 1, 2]"), "sample").num_tasks == 3 * 3


def test_other_weights_are_warned_of_once(guided, observer):
    workspace = guided("sampling.guidance=[1, 2]")
    check_sweep(workspace)
    check_sweep(workspace)
    (warning,) = observer.warnings
    assert "sampling.guidance 2" in warning
    assert "biases variances" in warning
    check_sweep(guided("sampling.guidance=1"))
    assert len(observer.warnings) == 1


@pytest.mark.parametrize("diffusion", ["edm", "wiener", "ddpm"])
def test_samples_at_weight_one_are_the_unguided_ones_bit_for_bit(diffusion, guided):
    workspace = guided(f"diffusion={{kind: {diffusion}}}")
    train(workspace, Place())
    cells = sweep_cells(guided(f"diffusion={{kind: {diffusion}}}", "sampling.guidance=[0, 1, 2]"))
    model = restore_model(cells[0].checkpoint.path, "raw", torch.device("cpu"))
    without, one, two = (generate(model, cell, CONDITIONS, 0, 4, 0).fields for cell in cells)
    assert np.array_equal(one, _by_hand(model, cells[1]))
    assert not np.array_equal(one, two)
    assert not np.array_equal(one, without)


def _by_hand(model, cell):
    """The same without a word of guidance."""

    class Plain:
        def __getattr__(self, name):
            return getattr(model, name)

        def denoiser(self, parameters, guidance):
            return lambda x, sigma: model.formulation.denoise(model.network, x, sigma, parameters)

    return generate(Plain(), cell, CONDITIONS, 0, 4, 0).fields


def test_without_guidance_nothing_is_told(guided):
    (cell,) = sweep_cells(guided("sampling.guidance=0"))
    model = restore_model(cell.checkpoint.path, "raw", torch.device("cpu"))
    elsewhere = generate(model, cell, CONDITIONS[::-1].copy(), 0, 4, 0).fields
    assert np.array_equal(generate(model, cell, CONDITIONS, 0, 4, 0).fields, elsewhere)


def test_samples_and_report_say_by_what_weight(guided, observer):
    workspace = guided("sampling.guidance=[1, 2]", "report.shown=last")
    cells = sample_sweep(workspace)
    stores = [open_fields(workspace.run_folder.samples(cell.identity)) for cell in cells]
    assert [store.attributes["guidance"] for store in stores] == [1.0, 2.0]
    assert stores[0].attributes["trained_range"]["l"] == [0.0, 3.0]
    evaluate(workspace)
    page = write_report(workspace).page.read_text()
    assert "guidance weight 2" in page
    assert "biases variances" in page
    assert '<th class="figure">guidance</th>' in page
    assert "guidance weight" not in write_report(guided("sampling.guidance=1")).page.read_text()
