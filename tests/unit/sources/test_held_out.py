"""Values held out: exactly the fields that have one are the test part, and nothing is held out in silence."""

import numpy as np
import pytest

from rhodiff.config.fields import Split
from rhodiff.errors import ConfigError
from rhodiff.sources.held_out import held_out_split
from rhodiff.sources.source import TEST, TRAIN, VALIDATION, split_groups

NAMES = ("mass_ratio", "t_myr", "camera")
MASSES, TIMES, CAMERAS = (0.25, 0.5, 0.75, 1.0, 1.25), (300.0, 305.0, 310.0), (0.0, 1.0)
VALUES = np.array([[m, t, c] for m in MASSES for t in TIMES for c in CAMERAS])
GROUPS = np.repeat(np.arange(len(MASSES)), len(TIMES) * len(CAMERAS))
NO_TEST = Split(train=0.75, validation=0.25, test=0)


def split(held_out, shares=NO_TEST, values=VALUES):
    return held_out_split(shares, GROUPS, values, NAMES, held_out)


def test_fields_with_a_value_held_out_are_the_test_part():
    parts = split({"mass_ratio": (0.75, 1.25)})
    np.testing.assert_array_equal(parts == TEST, np.isin(VALUES[:, 0], (0.75, 1.25)))


def test_a_value_of_any_named_parameter_is_enough():
    parts = split({"mass_ratio": (0.75,), "t_myr": (305.0,)})
    np.testing.assert_array_equal(parts == TEST, (VALUES[:, 0] == 0.75) | (VALUES[:, 1] == 305))


def test_the_others_are_shared_out_by_groups_among_themselves():
    parts = split({"mass_ratio": (0.75,)})
    left = GROUPS != 2
    np.testing.assert_array_equal(parts[left], split_groups(GROUPS[left], NO_TEST))
    assert [len(set(parts[group == GROUPS])) for group in range(5)] == [1] * 5
    assert (parts == TRAIN).sum() == 18 and (parts == VALIDATION).sum() == 6


def test_times_held_out_leave_the_other_times_of_their_simulation_where_the_share_puts_them():
    parts = split({"t_myr": (305.0,)}, Split(train=1, validation=0, test=0))
    np.testing.assert_array_equal(parts == TRAIN, VALUES[:, 1] != 305)
    assert all({TRAIN, TEST} == set(parts[group == GROUPS]) for group in range(5))


def test_a_share_of_the_test_part_adds_whole_groups():
    parts = split({"mass_ratio": (0.75,)}, Split(train=0.75, validation=0, test=0.25))
    tested = {int(group) for group in GROUPS[parts == TEST]}
    assert 2 in tested and len(tested) == 2


def test_nothing_held_out_is_the_plain_split():
    shares = Split(train=0.6, validation=0.2, test=0.2, seed=3)
    np.testing.assert_array_equal(split({}, shares), split_groups(GROUPS, shares))


def test_values_of_single_precision_are_found_and_neighbours_are_not():
    values = VALUES.astype(np.float32).astype(np.float64)
    values[:, 0] += np.float32(0.1)
    parts = split({"mass_ratio": (0.85,)}, values=values)
    np.testing.assert_array_equal(parts == TEST, VALUES[:, 0] == 0.75)
    with pytest.raises(ConfigError, match=r"no field has the value 0\.750002; the nearest is 0\.75 "):
        split({"mass_ratio": (0.75 + 2e-6,)})


def test_zero_is_only_zero():
    np.testing.assert_array_equal(split({"camera": (0.0,)}) == TEST, VALUES[:, 2] == 0)


class TestBadInput:
    def test_a_value_that_no_field_has_names_the_nearest_and_all(self):
        with pytest.raises(
            ConfigError,
            match=r"data\.source\.held_out\.mass_ratio: no field has the value 0\.8; the nearest is 0\.75 "
            r"\(there are 0\.25, 0\.5, 0\.75, 1, 1\.25\)",
        ):
            split({"mass_ratio": (0.75, 0.8)})

    def test_many_values_are_not_all_listed(self):
        values = VALUES.copy()
        values[:, 1] = np.arange(len(values)) * 5
        with pytest.raises(ConfigError, match=r"nearest is 100 \(there are 0, 5, .*, 55, \.\.\. 145\)"):
            split({"t_myr": (102.0,)}, values=values)

    def test_an_unknown_parameter_lists_those_there_are(self):
        with pytest.raises(
            ConfigError, match=r"no parameter 'mas_ratio'; did you mean 'mass_ratio'\? .*t_myr, camera"
        ):
            split({"mas_ratio": (0.75,)})

    def test_an_empty_list_is_refused(self):
        with pytest.raises(ConfigError, match=r"held_out\.t_myr is empty, which has no effect"):
            split({"t_myr": ()})

    def test_holding_out_everything_is_refused(self):
        with pytest.raises(ConfigError, match="all 30 fields have one of these values, none is left for training"):
            split({"t_myr": TIMES})
