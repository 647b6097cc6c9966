"""Fields of a sequence and their training neighbours, chosen by parameters alone."""

import numpy as np
import pytest

from rhodiff.config.sequence import SequenceSettings
from rhodiff.errors import ConfigError
from rhodiff.stages.sequence_pairs import choose_sequence, describe_combination, find_neighbours

NAMES = ("mass", "camera", "t")


def grid(masses, cameras, times):
    return np.array([[m, c, t] for m in masses for c in cameras for t in times], dtype=np.float64)


def choose(parameters, **settings):
    return choose_sequence(parameters, NAMES, SequenceSettings(**{"along": "t", **settings}))


def test_a_sequence_has_the_values_asked_for_in_order_of_its_parameter():
    parameters = np.random.default_rng(0).permutation(grid((0.5, 1.0), (0, 1, 2), np.arange(7)))
    rows = choose(parameters, at={"mass": 1.0, "camera": 2})
    assert parameters[rows] == pytest.approx(grid((1.0,), (2,), np.arange(7)))


def test_without_values_it_is_the_combination_of_most_fields_and_of_these_the_first():
    parameters = grid((0.5, 1.0), (0, 1), np.arange(4))
    short = np.delete(parameters, 0, axis=0)
    assert short[choose(short)] == pytest.approx(grid((0.5,), (1,), np.arange(4)))
    assert parameters[choose(parameters)] == pytest.approx(grid((0.5,), (0,), np.arange(4)))


def test_fields_of_equal_parameters_are_shown_once():
    parameters = np.repeat(grid((1.0,), (0,), np.arange(4)), 3, axis=0)
    assert parameters[choose(parameters)][:, 2] == pytest.approx(np.arange(4))


def test_values_that_differ_by_rounding_are_equal():
    parameters = grid((0.1 + 0.2,), (0,), np.arange(3))
    parameters[1, 0] = 0.3
    assert len(choose(parameters, at={"mass": 0.3})) == 3


def test_a_time_that_was_taken_at_the_nearest_step_is_found():
    parameters = np.array([[m, 0.0, t] for t in np.arange(300, 650, 4.889) for m in (0.5, 0.75)])
    rows = choose(parameters, along="mass", at={"t": 450.0})
    assert np.unique(parameters[rows, 2]).tolist() == [parameters[np.argmin(abs(parameters[:, 2] - 450)), 2]]


def test_a_value_that_is_not_there_is_refused_with_those_that_are():
    with pytest.raises(ConfigError, match=r"no generated field has camera = 7; there are 0, 1$"):
        choose(grid((0.5, 1.0), (0, 1), np.arange(4)), at={"camera": 7})


def test_fields_that_never_differ_in_one_parameter_alone_are_refused():
    latin = np.random.default_rng(1).random((50, 3))
    with pytest.raises(ConfigError, match="no two of the 50 generated fields differ in 't' alone"):
        choose(latin)


def test_values_that_are_there_but_not_together_are_refused():
    parameters = np.array([[0.5, 0, 1], [0.5, 0, 2], [1.0, 1, 1], [1.0, 1, 2]])
    with pytest.raises(ConfigError, match=r"with mass = 0\.5, camera = 1"):
        choose(parameters, at={"mass": 0.5, "camera": 1})


def test_neighbours_stand_on_both_sides_with_all_else_equal():
    training = np.random.default_rng(2).permutation(grid((0.5, 1.0), (0, 1), (0, 10, 20, 30)))
    truth = np.array([[0.5, 1, 13], [1.0, 0, 20], [1.0, 1, 27.5]])
    found = find_neighbours(truth, training, 2)
    assert training[found.below] == pytest.approx(np.array([[0.5, 1, 10], [1, 0, 20], [1, 1, 20]]))
    assert training[found.above] == pytest.approx(np.array([[0.5, 1, 20], [1, 0, 20], [1, 1, 30]]))
    assert found.weight == pytest.approx([0.3, 0.0, 0.75])
    assert training[found.nearest][:, 2].tolist() == [10, 20, 30]
    assert found.is_repeated.tolist() == [False, True, False]


def test_neighbours_agree_with_a_search_through_all_fields():
    random = np.random.default_rng(3)
    training = random.integers(0, (3, 2, 40), (60, 3)).astype(float)
    truth = random.integers(0, (4, 2, 40), (40, 3)).astype(float)
    found = find_neighbours(truth, training, 2)
    for row, (wanted, below, above) in enumerate(zip(truth, found.below, found.above, strict=True)):
        same = training[(training[:, :2] == wanted[:2]).all(axis=1), 2]
        for one, side in ((below, same[same <= wanted[2]]), (above, same[same >= wanted[2]])):
            assert (one == -1) == (len(side) == 0)
            if one != -1:
                assert training[one, :2].tolist() == wanted[:2].tolist()
                assert abs(training[one, 2] - wanted[2]) == np.abs(side - wanted[2]).min()
        nearest = found.nearest[row]
        assert (nearest == -1) == (len(same) == 0)
        if nearest != -1:
            assert abs(training[nearest, 2] - wanted[2]) == np.abs(same - wanted[2]).min()
        assert np.isnan(found.weight[row]) == (-1 in (below, above))


def test_a_single_parameter_has_no_others_to_agree():
    found = find_neighbours(np.array([[1.5]]), np.array([[0.0], [1.0], [2.0]]), 0)
    assert (found.below.tolist(), found.above.tolist(), found.weight.tolist()) == ([1], [2], [0.5])


def test_a_combination_is_told_by_what_varies_but_not_along_the_sequence():
    one = np.array([0.5, 1.0, 300.0])
    assert describe_combination(one, NAMES, "t", np.array([True, True, True])) == {"mass": 0.5, "camera": 1.0}
    assert describe_combination(one, NAMES, "t", np.array([True, False, True])) == {"mass": 0.5}
