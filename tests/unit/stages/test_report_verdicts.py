"""What the report says of copies before all numbers, and the order in which it shows statistics."""

from types import MappingProxyType

import numpy as np
import pytest

from rhodiff.stages.comparison_set import ComparisonSet
from rhodiff.stages.report_curves import ShownCell, in_order
from rhodiff.stages.report_selection import ranking_tables
from rhodiff.stages.report_verdicts import copies_warning, memorisation_facts, memorisation_figures
from rhodiff.stages.selection import CheckpointRanking
from rhodiff.stages.sweep import Cell
from rhodiff.statistics import find_memorisation
from rhodiff.training.checkpoints import Checkpoint

NOTHING = MappingProxyType({})


def shown(memorisation, tmp_path):
    found = ComparisonSet(NOTHING, NOTHING, NOTHING, NOTHING, memorisation)
    checkpoint = Checkpoint(400, None, tmp_path / "step-00000400.pt", "abc")
    return ShownCell(Cell("1a", checkpoint, None, "heun", 9, 0), found, found, of_several=True)


@pytest.mark.parametrize("replayed", [True, False])
def test_a_model_that_replays_its_training_fields_is_called_that_first(replayed, tmp_path):
    random = np.random.default_rng(1)
    training, test, fresh = (random.normal(size=(12, 6, 6)) for _ in range(3))
    generated = training[:, ::-1].copy() if replayed else fresh
    cell = shown(find_memorisation(generated, test, training, periodic=True, resamples=100), tmp_path)
    assert bool(copies_warning(cell)) == replayed
    assert all("replays" in text for text in copies_warning(cell))
    assert len(memorisation_figures(cell)) == 1


def test_a_search_that_was_not_made_says_why(tmp_path):
    cell = shown("evaluation.memorisation is null", tmp_path)
    assert copies_warning(cell) == ()
    assert memorisation_figures(cell) == ()
    assert memorisation_facts(cell)[0].note == "evaluation.memorisation is null"


def test_a_reason_that_all_conditions_share_is_given_once(tmp_path):
    cell = shown("", tmp_path).cell
    rankings = [CheckpointRanking(condition, {}, "one checkpoint") for condition in ("l = 1", "l = 2")]
    (table,) = ranking_tables(None, rankings, cell)
    assert table.sentences == ("There is no ranking: one checkpoint.",)
    two = ranking_tables(None, [rankings[0], CheckpointRanking("l = 2", {}, "too few groups")], cell)
    assert [table.condition for table in two] == ["l = 1", "l = 2"]


def test_the_checkpoint_is_named_where_there_are_several(tmp_path):
    assert shown("", tmp_path).name == "generated (iteration 400, heun 9)"


def test_statistics_come_in_one_order():
    names = [
        "wavelet_l1_2",
        "minkowski_euler",
        "pixel_distribution",
        "bispectrum",
        "minkowski_area",
        "power_spectrum",
    ]
    found = in_order((name, "value") for name in names)
    assert [name for name, _ in found] == [
        "power_spectrum", "pixel_distribution", "minkowski_area", "minkowski_euler", "bispectrum", "wavelet_l1_2",
    ]  # fmt: skip
