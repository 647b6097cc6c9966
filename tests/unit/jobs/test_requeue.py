"""Going back into the queue, with a scontrol and a sinfo that say what Slurm 22.05 said on the testbed."""

import signal

import pytest

from rhodiff.jobs.requeue import exclude_nodes, requeue
from rhodiff.jobs.this_job import ThisJob

TASK = ThisJob("18", "18", 1, True, 0, "rho1", "rho1", "main")
SHOWN = """JobId=19 ArrayJobId=18 ArrayTaskId=0 JobName=c JobState=COMPLETED Reason=None ExcNodeList=rho3
JobId=18 ArrayJobId=18 ArrayTaskId=1 JobName=c JobState={state} Reason=None ExcNodeList={excluded}"""


@pytest.fixture
def slurm(tmp_path, monkeypatch):
    """Installs commands; returns the calls that changed something."""

    def install(state="RUNNING", excluded="(null)", nodes="rho1\nrho1\nrho2\nrho3", refusal=""):
        (tmp_path / "shown").write_text(SHOWN.format(state=state, excluded=excluded) + "\n")
        (tmp_path / "nodes").write_text(nodes + "\n")
        refuse = f'echo "{refusal}" >&2; exit 1' if refusal else ""
        script = f'if [ "$1" = show ]; then cat {tmp_path}/shown; else echo "$@" >> {tmp_path}/calls; {refuse}\nfi\n'
        for name, body in (("scontrol", script), ("sinfo", f"cat {tmp_path}/nodes\n")):
            (tmp_path / name).write_text("#!/bin/sh\n" + body)
            (tmp_path / name).chmod(0o755)
        monkeypatch.setenv("PATH", f"{tmp_path}:/usr/bin:/bin")
        calls = tmp_path / "calls"
        return lambda: calls.read_text().splitlines() if calls.exists() else []

    before = signal.getsignal(signal.SIGTERM)
    yield install
    signal.signal(signal.SIGTERM, before)


def test_a_running_task_goes_back_alone(slurm):
    calls = slurm()
    assert requeue(TASK) is None
    assert calls() == ["requeue 18_1"]


@pytest.mark.parametrize("state", ["COMPLETING", "CANCELLED", "TIMEOUT"])
def test_a_task_that_is_being_ended_does_not(slurm, state):
    calls = slurm(state)
    assert state in requeue(TASK)
    assert calls() == []


def test_a_refusal_is_told(slurm):
    slurm(refusal="Job/step already completing or completed for job 18")
    assert "already completing" in requeue(TASK)


def test_nodes_are_added_to_those_that_the_user_excluded(slurm):
    calls, said = slurm(excluded="rho[2-3]", nodes="rho1\nrho2\nrho3\nrho4\nrho5"), []
    exclude_nodes(TASK, ["rho1"], 1, said.append)
    assert calls() == ["update jobid=18_1 ExcNodeList=rho1,rho2,rho3"]
    assert said == ["keeping away from rho1, rho2, rho3"]


def test_no_node_is_excluded_where_too_few_would_be_left(slurm):
    calls, said = slurm(), []
    exclude_nodes(TASK, ["rho1"], 3, said.append)
    assert calls() == []
    assert "would have 2 nodes left" in said[0]


def test_nodes_excluded_before_count_too(slurm):
    calls, said = slurm(excluded="rho[2-3]"), []
    exclude_nodes(TASK, ["rho1"], 1, said.append)
    assert calls() == []
    assert "would have 0 nodes left" in said[0]
