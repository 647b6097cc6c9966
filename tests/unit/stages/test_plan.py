"""Plans: what they promise is what is written, and making them writes nothing."""

import numpy as np
import pytest

from rhodiff.config.loading import apply_overrides, parse_experiment
from rhodiff.errors import ConfigError
from rhodiff.models.build import build_model, count_parameters
from rhodiff.stages.parts import Part
from rhodiff.stages.plan import StagePlan, plan_stage
from rhodiff.stages.prepare import prepare
from rhodiff.stages.sample import sample_tasks
from rhodiff.stages.workspace import Workspace
from rhodiff.training.checkpoints import CheckpointFolder

STAGES = ("prepare", "train", "sample", "evaluate", "report")


@pytest.fixture
def make(tmp_path, harmonics, observer):
    def with_overrides(*overrides):
        return Workspace(parse_experiment(apply_overrides(harmonics, overrides), "test"), tmp_path, observer)

    return with_overrides


def files_below(folder):
    return [path for path in folder.rglob("*") if path.is_file()]


@pytest.mark.parametrize(
    "overrides",
    [
        [],
        ["data.shard_length=16"],
        ["data.shard_length=100"],
        ["data.shard_length=1"],
        ["data.source.size=16", "data.source.repeats=2"],
    ],
)
def test_a_preparation_writes_what_was_planned(make, overrides):
    plan = plan_stage(make(*overrides), "prepare")
    assert plan.num_done == 0
    folder = prepare(make(*overrides))
    assert str(folder) == plan.folder
    assert len(files_below(folder)) == plan.num_files
    assert len(list((folder / "markers").glob("shard-*"))) == plan.num_tasks
    assert sum(path.stat().st_size for path in (folder / "fields.zarr/fields").glob("c.*")) == plan.size_bytes
    assert plan_stage(make(*overrides), "prepare").num_done == plan.num_tasks


def test_a_source_without_parameters_writes_what_was_planned(tmp_path, observer):
    np.save(tmp_path / "a.npy", np.random.default_rng(0).normal(size=(20, 4, 4)).astype(np.float32))
    settings = {"name": "a", "data": {"source": {"kind": "arrays", "fields": "a.npy"}, "shard_length": 8}}
    plan = plan_stage(Workspace(parse_experiment(settings, "test"), tmp_path, observer), "prepare")
    folder = prepare(Workspace(parse_experiment(settings, "test"), tmp_path, observer))
    assert len(files_below(folder)) == plan.num_files


def test_what_is_done_already_is_counted(make):
    prepare(make(), Part(1, 2))
    plan = plan_stage(make(), "prepare")
    assert (plan.num_tasks, plan.num_done) == (4, 2)


@pytest.mark.parametrize("stage", STAGES)
def test_planning_writes_nothing(make, tmp_path, stage):
    plan = plan_stage(make(), stage)
    assert plan.stage == stage
    assert plan.num_done == 0
    assert list(tmp_path.iterdir()) == []


def test_training_is_planned_with_the_size_of_the_network(make):
    plan = plan_stage(make("training.iterations=100", "training.checkpoint_every=30", "model.width=16"), "train")
    workspace = make("model.width=16")
    parameters = count_parameters(build_model(workspace.experiment.model, workspace.source.spec, None))
    assert plan.num_tasks == 100
    assert plan.size_bytes == 4 * 4 * parameters * 5  # weights, average, two moments; at 30, 60, 75, 90 and 100


def test_a_longer_training_is_planned_from_where_the_shorter_one_can_go_on(make):
    folder = CheckpointFolder(make().run_folder.checkpoints)
    folder.save({"model": {}, "ema": None}, 50, None)
    folder.save({"model": {}, "ema": None}, 100, 100)
    assert plan_stage(make("training.iterations=100"), "train").num_done == 100
    assert plan_stage(make("training.iterations=200"), "train").num_done == 50


def test_a_sweep_is_planned_with_all_its_cells(make):
    axes = "samplers: [heun, dpmpp_2m], evaluations: [11, 21], seeds: [0, 1]"
    overrides = [f"sampling={{num_samples: 20, shard_length: 16, {axes}}}"]
    plan = plan_stage(make(*overrides), "sample")
    assert plan.num_tasks == 8 * 2
    workspace = make(*overrides)
    iterations = workspace.experiment.training.iterations
    CheckpointFolder(workspace.run_folder.checkpoints).save({"model": {}, "ema": None}, iterations, iterations)
    tasks = sample_tasks(make(*overrides))
    assert len(tasks) == plan.num_tasks
    marker = workspace.run_folder.samples_marker(tasks[3].cell.identity, tasks[3].shard)
    marker.parent.mkdir()
    marker.write_text('{"files": {}}')
    (marker.parent / "samples-of-another-sweep-000000.json").touch()
    assert plan_stage(make(*overrides), "sample").num_done == 1
    assert plan_stage(make(*overrides), "evaluate").num_tasks == 1 + 8


@pytest.mark.parametrize(
    ("stage", "override", "reason"),
    [
        ("prepare", "data.source.max_degree=0", "independent groups"),
        ("train", "model.conditioning.parameters=[Omega_m]", "Omega_m"),
        ("sample", "sampling.samplers=[haun]", "did you mean 'heun'"),
    ],
)
def test_what_could_not_run_is_refused_in_the_plan(make, stage, override, reason):
    with pytest.raises(ConfigError, match=reason):
        plan_stage(make(override), stage)


def test_plans_are_told_to_people_and_programs():
    plan = StagePlan("prepare", "data/x", 4, 1, 25, 2_500_000, "some remark")
    assert "3 of 4 tasks to do, about 25 files, 2.5 MB in data/x" in plan.describe()
    assert "some remark" in plan.describe()
    assert plan.to_plain()["num_tasks"] == 4
