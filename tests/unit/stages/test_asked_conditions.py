"""Conditions that a network was not trained for are found before anything is sampled."""

import pytest

from rhodiff.errors import ConfigError
from rhodiff.models import ConditioningTable
from rhodiff.sources.source import TEST, TRAIN
from rhodiff.stages.asked_conditions import check_conditions, trained_table
from rhodiff.stages.checks import check_experiment
from rhodiff.stages.prepare import prepare
from rhodiff.stages.sample import sample_sweep
from rhodiff.stages.sweep import sweep_cells
from rhodiff.store.field_store import open_fields
from rhodiff.training.checkpoints import read_checkpoint

OUTSIDE = "sampling.conditions=[{l: 2, m: 1}, {l: 7, m: 0}]"


def test_the_checkpoint_holds_the_range_of_the_training_split(changed):
    workspace = changed()
    (cell,) = sweep_cells(workspace)
    table = ConditioningTable.model_validate(read_checkpoint(cell.checkpoint.path)["conditioning"])
    assert table == trained_table(workspace)
    trained = workspace.store.parameters[workspace.store.indices(TRAIN)]
    assert table.ranges == {name: (trained[:, i].min(), trained[:, i].max()) for i, name in enumerate(("l", "m"))}


def test_conditions_outside_the_range_are_warned_of_once_a_command(changed, observer):
    workspace = changed(OUTSIDE)
    check_experiment(workspace)
    check_conditions(workspace)
    (warning,) = observer.warnings
    assert "1 of 2 parameter vectors lies outside the range of the training split: l = 7 is outside 0 to 3" in warning


def test_they_are_refused_or_allowed_where_that_is_asked_for(changed, observer):
    with pytest.raises(ConfigError, match=r"l = 7 is outside 0 to 3.*sampling.outside_range"):
        check_experiment(changed(OUTSIDE, "sampling.outside_range=refuse"))
    with pytest.raises(ConfigError, match="l = 7 is outside"):
        sample_sweep(changed(OUTSIDE, "sampling.outside_range=refuse"))
    check_experiment(changed(OUTSIDE, "sampling.outside_range=allow"))
    assert not observer.warnings


def test_a_label_that_training_did_not_see_is_refused_whatever_is_allowed(changed):
    labels = ["model.conditioning.categorical=[l]", "sampling.outside_range=allow"]
    check_experiment(changed(*labels, "sampling.conditions=[{l: 3, m: 99}]"))
    with pytest.raises(ConfigError, match=r"parameter 'l' has values 2.5 .* allowed are 0, 1, 2, 3"):
        check_experiment(changed(*labels, "sampling.conditions=[{l: 2.5, m: 0}]"))


def test_labels_of_the_reference_that_training_did_not_see_are_refused(changed):
    """Each (l, m) stands once in these data, so the only volume with m = -3 may be held out."""
    workspace = changed(
        "data.source.repeats=1",
        "data.split={train: 0.5, test: 0.3, validation: 0.2, seed: 1}",
        "model.conditioning.categorical=[m]",
    )
    prepare(workspace)
    store = workspace.store
    assert {*store.parameters[store.indices(TEST)][:, 1]} - {*store.parameters[store.indices(TRAIN)][:, 1]}
    with pytest.raises(ConfigError, match=r"those of the test split.*'m' has values .* that training did not see"):
        check_conditions(workspace)


def test_an_unseen_hash_is_warned_of(changed, observer):
    check_experiment(changed("model.conditioning.embedding=hash", "sampling.conditions=[{l: 2, m: 9}]"))
    assert "l = 2, m = 9 was not trained, and its hash says nothing of values nearby" in observer.warnings[0]


def test_nothing_is_known_before_the_data_are_prepared(changed, observer):
    check_experiment(changed(OUTSIDE, "data.source.size=16"))
    assert not observer.warnings


def test_samples_say_which_of_their_vectors_lie_outside(changed):
    workspace = changed(OUTSIDE)
    stores = [open_fields(workspace.run_folder.samples(cell.identity)) for cell in sample_sweep(workspace)]
    assert [store.attributes["outside_range"] for store in stores] == [[], [[7.0, 0.0]]]
