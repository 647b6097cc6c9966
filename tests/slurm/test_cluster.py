"""The testbed is what the other tests take it for.

Power cuts, preemption, a controller that is away and the largest array are proved where they happen to real jobs:
``test_training_faults``, ``test_body_on_slurm``, ``test_site_faults``, ``test_limits_on_slurm``.
"""

import pytest
from slurm_cluster import wait_until


def test_a_job_on_two_nodes_runs_a_process_on_each(cluster, tmp_path):
    job = cluster.sbatch("srun hostname", "-N2", folder=tmp_path)
    cluster.wait_for_state(job, "COMPLETED")
    assert set((tmp_path / f"slurm-{job}.out").read_text().split()) <= set(cluster.nodes)
    assert len(set((tmp_path / f"slurm-{job}.out").read_text().split())) == 2


def test_a_submit_limit_is_enforced_and_lifted(cluster):
    with cluster.submit_limit(4):
        assert cluster.attempt("sbatch", "--array=0-4", "-o/dev/null", "--wrap=true").returncode != 0
        cluster.sbatch("true", "--array=0-3")
    cluster.sbatch("true", "--array=0-4")


def test_sacct_knows_an_ended_job(cluster):
    job = cluster.sbatch("true")
    cluster.wait_for_state(job, "COMPLETED")
    wait_until(lambda: "COMPLETED" in cluster.command("sacct", "-nPX", "-j", job, "-o", "state"), "sacct")


@pytest.mark.parametrize("daemon", ["slurmctld", "slurmdbd"])
def test_daemons_that_a_test_left_stopped_are_started_again(cluster, daemon):
    cluster.stop(daemon)
    cluster.reset()
    cluster.sbatch("true")


def test_drained_nodes_go_on_though_jobs_are_still_ending_on_others(cluster):
    job = cluster.sbatch("trap '' TERM; sleep 60 & wait; sleep 60", "-N3")
    cluster.wait_for_state(job, "RUNNING")
    cluster.command(
        "scontrol", "update", f"nodename={cluster.nodes[3]},{cluster.nodes[0]}", "state=drain", "reason=x"
    )
    cluster.reset()
    assert cluster.idle_nodes() == 4
