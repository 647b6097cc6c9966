"""The few things that the processes of a training do together."""

import os

import pytest
import torch
from experiments import LIMIT_S, SERVER, free_port, torchrun_environment
from hypothesis import given
from hypothesis import strategies as st

from rhodiff.errors import ConfigError, PeerEndedError, RhodiffError
from rhodiff.runtime.places import Place, place_from_environment
from rhodiff.runtime.processes import Processes, join_processes


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


def add_up(environment, folder):
    os.environ.update(environment)
    place = place_from_environment(os.environ)
    with join_processes(place, torch.device("cpu")) as processes:
        assert processes.sum(torch.tensor([1.0, place.rank])).tolist() == [3.0, 3.0]
        assert processes.any(place.rank == 2)
        assert not processes.any(False)
        processes.wait_for_all()
        assert processes.is_first == (place.rank == 0)
        (folder / str(place.rank)).write_text(str(list(processes.share(place.rank, 7))))


def test_processes_find_each_other_and_add_up(tmp_path):
    port = free_port()
    ranks = [SERVER.Process(target=add_up, args=(torchrun_environment(rank, 3, port), tmp_path)) for rank in range(3)]
    for rank in ranks:
        rank.start()
    for rank in ranks:
        rank.join(LIMIT_S)
    assert [rank.exitcode for rank in ranks] == [0, 0, 0]
    shares = {path.name: path.read_text() for path in tmp_path.iterdir()}
    assert shares == {"0": "[0, 1]", "1": "[2, 3]", "2": "[4, 5, 6]"}
