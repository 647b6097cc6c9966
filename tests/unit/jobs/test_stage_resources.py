"""Resources: the later level wins; what has no effect is refused where it was asked for."""

import pytest

from rhodiff.config.resources import StageResources
from rhodiff.errors import ConfigError
from rhodiff.jobs.sites import SiteProfile
from rhodiff.jobs.stage_resources import (
    allocate,
    merge_resources,
    refuse_idle,
    refuse_without_slurm,
    resources_of_stage,
    share_flags,
)

NOTHING = StageResources()


def profile(**settings):
    return SiteProfile(description="a machine", updated="2026-01-01", source="nobody", **settings)


def test_command_line_beats_experiment_beats_stage_beats_site():
    site = profile(
        resources={"walltime_min": 10, "partition": "main", "account": "a", "cpus_per_task": 2},
        stages={"train": {"walltime_min": 20, "partition": "gpu", "account": "b"}},
    )
    experiment = StageResources(walltime_min=30, partition="big")
    merged = resources_of_stage(site, "train", experiment, StageResources(walltime_min=40))
    assert (merged.walltime_min, merged.partition, merged.account, merged.cpus_per_task) == (40, "big", "b", 2)
    assert resources_of_stage(site, "sample", NOTHING, NOTHING).walltime_min == 10


def test_of_two_ways_to_ask_for_devices_the_later_one_counts_alone():
    by_number, by_name = StageResources(gpus_per_node=4), StageResources(gres="gpu:max:2")
    assert merge_resources(by_number, by_name) == by_name
    assert merge_resources(by_name, by_number) == by_number


def test_options_are_merged_one_by_one():
    merged = merge_resources(
        StageResources(options={"licenses": "a", "reservation": "b"}), StageResources(options={"licenses": "c"})
    )
    assert merged.options == {"licenses": "c", "reservation": "b"}


@pytest.mark.parametrize(
    ("stage", "setting", "value", "allowed"),
    [
        ("train", "parts", 4, "denoise, evaluate, prepare, sample"),
        ("train", "side_by_side", 2, "denoise, evaluate, prepare, sample"),
        ("report", "throttle", 2, "denoise, evaluate, prepare, sample"),
        ("sample", "nodes", 2, "train"),
        ("prepare", "tasks_per_node", 4, "train"),
    ],
)
def test_what_has_no_effect_on_a_stage_is_refused(stage, setting, value, allowed):
    given = StageResources(**{setting: value})
    option = setting.replace("_", "-")
    with pytest.raises(ConfigError, match=f"--{option} has no effect on '{stage}', only on {allowed}"):
        resources_of_stage(profile(), stage, NOTHING, given)
    with pytest.raises(ConfigError, match=rf"jobs\.{stage}\.{setting} has no effect"):
        resources_of_stage(profile(), stage, given, NOTHING)
    assert getattr(resources_of_stage(profile(resources=given), stage, NOTHING, NOTHING), setting) is None


def test_one_node_is_no_contradiction():
    refuse_idle("sample", StageResources(nodes=1, tasks_per_node=1), None)


def test_local_processes_have_no_partition():
    with pytest.raises(ConfigError, match="--partition is for Slurm only, and --local was given"):
        refuse_without_slurm(StageResources(partition="main"), is_chosen=True)
    with pytest.raises(ConfigError, match="there is no 'sbatch' on the PATH here"):
        refuse_without_slurm(StageResources(gres="gpu:2"), is_chosen=False)
    refuse_without_slurm(StageResources(cpus_per_task=2, walltime_min=5, nodes=1), is_chosen=False)


STAGES = ("prepare", "train", "sample", "evaluate", "denoise", "report")


def test_what_is_said_to_a_workflow_goes_to_the_stages_that_can_use_it():
    flags = StageResources(nodes=2, tasks_per_node=4, chain=3, parts=8, throttle=2, partition="main")
    shared = share_flags(flags, STAGES)
    assert shared["train"] == StageResources(nodes=2, tasks_per_node=4, chain=3, partition="main")
    for stage in ("prepare", "sample", "evaluate", "denoise"):
        assert shared[stage] == StageResources(parts=8, throttle=2, partition="main")
    assert shared["report"] == StageResources(partition="main")
    for stage in STAGES:
        resources_of_stage(profile(), stage, NOTHING, shared[stage])


@pytest.mark.parametrize(
    ("flags", "stages", "words"),
    [
        (StageResources(nodes=2), ("sample", "report"), "--nodes has no effect on sample, report, only on train"),
        (StageResources(pack=2), ("train", "report"), "--pack has no effect on train, report, only on denoise"),
        (StageResources(chain=2), ("sample",), "--chain has no effect on sample, only on train"),
    ],
)
def test_what_no_stage_of_a_workflow_can_use_is_refused(flags, stages, words):
    with pytest.raises(ConfigError, match=words):
        share_flags(flags, stages)


def test_a_follower_is_not_cut_into_parts():
    with pytest.raises(ConfigError, match="--parts has no effect on train, evaluate"):
        share_flags(StageResources(parts=4), ("train", "evaluate"), alone=("evaluate",))
    shared = share_flags(StageResources(throttle=2), ("prepare", "evaluate"), alone=("evaluate",))
    assert (shared["prepare"].throttle, shared["evaluate"].throttle) == (2, None)


def test_a_training_has_a_process_a_device():
    assert allocate("train", StageResources(gpus_per_node=4), profile(), on_devices=True).tasks_per_node == 4
    assert allocate("train", StageResources(gres="gpu:max:8"), profile(), on_devices=True).tasks_per_node == 8
    assert allocate("train", StageResources(gres="gpu,license:3"), profile(), on_devices=True).tasks_per_node == 1
    whole = allocate("train", StageResources(exclusive=True), profile(devices_per_node=6), on_devices=True)
    assert whole.tasks_per_node == 6
    assert allocate("train", StageResources(gpus_per_node=4), profile(), on_devices=False).tasks_per_node == 1
    tiles = allocate("train", StageResources(gpus_per_node=4), profile(devices_per_gpu=2), on_devices=True)
    assert (tiles.tasks_per_node, tiles.gpus_per_node) == (8, 4)
    asked = allocate("train", StageResources(gpus_per_node=4, tasks_per_node=2), profile(), on_devices=True)
    assert asked.tasks_per_node == 2
    assert allocate("sample", StageResources(gpus_per_node=4), profile(), on_devices=True).tasks_per_node == 1


def test_the_sites_way_to_ask_for_devices_is_used():
    site = profile(gres="gpu:max:{count}")
    assert allocate("train", StageResources(gpus_per_node=3), site, on_devices=True).gres == "gpu:max:3"
    assert allocate("train", NOTHING, site, on_devices=True).gres is None
    assert allocate("train", StageResources(gres="gpu:2"), site, on_devices=True).gres == "gpu:2"


def test_defaults_are_those_that_the_reference_names():
    job = allocate("train", NOTHING, profile(), on_devices=False)
    assert (job.nodes, job.tasks_per_node, job.cpus_per_task, job.walltime_min, job.gpus_per_node) == (1, 1, 1, 60, 0)
