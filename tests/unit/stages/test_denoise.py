"""Which fields are denoised by what, from which random numbers, and what is refused."""

import math

import numpy as np
import pytest
import torch
from scipy.ndimage import gaussian_filter

from rhodiff.config.loading import apply_overrides, parse_experiment
from rhodiff.diffusion import noise_ladder
from rhodiff.diffusion.ddpm import DdpmFormulation
from rhodiff.errors import ConfigError, DataError
from rhodiff.fields.noise_space import NoiseSpace
from rhodiff.report import format_estimate
from rhodiff.runtime.places import Place
from rhodiff.sources.source import TEST
from rhodiff.stages.checks import check_experiment
from rhodiff.stages.denoise import denoise, denoise_tasks
from rhodiff.stages.denoised_block import ESTIMATES, measure_block
from rhodiff.stages.denoised_results import finished_checkpoints, read_denoised, read_examples, summarise
from rhodiff.stages.observation import chosen_fields, observe
from rhodiff.stages.plan import plan_stage
from rhodiff.stages.posterior import FieldDenoiser, Posterior, ladder
from rhodiff.stages.prepare import prepare
from rhodiff.stages.report_denoising import denoising_numbers, denoising_warnings
from rhodiff.stages.train import train
from rhodiff.stages.trained_network import find_checkpoints, load_network
from rhodiff.stages.training_data import conditions_of, fitted_transform
from rhodiff.stages.unfinished import find_tasks, inputs_are_there
from rhodiff.stages.workspace import Workspace
from rhodiff.store.block_store import read_blocks

SECTION = {
    "split": "test",
    "noise": {"sigma": 0.5, "of": "std"},
    "posterior_samples": 3,
    "samples_kept": 3,
    "evaluations": 2,
    "micro_batch": 4,
    "block_length": 3,
}
CPU = torch.device("cpu")


@pytest.fixture
def make(changed):
    """A workspace with the section, changed."""

    def with_section(*overrides):
        return changed(f"denoising={SECTION}", *overrides)

    return with_section


def stored(workspace, *names, task=0):
    identity = denoise_tasks(workspace)[task].identity
    return read_blocks(workspace.run_folder.denoised(identity), names)


def test_tasks_are_blocks_of_each_checkpoint(make):
    workspace = make("denoising.checkpoints=[2, 4]")
    number = len(chosen_fields(workspace))
    tasks = denoise_tasks(workspace)
    blocks = math.ceil(number / 3)
    assert [task.block for task in tasks] == [*range(blocks), *range(blocks)]
    assert [task.checkpoint.iteration for task in tasks] == [2] * blocks + [4] * blocks
    assert len({task.identity for task in tasks}) == 2
    assert plan_stage(workspace, "denoise").num_tasks == 2 * blocks


def test_identity_follows_from_the_section_and_not_from_what_else_is_denoised(make):
    (one, *_), (other, *_) = denoise_tasks(make()), denoise_tasks(make("denoising.checkpoints=[2, 4]"))
    assert one.identity != other.identity  # of the earlier checkpoint
    assert one.identity == denoise_tasks(make("denoising.checkpoints=[2, 4]"))[-1].identity
    for change in ("denoising.noise.sigma=0.4", "denoising.seed=1", "denoising.evaluations=3"):
        assert denoise_tasks(make(change))[0].identity != one.identity
    for same in ("runtime.threads=2", "sampling.num_samples=8"):
        assert denoise_tasks(make(same))[0].identity == one.identity


def test_fields_are_those_of_the_split_in_one_order_however_many(make):
    every = chosen_fields(make())
    assert np.array_equal(np.sort(every), make().store.indices(TEST))
    np.testing.assert_array_equal(chosen_fields(make("denoising.num_fields=2")), every[:2])
    with pytest.raises(ConfigError, match=r"denoising\.num_fields is 10000, but the test split has"):
        chosen_fields(make("denoising.num_fields=10000"))


def test_blocks_and_batches_do_not_change_a_field_beyond_rounding(make):
    names = ("noisy", "posterior_mean", "draws", "ranks", "correlation")
    found = []
    for override in ("denoising.block_length=3", "denoising.block_length=100"):
        denoise(make(override))
        found.append(stored(make(override), *names))
    for name in names:
        np.testing.assert_array_equal(found[0][name], found[1][name])
    workspace = make("denoising.micro_batch=7")
    denoise(workspace)
    np.testing.assert_allclose(stored(workspace, "draws")["draws"], found[0]["draws"], atol=1e-5)


def test_checkpoints_see_the_same_noisy_fields_and_draw_with_noise_of_their_own(make):
    workspace = make("denoising.checkpoints=[2, 4]", "denoising.num_fields=3")
    denoise(workspace)
    one, two = (stored(workspace, "noisy", "draws", "posterior_mean", task=task) for task in (0, 1))
    np.testing.assert_array_equal(one["noisy"], two["noisy"])
    spread = [found["draws"] - found["draws"].mean(axis=1, keepdims=True) for found in (one, two)]
    correlation = np.corrcoef(spread[0].ravel(), spread[1].ravel())[0, 1]
    assert abs(correlation) < 0.15


def test_draws_of_a_field_differ_and_its_estimates_keep_the_field(make):
    workspace = make()
    denoise(workspace)
    found = stored(workspace, "truth", "noisy", "sigma", "draws", "draw_mean", "draw_std", "valid")
    assert found["valid"].all()
    np.testing.assert_allclose(found["sigma"], 0.5 * found["truth"].std(axis=(1, 2, 3)), rtol=1e-5)
    assert (found["draws"].std(axis=1) > 0).all()
    np.testing.assert_allclose(found["draw_mean"], found["draws"].mean(axis=1), atol=1e-5)
    np.testing.assert_allclose(found["draw_std"], found["draws"].std(axis=1, ddof=1), atol=1e-5)


def test_ddpm_draws_from_the_same_noise_spread_less(make):
    """With C = 0 every step adds less noise, and all draws start from one noisy field."""
    spreads = []
    for sampler in ("gaussian_ancestral", "ddpm"):
        workspace = make(f"denoising.sampler={sampler}")
        denoise(workspace)
        spreads.append(stored(workspace, "draw_std")["draw_std"].mean(axis=(1, 2, 3)))
    assert (spreads[1] < spreads[0]).all()


def test_network_is_told_the_true_parameters(make):
    """The posterior mean is what the denoiser says of the noisy field at the parameters of that very field."""
    workspace = make("denoising.num_fields=4", "denoising.micro_batch=4")
    denoise(workspace)
    model = load_network(workspace, denoise_tasks(workspace)[0].checkpoint, "ema", CPU)
    seen = observe(workspace, NoiseSpace.of(fitted_transform(workspace)), chosen_fields(workspace))
    told = torch.from_numpy(conditions_of(workspace, seen.indices))
    with torch.no_grad():
        expected = model.denoiser(told)(
            torch.from_numpy(seen.seen.values[:, None]), torch.from_numpy(seen.network_sigma)
        )
    np.testing.assert_allclose(
        stored(workspace, "posterior_mean")["posterior_mean"], seen.seen.back(expected[:, 0].numpy()), atol=1e-5
    )


def test_noise_outside_of_what_the_network_was_trained_for_is_refused(make):
    for sigma in (1e-6, 1e6):
        with pytest.raises(DataError, match=r"was trained for .*: change denoising.noise.sigma"):
            denoise(make(f"denoising.noise.sigma={sigma}"))


def test_ddpm_steps_through_its_networks_own_levels_below_the_noise(make, trained):
    model = load_network(trained, find_checkpoints(trained, "last", "")[0], "ema", CPU)
    formulation = DdpmFormulation(sigma_min=0.01, sigma_max=90.0, settings={"timesteps": 50})
    sigma = np.array([0.4, 2.0])
    own = type(model)(**{**vars(model), "formulation": formulation})
    levels = ladder(own, make("denoising.sampler=ddpm", "denoising.evaluations=6").experiment.denoising, sigma)
    assert levels[:, 0].tolist() == sigma.tolist()
    assert set(levels[:, 1:].flatten().tolist()) - set(sigma) <= set(formulation.levels.tolist())
    default = ladder(own, make("denoising.evaluations=6").experiment.denoising, sigma)
    assert default.shape == (2, 6)
    assert not set(default[:, 1:].flatten().tolist()) & set(formulation.levels.tolist())
    edm = ladder(model, make().experiment.denoising, sigma)
    torch.testing.assert_close(edm, noise_ladder(torch.from_numpy(sigma), model.formulation.sigma_min, 2))


def test_fields_that_diverge_are_marked_and_left_out(make):
    workspace = make("denoising.num_fields=3")
    model = load_network(workspace, denoise_tasks(workspace)[0].checkpoint, "ema", CPU)
    space = NoiseSpace.of(fitted_transform(workspace))
    seen = observe(workspace, space, chosen_fields(workspace))
    posterior = FieldDenoiser(model, workspace.experiment.denoising).posterior(
        seen, conditions_of(workspace, seen.indices)
    )
    posterior.draws[1, 2, 0, 0, 0] = np.nan
    arguments = (workspace.store.spec, model.spectrum.numpy(), 1)
    block = measure_block(seen, posterior, *arguments)
    assert block["valid"].tolist() == [True, False, True]
    assert np.isnan(block["correlation"][1]).all()
    assert np.isfinite(block["correlation"][[0, 2]]).all()
    assert block["ranks"].sum(axis=1).tolist() == [512, 0, 512]
    with pytest.raises(DataError, match="NaN or infinite values of all 3 fields"):
        measure_block(seen, Posterior(np.full_like(posterior.mean, np.inf), posterior.draws), *arguments)


def test_scores_are_read_back_and_put_together(make):
    workspace = make()
    denoise(workspace)
    ((identity, checkpoint),) = finished_checkpoints(workspace).items()
    found = read_denoised(workspace, identity)
    raw = stored(workspace, "correlation", "rmse")
    column = ESTIMATES.index("posterior_mean")
    np.testing.assert_array_equal(found.score("correlation", "posterior_mean"), raw["correlation"][:, column])
    summary = summarise(workspace, found)
    shown, spec = read_examples(workspace, identity, 2)
    assert {values.shape for values in shown.values()} == {(2, 8, 8, 8)}
    facts = {fact.label: fact for fact in denoising_numbers(workspace)}
    assert facts["checkpoint"].value == checkpoint.name
    assert spec.name in facts["noise"].value
    assert "0.5 standard deviations of each field" in facts["noise"].value
    won = format_estimate(summary.contests["posterior_mean"].won, percent=True)
    assert facts["fields won, posterior mean"].value == won
    assert denoising_warnings(workspace) == ()


def test_missing_blocks_are_named(make):
    workspace = make("denoising.seed=99")
    identity = denoise_tasks(workspace)[0].identity
    assert denoising_numbers(workspace) == ()
    assert "is asked for and not done" in denoising_warnings(workspace)[0]
    with pytest.raises(DataError, match=r"blocks of denoised fields are not there.*run 'rhodiff-hpc run denoise'"):
        read_denoised(workspace, identity)
    assert find_tasks(workspace, "denoise").unfinished == tuple(range(len(denoise_tasks(workspace))))
    assert inputs_are_there(workspace, "denoise")


def test_experiment_without_the_section_says_how_to_ask_for_it(changed):
    for ask in (denoise_tasks, denoise, lambda workspace: plan_stage(workspace, "denoise")):
        with pytest.raises(ConfigError, match=r"no 'denoising' section.*--set denoising=\{\}"):
            ask(changed())
    assert denoising_warnings(changed()) == denoising_numbers(changed()) == ()


def test_several_channels_are_refused_before_anything_is_computed(tmp_path, observer):
    np.save(tmp_path / "fields.npy", np.random.default_rng(0).normal(size=(20, 2, 8, 8)).astype(np.float32))
    settings = {
        "name": "two",
        "data": {"source": {"kind": "arrays", "fields": str(tmp_path / "fields.npy"), "channels": ["a", "b"]}},
        "model": {"width": 8, "multipliers": [1], "norm_groups": 4},
        "denoising": {},
    }
    workspace = Workspace(parse_experiment(settings, "test"), tmp_path, observer)
    with pytest.raises(ConfigError, match="fields of 2 channels cannot be denoised"):
        check_experiment(workspace)


def test_rescaling_takes_the_range_from_the_estimate_and_changes_no_noisy_field(tmp_path, observer):
    smooth = gaussian_filter(np.random.default_rng(0).normal(size=(60, 16, 16)), (0, 2, 2), mode="wrap")
    np.save(tmp_path / "fields.npy", smooth.astype(np.float32))
    settings = {
        "name": "scaled",
        "data": {"source": {"kind": "arrays", "fields": str(tmp_path / "fields.npy"), "periodic": True}},
        "fields": {"transform": [{"kind": "min_max", "scope": "image"}]},
        "model": {"width": 8, "multipliers": [1], "norm_groups": 4, "heads": 1, "head_channels": 4},
        "training": {"iterations": 60, "batch_size": 16, "checkpoint_every": 60, "sheet_samples": 0},
        "denoising": {**SECTION, "noise": {"sigma": 1.0, "of": "std"}, "block_length": 50},
        "runtime": {"threads": 1, "device": "cpu"},
    }
    workspaces = [
        Workspace(parse_experiment(apply_overrides(settings, [f"denoising.rescale={k}"]), "test"), tmp_path, observer)
        for k in (0, 2)
    ]
    prepare(workspaces[0])
    train(workspaces[0], Place())
    found = []
    for workspace in workspaces:
        denoise(workspace)
        found.append(stored(workspace, "noisy", "truth", "sigma", "network_sigma"))
    once, again = found
    np.testing.assert_array_equal(once["noisy"], again["noisy"])
    extent = {name: np.ptp(once[name], axis=(1, 2)) for name in ("noisy", "truth")}
    np.testing.assert_allclose(once["network_sigma"], once["sigma"] * 2 / extent["noisy"], rtol=1e-5)
    ideal = once["sigma"] * 2 / extent["truth"]
    assert (np.abs(np.log(again["network_sigma"] / ideal)) < np.abs(np.log(once["network_sigma"] / ideal))).all()


@pytest.mark.parametrize(
    ("override", "words"),
    [
        ("denoising.rescale=1", "denoising.rescale has no effect without min_max of scope 'image'"),
        ("denoising.samples_kept=9", "samples_kept 9 is more than posterior_samples 3"),
        ("denoising.posterior_samples=1", "greater than or equal to 2"),
        ("denoising.sampler=heun", "gaussian_ancestral"),
        ("training.ema_gamma=null", "denoising.weights 'ema' needs training.ema_gamma"),
        (
            "data.split={train: 0.5, validation: 0.5, test: 0}",
            "denoising.split is 'test', but data.split gives it no",
        ),
    ],
)
def test_settings_that_contradict_each_other_are_refused(override, words, make):
    more = ["sampling.weights=raw"] if "ema" in override else []
    more += ["evaluation.reference=validation"] if "split" in override else []
    with pytest.raises(ConfigError, match=words):
        make(*more, override)


def test_noise_in_physical_units_needs_affine_steps_alone():
    settings = {
        "name": "x",
        "data": {"source": {"kind": "cosmic_web"}},
        "denoising": {"noise": {"space": "physical"}},
    }
    parse_experiment(settings, "test")
    with pytest.raises(ConfigError, match="has log10, after which the noise is not Gaussian"):
        parse_experiment(apply_overrides(settings, ["fields.transform=[{kind: log10}, {kind: standardise}]"]), "test")
