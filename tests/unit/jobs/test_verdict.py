"""What an ended attempt means: every exit code that our commands, shells and launchers end with."""

from dataclasses import replace

import pytest

from rhodiff.jobs.attempts import Attempt
from rhodiff.jobs.submission_plan import BodyRules
from rhodiff.jobs.suspects import find_suspects
from rhodiff.jobs.this_job import ThisJob
from rhodiff.jobs.verdict import Ending, Verdict, exhaustion, judge_ending, speaks_against_node

RULES = BodyRules(max_attempts=5, max_attempts_without_progress=2, early_death_s=60)
ATTEMPT = Attempt(1, "7", 0, "n1", "n1", "2026-01-01T00:00:00.000Z", verdict="again", progress=True)


@pytest.mark.parametrize(
    ("code", "launcher", "kind"),
    [
        (0, "none", "done"),
        (1, "none", "failed"),
        (2, "srun", "failed"),
        (5, "srun", "failed"),
        (9, "srun", "failed"),
        (15, "none", "failed"),
        (74, "none", "failed"),
        (75, "none", "stopped"),
        (76, "srun", "again"),
        (126, "none", "failed"),
        (127, "none", "failed"),
        (-9, "none", "again"),
        (-11, "none", "again"),
        (137, "srun", "again"),
        (139, "srun", "again"),
        (9, "mpiexec", "again"),
        (11, "ibrun", "again"),
    ],
)
def test_exit_codes_of_an_attempt_that_nobody_asked_to_stop(code, launcher, kind):
    assert judge_ending(Ending(code, launcher)).kind == kind


@pytest.mark.parametrize(
    ("code", "kind"),
    [
        (0, "stopped"),  # of srun: its step was ended (seen with scontrol requeue)
        (1, "failed"),
        (2, "failed"),
        *((code, "stopped") for code in (75, 76, 143, 137, 138, 15, -10)),
    ],
)
def test_after_a_request_to_stop_the_ways_of_launchers_mean_that_it_stopped(code, kind):
    assert judge_ending(Ending(code, "srun", stop="SIGUSR1")).kind == kind


def test_srun_that_leaves_with_0_after_slurm_ended_its_step_proves_nothing():
    lines = [
        "srun: Job step aborted: Waiting up to 5 seconds for job step to finish.",
        "srun: forcing job termination",
    ]
    assert judge_ending(Ending(0, "srun", last_lines=lines)).kind == "again"
    assert judge_ending(Ending(0, "srun", stop="SIGTERM", last_lines=lines)).kind == "stopped"
    assert judge_ending(Ending(0, "none", stop="SIGTERM")).kind == "done"


EXITED = "srun: error: n2: task 2: Exited with exit code {}"
KILLED = "srun: error: n1: tasks 0-1: Killed"
TERMINATED = "srun: error: n1: tasks [0,3]: Terminated"


@pytest.mark.parametrize(
    ("lines", "verdict"),
    [
        ([EXITED.format(5), TERMINATED], Verdict("failed", "exit code 5")),
        ([EXITED.format(2), EXITED.format(76), TERMINATED], Verdict("failed", "exit code 2")),
        (
            [EXITED.format(76), TERMINATED],
            Verdict("again", "the connection to another of its processes was lost", died=True),
        ),
        ([EXITED.format(75), TERMINATED], Verdict("stopped", "it stopped early by itself, with its state saved")),
        ([EXITED.format(137), TERMINATED], Verdict("again", "it was killed by SIGKILL (out of memory?)", died=True)),
        ([EXITED.format(127), TERMINATED], Verdict("failed", "exit code 127: its command was not found")),
        ([KILLED, EXITED.format(1)], Verdict("again", "it was killed by SIGTERM", died=True)),
        ([TERMINATED], Verdict("again", "it was killed by SIGTERM", died=True)),
        (["0: Exited with exit code 5"], Verdict("again", "it was killed by SIGTERM", died=True)),
    ],
)
def test_the_process_that_left_first_counts_and_not_those_that_srun_then_ended(lines, verdict):
    assert judge_ending(Ending(143, "srun", last_lines=lines)) == verdict


def test_a_stalled_attempt_that_was_ended_is_tried_again_unless_it_finished_meanwhile():
    assert judge_ending(Ending(137, "srun", stop="SIGUSR1", stall_s=60)) == Verdict(
        "again", "no step for 60 s: it was ended"
    )
    assert judge_ending(Ending(0, "srun", stall_s=60)).kind == "done"


def test_the_number_of_attempts_is_bounded():
    assert exhaustion([ATTEMPT] * 4, RULES) is None
    assert "all 5 attempts" in exhaustion([ATTEMPT] * 5, RULES)


def test_only_attempts_in_a_row_without_progress_are_too_many():
    idle = replace(ATTEMPT, progress=False)
    assert exhaustion([idle, ATTEMPT, idle], RULES) is None
    assert "2 attempts in a row" in exhaustion([ATTEMPT, idle, idle], RULES)


@pytest.mark.parametrize(
    ("code", "stall_s", "elapsed_s", "progress", "speaks"),
    [
        (137, None, 5, False, True),
        (76, None, 5, False, True),
        (137, None, 61, False, False),
        (137, None, 5, True, False),
        (137, 3, 5, False, False),
        (1, None, 5, False, False),
        (75, None, 5, False, False),
    ],
)
def test_only_a_sudden_early_death_with_nothing_done_speaks_against_a_node(
    code, stall_s, elapsed_s, progress, speaks
):
    verdict = judge_ending(Ending(code, "srun", stall_s=stall_s))
    assert speaks_against_node(verdict, elapsed_s, progress=progress, rules=RULES) is speaks


SRUN_22_05 = [
    "0: slurmstepd-n1: error: *** STEP 16.0 ON n1 CANCELLED AT 2026-11-22T02:08:41 ***",
    "srun: error: n2: task 1: Killed",
    "srun: launch/slurm: _step_signal: Terminating StepId=16.0",
    "srun: error: n1: task 0: Terminated",
]


@pytest.mark.parametrize(
    ("nodes", "lines", "found"),
    [
        ("n[1-2]", SRUN_22_05, ("n2",)),
        (
            "n[1-2]",
            ["srun: error: n1: task 0: Exited with exit code 76", "srun: error: n2: tasks 2-3: Killed"],
            ("n2",),
        ),
        ("n[1-2]", ["nothing of use"], ()),
        ("n1", ["nothing of use"], ("n1",)),
    ],
)
def test_the_node_whose_process_died_first_is_the_suspect(nodes, lines, found):
    assert find_suspects(ThisJob("7", "7", 0, False, 0, nodes, "n1"), lines) == found
