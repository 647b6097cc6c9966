"""Devices and threads of a process."""

import os
from importlib import metadata

import pytest
import torch

from rhodiff.errors import EnvironmentLacksError
from rhodiff.runtime.cpus import available_cpus, cpus_of_process
from rhodiff.runtime.devices import configure_torch, resolve_device
from rhodiff.runtime.provenance import describe_environment

HAS_ACCELERATOR = torch.accelerator.current_accelerator(check_available=True) is not None


@pytest.fixture(autouse=True)
def _settings_of_torch_come_back():
    deterministic = torch.are_deterministic_algorithms_enabled()
    yield
    torch.use_deterministic_algorithms(deterministic)


def test_the_cpu_can_always_be_asked_for():
    assert resolve_device("cpu", local_rank=3) == torch.device("cpu")


@pytest.mark.skipif(HAS_ACCELERATOR, reason="this machine has an accelerator")
@pytest.mark.parametrize("request_", ["cuda", "xpu"])
def test_a_device_that_is_not_there_ends_with_exit_code_5(request_):
    with pytest.raises(EnvironmentLacksError, match=f"'{request_}' was asked for.*'auto'") as caught:
        resolve_device(request_)
    assert caught.value.exit_code == 5


@pytest.mark.skipif(HAS_ACCELERATOR, reason="this machine has an accelerator")
def test_auto_takes_the_cpu_where_there_is_nothing_else():
    assert resolve_device("auto") == torch.device("cpu")


@pytest.mark.parametrize(
    ("asked", "here", "chosen"), [(3, 8, 3), (None, 1, 6), (None, 2, 3), (None, 4, 1), (None, 99, 1)]
)
def test_threads_are_shared_between_the_processes_of_a_node(monkeypatch, asked, here, chosen):
    monkeypatch.setattr(os, "sched_getaffinity", lambda _: set(range(6)))
    assert available_cpus() == 6
    assert configure_torch(asked, here, deterministic=True) == chosen
    assert torch.get_num_threads() == chosen
    assert torch.are_deterministic_algorithms_enabled()


@pytest.mark.parametrize(
    ("told", "cpus"),
    [
        ({"SLURM_CPUS_PER_TASK": "2"}, 2),
        ({"SLURM_CPUS_PER_TASK": "2", "RHODIFF_CPUS": "4"}, 4),
        ({"SLURM_CPUS_PER_TASK": "9"}, 6),
        ({"SLURM_CPUS_PER_TASK": ""}, 3),
        ({}, 3),
    ],
)
def test_what_slurm_gave_a_task_counts_and_not_all_the_cpus_of_its_node(monkeypatch, told, cpus):
    monkeypatch.setattr(os, "sched_getaffinity", lambda _: set(range(6)))
    assert cpus_of_process(told, 2) == cpus


def test_the_environment_says_what_was_used():
    described = describe_environment()
    assert described["packages"]["torch"] == metadata.version("torch")
    assert described["cpus"] == available_cpus()
    assert described["time"].endswith("Z")
    assert isinstance(described["command"], list)
