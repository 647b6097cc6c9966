"""A process's place among all, from what its launcher set, and the few things processes do together."""

import sys

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from rhodiff.errors import ConfigError, PeerEndedError, RhodiffError
from rhodiff.runtime.local_processes import run_processes
from rhodiff.runtime.processes import Place, Processes, first_host, join_processes, place_from_environment

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


@pytest.mark.parametrize(
    ("node_list", "host"),
    [
        ("n1", "n1"),
        ("n1,n2", "n1"),
        ("n[1-4]", "n1"),
        ("n[003-005,9],m1", "n003"),
        ("n[9,003]", "n9"),
        ("login-a,n[1-2]", "login-a"),
        ("rack[2-3]n[00-15]", "rack2n00"),
        ("n[1-2].cluster.org,m", "n1.cluster.org"),
    ],
)
def test_the_first_host_of_a_node_list(node_list, host):
    assert first_host(node_list) == host


@pytest.mark.parametrize("node_list", ["", ",", "n[", "n]", "n[a-b]"])
def test_a_node_list_that_makes_no_sense_is_refused(node_list):
    with pytest.raises(ConfigError, match="node list"):
        first_host(node_list)


@given(st.integers(1, 300), st.integers(0, 1000))
def test_shares_cover_a_batch_once_and_are_even(world_size, total):
    processes = Processes(Place(world_size=world_size), torch.device("cpu"))
    shares = [processes.share(rank, total) for rank in range(world_size)]
    assert [position for share in shares for position in share] == list(range(total))
    assert max(map(len, shares)) - min(map(len, shares)) <= 1


def test_a_single_process_needs_nobody():
    with join_processes(Place(), torch.device("cpu")) as processes:
        assert processes.is_first
        assert processes.sum(torch.tensor([2.0, 3.0])).tolist() == [2.0, 3.0]
        assert processes.any(True)
        assert not processes.any(False)
        processes.wait_for_all()


def test_errors_that_all_come_to_are_told_by_the_first():
    with pytest.raises(RhodiffError, match="the reason"):
        Processes(Place(0, 2), torch.device("cpu")).end_together(RhodiffError("the reason"))
    with pytest.raises(PeerEndedError) as caught:
        Processes(Place(1, 2), torch.device("cpu")).end_together(ConfigError("the reason"))
    assert caught.value.exit_code == 2


TOGETHER = """
import os, sys, torch
from rhodiff.runtime.processes import join_processes, place_from_environment
place = place_from_environment(os.environ)
with join_processes(place, torch.device("cpu")) as processes:
    assert processes.sum(torch.tensor([1.0, place.rank])).tolist() == [3.0, 3.0]
    assert processes.any(place.rank == 2)
    assert not processes.any(False)
    processes.wait_for_all()
    assert processes.is_first == (place.rank == 0)
    open(os.path.join(sys.argv[1], str(place.rank)), "w").write(str(list(processes.share(place.rank, 7))))
"""


def test_processes_find_each_other_and_add_up(tmp_path):
    assert run_processes([[sys.executable, "-c", TOGETHER, str(tmp_path)]] * 3) == 0
    shares = {path.name: path.read_text() for path in tmp_path.iterdir()}
    assert shares == {"0": "[0, 1]", "1": "[2, 3]", "2": "[4, 5, 6]"}
