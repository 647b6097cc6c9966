"""What of a stage is still to be done: the parts that lack something, and whether what it reads is there."""

import os

import pytest

from rhodiff.config.loading import apply_overrides, parse_experiment
from rhodiff.stages.denoise import denoise_tasks
from rhodiff.stages.evaluate import evaluate
from rhodiff.stages.parts import Part
from rhodiff.stages.prepare import prepare
from rhodiff.stages.sample import sample_sweep
from rhodiff.stages.unfinished import StageTasks, find_tasks, inputs_are_there, report_is_current
from rhodiff.stages.workspace import Workspace
from rhodiff.store.files import write_marker


@pytest.fixture
def make(tmp_path, harmonics, observer):
    def with_overrides(*overrides):
        return Workspace(parse_experiment(apply_overrides(harmonics, overrides), "test"), tmp_path, observer)

    return with_overrides


@pytest.mark.parametrize(("num_parts", "parts"), [(1, (0,)), (2, (0, 1)), (3, (1,)), (4, (0, 1)), (7, (1, 4))])
def test_parts_to_do_are_those_that_an_unfinished_task_falls_to(num_parts, parts):
    tasks = StageTasks(7, (1, 4))
    assert tasks.parts_to_do(num_parts) == parts
    assert all(set(Part(k, num_parts).of(range(7))) & {1, 4} for k in parts)


def test_a_preparation_lacks_the_shards_of_the_parts_that_were_not_made(make):
    assert find_tasks(make(), "prepare") == StageTasks(4, (0, 1, 2, 3))
    prepare(make(), Part(1, 2))
    assert find_tasks(make(), "prepare") == StageTasks(4, (0, 2))
    prepare(make())
    assert find_tasks(make(), "prepare") == StageTasks(4, ())


def test_a_data_set_that_was_not_marked_as_done_needs_one_more_part(make):
    prepare(make())
    make().data_folder.done.unlink()
    assert find_tasks(make(), "prepare").parts_to_do(4) == (0,)


def test_inputs_are_there_when_the_stage_before_is_done(make):
    assert inputs_are_there(make(), "prepare")
    assert not any(inputs_are_there(make(), stage) for stage in ("train", "sample", "evaluate", "report"))
    prepare(make())
    assert inputs_are_there(make(), "train")
    assert not inputs_are_there(make(), "sample")


def test_a_sweep_without_network_is_counted_as_planned(make):
    tasks = find_tasks(make("sampling.seeds=[0, 1]", "sampling.num_samples=20", "sampling.shard_length=16"), "sample")
    assert tasks == StageTasks(4, (0, 1, 2, 3))
    assert find_tasks(make("sampling.seeds=[0, 1]"), "evaluate").total == 3
    assert find_tasks(make(), "train") == StageTasks(1, (0,))


def test_stages_after_a_training_know_what_is_done(changed):
    workspace = changed("sampling.seeds=[11, 12]")
    assert find_tasks(workspace, "train") == StageTasks(1, ())
    assert find_tasks(changed("training.iterations=6"), "train") != StageTasks(1, ())
    assert find_tasks(workspace, "sample") == StageTasks(6, tuple(range(6)))
    assert not inputs_are_there(workspace, "evaluate")
    sample_sweep(workspace, Part(1, 3))
    assert find_tasks(workspace, "sample") == StageTasks(6, (0, 2, 3, 5))
    sample_sweep(workspace)
    assert inputs_are_there(workspace, "evaluate")
    evaluate(workspace, Part(0, 2))
    assert find_tasks(workspace, "evaluate") == StageTasks(3, (1,))
    evaluate(workspace)
    assert inputs_are_there(workspace, "report")


def test_explicit_checkpoints_are_enough_before_the_training_has_ended(changed):
    going_on = ("training.iterations=40",)
    assert not inputs_are_there(changed(*going_on), "sample")
    assert inputs_are_there(changed(*going_on, "sampling.checkpoints=[2]"), "sample")
    assert not inputs_are_there(changed(*going_on, "sampling.checkpoints=[2, 30]"), "sample")


def test_a_report_is_current_until_new_statistics_come(changed):
    workspace = changed("sampling.seeds=[21]")
    assert not report_is_current(workspace)
    sample_sweep(workspace)
    evaluate(workspace)
    report = workspace.run_folder.report
    report.parent.mkdir(exist_ok=True)
    report.touch()
    assert report_is_current(workspace)
    os.utime(report, (0, 0))
    assert not report_is_current(workspace)


def test_a_report_is_current_until_more_fields_are_denoised(changed):
    workspace = changed("sampling.seeds=[21]", "denoising={split: test, noise: {of: std}, num_fields: 2}")
    sample_sweep(workspace)
    evaluate(workspace)
    report = workspace.run_folder.report
    report.parent.mkdir(exist_ok=True)
    report.touch()
    assert report_is_current(workspace)
    (task,) = denoise_tasks(workspace)
    marker = workspace.run_folder.denoised_marker(task.identity, task.block)
    write_marker(marker, [])
    os.utime(marker, (report.stat().st_mtime + 9,) * 2)
    assert not report_is_current(workspace)
    marker.unlink()
