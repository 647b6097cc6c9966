"""``status``, ``why`` and ``cost`` of jobs of a real cluster, and of a cluster whose controller is gone."""

import json
import socket
import subprocess
import sys

import pytest
from experiments import Lab
from impatience import give_up_soon
from slurm_cluster import wait_until
from submitted import make_plan

from rhodiff.jobs.element_state import ElementState
from rhodiff.jobs.registry import create_submission, submit_pieces
from rhodiff.jobs.selection import select
from rhodiff.jobs.slurm_commands import recorded_calls
from rhodiff.jobs.state import observe_submissions
from rhodiff.jobs.submission import SlurmScheduler
from rhodiff.jobs.submission_plan import Allocation, Dependency, Piece
from rhodiff.store.layout import JobsFolder

TASKS = """
case $1 in
  2/*) echo "error: data.path: part 2 is truncated" >&2; exit 2;;
  3/*) while [ ! -e go ]; do sleep 0.2; done;;
esac
"""
NINE_NODES = Allocation(nodes=9)


@pytest.fixture
def submit(cluster, tmp_path):
    """Hands over a submission of some shell commands."""
    scheduler = SlurmScheduler()

    def hand_over(number, command="true", **values):
        plan = make_plan(
            number=number,
            cluster=scheduler.cluster,
            host=socket.gethostname(),
            folder=str(tmp_path),
            command=("bash", "-c", command, "task", "{part}"),
            **values,
        )
        jobs = JobsFolder(tmp_path / "runs" / plan.run / "jobs")
        jobs.path.mkdir(parents=True, exist_ok=True)
        folder = create_submission(jobs, plan, "name: x\n", scheduler)
        submit_pieces(scheduler, folder, plan)
        return folder

    return hand_over


def observed(runs):
    with recorded_calls() as calls:
        states = observe_submissions(select(runs, None))
    assert len(calls) <= 2
    return [[status.state.value for status in state.elements] for state in states]


def screen(tmp_path, *words):
    command = [sys.executable, "-m", "rhodiff.cli", *words]
    return subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, check=False)


def test_screens_tell_what_became_of_every_element(cluster, submit, tmp_path):
    first = submit(1, TASKS, num_elements=4)
    submit(2, num_elements=2, after=(Dependency(f"demo-12345678/jobs/{first.path.name}"),))
    submit(3, num_elements=1, pieces=[Piece(0, 0, 1, False)], allocation=NINE_NODES)
    runs = tmp_path / "runs"
    expected = [["done", "done", "failed", "running"], ["pending", "pending"], ["pending"]]
    wait_until(lambda: observed(runs) == expected, "three elements to end")

    value = json.loads(screen(tmp_path, "status", "--json").stdout)
    numbers = {one["number"]: one for one in value["runs"][0]["submissions"]}
    assert numbers[1]["counts"] == {"done": 2, "running": 1, "failed": 1}
    assert numbers[1]["next"].startswith("rhodiff-hpc why 1")
    assert numbers[1]["elements"][3]["nodes"] in cluster.nodes
    assert numbers[2]["elements"][0]["slurm_reason"] == "Dependency"
    assert numbers[3]["elements"][0]["slurm_reason"] == "PartitionNodeLimit"

    why = " ".join(screen(tmp_path, "why").stdout.split())
    assert "failed 1 element (2): exit code 2: the request or an input is wrong" in why
    assert "error: data.path: part 2 is truncated" in why
    assert "waits for submission 1 (prepare of demo-12345678)" in why
    assert "it asks for more nodes than its partition allows" in why

    cluster.command("scancel", *(job for one in (2, 3) for job in numbers[one]["jobs"]))
    (tmp_path / "go").touch()
    ended = [["done", "done", "failed", "done"], ["cancelled"] * 2, ["cancelled"]]
    wait_until(lambda: observed(runs) == ended, "all to end")
    costs = []

    def is_accounted():
        costs.append(json.loads(screen(tmp_path, "cost", "1", "--json").stdout)["submissions"][0])
        return costs[-1]["num_jobs"] == costs[-1]["num_accounted"] == 4

    wait_until(is_accounted, "accounting, which lags")
    cost = costs[-1]
    assert 0 < cost["used_node_h"] < cost["reserved_node_h"] == 4.0


def test_without_a_controller_what_is_not_certain_is_unknown(cluster, submit, tmp_path):
    folder = submit(1, TASKS, num_elements=4)
    wait_until(
        lambda: folder.failed(2).exists() and folder.done(1).exists() and folder.done(0).exists(), "three to end"
    )
    with cluster.without("slurmctld"):
        where = {"SLURM_CONF": str(cluster.conf)}
        ended = Lab(tmp_path).run("status", "--json", environment=where, before=give_up_soon)
    states = [one["state"] for one in ended.value["runs"][0]["submissions"][0]["elements"]]
    assert ended.code == 3
    assert states == ["done", "done", "failed", "unknown"]
    (tmp_path / "go").touch()
    wait_until(lambda: observed(tmp_path / "runs") == [["done", "done", "failed", "done"]], "the last one to end")


def test_a_job_put_back_by_hand_is_not_shown_as_failed(cluster, submit, tmp_path):
    folder = submit(1, TASKS.replace("2/*", "0/*"), num_elements=1)
    wait_until(lambda: folder.failed(0).exists(), "the element to fail")
    runs = tmp_path / "runs"
    (state,) = observe_submissions(select(runs, None), records_of_all=True)
    job = state.elements[0].job
    wait_until(lambda: cluster.state(job.replace("_0", "")) in {"FAILED", "COMPLETED"}, "its job to end")
    cluster.command("scontrol", "requeue", job)
    (state,) = observe_submissions(select(runs, None), records_of_all=True)
    assert state.elements[0].state in {ElementState.PENDING, ElementState.RUNNING}
