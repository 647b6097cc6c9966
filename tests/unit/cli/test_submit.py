"""``submit`` on the command line: what has no effect is refused, a dry run writes nothing and tells all."""

import re

import pytest


@pytest.mark.parametrize(
    ("words", "reason"),
    [
        (("train", "--parts", "3"), "--parts has no effect on 'train'"),
        (("sample", "--nodes", "2"), "--nodes has no effect on 'sample', only on train"),
        (("sample", "--follow"), "--follow has no effect on 'sample'"),
        (("prepare", "--test"), "--test has no effect on 'prepare'"),
        (("train", "--workflow", "demo"), "--workflow has no effect on 'train'"),
        (("pipeline", "--after", "1"), "--after has no effect on 'pipeline'"),
        (("prepare", "--local", "--qos", "debug"), "--qos has no effect on local processes"),
        (("prepare", "--wait", "--dry-run"), "--dry-run and --wait exclude each other"),
        (("train", "--wait", "--follow"), "--wait and --follow exclude each other"),
        (("prepare", "--time", "soon"), r"minutes or \[D-\]HH:MM:SS"),
        (("prepare", "--local", "--after", "x"), "write the number of a submission"),
        (("train", "--local", "--nodes", "2", "--after", "1"), "no run under|nothing was submitted"),
        (("prepare", "--local", "--pack", "1", "--side-by-side", "2"), "side_by_side 2 is more than the 1"),
        (("train", "--local"), "nothing is submitted that makes them"),
    ],
)
def test_what_cannot_be_is_refused_with_the_way_out(folder, call, words, reason):
    ended = call("submit", *words)
    assert ended.code == 2
    assert re.search(reason, ended.err)
    assert not list(folder.glob("runs/*/jobs/*/plan.json"))


def test_a_dry_run_tells_what_would_be_submitted_and_writes_nothing(folder, call):
    ended = call("submit", "prepare", "--local", "--dry-run", "--json", "--pack", "3")
    submission = ended.value["submission"]
    assert ended.value["outcome"] == "planned"
    assert (submission["num_elements"], submission["num_jobs"], submission["pack"]) == (4, 2, 3)
    assert submission["num_files"] == 2 * 4 + 2 + 3 + 3  # two markers an element, two logs, one piece, the submission
    assert "rhodiff.jobs.local_runner" in ended.value["scripts"][0]
    assert [path.name for path in folder.iterdir()] == ["rhodiff.yaml"]


def test_a_dry_run_for_people_fits_the_screen(folder, call):
    ended = call("submit", "prepare", "--local", "--dry-run")
    head = ended.out.partition("---")[0].splitlines()
    assert "parts      4 of 4, with 4 of 4 tasks to do" in ended.out
    assert max(map(len, head)) <= 100
