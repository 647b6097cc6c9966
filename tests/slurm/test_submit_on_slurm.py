"""``submit`` and ``retry`` on the real cluster: what is live is found, what is done told, what is lost runs again."""

import pytest
from drivers import Drivers
from slurm_cluster import wait_until

TIME = ("--time", "5")


@pytest.fixture
def drivers(cluster, tmp_path):
    return Drivers(tmp_path)


def files_below(folder):
    """All files but what commands have printed."""
    return sorted(path.relative_to(folder) for path in folder.rglob("*") if not path.name.startswith("command-"))


def test_a_dry_run_shows_the_script_and_writes_nothing(drivers):
    before = files_below(drivers.folder)
    text = drivers.call("submit", "prepare", "--dry-run", *TIME, "--throttle", "2")
    assert "#SBATCH --array=0-3%2" in text
    assert "at most 0.33 node-hours" in text  # 4 jobs of 5 minutes
    assert files_below(drivers.folder) == before


def test_stages_follow_each_other_and_are_found_live_or_done(cluster, drivers):
    held = ("--set", "jobs.prepare.options={hold: true}")  # so that it is still live when it is asked for again
    drivers.call("submit", "prepare", *TIME, *held)
    assert "already submitted as submission 1 (job" in drivers.call("submit", "prepare", *TIME, *held)
    assert "walltime_min 5 there, 6 now" in drivers.call("submit", "prepare", "--time", "6", *held, code=1)
    assert "nothing is submitted that makes them" in drivers.call("submit", "sample", *TIME, code=2)
    waiting = drivers.start("submit", "train", *TIME, "--wait")
    wait_until(lambda: drivers.num_jobs(drivers.plans()[-1]) == 1, "the training in the queue")
    cluster.command("scontrol", "release", *cluster.live_jobs())
    ended = waiting.wait()
    assert ended.code == 0, ended.err
    text = ended.out + ended.err
    prepare, train = drivers.plans()
    assert [one["submission"] for one in train["after"]] == [
        f"{prepare['run']}/jobs/{prepare['cluster']}-{prepare['token']}"
    ]
    assert "waits for" in text
    assert list(drivers.folder.glob("runs/*/checkpoints/step-00000004-of-00000004.pt"))
    assert "done before" in drivers.call("submit", "prepare", *TIME)
    assert "done before" in drivers.call("submit", "train", *TIME)
    assert len(drivers.plans()) == 2


def test_a_retry_runs_just_what_was_lost(drivers):
    drivers.call("submit", "prepare", "--time", "5", "--set", "jobs.prepare.options={begin: now+1hour}")
    (first,) = drivers.plans()
    drivers.call("cancel", "1:1,3")
    text = drivers.call("retry", "--dry-run")
    assert "2 elements of prepare (1,3) again" in text
    assert len(drivers.plans()) == 1
    drivers.call("retry")
    assert "nothing to retry: 4 elements run or wait already" in drivers.call("retry")
    _, second = drivers.plans()
    assert (second["elements"], second["num_parts"], second["code"]) == ([1, 3], 4, first["code"])
    assert second["allocation"]["options"] == {"begin": "now+1hour"}
    assert (drivers.num_jobs(first), drivers.num_jobs(second)) == (2, 2)


def test_what_slurm_refuses_leaves_nothing_that_is_in_the_way(drivers):
    drivers.call("submit", "prepare", *TIME, "--set", "jobs.prepare.options={reservation: nosuch}", code=2)
    drivers.call("submit", "prepare", *TIME)
    assert [drivers.num_jobs(plan) > 0 for plan in drivers.plans()] == [False, True]


def test_what_can_never_run_is_refused_before_anything_is_written(drivers):
    before = {path for path in files_below(drivers.folder) if path.name == "plan.json"}
    text = drivers.call("submit", "train", "--nodes", "9", "--after", "1", code=2)
    assert "nothing was submitted" in text
    drivers.call("submit", "prepare", "--partition", "nosuch", code=2)
    assert {path for path in files_below(drivers.folder) if path.name == "plan.json"} == before
