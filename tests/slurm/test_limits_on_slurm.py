"""Reading a real cluster's limits, refusing what it can never run, and the room in its queue."""

import pytest

from rhodiff.errors import SubmissionRefusedError
from rhodiff.jobs.checks import check_allocation, find_problems
from rhodiff.jobs.limits import count_queued_jobs, find_room, forget_limits, read_cluster_name, read_limits
from rhodiff.jobs.site_check import check_site
from rhodiff.jobs.site_files import load_site
from rhodiff.jobs.site_probe import draft_profile
from rhodiff.jobs.slurm_commands import recorded_calls
from rhodiff.jobs.submission_plan import Allocation
from rhodiff.jobs.surroundings import read_surroundings


@pytest.fixture
def slurm(cluster, monkeypatch):
    monkeypatch.setenv("SLURM_CONF", str(cluster.conf))
    forget_limits()
    yield cluster
    forget_limits()


def test_the_cluster_tells_what_its_configuration_says(slurm):
    with recorded_calls() as calls:
        cluster = read_limits()
        read_limits()
    assert len(calls) == 5
    assert cluster.name == read_cluster_name() == slurm.name
    assert cluster.max_array_size == 1001
    assert cluster.default_partition.name == "main"
    main, preempt = cluster.partitions["main"], cluster.partitions["preempt"]
    assert (main.num_nodes, main.num_up, main.state) == (4, 4, "UP")
    assert {(group.cpus, group.memory_mb, group.num_gres("gpu")) for group in main.nodes} == {(4, 4000, 8)}
    assert (preempt.preempt_mode, preempt.grace_s) == ("REQUEUE", 10)
    assert {own.account for own in cluster.associations} >= {"root", "test"}
    assert "normal" in cluster.qos


def test_jobs_in_the_queue_are_counted_with_their_tasks(slurm):
    slurm.sbatch("true", "--array=0-16%3", "--hold")
    slurm.sbatch("true", "--hold")
    assert sum(jobs.count for jobs in count_queued_jobs()) == 18


def test_the_room_follows_the_limits(slurm):
    assert find_room(read_limits(), Allocation(), count_queued_jobs()).max_array_size == 1001
    slurm.sbatch("true", "--hold")
    with slurm.submit_limit(4):
        forget_limits()
        cluster = read_limits()
        assert cluster.enforces_limits
        room = find_room(cluster, Allocation(), count_queued_jobs())
        assert (room.max_submitted_jobs, room.num_queued_jobs, room.num_free) == (4, 1, 3)
    with slurm.max_array_size(20):
        forget_limits()
        assert find_room(read_limits(), Allocation(), ()).max_array_size == 20
        assert slurm.attempt("sbatch", "--array=0-20", "-o/dev/null", "--wrap=true").returncode != 0
        slurm.sbatch("true", "--array=0-19")
    slurm.sbatch("true", "--array=0-20")


@pytest.mark.parametrize(
    ("allocation", "text"),
    [
        (Allocation(nodes=9), "9 nodes are asked for and partition 'main' has 4"),
        (Allocation(partition="mian"), "did you mean 'main'"),
        (Allocation(gres="gpu:mxa:2"), "did you mean 'gpu:max'"),
        (Allocation(gpus_per_node=9), "at most 8"),
        (Allocation(cpus_per_task=5), "at most 4"),
        (Allocation(memory_gb=5), "at most 3.9 GB"),
    ],
)
def test_what_can_never_run_is_refused(slurm, allocation, text):
    with pytest.raises(SubmissionRefusedError, match=text):
        check_allocation(allocation, read_limits())


def test_what_is_let_through_starts(slurm):
    allocation = Allocation(nodes=4, cpus_per_task=4, memory_gb=3.9, gres="gpu:max:8", walltime_min=5)
    assert check_allocation(allocation, read_limits()) == []
    job = slurm.sbatch("true", "-N4", "-c4", f"--mem={3.9 * 1024:.0f}M", "--gres=gpu:max:8", "-t5")
    slurm.wait_for_state(job, "COMPLETED")


def test_a_node_without_power_is_a_warning(slurm):
    slurm.power_cut(3)
    try:
        slurm.command("scontrol", "update", f"nodename={slurm.nodes[2]}", "state=down", "reason=test")
        forget_limits()
        cluster = read_limits()
        assert cluster.partitions["main"].num_up == 3
        assert find_problems(Allocation(nodes=4), cluster) == []
        (warning,) = check_allocation(Allocation(nodes=4), cluster)
        assert "3 of the 4 nodes of partition 'main' work now" in warning
    finally:
        slurm.power_on(3)


def test_a_drafted_profile_fits_the_cluster_that_it_is_from(slurm, tmp_path):
    cluster, surroundings = read_limits(), read_surroundings()
    assert "pmi2" in surroundings.mpi_types
    (tmp_path / "own.yaml").write_text(draft_profile(cluster, surroundings, host="here", date="2026-11-22"))
    profile = load_site(str(tmp_path / "own.yaml"))
    assert (profile.cluster, profile.resources.partition) == (slurm.name, "main")
    assert not any(finding.is_problem for finding in check_site(profile, cluster, surroundings))


def test_the_shipped_profile_of_the_testbed_fits_it(slurm):
    findings = check_site(load_site("testbed"), read_limits(), read_surroundings())
    assert [finding.where for finding in findings if finding.is_problem] in ([], ["cluster"])
