"""The launcher's command line and the environment of what it starts."""

import pytest
from plans import plan

from rhodiff.errors import ConfigError
from rhodiff.jobs.launch import ElementStart, candidate_ports, child_environment, launch_command, num_processes
from rhodiff.jobs.submission_plan import Allocation, Launch
from rhodiff.jobs.this_job import ThisJob

EIGHT = Allocation(nodes=2, tasks_per_node=4, cpus_per_task=3)
JOB = ThisJob("7", "9", 2, True, 1, "n[1-2]", "n1")
START = ElementStart("/h/0.json", "rho/12ab34cd/0", ("n1", 20000))


@pytest.mark.parametrize(
    ("launch", "words"),
    [
        (Launch("none"), ""),
        (
            Launch("srun", mpi="pmi2", options=("--cpu-bind=cores",)),
            "srun --kill-on-bad-exit=1 --nodes=2 --ntasks=8 --ntasks-per-node=4 --cpus-per-task=3 --label --mpi=pmi2 "
            "--cpu-bind=cores",
        ),
        (Launch("mpiexec", options=("-bootstrap", "slurm")), "mpiexec -n 8 -ppn 4 -bootstrap slurm"),
        (Launch("ibrun"), "ibrun"),
    ],
)
def test_the_launcher_is_told_what_to_start(launch, words):
    assert launch_command(plan(launch=launch, allocation=EIGHT), ["python", "a b"]) == [
        *words.split(),
        "python",
        "a b",
    ]


def test_a_single_process_is_not_labelled():
    assert "--label" not in launch_command(plan(launch=Launch("srun")), ["true"])


@pytest.mark.parametrize("launch", [Launch("none", options=("-x",)), Launch("ibrun", mpi="pmi2")])
def test_what_has_no_effect_is_refused(launch):
    with pytest.raises(ConfigError, match="no effect"):
        launch_command(plan(launch=launch), ["true"])


def test_without_launcher_there_is_one_process():
    assert num_processes(plan(allocation=EIGHT)) == 1
    assert num_processes(plan(allocation=EIGHT, launch=Launch("srun"))) == 8


def test_what_the_user_set_wins_over_the_site_and_the_site_over_our_defaults():
    asked = plan(
        allocation=EIGHT, launch=Launch("srun"), environment={"A": "site", "B": "site", "OMP_NUM_THREADS": "9"}
    )
    found = child_environment(asked, JOB, START, {"A": "user", "HOME": "/h"})
    assert (found["A"], found["B"], found["HOME"], found["OMP_NUM_THREADS"]) == ("user", "site", "/h", "9")
    assert child_environment(plan(allocation=EIGHT), JOB, START, {})["OMP_NUM_THREADS"] == "3"


def test_processes_are_told_their_number_address_and_cpus_whatever_was_around_the_submission():
    outer = {"RANK": "3", "WORLD_SIZE": "4", "LOCAL_RANK": "3", "MASTER_ADDR": "login", "SRUN_CPUS_PER_TASK": "1"}
    outer |= {"CCL_LOCAL_RANK": "3", "CCL_LOCAL_SIZE": "4"}
    found = child_environment(plan(allocation=EIGHT, launch=Launch("srun")), JOB, START, outer)
    assert not found.keys() & {"RANK", "WORLD_SIZE", "CCL_LOCAL_RANK", "CCL_LOCAL_SIZE"}
    assert (found["MASTER_ADDR"], found["MASTER_PORT"]) == ("n1", "20000")
    assert (found["RHODIFF_LAUNCHER"], found["RHODIFF_NUM_PROCESSES"]) == ("srun", "8")
    assert (found["SRUN_CPUS_PER_TASK"], found["RHODIFF_CPUS"]) == ("3", "3")
    assert (found["RHODIFF_JOB_ID"], found["RHODIFF_JOB_INDEX"], found["RHODIFF_RESTART"]) == ("7", "2", "1")


def test_ports_stay_below_those_of_outgoing_connections_and_differ_between_jobs_and_attempts():
    ports = [candidate_ports(job, attempt) for job in ("7_0", "7_1") for attempt in (1, 2)]
    assert len({found[0] for found in ports}) == 4
    for found in ports:
        assert len(set(found)) == len(found) == 64
        assert all(20000 <= port < 32768 for port in found)
