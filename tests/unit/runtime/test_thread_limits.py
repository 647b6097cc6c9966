"""Processes of one node share its cores."""

import subprocess
import sys

import pytest

from rhodiff.runtime import thread_limits
from rhodiff.runtime.places import Place
from rhodiff.runtime.thread_limits import share_cores


@pytest.mark.parametrize(
    ("mine", "cores", "processes", "threads"), [(8, 8, 4, "2"), (8, 8, 16, "1"), (2, 8, 4, "2"), (8, 8, 3, "2")]
)
def test_each_process_gets_its_share_or_what_it_is_bound_to(mine, cores, processes, threads, monkeypatch):
    monkeypatch.setattr(thread_limits.os, "sched_getaffinity", lambda _: set(range(mine)))
    monkeypatch.setattr(thread_limits.os, "cpu_count", lambda: cores)
    environment = {}
    share_cores(Place(0, 32, 0, processes), environment)
    assert environment == {"OMP_NUM_THREADS": threads}


def test_the_users_own_number_and_a_process_alone_are_left_as_they_are():
    environment = {"OMP_NUM_THREADS": "5"}
    share_cores(Place(0, 4, 0, 4), environment)
    assert environment == {"OMP_NUM_THREADS": "5"}
    environment = {}
    share_cores(Place(), environment)
    assert environment == {}


def test_nothing_loads_numpy_before():
    modules = ("rhodiff.cli.run", "rhodiff.runtime.places", "rhodiff.runtime.thread_limits")
    code = f"import sys, {', '.join(modules)}; print('numpy' in sys.modules)"
    ended = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert ended.stdout == "False\n"
