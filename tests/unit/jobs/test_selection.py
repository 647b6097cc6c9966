"""Selectors, and the runs and submissions they find; refusals say what there is."""

import json

import pytest
from submitted import make_plan, submitted

from rhodiff.errors import ConfigError, DataError
from rhodiff.jobs.selection import (
    Selector,
    describe_elements,
    find_run,
    parse_selector,
    runs_folder,
    select,
    split_words,
)


@pytest.fixture
def runs(tmp_path):
    """Two runs: ``old-1`` with submissions 1 and 2, ``new-2`` with 1, 2 and 3."""
    for run, number, hour in [("old-1", 1, 1), ("old-1", 2, 2), ("new-2", 1, 3), ("new-2", 2, 4), ("new-2", 3, 5)]:
        plan = make_plan(run=run, number=number, created=f"2026-01-01T0{hour}:00:00Z", num_elements=10)
        submitted(tmp_path / "runs", plan)
    return tmp_path / "runs"


@pytest.mark.parametrize(
    ("text", "selector"),
    [
        ("all", Selector("all")),
        ("last", Selector("last")),
        ("3", Selector(3)),
        ("3:5-8", Selector(3, ((5, 8),))),
        ("3:5,7", Selector(3, ((5, 5), (7, 7)))),
        ("last:0,2-4", Selector("last", ((0, 0), (2, 4)))),
    ],
)
def test_selectors_are_read(text, selector):
    assert parse_selector(text) == selector


@pytest.mark.parametrize("text", ["", "3:", "3:x", "first", "3:5-", "-1", "3:8-5", "all:3", "3 4"])
def test_what_is_no_selector_is_refused_with_an_example(text):
    with pytest.raises(ConfigError, match=r"write|name one"):
        parse_selector(text)


def test_one_word_is_a_selector_where_it_reads_as_one_and_else_a_run():
    assert split_words(None) == (None, "all")
    assert split_words("3:4") == (None, "3:4")
    assert split_words("demo-1") == ("demo-1", "all")
    assert split_words("3", "last") == ("3", "last")
    with pytest.raises(ConfigError, match="'demo' selects nothing"):
        split_words("3", "demo")


def test_all_submissions_come_newest_run_first_each_in_order(runs):
    assert [(one.plan.run, one.plan.number) for one in select(runs, None)] == [
        *(("new-2", number) for number in (1, 2, 3)),
        *(("old-1", number) for number in (1, 2)),
    ]


def test_last_is_the_newest_submission_of_all_or_of_the_run(runs):
    assert [(one.plan.run, one.plan.number) for one in select(runs, None, "last")] == [("new-2", 3)]
    assert [(one.plan.run, one.plan.number) for one in select(runs, "old-1", "last")] == [("old-1", 2)]


def test_a_run_goes_by_name_by_path_and_by_the_beginning_of_its_name(runs, monkeypatch):
    assert find_run(runs, "old-1").path == find_run(runs, "ol").path == runs / "old-1"
    monkeypatch.chdir(runs.parent)
    assert find_run(runs / "elsewhere", "runs/old-1").path == runs / "old-1"


def test_elements_narrow_a_submission(runs):
    (one,) = select(runs, "old-1", "2:1,4-6")
    assert one.elements == (1, 4, 5, 6)
    assert select(runs, "old-1", "2")[0].elements == tuple(range(10))


@pytest.mark.parametrize(
    ("run", "selector", "says"),
    [
        (None, "2", "2 runs have a submission 2: name one of new-2, old-1"),
        (None, "9", "no submission 9: new-2 has 1-3; old-1 has 1-2"),
        ("old-1", "3", "no submission 3: old-1 has 1-2"),
        ("old-1", "1:8-12", "no element 10: its elements are 0-9"),
        ("old-1", "1:70-99999999999", "no element 70: its elements are 0-9"),
        ("nothing", "all", "nothing was submitted for 'nothing': there is new-2, old-1"),
    ],
)
def test_what_is_not_there_is_refused_with_what_is(runs, run, selector, says):
    with pytest.raises(ConfigError, match=says):
        select(runs, run, selector)


def test_a_number_that_one_run_has_needs_no_run(runs):
    assert select(runs, None, "3")[0].plan.run == "new-2"


def test_without_any_submission_the_error_says_how_to_make_one(tmp_path):
    with pytest.raises(ConfigError, match="rhodiff-hpc submit"):
        select(tmp_path / "runs", None)


@pytest.mark.parametrize("text", ["{", "[]", "{}", '{"schema": 1}', '{"schema": 0}'])
def test_a_damaged_plan_is_named(runs, text):
    (one,) = select(runs, "old-1", "1")
    one.folder.plan.write_text(text)
    with pytest.raises(DataError, match=r"plan\.json is damaged"):
        select(runs, "old-1")


def test_runs_lie_where_the_experiment_says(tmp_path):
    config = tmp_path / "rhodiff.yaml"
    assert runs_folder(config) == tmp_path / "runs"
    config.write_text(json.dumps({"paths": {"runs": "elsewhere"}}))
    assert runs_folder(config) == tmp_path / "elsewhere"
    config.write_text("paths: {runs: /scratch/runs}")
    assert str(runs_folder(config)) == "/scratch/runs"
    config.write_text("{")
    with pytest.raises(ConfigError, match=r"cannot read paths\.runs"):
        runs_folder(config)


def test_elements_are_told_as_a_selector_writes_them():
    assert describe_elements([7, 0, 1, 2, 9, 10]) == "0-2,7,9-10"


def test_a_submission_that_is_only_being_made_is_none_yet(runs):
    (one,) = select(runs, "old-1", "1")
    one.folder.path.rename(one.folder.path.with_name(".new-00000000"))
    assert [one.plan.number for one in select(runs, "old-1")] == [2]
