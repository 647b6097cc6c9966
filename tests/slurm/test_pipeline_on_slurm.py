"""Pipelines on a real cluster: one command from a clean folder to the reports, and again when something broke."""

import json

import pytest
import yaml
from experiments import Lab, tiny_settings, write_arrays
from impatience import look_often
from slurm_cluster import wait_until

from rhodiff.jobs.attempts import read_attempts
from rhodiff.jobs.submission_plan import read_plan
from rhodiff.store.layout import SubmissionFolder

LIMIT = {"resources": {"walltime_min": 5}}
WORKFLOW = {
    "stages": {
        "prepare": LIMIT,
        "train": {"needs": ["prepare"], "resources": {"walltime_min": 5, "nodes": 2}},
        "evaluate": {"needs": ["train"], "follow": True, **LIMIT},
        "report": {"needs": ["evaluate"], **LIMIT},
    },
    "fan_out": {"seed": [0, 1]},
}
SETTINGS = ("training.iterations=20", "sampling.checkpoints=all")


@pytest.fixture
def lab(cluster, tmp_path):
    made = Lab.make(tmp_path, tiny_settings(write_arrays(tmp_path / "fields.npy")), *SETTINGS)
    (tmp_path / "two.yaml").write_text(yaml.safe_dump(WORKFLOW))
    return made


def submit(lab, cluster, *options):
    words = ("submit", "pipeline", "--workflow", "./two.yaml", "--json", *options)
    return lab.do(*words, environment={"SLURM_CONF": str(cluster.conf)}).value["graph"]


def submissions(lab, stage):
    found = [SubmissionFolder(path.parent) for path in lab.folder.glob("runs/*/jobs/*/plan.json")]
    return [one for one in found if read_plan(one.plan).stage == stage]


def is_reported(lab):
    return len(list(lab.folder.glob("runs/*/report/report.html"))) == 2


@pytest.mark.slow
def test_two_experiments_run_through_after_one_of_their_trainings_was_cancelled(cluster, lab):
    blocker = cluster.sbatch("sleep 600", "-N4", "--exclusive")  # nothing has ended when the second command comes
    first = submit(lab, cluster)
    assert [step["state"] for step in first["steps"]] == ["submitted"] * 4 + ["live"] + ["submitted"] * 3
    jobs = {(step["experiment"], step["stage"]): step["jobs"] for step in first["steps"]}
    cluster.command("scancel", *jobs["tiny-seed1", "train"])

    again = submit(lab, cluster)
    states = {(step["experiment"], step["stage"]): step["state"] for step in again["steps"]}
    assert {states["tiny-seed0", stage] for stage in ("train", "evaluate", "report")} <= {"live", "done"}
    assert states["tiny-seed1", "train"] == "submitted"
    cluster.command("scancel", blocker)
    wait_until(lambda: is_reported(lab) and not cluster.live_jobs(), "two reports", 480)

    assert submit(lab, cluster)["is_done"]
    (prepared,) = submissions(lab, "prepare")
    assert [len(read_attempts(prepared.attempts(part))) for part in range(3)] == [1, 1, 1]
    assert len(list(lab.folder.glob("data/*/markers/shard-*.json"))) == 3
    for run in lab.folder.glob("runs/*"):
        events = [json.loads(line) for path in run.glob("journal/*.jsonl") for line in path.read_text().splitlines()]
        checkpoints = [event["iteration"] for event in events if event["event"] == "checkpoint"]
        assert sorted(checkpoints) == [10, 15, 20]
        assert len([event for event in events if event["event"] == "sampled"]) == 3 * 2  # checkpoints x shards
        assert {event.get("processes") for event in events if event["event"] == "training ended"} == {2}


@pytest.mark.slow
def test_a_trial_answers_and_leaves_the_run_untouched(cluster, lab):
    lab.do("run", "prepare")
    environment = {"SLURM_CONF": str(cluster.conf)}
    words = ("submit", "train", "--test", "--nodes", "2", "--json")
    answer = lab.do(*words, environment=environment, before=look_often).value
    assert len(answer["trial"]["steps_s"]) == 10
    assert len(answer["trial"]["host_gb"]) == 2
    assert all(0.1 < used < 4 for used in answer["trial"]["host_gb"])
    assert answer["estimate"]["iterations"] == 20
    assert answer["estimate"]["node_hours"] == pytest.approx(2 * answer["estimate"]["walltime_h"])
    assert not list(lab.folder.glob("runs/*/checkpoints"))
    assert not list(lab.folder.glob("runs/*/jobs/*/trial"))
