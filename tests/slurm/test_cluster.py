"""The testbed is what the other tests take it for."""

import pytest
from slurm_cluster import wait_until


def test_a_job_on_two_nodes_runs_a_process_on_each(cluster, tmp_path):
    job = cluster.sbatch("srun hostname", "-N2", folder=tmp_path)
    cluster.wait_for_state(job, "COMPLETED")
    assert set((tmp_path / f"slurm-{job}.out").read_text().split()) <= set(cluster.nodes)
    assert len(set((tmp_path / f"slurm-{job}.out").read_text().split())) == 2


def test_a_power_cut_requeues_the_job_elsewhere(cluster):
    job = cluster.sbatch("sleep 60", "--requeue", f"-w{cluster.nodes[1]}")
    cluster.wait_for_state(job, "RUNNING")
    cluster.power_cut(2)
    wait_until(lambda: cluster.job(job)["Restarts"] == "1", "a restart", 90)
    cluster.power_on(2)
    assert cluster.wait_for_state(job, "RUNNING") == "RUNNING"


def test_a_preempted_job_goes_back_into_the_queue(cluster):
    low = cluster.sbatch("sleep 60", "-ppreempt", "-N4", "--exclusive", "--requeue")
    cluster.wait_for_state(low, "RUNNING")
    high = cluster.sbatch("sleep 2", "-pmain", "-N4", "--exclusive")
    cluster.wait_for_state(high, "RUNNING", timeout_s=90)
    wait_until(lambda: cluster.job(low)["Restarts"] == "1", "a restart", 90)


def test_a_stopped_controller_keeps_its_jobs(cluster):
    job = cluster.sbatch("sleep 2")
    with cluster.without("slurmctld"):
        assert cluster.attempt("squeue").returncode != 0
    cluster.wait_for_state(job, "COMPLETED")


def test_a_submit_limit_is_enforced_and_lifted(cluster):
    with cluster.submit_limit(4):
        assert cluster.attempt("sbatch", "--array=0-4", "-o/dev/null", "--wrap=true").returncode != 0
        cluster.sbatch("true", "--array=0-3")
    cluster.sbatch("true", "--array=0-4")


def test_the_array_size_is_limited(cluster):
    with cluster.max_array_size(20):
        assert cluster.attempt("sbatch", "--array=0-20", "-o/dev/null", "--wrap=true").returncode != 0
        cluster.sbatch("true", "--array=0-19")
    cluster.sbatch("true", "--array=0-20")


def test_sacct_knows_an_ended_job(cluster):
    job = cluster.sbatch("true")
    cluster.wait_for_state(job, "COMPLETED")
    wait_until(lambda: "COMPLETED" in cluster.command("sacct", "-nPX", "-j", job, "-o", "state"), "sacct")


@pytest.mark.parametrize("daemon", ["slurmctld", "slurmdbd"])
def test_daemons_that_a_test_left_stopped_are_started_again(cluster, daemon):
    cluster.stop(daemon)
    cluster.reset()
    cluster.sbatch("true")
