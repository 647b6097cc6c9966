"""Plans of submissions, with numbers worked out by hand."""

from functools import partial
from glob import glob
from pathlib import Path

import pytest

from rhodiff.config.resources import StageResources
from rhodiff.errors import ConfigError
from rhodiff.jobs.packing import QueueRoom
from rhodiff.jobs.planning import Stamp, Target, Work, num_parts_of, plan_submission
from rhodiff.jobs.sites import SiteProfile
from rhodiff.jobs.submission_plan import Launch, SubmissionPlan
from rhodiff.store.layout import RunFolder

STAMP = Stamp("0123abcd", 3, "2026-01-01T00:00:00+00:00", "user", "login1", "code-1.zip")
RUN = RunFolder(Path("/x/runs/small-00000000"))


FREE = QueueRoom()


def target(kind="slurm", room=FREE, **settings):
    site = SiteProfile(description="a machine", updated="2026-01-01", source="nobody", **settings)
    return Target(kind, "testbed", "generic", site, room)


def plan(stage="prepare", number=4, where=None, **resources):
    work = Work(stage, RUN, Path("/x"), number, tuple(range(number)), "python3")
    return plan_submission(work, StageResources(**resources), where or target(), STAMP)


def test_an_array_runs_its_part_with_the_pinned_experiment_in_the_experiments_folder():
    made = plan().plan
    assert made.element_command(2) == [
        *["python3", "-m", "rhodiff.cli", "run", "prepare"],
        *["-c", "/x/runs/small-00000000/jobs/testbed-0123abcd/config.yaml", "--folder", "/x", "--part", "2/4"],
    ]
    assert (made.run, made.folder, made.number, made.code) == ("small-00000000", "/x", 3, "code-1.zip")


def test_a_training_has_no_part_and_counts_its_checkpoints_as_progress():
    made = plan("train", 1).plan
    assert "--part" not in made.command
    assert made.rules.progress_globs == ("/x/runs/small-00000000/checkpoints/step-*.json",)


def test_a_training_is_done_when_its_last_checkpoint_is_there_wherever_it_lies(tmp_path):
    run = RunFolder(tmp_path / "a [folder]*" / "runs" / "small")
    work = Work("train", run, tmp_path, 1, (0,), "python3", iterations=40)
    found = plan_submission(work, StageResources(), target(), STAMP).plan.rules.proof_glob
    run.checkpoints.mkdir(parents=True)
    matching = partial(glob, found)
    assert matching() == []
    for name in ("step-00000039.json", "step-00000040.pt", "step-00000020-of-00000040.json"):
        (run.checkpoints / name).touch()
    assert matching() == []
    for name in ("step-00000040.json", "step-00000040-of-00000040.json"):
        (run.checkpoints / name).touch()
    assert len(matching()) == 2
    assert plan("sample").plan.rules.proof_glob is None


def test_a_training_of_one_process_needs_no_launcher():
    made = plan("train", 1).plan
    assert made.launch == Launch()


def test_a_training_of_several_processes_is_launched_as_the_site_does():
    site = target(launcher="srun", mpi="pmi2", launcher_options=("--cpu-bind=cores",))
    assert plan("train", 1, site, nodes=2).plan.launch == Launch("srun", "pmi2", ("--cpu-bind=cores",))
    assert plan("train", 1, target(launcher="ibrun", mpi="pmi2"), tasks_per_node=2).plan.launch == Launch("ibrun")


def test_local_processes_of_a_training_start_each_other():
    made = plan("train", 1, target("local"), tasks_per_node=3).plan
    assert made.command[-2:] == ("--procs", "3")
    assert made.launch == Launch()
    with pytest.raises(ConfigError, match="nodes is 2, but without Slurm"):
        plan("train", 1, target("local"), nodes=2)


def test_lanes_get_their_cpus_each():
    planned = plan(number=8, side_by_side=4, cpus_per_task=2, memory_gb=10)
    assert (planned.plan.allocation.cpus_per_task, planned.plan.pack, planned.plan.num_jobs) == (8, 4, 2)
    assert planned.warnings == ("memory_gb 10 is for a job: each of its lanes has 2.5 GB",)


def test_a_packed_job_keeps_its_walltime_and_says_so():
    planned = plan(number=2500, where=target(room=QueueRoom(1001, 4)), walltime_min=60)
    assert planned.plan.allocation.walltime_min == 60
    assert planned.remarks == ("packed 625 to a job: at most 4 jobs may be submitted",)
    assert "runs 625 parts in turn" in planned.warnings[0]
    assert "5.76 s each" in planned.warnings[0]  # 3600 / 625


def test_cost_is_jobs_times_nodes_times_walltime():
    planned = plan("train", 1, target(charge={"unit": "SU", "per_node_hour": 3}), nodes=4, walltime_min=90, chain=3)
    assert planned.cost.node_hours == 6  # 1 job x 4 nodes x 1.5 h
    assert planned.cost.chain_node_hours == 12
    assert (planned.cost.charge, planned.cost.charge_unit) == (18, "SU")
    assert plan(number=6, cpus_per_task=4, walltime_min=30).cost.core_hours == 12  # 6 jobs x 0.5 h x 4


def test_files_are_three_an_element_and_few_more():
    assert plan(number=2500, where=target(room=QueueRoom(1001))).cost.num_files == 3 * 2500 + 3 * 3 + 3
    packed = plan(number=2500, where=target(room=QueueRoom(1001, 4))).cost
    assert packed.num_files == 2 * 2500 + 4 + 3 + 3  # one log a packed job


def test_rules_are_the_resources_else_the_defaults():
    rules = plan(stall_timeout_min=5, max_attempts=7).plan.rules
    assert (rules.stall_timeout_s, rules.max_attempts, rules.max_attempts_without_progress) == (300, 7, 3)
    assert not plan(where=target(may_requeue=False)).plan.rules.may_requeue


@pytest.mark.parametrize(("walltime_min", "margin_s"), [(60, 120), (8, 120), (4, 60), (1, 15)])
def test_a_short_job_is_told_to_stop_in_its_last_quarter(walltime_min, margin_s):
    assert plan(walltime_min=walltime_min).plan.rules.stop_margin_s == margin_s


def test_a_job_that_would_be_told_to_stop_as_it_begins_is_refused():
    with pytest.raises(ConfigError, match=r"stop_margin_s 120.*time limit is 120 s"):
        plan(walltime_min=2, stop_margin_s=120)


def test_parts_are_one_a_task_unless_fewer_are_asked_for():
    assert num_parts_of("sample", StageResources(), 12) == 12
    assert num_parts_of("sample", StageResources(parts=5), 12) == 5
    assert num_parts_of("sample", StageResources(parts=50), 12) == 12
    assert num_parts_of("train", StageResources(), 1000) == 1


def test_a_plan_reads_as_it_was_written():
    made = plan(number=5, options={"licenses": "a", "spread-job": True}, exclude=("n1", "n2"), chain=2).plan
    assert SubmissionPlan.from_plain(made.to_plain()) == made


def test_only_trainings_are_watched_for_stalls_unless_asked():
    assert plan("train", 1).plan.rules.stall_timeout_s == 1800
    assert plan("sample").plan.rules.stall_timeout_s is None
    assert plan("sample", stall_timeout_min=90).plan.rules.stall_timeout_s == 5400
