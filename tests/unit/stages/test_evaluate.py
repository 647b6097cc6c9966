"""Which comparisons there are, in what space, and of which fields."""

import dataclasses

import numpy as np
import pytest

from rhodiff.errors import DataError
from rhodiff.sources.source import TEST
from rhodiff.stages import compared_sets
from rhodiff.stages.comparison_space import ComparisonSpace
from rhodiff.stages.evaluate import evaluate, evaluation_tasks, read_evaluation
from rhodiff.stages.measuring import Measurer
from rhodiff.stages.parts import Part
from rhodiff.stages.reference import pair_with_reference, reference_indices
from rhodiff.stages.sample import sample_sweep
from rhodiff.stages.sweep import sweep_cells
from rhodiff.store.field_store import open_fields


def test_training_fields_come_first_and_then_each_cell(changed):
    tasks = evaluation_tasks(changed("sampling.seeds=[0, 1]"))
    assert [task.cell and task.cell.seed for task in tasks] == [None, 0, 1]
    assert len({task.identity for task in tasks}) == 3


def test_comparison_of_training_fields_is_shared_by_all_trainings(changed, trained):
    (one, *_), (other, *_) = evaluation_tasks(changed()), evaluation_tasks(changed("sampling.seeds=[4]"))
    assert one.identity == other.identity
    (third, *_) = evaluation_tasks(changed("evaluation.bootstrap=200"))
    assert third.identity != one.identity


def test_unsampled_cell_is_refused_by_name(changed):
    workspace = changed("sampling.seeds=[123]")
    with pytest.raises(DataError, match=r"seed 123 is not sampled \(completely\): run 'rhodiff-hpc run sample'"):
        evaluate(workspace)
    with pytest.raises(DataError, match="run 'rhodiff-hpc run evaluate'"):
        read_evaluation(workspace, evaluation_tasks(workspace)[1])


def test_parts_of_an_evaluation_give_what_one_gives(changed, observer):
    workspace = changed("sampling.seeds=[0, 1]")
    sample_sweep(workspace)
    for index in range(3):
        evaluate(workspace, Part(index, 3))
    in_parts = [read_evaluation(workspace, task) for task in evaluation_tasks(workspace)]
    evaluate(workspace)
    assert "statistics: all 3 comparisons done before" in observer.notes
    for task in evaluation_tasks(workspace):
        workspace.run_folder.statistics_marker(task.identity).unlink()
    tasks = evaluate(workspace)
    for task, before in zip(tasks, in_parts, strict=True):
        for key, one in read_evaluation(workspace, task).bins.items():
            np.testing.assert_array_equal(one.relative_error, before.bins[key].relative_error)


def test_blocks_of_any_length_give_the_same_numbers(changed, observer):
    workspace = changed()
    sample_sweep(workspace)
    found = []
    for length in (1, 3, 1000):
        for task in evaluation_tasks(workspace):
            workspace.run_folder.statistics_marker(task.identity).unlink(missing_ok=True)
        tasks = evaluate(changed(f"evaluation.block_fields={length}"))
        found.append([read_evaluation(workspace, task) for task in tasks])
    for one, *others in zip(*found, strict=True):
        for key, compared in one.bins.items():
            for other in others:
                np.testing.assert_allclose(other.bins[key].generated.mean, compared.generated.mean, rtol=1e-12)
                np.testing.assert_allclose(other.bins[key].relative_error, compared.relative_error, rtol=1e-9)


def test_evaluation_that_was_killed_measures_only_what_is_missing(changed, monkeypatch):
    workspace = changed("evaluation.block_fields=2", "evaluation.bootstrap=101")
    sample_sweep(workspace)
    measured = []
    measure = Measurer.measure

    def broken(self, fields_of, positions):
        if len(measured) == 3:
            raise KeyboardInterrupt
        measured.append((fields_of.title, int(positions[0])))
        return measure(self, fields_of, positions)

    monkeypatch.setattr(Measurer, "measure", broken)
    with pytest.raises(KeyboardInterrupt):
        evaluate(workspace)
    before, again = list(measured), []
    monkeypatch.setattr(Measurer, "measure", lambda s, f, p: again.append((f.title, int(p[0]))) or measure(s, f, p))
    evaluate(workspace)
    assert len(before) == 3
    assert len(again) > 3
    assert not set(again) & set(before)


def test_block_that_is_damaged_is_measured_again(changed, observer):
    workspace = changed("evaluation.block_fields=2", "evaluation.bootstrap=102")
    sample_sweep(workspace)
    evaluate(workspace)
    expected = [read_evaluation(workspace, task).bins for task in evaluation_tasks(workspace)]
    blocks = sorted(workspace.run_folder.path.glob("statistics/parts/*/*.npz"))
    assert blocks  # those of the reference stay for later comparisons
    for block in blocks:
        block.write_bytes(block.read_bytes()[:-7])
    for task in evaluation_tasks(workspace):
        workspace.run_folder.statistics_marker(task.identity).unlink()
    evaluate(workspace)
    assert any("measured again" in text for text in observer.warnings)
    for task, bins in zip(evaluation_tasks(workspace), expected, strict=True):
        for key, one in read_evaluation(workspace, task).bins.items():
            np.testing.assert_array_equal(one.relative_difference, bins[key].relative_difference)


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"spacing": (2.0, 2.0, 2.0)}, r"have spacing \(2.0, 2.0, 2.0\)"),
        ({"unit": "K"}, "have unit K"),
        ({"transform": {"steps": []}}, "another transform"),
    ],
)
def test_samples_of_another_box_unit_or_transform_are_refused(change, words, changed, monkeypatch):
    workspace = changed()
    sample_sweep(workspace)
    opened = compared_sets.open_fields

    def tampered(path):
        store = opened(path)
        if "transform" in change:
            return dataclasses.replace(store, attributes={**store.attributes, **change})
        return dataclasses.replace(store, spec=store.spec.model_copy(update=change))

    monkeypatch.setattr(compared_sets, "open_fields", tampered)
    (cell,) = sweep_cells(workspace)
    with pytest.raises(DataError, match=words):
        compared_sets.open_cell(workspace, cell, ComparisonSpace(workspace))


def test_field_that_is_not_finite_is_named(changed):
    workspace = changed()
    space = ComparisonSpace(workspace)
    whole = compared_sets.reference_set(workspace, space)

    def with_nan(positions):
        fields = whole.read_stored(positions).copy()
        fields[1].flat[5] = np.nan
        return fields

    broken = dataclasses.replace(whole, read_stored=with_nan)
    with pytest.raises(DataError, match=r"the test split: 1 of 3 fields hold NaN.* first is number 4"):
        broken.read(np.array([2, 4, 6]))


def test_samples_at_reference_parameters_are_compared_with_just_these(changed):
    workspace = changed()
    sample_sweep(workspace)
    (cell,) = sweep_cells(workspace)
    samples = open_fields(workspace.run_folder.samples(cell.identity))
    pairing = pair_with_reference(workspace, cell, samples.valid)
    expected = workspace.store.parameters[
        pairing.reference[np.arange(len(pairing.generated)) % len(pairing.reference)]
    ]
    columns = [[p.name for p in workspace.store.parameter_info].index(name) for name in ("l", "m")]
    assert np.array_equal(samples.parameters[pairing.generated], expected[:, columns])
    assert np.array_equal(np.sort(reference_indices(workspace)), workspace.store.indices(TEST))


def test_diverged_sample_takes_its_reference_field_out_or_ends_the_matching(changed):
    workspace = changed()
    (cell,) = sweep_cells(workspace)
    number = len(reference_indices(workspace))
    few, many = np.ones(number - 1, bool), np.ones(2 * number, bool)
    few[0] = many[0] = False
    found = pair_with_reference(workspace, cell, few)
    assert found.matched
    assert len(found.reference) == len(found.generated) == number - 2
    found = pair_with_reference(workspace, cell, many)
    assert not found.matched
    assert 0 not in found.generated


def test_condition_that_the_reference_lacks_is_warned_about(changed, observer):
    workspace = changed("sampling.conditions=[{l: 9, m: 1}]")
    (cell,) = sweep_cells(workspace)
    found = pair_with_reference(workspace, cell, np.ones(10, bool))
    assert len(found.reference) == len(reference_indices(workspace))
    assert "no field of the reference has l = 9, m = 1" in observer.warnings[0]


def test_transformed_space_is_what_the_network_sees_and_physical_space_what_is_stored(changed):
    fields = np.random.default_rng(0).normal(size=(2, 1, 8, 8, 8)).astype(np.float32)
    transformed, physical = ComparisonSpace(changed()), ComparisonSpace(changed("evaluation.space=physical"))
    assert np.array_equal(physical.of_data(fields), fields)
    assert np.array_equal(physical.of_samples(fields), fields)
    assert np.array_equal(transformed.of_data(fields), transformed.transform.forward(fields))
    assert np.array_equal(transformed.of_samples(fields), transformed.of_data(fields))
    assert transformed.spec.unit == ""
    assert "standardised" in transformed.spec.name


def test_space_of_the_evaluations_own_is_the_same_for_networks_that_see_different_things(changed):
    fields = np.random.default_rng(0).normal(size=(2, 1, 8, 8, 8)).astype(np.float32)
    own = "evaluation.space=[{kind: asinh, scale: 0.5}]"
    for steps in ("[{kind: standardise}]", "[{kind: power, exponent: 0.5}, {kind: standardise}]"):
        space = ComparisonSpace(changed(own, f"fields.transform={steps}"))
        np.testing.assert_allclose(space.of_data(fields), np.arcsinh(2 * fields.astype(np.float64)), rtol=2e-7)
        np.testing.assert_array_equal(space.of_samples(fields), space.of_data(fields))
        assert space.spec.unit == ""
        assert "asinh" in space.spec.name
        assert space.transform.describe(space.spec) != space.spec.name


def test_comparison_in_the_networks_own_steps_gives_the_same_numbers(changed):
    workspace = changed()
    sample_sweep(workspace)
    same = changed("evaluation.space=[{kind: standardise}]")
    for ours, theirs in zip(evaluate(workspace), evaluate(same), strict=True):
        assert ours.identity != theirs.identity
        one, other = read_evaluation(workspace, ours), read_evaluation(same, theirs)
        for key, compared in one.bins.items():
            np.testing.assert_array_equal(other.bins[key].generated.mean, compared.generated.mean)
