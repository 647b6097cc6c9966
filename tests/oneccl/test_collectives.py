"""Collectives over oneCCL give what arithmetic says, for each type, and refuse what they cannot do."""

import os
import signal
import time
import warnings
from datetime import timedelta

import pytest
import torch
import torch.distributed as dist
from experiments import LIMIT_S, SERVER, free_port, torchrun_environment
from oneccl_processes import enter_environment

from rhodiff.runtime.collective_variables import collective_variables
from rhodiff.runtime.contract import NO_SITE, apply_variables, settle_variables
from rhodiff.runtime.oneccl.backend import BACKEND
from rhodiff.runtime.oneccl.installation import find_installation
from rhodiff.runtime.places import place_from_environment
from rhodiff.runtime.processes import join_processes

FLOATS = (torch.float32, torch.float64, torch.bfloat16, torch.float16)
INTEGERS = (torch.int64, torch.int32, torch.int16, torch.int8, torch.uint8)


def meet(python, environment, folder, check):
    """Join over oneCCL, and let ``check(rank, size)`` look."""
    enter_environment(python)
    os.environ.update(environment)
    place = place_from_environment(os.environ)
    fabric = find_installation().fabric
    proposed = collective_variables(BACKEND, place, os.sched_getaffinity(0), fabric.parent)
    apply_variables(settle_variables(os.environ, NO_SITE, proposed), os.environ)
    with warnings.catch_warnings(), join_processes(place, torch.device("cpu"), BACKEND) as processes:
        warnings.simplefilter("ignore", FutureWarning)  # torch renames its collectives
        assert processes.backend == BACKEND
        assert processes.first_all_reduce_s > 0
        check(place.rank, place.world_size)
    (folder / str(place.rank)).touch()


def check_sums(rank, size):
    for kind in (*FLOATS, *INTEGERS):
        x = torch.full((7,), rank + 1).to(kind)
        dist.all_reduce(x)
        assert x.dtype == kind
        assert x.tolist() == [size * (size + 1) / 2] * 7, kind
        for operation, expected in ((dist.ReduceOp.MIN, 1), (dist.ReduceOp.MAX, size)):
            y = torch.full((3,), rank + 1).to(kind)
            dist.all_reduce(y, operation)
            assert y.tolist() == [expected] * 3, (kind, operation)
    for kind in FLOATS:
        x = torch.full((2,), rank + 1.0, dtype=kind)
        dist.all_reduce(x, dist.ReduceOp.AVG)
        assert x.tolist() == [(size + 1) / 2] * 2, kind
    flags = torch.tensor([rank == 0, False])
    dist.all_reduce(flags, dist.ReduceOp.MAX)
    assert flags.tolist() == [True, False]


def check_shapes(rank, size):
    """Tensors with gaps, without elements and of no dimension."""
    base = torch.zeros(4, 6)
    base[:, ::2] = rank + 1.0
    dist.all_reduce(base[:, ::2])
    assert (base[:, ::2] == size * (size + 1) / 2).all()
    assert (base[:, 1::2] == 0).all()
    scalar = torch.tensor(2.0**rank)
    dist.all_reduce(scalar)
    assert scalar.item() == 2.0**size - 1
    dist.all_reduce(torch.zeros(0))
    transposed = torch.arange(6.0).view(2, 3).t() * (1 if rank == 1 else 0)
    dist.broadcast(transposed, 1)
    assert transposed.tolist() == [[0.0, 3.0], [1.0, 4.0], [2.0, 5.0]]


def check_others(rank, size):
    for root in range(size):
        x = torch.full((5,), float(rank))
        dist.broadcast(x, root)
        assert x.tolist() == [root] * 5
        x = torch.full((5,), rank + 1.0)
        dist.reduce(x, root)
        assert x.tolist() == [size * (size + 1) / 2 if rank == root else rank + 1.0] * 5
    parts = [torch.zeros(2, 3, dtype=torch.int64) for _ in range(size)]
    dist.all_gather(parts, torch.full((2, 3), rank))
    assert [part.unique().tolist() for part in parts] == [[other] for other in range(size)]
    flat = torch.zeros(2 * size)
    dist.all_gather_into_tensor(flat, torch.tensor([rank, rank + 0.5]))
    assert flat.tolist() == [value for other in range(size) for value in (other, other + 0.5)]
    own = torch.zeros(2)
    dist.reduce_scatter_tensor(own, torch.arange(2.0 * size))
    assert own.tolist() == [size * 2.0 * rank, size * (2.0 * rank + 1)]
    dist.reduce_scatter(own, [torch.full((2,), float(other)) for other in range(size)], dist.ReduceOp.AVG)
    assert own.tolist() == [float(rank)] * 2
    dist.barrier()


def check_futures(rank, size):
    """Many at a time complete in any order of waiting, each with its own result; a future's value is the tensor."""
    tensors = [torch.full((1000 * (number + 1),), float(rank + number)) for number in range(20)]
    works = [dist.all_reduce(x, async_op=True) for x in tensors]
    sums = [work.get_future().then(lambda future: future.value()[0].sum().item()) for work in works]
    for number in reversed(range(20)):
        assert works[number].wait()
        expected = sum(other + number for other in range(size))
        assert (tensors[number] == expected).all()
        assert sums[number].wait() == expected * 1000 * (number + 1)
        assert works[number].is_completed()
    assert works[0].wait(timedelta(seconds=5))


def check_refusals(_rank, size):
    with pytest.raises(TypeError, match=r"of type UInt16.*float16, bfloat16, float32"):
        dist.all_reduce(torch.zeros(2, dtype=torch.uint16))
    with pytest.raises(ValueError, match="SUM, AVG, PRODUCT, MIN and MAX only"):
        dist.all_reduce(torch.zeros(2, dtype=torch.int32), dist.ReduceOp.BXOR)
    with pytest.raises(TypeError, match="AVG is for floating-point"):
        dist.all_reduce(torch.zeros(2, dtype=torch.int32), dist.ReduceOp.AVG)
    with pytest.raises(RuntimeError, match="rho_oneccl does not support send"):
        dist.send(torch.zeros(1), 1 - _rank if size == 2 else 0)
    dist.barrier()  # a refusal leaves the group usable


def run_processes(python, folder, number, check):
    """Their exit codes."""
    port = free_port()
    ranks = [
        SERVER.Process(target=meet, args=(str(python), torchrun_environment(rank, number, port), folder, check))
        for rank in range(number)
    ]
    for rank in ranks:
        rank.start()
    for rank in ranks:
        rank.join(LIMIT_S)
    return [rank.exitcode for rank in ranks]


def run_together(python, folder, number, check):
    assert run_processes(python, folder, number, check) == [0] * number
    assert len(list(folder.iterdir())) == number


@pytest.mark.parametrize("check", [check_sums, check_shapes, check_others, check_futures, check_refusals])
def test_two_processes(oneccl_python, tmp_path, check):
    run_together(oneccl_python, tmp_path, 2, check)


def check_all(rank, size):
    check_sums(rank, size)
    check_others(rank, size)


def test_three_processes(oneccl_python, tmp_path):
    run_together(oneccl_python, tmp_path, 3, check_all)


def check_lost_at_once(rank, _size):
    """Killed as soon as the processes have met, before its first sign of life."""
    if rank == 1:
        os.kill(os.getpid(), signal.SIGKILL)
    with pytest.raises(dist.DistBackendError, match=r"process 1 of 2 .* gave no sign of life"):
        dist.all_reduce(torch.ones(1))
    os._exit(0)  # a group that has lost a process cannot part in order


def test_a_process_lost_in_the_first_second_is_noticed(oneccl_python, tmp_path):
    began = time.monotonic()
    assert run_processes(oneccl_python, tmp_path, 2, check_lost_at_once) == [0, -signal.SIGKILL]
    assert time.monotonic() - began < 60
