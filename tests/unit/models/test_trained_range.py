"""Conditions outside of what a network was trained on are told apart from those inside."""

import numpy as np
import pytest

from rhodiff.config.model import Conditioning
from rhodiff.errors import DataError
from rhodiff.models import ConditioningTable
from rhodiff.models.trained_range import departed_vectors, departures, require_known

NAMES = ("time", "camera", "mass", "run")
SETTINGS = Conditioning(parameters=("mass", "camera", "time", "run"), categorical=("camera",), hashed=("run",))
TRAINING = np.array([[300.0, 0.0, 0.25, 1.0], [650.0, 13.0, 1.5, 2.0]])


@pytest.fixture
def table():
    return ConditioningTable.fit(SETTINGS, NAMES, TRAINING)


@pytest.mark.parametrize(
    ("asked", "expected"),
    [
        ([0.25, 0, 300, 1], ""),
        ([1.0, 13, 650, 2], ""),
        ([np.float32(1.5), 0, 650 + 1e-5, 1], ""),
        ([1.6, 0, 400, 1], "mass = 1.6 is outside 0.25 to 1.5"),
        ([0.2, 0, 700, 1], "mass = 0.2 is outside 0.25 to 1.5; time = 700 is outside 300 to 650"),
        ([1.0, 0, 400, 3], "run = 3 was not trained, and its hash says nothing of values nearby"),
    ],
)
def test_what_leads_out_of_the_trained_range_is_named(table, asked, expected):
    assert departures(table, np.array([asked], dtype=np.float64)) == [expected]


def test_hashed_parameters_are_known_by_their_combinations():
    settings = Conditioning(parameters=("a", "b"), embedding="hash")
    table = ConditioningTable.fit(settings, ("a", "b"), np.array([[1.0, 1.0], [2.0, 2.0]]))
    found = departures(table, np.array([[1.0, 1.0], [1.0, 2.0]]))
    assert [bool(text) for text in found] == [False, True]
    assert found[1].startswith("a = 1, b = 2 was not trained")


def test_distinct_vectors_outside_are_recorded_once(table):
    asked = np.array([[1.0, 0, 400, 1], [2.0, 0, 400, 1], [2.0, 0, 400, 1]])
    assert departed_vectors(table, asked) == [[2.0, 0.0, 400.0, 1.0]]


def test_unknown_labels_and_what_is_no_number_are_refused(table):
    require_known(table, np.array([[9.0, 13, 0, 99]]))
    with pytest.raises(DataError, match=r"'camera' has values 4, 5 that training did not see; allowed are 0, 13"):
        require_known(table, np.array([[1.0, 5, 400, 1], [1.0, 4, 400, 1]]))
    with pytest.raises(DataError, match="'time' holds NaN"):
        require_known(table, np.array([[1.0, 0, np.nan, 1]]))


def test_a_table_of_an_old_checkpoint_knows_no_range(table):
    old = ConditioningTable(names=table.names, mean=table.mean, std=table.std, categories=table.categories)
    assert departures(old, np.array([[99.0, 0, 0, 9]])) == [""]
