"""Conditions of local jobs, judged from what records say."""

import pytest

from rhodiff.errors import ConfigError
from rhodiff.jobs.local_dependencies import Awaited, find_awaited, is_met, parse_conditions
from rhodiff.jobs.local_processes import Machine
from rhodiff.jobs.local_record import LocalTask, PieceState, Supervised

HERE = Machine.here()


def piece(*states):
    supervised = Supervised("1-2", "prepare-0a1b2c3d-0", HERE, 1, 2, len(states), True)
    return PieceState(supervised, tuple(LocalTask(state) for state in states))


@pytest.mark.parametrize(
    ("states", "supervised", "afterok", "afterany", "after"),
    [
        (["COMPLETED", "COMPLETED"], False, True, True, True),
        (["COMPLETED", "FAILED"], False, False, True, True),
        (["CANCELLED", "CANCELLED"], False, False, True, True),
        (["COMPLETED", "RUNNING"], True, None, None, True),
        (["FAILED", "RUNNING"], True, False, None, True),
        (["RUNNING", "PENDING"], True, None, None, None),
        (["COMPLETED", "RUNNING"], False, False, True, True),
        (["COMPLETED", "PENDING"], None, None, None, None),
    ],
)
def test_conditions_mean_what_they_mean_to_slurm(states, supervised, afterok, afterany, after):
    judged = [is_met(kind, piece(*states), supervised) for kind in ("afterok", "afterany", "after")]
    assert judged == [afterok, afterany, after]


def test_an_unknown_job_can_never_be_awaited(tmp_path):
    (awaited,) = find_awaited(tmp_path, ["afterany:1-2"])
    assert awaited == Awaited("afterany:1-2", "afterany", None)
    assert awaited.is_met(HERE) is False


def test_several_ids_of_a_condition_are_several_conditions():
    assert parse_conditions(["afterok:1-2:3-4", "after:5-6"]) == [
        ("afterok", "1-2"),
        ("afterok", "3-4"),
        ("after", "5-6"),
    ]


@pytest.mark.parametrize("text", ["afternotok:1-2", "afterok", "singleton", "afterok:1?afterany:2"])
def test_conditions_that_local_jobs_do_not_know_are_refused(text):
    with pytest.raises(ConfigError, match="afterok, afterany, after"):
        parse_conditions([text])
