"""Workflows and followers on the command line: refusals before anything is written, and graphs shown."""

import pytest

from rhodiff.jobs import pipeline
from rhodiff.jobs.graph import GraphStep, PipelineGraph

ALL = ("--set", "sampling.checkpoints=all")


@pytest.mark.parametrize(
    ("words", "named"),
    [
        (("run", "train", "--follow"), "--follow has no effect on 'train'"),
        (("run", "sample", "--follow", "--part", "1/2"), "--follow is one process"),
        (("run", "evaluate", "--follow", "--procs", "2"), "--follow is one process"),
        (("run", "evaluate", "--follow"), "sampling.checkpoints is last"),
        (("run", "pipeline", "--workflow", "follow"), "sampling.checkpoints is last"),
        (("run", "pipeline", "--workflow", "./none.yaml"), "cannot read the workflow file none.yaml"),
        (("submit", "pipeline", "--local", "--workflow", "ensemble", "--set", "seed=3"), "contradict each other"),
        (("submit", "pipeline", "--local", "--workflow", "follow"), "sampling.checkpoints is last"),
        (("submit", "pipeline", "--local", "--nodes", "2"), "nodes is 2, but without Slurm there is one machine"),
        (("submit", "train", "--test", "--wait", "--local"), "--test and --wait exclude each other"),
        (("submit", "sample", "--test", "--local"), "--test has no effect on 'sample'"),
    ],
)
def test_what_has_no_effect_or_cannot_work_is_refused(call, folder, words, named):
    ended = call(*words)
    assert ended.code == 2
    assert named in ended.err
    assert [path.name for path in folder.iterdir()] == ["rhodiff.yaml"]


def test_a_local_dry_run_plans_every_experiment_of_a_workflow(call, folder):
    plans = call("run", "pipeline", "--workflow", "ensemble", "--dry-run", "--json").value["plan"]
    assert [plan["stage"] for plan in plans] == ["prepare", "train", "sample", "evaluate", "report"] * 5
    assert len({plan["folder"] for plan in plans if plan["stage"] == "train"}) == 5


def test_a_following_evaluation_is_planned_with_its_samples(call, folder):
    plans = call("run", "pipeline", "--workflow", "follow", *ALL, "--dry-run", "--json").value["plan"]
    assert [plan["stage"] for plan in plans] == ["prepare", "train", "sample", "evaluate", "report"]


def test_a_dry_submission_shows_the_graph_and_writes_nothing(call, folder):
    graph = call("submit", "pipeline", "--local", "--workflow", "follow", *ALL, "--dry-run", "--json").value["graph"]
    assert [(step["stage"], step["state"], step["waits_for"]) for step in graph["steps"]] == [
        ("prepare", "planned", []),
        ("train", "planned", ["prepare"]),
        ("evaluate", "planned", ["train"]),
        ("report", "planned", ["evaluate"]),
    ]
    assert [step["follows"] for step in graph["steps"]] == [False, False, True, False]
    assert [path.name for path in folder.iterdir()] == ["rhodiff.yaml"]


@pytest.mark.parametrize(("words", "code"), [((), 2), (("--dry-run",), 0)])
def test_a_pipeline_of_which_nothing_found_room_is_no_success(call, folder, monkeypatch, words, code):
    full = PipelineGraph((GraphStep("demo", "prepare", "left", ()),), "the queue is full")
    monkeypatch.setattr(pipeline, "submit_pipeline", lambda *_, **__: full)
    ended = call("submit", "pipeline", "--local", *words)
    assert ended.code == code
    assert "the queue is full" in ended.out
