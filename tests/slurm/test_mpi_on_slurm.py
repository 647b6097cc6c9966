"""An evaluation shared by ranks on several nodes, started by srun with the site's PMI type."""

import os
import signal

import psutil
import pytest
from sampled_runs import SampledRun
from slurm_cluster import wait_until

SHARED = ("submit", "evaluate", "--site", "testbed", "--nodes", "2", "--tasks-per-node", "2", "--time", "5")


@pytest.fixture(scope="module")
def sampled(tmp_path_factory):
    return SampledRun.make(tmp_path_factory.mktemp("sampled_for_slurm") / "run")


@pytest.fixture(scope="module")
def alone(sampled, tmp_path_factory):
    run = sampled.copy(tmp_path_factory.mktemp("alone_of_slurm") / "run")
    run.lab.do("run", "evaluate")
    return run.numbers()


@pytest.fixture
def run(cluster, sampled, tmp_path):
    return sampled.copy(tmp_path / "run")


def submit(run, *words, code=0):
    ended = run.lab.run(*SHARED, *words, environment={"SLURM_CONF": os.environ["SLURM_CONF"]})
    assert ended.code == code, ended.out + ended.err
    return ended.out + ended.err


def ranks_of(run):
    """Processes on the nodes that evaluate this run."""
    words = (str(run.lab.folder), "evaluate", "rhodiff.cli")
    told = [
        (one.info["name"], " ".join(one.info["cmdline"] or []), one)
        for one in psutil.process_iter(["name", "cmdline"])
    ]
    return [one for name, line, one in told if name.startswith("python") and all(word in line for word in words)]


@pytest.mark.slow
def test_ranks_on_two_nodes_give_the_numbers_of_one_process_though_one_is_killed(run, alone):
    text = submit(run)
    assert "2 nodes, 2 processes a node" in text
    wait_until(lambda: run.num_done >= 10 and len(ranks_of(run)) == 4, "ranks at work")
    os.kill(ranks_of(run)[1].pid, signal.SIGKILL)
    submit(run, "--wait")
    assert run.numbers() == alone
    told = run.lab.run("why", environment={"SLURM_CONF": os.environ["SLURM_CONF"]})
    logs = run.lab.run("logs", environment={"SLURM_CONF": os.environ["SLURM_CONF"]}).out
    assert "Killed" in logs, told.out + logs


def test_parts_and_ranks_exclude_each_other_and_a_pmi_type_that_does_not_fit_is_named(run):
    assert "give one of both" in submit(run, "--parts", "4", code=2)
    profile = run.lab.folder / "site.yaml"
    profile.write_text((run.shipped_site("testbed")).replace("mpi: pmi2", "mpi: none"))
    text = submit(run, "--site", str(profile), "--wait", code=1)
    logs = run.lab.run("logs", environment={"SLURM_CONF": os.environ["SLURM_CONF"]}).out
    assert "failed" in text
    assert "it does not understand the launcher's PMI" in logs
    assert "attempt 2" not in logs  # it would not help
    assert "finds 1" in logs
    assert not list(run.statistics.glob("*.zarr"))
