"""A process's place among all, from what its launcher set."""

import pytest

from rhodiff.errors import ConfigError, EnvironmentLacksError
from rhodiff.runtime.places import Place, place_from_environment

TORCHRUN = {"RANK": "3", "WORLD_SIZE": "8", "MASTER_ADDR": "n1", "MASTER_PORT": "29500"}
SRUN = {
    "SLURM_PROCID": "9",
    "SLURM_NTASKS": "11",
    "SLURM_LOCALID": "1",
    "SLURM_NODEID": "2",
    "SLURM_JOB_ID": "123456",
    "SLURM_STEP_ID": "1",
    "SLURM_STEP_NODELIST": "n[003-005,9],m1",
    "SLURM_STEP_TASKS_PER_NODE": "4(x2),3",
}


def test_without_a_launcher_a_process_is_alone():
    assert place_from_environment({"HOME": "/"}) == Place()


def test_torchrun_says_everything():
    environment = {**TORCHRUN, "LOCAL_RANK": "1", "LOCAL_WORLD_SIZE": "2"}
    assert place_from_environment(environment) == Place(3, 8, 1, 2, ("n1", 29500))


def test_a_launcher_that_says_nothing_of_nodes_means_one_node():
    assert place_from_environment(TORCHRUN) == Place(3, 8, 3, 8, ("n1", 29500))


def test_one_process_of_torchrun_needs_no_address():
    assert place_from_environment({"RANK": "0", "WORLD_SIZE": "1"}) == Place()


def test_a_bare_srun_is_understood():
    port = 20000 + (123456 * 31 + 1) % 20000
    assert place_from_environment(SRUN) == Place(9, 11, 1, 3, ("n003", port))


def test_all_processes_of_a_step_agree_on_address_and_world():
    places = []
    for node, count in enumerate([4, 4, 3]):
        for local in range(count):
            number = {"SLURM_PROCID": str(4 * node + local), "SLURM_NODEID": str(node), "SLURM_LOCALID": str(local)}
            places.append(place_from_environment({**SRUN, **number}))
    assert [place.rank for place in places] == list(range(11))
    assert {(place.address, place.world_size) for place in places} == {(places[0].address, 11)}
    assert [place.processes_here for place in places] == [4] * 8 + [3] * 3


def test_an_interactive_step_is_one_process_whatever_the_job_has():
    environment = {**SRUN, "SLURM_STEP_NUM_TASKS": "1", "SLURM_PROCID": "0", "SLURM_STEP_TASKS_PER_NODE": "1"}
    assert place_from_environment(environment) == Place()


def test_a_batch_script_itself_is_one_process():
    """sbatch sets SLURM_PROCID and SLURM_NTASKS too, but starts no step."""
    environment = {name: value for name, value in SRUN.items() if not name.startswith("SLURM_STEP")}
    assert place_from_environment(environment) == Place()


def test_torchrun_inside_a_slurm_step_counts():
    assert place_from_environment({**SRUN, **TORCHRUN}).address == ("n1", 29500)


@pytest.mark.parametrize(
    ("environment", "reason"),
    [
        ({**TORCHRUN, "RANK": "8"}, "process number 8 .* of 8"),
        ({**TORCHRUN, "RANK": "-1"}, "process number -1"),
        ({**TORCHRUN, "RANK": "x"}, "RANK='x', an integer"),
        ({**TORCHRUN, "WORLD_SIZE": "0"}, "of 0"),
        ({**TORCHRUN, "WORLD_SIZE": "1"}, "process number 3 .* of 1"),
        ({**TORCHRUN, "LOCAL_RANK": "2", "LOCAL_WORLD_SIZE": "2"}, "process on its node number 2"),
        ({**TORCHRUN, "LOCAL_RANK": "one"}, "LOCAL_RANK='one'"),
        ({**TORCHRUN, "MASTER_PORT": ""}, "MASTER_PORT=''"),
        ({n: v for n, v in TORCHRUN.items() if n != "MASTER_PORT"}, "MASTER_PORT=None"),
        ({n: v for n, v in TORCHRUN.items() if n != "MASTER_ADDR"}, "no MASTER_ADDR"),
        ({**SRUN, "SLURM_PROCID": "11"}, "process number 11 .* of 11"),
        ({**SRUN, "SLURM_LOCALID": "3"}, "process on its node number 3 .* of 3"),
        ({**SRUN, "SLURM_NODEID": "3"}, "SLURM_NODEID=3"),
        ({**SRUN, "SLURM_STEP_TASKS_PER_NODE": "4(x2),"}, "an entry ''"),
        ({**SRUN, "SLURM_STEP_NODELIST": "[1-2]x["}, "cannot read the node list"),
        ({**SRUN, "SLURM_JOB_ID": "a"}, "SLURM_JOB_ID='a'"),
        ({n: v for n, v in SRUN.items() if n != "SLURM_NTASKS"}, "SLURM_NTASKS=None"),
    ],
)
def test_contradictions_are_refused(environment, reason):
    with pytest.raises(ConfigError, match=reason):
        place_from_environment(environment)


OF_BODY = {"RHODIFF_NUM_PROCESSES": "11", "MASTER_ADDR": "n003", "MASTER_PORT": "23456"}
HYDRA = {"PMI_RANK": "9", "PMI_SIZE": "11", "MPI_LOCALRANKID": "1", "MPI_LOCALNRANKS": "3"}
OPEN_MPI = {
    "OMPI_COMM_WORLD_RANK": "9",
    "OMPI_COMM_WORLD_SIZE": "11",
    "OMPI_COMM_WORLD_LOCAL_RANK": "1",
    "OMPI_COMM_WORLD_LOCAL_SIZE": "3",
}
THERE = Place(9, 11, 1, 3, ("n003", 23456))


def test_a_jobs_body_says_where_the_first_process_listens():
    assert place_from_environment({**SRUN, **OF_BODY, "RHODIFF_LAUNCHER": "srun"}) == THERE


@pytest.mark.parametrize("launcher", ["mpiexec", "ibrun"])
@pytest.mark.parametrize("numbers", [HYDRA, OPEN_MPI])
def test_under_mpiexec_its_own_numbers_count_and_not_those_of_its_proxy(launcher, numbers):
    proxy = {**SRUN, "SLURM_PROCID": "2", "SLURM_NTASKS": "3", "SLURM_LOCALID": "0", "SLURM_STEP_NUM_TASKS": "3"}
    assert place_from_environment({**proxy, **OF_BODY, **numbers, "RHODIFF_LAUNCHER": launcher}) == THERE


@pytest.mark.parametrize(
    ("environment", "found"),
    [
        ({"RHODIFF_LAUNCHER": "mpiexec"}, 1),
        ({"RHODIFF_LAUNCHER": "mpiexec", "PMI_RANK": "0", "PMI_SIZE": "1"}, 1),
        ({"RHODIFF_LAUNCHER": "mpiexec", **HYDRA, "PMI_SIZE": "12"}, 12),
        ({"RHODIFF_LAUNCHER": "srun", **SRUN, "SLURM_NTASKS": "1"}, 1),
        ({"RHODIFF_LAUNCHER": "srun"}, 1),
    ],
)
def test_another_number_of_processes_than_was_asked_for_is_refused(environment, found):
    with pytest.raises(EnvironmentLacksError, match=f"was to start 11 processes.*one of {found}:"):
        place_from_environment({**OF_BODY, **environment})


def test_processes_that_a_job_without_launcher_starts_itself_are_seen():
    assert place_from_environment({**TORCHRUN, "RHODIFF_LAUNCHER": "none"}).world_size == 8
    assert place_from_environment({"RHODIFF_LAUNCHER": "none", "RHODIFF_NUM_PROCESSES": "1"}) == Place()


def test_mpiexec_without_a_jobs_body_has_no_address():
    with pytest.raises(ConfigError, match="MASTER_ADDR is not set: mpiexec"):
        place_from_environment({**HYDRA, "RHODIFF_LAUNCHER": "mpiexec", "RHODIFF_NUM_PROCESSES": "11"})
