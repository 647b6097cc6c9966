"""CPUs of a machine, shared between processes without a file."""

import subprocess
import sys

import pytest

from rhodiff.jobs.local_slots import Slots

CPUS = [9001, 9002, 9003]
"""Numbers that no real job takes."""


@pytest.fixture
def slots():
    return Slots(CPUS)


def test_what_is_taken_is_nobody_elses_until_it_is_given_back(slots):
    first = slots.take(2)
    assert first.cpus == (9001, 9002)
    assert Slots(CPUS).take(2) is None
    second = Slots(CPUS).take(1)
    assert second.cpus == (9003,)
    first.give_back()
    third = slots.take(2)
    assert third.cpus == (9001, 9002)
    second.give_back()
    third.give_back()


def test_a_refusal_takes_nothing(slots):
    first = slots.take(2)
    assert slots.take(2) is None
    last = slots.take(1)
    assert last is not None
    first.give_back()
    last.give_back()


def test_a_job_with_more_cpus_than_there_are_gets_all(slots):
    taken = slots.take(64)
    assert taken.cpus == tuple(CPUS)
    taken.give_back()


def test_what_a_killed_process_held_is_free(slots):
    code = (
        "from rhodiff.jobs.local_slots import Slots\nimport time\n"
        f"held = Slots({CPUS}).take(3)\nopen(1, 'w', closefd=False).write('held\\n')\ntime.sleep(3600)\n"
    )
    holder = subprocess.Popen([sys.executable, "-uc", code], stdout=subprocess.PIPE)
    assert holder.stdout.readline() == b"held\n"
    assert slots.take(1) is None
    holder.kill()
    holder.wait()
    holder.stdout.close()
    taken = slots.take(3)
    assert taken is not None
    taken.give_back()
