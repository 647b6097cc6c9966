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
        (("prepare", "--local", "--qos", "debug"), "--qos is for Slurm only, and --local was given"),
        (("pipeline", "--local", "--partition", "main"), "--partition is for Slurm only"),
        (("pipeline", "--local", "--workflow", "follow", "--parts", "0"), "greater than or equal to 1"),
        (("prepare", "--partition", ""), "got '', and one word is needed"),
        (("prepare", "--account", "a\n#SBATCH --nodes=9"), "one word is needed"),
        (("prepare", "--memory-gb", "nan"), "got nan, and it must be more than 0"),
        (("prepare", "--memory-gb", "-1"), "got -1, and it must be more than 0"),
        (("prepare", "--set", "jobs.prepare.partition='a b'"), "jobs.prepare.partition: got 'a b'"),
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


def test_without_slurm_what_only_slurm_understands_is_refused_and_the_rest_says_where_it_runs(
    folder, call, monkeypatch
):
    monkeypatch.setenv("PATH", str(folder))
    refused = call("submit", "prepare", "--partition", "main", "--dry-run")
    assert refused.code == 2
    assert "there is no 'sbatch' on the PATH here" in refused.err
    assert "jobs are processes of this machine" in call("submit", "prepare", "--dry-run").err


def test_flags_of_single_stages_reach_those_of_a_pipeline(folder, call):
    words = ("--tasks-per-node", "2", "--parts", "2", "--chain", "2")
    graph = call("submit", "pipeline", "--local", "--dry-run", "--json", *words).value["graph"]
    assert "prepare" in str(graph)
    assert "--nodes" not in call("submit", "pipeline", "--local", "--dry-run", "--nodes", "1").err
