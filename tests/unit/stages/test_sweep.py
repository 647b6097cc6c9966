"""A sweep's cells are all combinations of its axes, each with an identity; impossible sweeps are refused."""

import pytest

from rhodiff.errors import ConfigError, DataError
from rhodiff.stages.sample import sample_tasks
from rhodiff.stages.sweep import check_identity, check_sweep, describe_condition, sweep_cells


def test_cells_are_all_combinations_in_order(changed):
    workspace = changed(
        "sampling.checkpoints=all",
        "sampling.samplers=[ddim, dpmpp_2m]",
        "sampling.evaluations=[2, 3]",
        "sampling.seeds=[0, 7]",
    )
    cells = sweep_cells(workspace)
    found = [(c.checkpoint.iteration, c.sampler, c.evaluations, c.seed) for c in cells]
    assert found == [
        (i, sampler, n, seed)
        for i in (2, 3, 4)
        for sampler in ("ddim", "dpmpp_2m")
        for n in (2, 3)
        for seed in (0, 7)
    ]
    assert len({cell.identity for cell in cells}) == len(cells)


def test_cell_keeps_its_identity_when_other_cells_join_the_sweep(changed):
    (one,) = sweep_cells(changed())
    more = sweep_cells(changed("sampling.seeds=[5, 0]", "sampling.checkpoints=all"))
    assert one.identity in {cell.identity for cell in more}


@pytest.mark.parametrize(
    ("override", "is_another"),
    [
        ("sampling.num_samples=12", True),
        ("sampling.micro_batch=2", True),
        ("sampling.weights=raw", True),
        ("sampling.steps.grid=rho", True),
        ("sampling.steps.start=white", True),
        ("evaluation.reference=validation", True),
        ("sampling.threads=1", False),
        ("evaluation.bootstrap=200", False),
        ("training.keep_checkpoints=1", False),
        ("runtime.threads=2", False),
        ("report.title=Other", False),
    ],
)
def test_identity_follows_what_changes_the_samples_and_nothing_else(override, is_another, changed):
    (one,), (other,) = sweep_cells(changed()), sweep_cells(changed(override))
    assert (one.identity != other.identity) == is_another


def test_options_of_one_sampler_do_not_change_the_samples_of_another(changed):
    two = "sampling.samplers=[ddim, heun_churn]"
    plain = sweep_cells(changed(two))
    churned = sweep_cells(changed(two, "sampling.steps.options={heun_churn: {s_churn: 4}}"))
    assert [one.identity == other.identity for one, other in zip(plain, churned, strict=True)] == [True, False]


def test_reference_split_does_not_matter_to_samples_at_given_conditions(changed):
    given = "sampling.conditions=[{l: 2, m: 1}]"
    (one,) = sweep_cells(changed(given))
    (other,) = sweep_cells(changed(given, "evaluation.reference=validation"))
    assert one.identity == other.identity


def test_condition_does_not_depend_on_the_order_of_its_parameters(changed):
    (one,) = sweep_cells(changed("sampling.conditions=[{l: 2, m: 1}]"))
    (other,) = sweep_cells(changed("sampling.conditions=[{m: 1, l: 2}]"))
    assert one.identity == other.identity


@pytest.mark.parametrize(
    ("overrides", "message"),
    [
        (["sampling.samplers=[hein]"], "'hein' is unknown; did you mean 'heun'"),
        (["sampling.samplers=[heun]", "sampling.evaluations=[4]"], "sampling.evaluations"),
        (["sampling.trajectory=4"], "4 estimates cannot be kept of the 3 steps"),
        (["sampling.conditions=[{l: 2}]"], "sampling.conditions.0 gives ['l'], the network is told ['l', 'm']"),
        (["sampling.conditions=[{l: 2, m: 1, n: 3}]"], "exactly these"),
        (["model.conditioning.parameters=[l]", "sampling.conditions=[{l2: 1}]"], "for 'l2', did you mean 'l'?"),
        (["diffusion={kind: ddpm, timesteps: 10}", "sampling.evaluations=[11]"], "more than diffusion.timesteps 10"),
        (["sampling.samplers=[gaussian_reference]", "sampling.steps.start=white"], "needs the training spectrum"),
        (["sampling.samplers=[heun_churn]", "sampling.steps.options={heun_churn: {churn: 1}}"], "mean 's_churn'"),
        (["sampling.samplers=[ddim]", "sampling.steps.options={ddim: {eta: 1}}"], "options of 'ddim' are none"),
        (
            [
                "diffusion={kind: ddpm, timesteps: 10}",
                "sampling.samplers=[ddim]",
                "sampling.evaluations=[3]",
                "sampling.steps.grid=rho",
            ],
            "no effect with a schedule",
        ),
        (["model.conditioning.parameters=[l, n]", "sampling.conditions=reference"], "n"),
    ],
)
def test_impossible_sweep_is_refused(overrides, message, changed):
    with pytest.raises(ConfigError) as refused:
        check_sweep(changed(*overrides))
    assert message in str(refused.value)


def test_checkpoints_that_are_not_there_are_named(changed):
    with pytest.raises(DataError, match=r"none of iteration \[1, 9\]; there are \[2, 3, 4\]"):
        sweep_cells(changed("sampling.checkpoints=[1, 2, 9]"))


def test_sweep_without_training_says_what_to_run(changed):
    with pytest.raises(DataError, match="run 'rhodiff-hpc run train'"):
        sweep_cells(changed("seed=99"))


def test_unfinished_training_is_sampled_with_a_warning(changed, observer):
    cells = sweep_cells(changed("training.iterations=6"))
    assert [cell.checkpoint.iteration for cell in cells] == [3], "iteration 4 was made with a falling rate"
    assert "training stands at 3 of 6 iterations" in observer.warnings[0]


def test_tasks_are_the_shards_of_all_cells(changed):
    tasks = sample_tasks(changed("sampling.seeds=[0, 1]"))
    assert [(task.cell.seed, task.shard) for task in tasks] == [(s, n) for s in (0, 1) for n in range(3)]


def test_condition_is_described_in_one_line():
    assert describe_condition({"Omega_m": 0.31, "sigma_8": 0.8}) == "Omega_m = 0.31, sigma_8 = 0.8"


def test_store_of_another_cell_is_refused(trained, changed):
    (cell,) = sweep_cells(changed())
    with pytest.raises(DataError, match=f"not {cell.identity}"):
        check_identity(trained.data_folder.fields, cell)
