"""Options of sbatch: what the plan asks for, and what is refused since it could not work."""

from dataclasses import replace
from pathlib import Path

import pytest
from submitted import make_plan

from rhodiff.errors import ConfigError
from rhodiff.jobs.sbatch_options import check_paths, sbatch_options
from rhodiff.jobs.submission_plan import Allocation, BodyRules, Piece
from rhodiff.store.layout import SubmissionFolder

FOLDER = SubmissionFolder(Path("/runs/50% a/jobs/rho-01234567"))


def options(after=(), piece=None, **changes):
    plan = make_plan(token="01234567", **changes)
    return sbatch_options(FOLDER, plan, piece or plan.pieces[0], after)


def test_an_array_goes_over_all_its_jobs_with_a_log_each():
    given = options(num_elements=4, piece=Piece(1, 100, 4, is_array=True, throttle=2))
    assert given["array"] == "0-3%2"
    assert given["output"] == "/runs/50%% a/jobs/rho-01234567/logs/%A_%a.log"
    assert given["job-name"] == "prepare-01234567-1"
    assert options()["array"] == "0-3"


def test_a_single_job_is_no_array():
    given = options(piece=Piece(0, 0, 1, is_array=False))
    assert "array" not in given
    assert given["output"].endswith("/logs/%j.log")


def test_conditions_become_one_dependency():
    assert options(after=["afterok:1", "afterany:2"])["dependency"] == "afterok:1,afterany:2"
    assert "dependency" not in options()


@pytest.mark.parametrize(
    ("may", "named", "other"), [(True, "requeue", "no-requeue"), (False, "no-requeue", "requeue")]
)
def test_the_site_says_whether_jobs_go_back_into_the_queue(may, named, other):
    given = options(rules=BodyRules(may_requeue=may, stop_margin_s=77))
    assert given[named] is True
    assert other not in given
    assert given["signal"] == "B:USR1@77"


def test_memory_is_asked_for_in_whole_megabytes_rounded_up():
    assert options(allocation=Allocation(memory_gb=0.3))["mem"] == "308M"
    assert "mem" not in options()


def test_gres_takes_the_place_of_devices():
    assert options(allocation=Allocation(gpus_per_node=4))["gpus-per-node"] == "4"
    given = options(allocation=Allocation(gpus_per_node=4, gres="gpu:max:4"))
    assert given["gres"] == "gpu:max:4"
    assert "gpus-per-node" not in given


def test_a_users_options_are_passed_on_and_false_takes_one_back():
    given = options(allocation=Allocation(options={"mail_type": "END", "contiguous": True, "spread-job": False}))
    assert given["mail-type"] == "END"
    assert given["contiguous"] is True
    assert "spread-job" not in given


@pytest.mark.parametrize(
    ("name", "reason"),
    [
        ("job-name", "sets --job-name itself"),
        ("kill_on_invalid_dep", "sets --kill-on-invalid-dep itself"),
        ("time", "walltime_min"),
        ("mem", "memory_gb"),
        ("p", "long name"),
        ("--nice", "long name"),
        ("Nice", "long name"),
        ("nice\n#SBATCH --x", "long name"),
    ],
)
def test_options_that_would_not_do_what_they_say_are_refused(name, reason):
    with pytest.raises(ConfigError, match=reason):
        options(allocation=Allocation(options={name: "1"}))


@pytest.mark.parametrize("value", ["a\nb", "a\rb", "a\0b"])
def test_values_that_no_line_can_hold_are_refused(value):
    with pytest.raises(ConfigError, match="line break"):
        options(allocation=Allocation(account=value))


def test_backslashes_reach_slurm():
    assert options(allocation=Allocation(constraint="a\\b"))["constraint"] == "a\\\\b"


@pytest.mark.parametrize(
    ("name", "reason"), [("a\nb", "line break"), ("a\\b", "backslash"), ("a\rb", "carriage"), ("a:b", "colon")]
)
def test_folders_that_slurm_cannot_be_told_of_are_refused(name, reason):
    folder = SubmissionFolder(Path("/runs") / name / "jobs/rho-01234567")
    with pytest.raises(ConfigError, match=reason):
        check_paths(folder, on_python_path=True)


def test_a_colon_matters_only_on_pythonpath():
    check_paths(SubmissionFolder(Path("/runs/a:b/jobs/rho-01234567")), on_python_path=False)


def test_the_comment_names_token_and_run():
    plan = replace(make_plan(token="01234567"), run="demo-1")
    assert sbatch_options(FOLDER, plan, plan.pieces[0], ())["comment"] == "rhodiff 01234567 demo-1"
