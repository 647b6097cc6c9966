"""Signals that are due to a local job, and what its end means."""

from signal import SIGKILL, SIGTERM, SIGUSR1

import pytest

from rhodiff.jobs.local_task import TimeLimit, describe_end, due_signal

LIMIT = TimeLimit(walltime_s=600.0, margin_s=120.0, kill_wait_s=30.0)


@pytest.mark.parametrize(
    ("elapsed_s", "told_s", "due"),
    [
        (0.0, None, None),
        (479.0, None, None),
        (480.0, None, SIGUSR1),
        (599.0, None, SIGUSR1),
        (600.0, None, SIGTERM),
        (629.0, 600.0, SIGTERM),
        (630.0, 600.0, SIGKILL),
    ],
)
def test_time_passes_as_with_slurm(elapsed_s, told_s, due):
    assert due_signal(LIMIT, elapsed_s, told_s, is_cancelled=False) == due


@pytest.mark.parametrize(
    ("elapsed_s", "told_s", "due"), [(5.0, None, SIGTERM), (34.0, 5.0, SIGTERM), (35.0, 5.0, SIGKILL)]
)
def test_a_cancelled_job_ends_at_once(elapsed_s, told_s, due):
    assert due_signal(LIMIT, elapsed_s, told_s, is_cancelled=True) == due


def test_nobody_is_killed_who_was_not_told_before():
    """After a pause of the supervisor itself (a suspended machine) all moments may have passed."""
    assert due_signal(LIMIT, 10_000.0, None, is_cancelled=False) is SIGTERM


@pytest.mark.parametrize(
    ("code", "cancelled", "over_time", "state", "exit_code"),
    [
        (0, False, False, "COMPLETED", "0:0"),
        (3, False, False, "FAILED", "3:0"),
        (75, False, False, "FAILED", "75:0"),
        (-11, False, False, "FAILED", "0:11"),
        (75, True, False, "CANCELLED", "75:0"),
        (-9, False, True, "TIMEOUT", "0:9"),
        (0, False, True, "COMPLETED", "0:0"),
    ],
)
def test_states_are_slurms_words(code, cancelled, over_time, state, exit_code):
    told = describe_end(code, cancelled=cancelled, over_time=over_time)
    assert (told["state"], told["exit_code"]) == (state, exit_code)
