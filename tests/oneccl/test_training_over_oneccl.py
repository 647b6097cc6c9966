"""A training over oneCCL on CPUs computes what one over gloo does, and ends when a process of it is killed.

Two processes have one order in which to add two gradients: over gloo and over oneCCL all weights agree bit for bit.
Four have several: a sum of four float32 terms differs by 3 x 2^-24 of its largest at most, which Adam divides by the
gradient's own size. The checksum (norm) of all weights agrees to 1e-6, and so do the weights themselves in that norm.
"""

import re
import signal
import time
from functools import partial

import pytest
import torch
from experiments import free_port, torchrun_environment, wait_until
from oneccl_processes import enter_and_show_libraries, enter_environment

from rhodiff.store.journal import read_journal
from rhodiff.training.checkpoints import CheckpointFolder, read_checkpoint

PEER_LOST = 76


def weights(lab, which=-1):
    """All parameters of a checkpoint as one vector in double precision."""
    checkpoint = CheckpointFolder(lab.run_folder() / "checkpoints").list()[which]
    return torch.cat([weight.double().flatten() for weight in read_checkpoint(checkpoint.path)["model"].values()])


@pytest.mark.parametrize("number", [2, 4])
def test_fifty_steps_give_the_parameters_of_gloo(prepared, oneccl_python, tmp_path, number):
    over = {name: prepared.sibling(tmp_path / name) for name in ("gloo", "oneccl")}
    enter = partial(enter_and_show_libraries, str(oneccl_python), str(tmp_path))
    over["gloo"].do_ranks(number, "run", "train", "--backend", "gloo")
    over["oneccl"].do_ranks(number, "run", "train", "--backend", "oneccl", before=enter)

    ours, theirs = weights(over["oneccl"]), weights(over["gloo"])
    assert over["oneccl"].final()["iteration"] == 50
    assert ours.norm().item() == pytest.approx(theirs.norm().item(), rel=1e-6)
    assert (ours - theirs).norm() <= (0 if number == 2 else 1e-6) * theirs.norm()
    assert (theirs - weights(over["gloo"], 0)).norm() > 1e-3 * theirs.norm()  # the training has moved them
    maps = list(tmp_path.glob("maps-*.txt"))
    assert len(maps) == number
    assert all("libccl.so.1" in path.read_text() for path in maps)

    (event,) = (e for e in read_journal(over["oneccl"].run_folder() / "journal") if e["event"] == "prepared")
    assert event["backend"] == "rho_oneccl"
    assert event["first_all_reduce_s"] > 0
    told = {variable["name"]: variable for variable in event["variables"]}
    assert (told["CCL_ATL_TRANSPORT"]["value"], told["CCL_ATL_TRANSPORT"]["origin"]) == ("ofi", "default")
    assert told["CCL_LOCAL_SIZE"]["value"] == str(number)


@pytest.mark.parametrize(
    ("killed", "number", "said"),
    [(0, signal.SIGKILL, "was killed"), (1, signal.SIGKILL, "was killed"), (0, signal.SIGSTOP, "its node failed")],
)
def test_a_killed_process_ends_the_training_with_its_name(prepared, oneccl_python, tmp_path, killed, number, said):
    """A process that stands still, with all its connections open, looks like one whose node lost its power."""
    lab = prepared.sibling(tmp_path / "run", "training.iterations=100000", "training.checkpoint_every=10")
    ranks = lab.start_ranks(
        2, "run", "train", "--backend", "oneccl", before=partial(enter_environment, str(oneccl_python))
    )
    wait_until(lambda: lab.checkpoints_done() >= 2, ranks[1 - killed])
    began, victim = time.monotonic(), ranks[killed].pid
    ranks[killed].send(number)
    ended = ranks[1 - killed].wait(60)
    assert time.monotonic() - began < 60
    assert ended.code == PEER_LOST
    assert re.search(rf"process {killed} of 2 \(\S+, pid {victim}\).*{said}", ended.err), ended.err
    assert "Checkpoints are intact" in ended.err
    if number == signal.SIGSTOP:
        ranks[killed].send(signal.SIGKILL)
    ranks[killed].wait(60)


def test_the_users_own_value_wins_and_a_wrong_one_is_told(prepared, oneccl_python, tmp_path):
    lab, port = prepared.sibling(tmp_path / "run"), free_port()
    ranks = [
        lab.start(
            "run",
            "train",
            "--backend",
            "oneccl",
            environment={**torchrun_environment(rank, 2, port), "CCL_ATL_TRANSPORT": "pigeons"},
            before=partial(enter_environment, str(oneccl_python)),
        )
        for rank in range(2)
    ]
    ended = [rank.wait() for rank in ranks]
    assert [one.code for one in ended] == [5, 5]
    assert all("CCL_ATL_TRANSPORT: unexpected value: pigeons, expected values: ofi, mpi" in one.err for one in ended)
