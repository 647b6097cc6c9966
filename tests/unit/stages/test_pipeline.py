"""Workflows: stages run in an order that respects what each needs, and the first failure ends them."""

import pytest
from pydantic import ValidationError

from rhodiff.config.shipped import shipped_names
from rhodiff.errors import ConfigError, DataError
from rhodiff.stages import pipeline
from rhodiff.stages.pipeline import STAGES, Workflow, load_workflow, run_workflow


def workflow(**needs):
    return Workflow.model_validate({"stages": {name: {"needs": list(others)} for name, others in needs.items()}})


@pytest.mark.parametrize("name", shipped_names("workflows"))
def test_shipped_workflows_load_and_can_be_ordered(name):
    loaded = load_workflow(name)
    assert loaded.description
    assert set(loaded.order()) == set(loaded.stages)


def test_the_shipped_pipeline_runs_all_stages_in_order():
    assert load_workflow("pipeline").order() == [stage for stage in STAGES if stage != "denoise"]


def test_the_order_respects_needs_whatever_the_order_in_the_file():
    order = workflow(report=["evaluate", "train"], evaluate=["sample"], sample=["train"], train=[]).order()
    assert order == ["train", "sample", "evaluate", "report"]


def test_needs_in_a_circle_are_refused_and_shown():
    with pytest.raises(ConfigError, match=r"in a circle: .*->"):
        workflow(train=["sample"], sample=["train"]).order()


def test_a_needed_stage_that_is_not_there_is_refused():
    with pytest.raises(ConfigError, match=r"'train' needs \['prepare'\]"):
        workflow(train=["prepare"]).order()


@pytest.mark.parametrize("stages", [{}, {"trian": {}}, {"train": {"need": []}}, {"train": {"needs": ["trian"]}}])
def test_unknown_stages_and_keys_are_refused(stages):
    with pytest.raises(ValidationError):
        Workflow.model_validate({"stages": stages})


def test_a_failing_stage_ends_the_workflow():
    run = []

    def run_stage(name):
        run.append(name)
        if name == "sample":
            raise DataError("no")

    with pytest.raises(DataError):
        run_workflow(load_workflow("pipeline"), run_stage)
    assert run == ["prepare", "train", "sample"]


def test_a_workflow_that_is_not_there_lists_what_is():
    with pytest.raises(ConfigError, match=r"'nothing'.*pipeline"):
        load_workflow("nothing")


@pytest.mark.parametrize("text", ["stages: [a]", "stages: {train: {}, train: {}}", "3", ""])
def test_a_wrong_workflow_file_is_a_config_error(monkeypatch, text):
    monkeypatch.setattr(pipeline, "read_shipped", lambda *_: text)
    with pytest.raises(ConfigError, match="workflow 'own'"):
        load_workflow("own")


def test_a_wrong_workflow_names_the_key_path_and_what_is_allowed(tmp_path):
    path = tmp_path / "own.yaml"
    path.write_text("stages: {train: {needs: [trian]}, report: {resources: {nodes: 0}}}")
    with pytest.raises(ConfigError) as found:
        load_workflow(str(path))
    assert "stages.train.needs.0" in str(found.value)
    assert "Stages are prepare, train" in str(found.value)
    assert "stages.report.resources.nodes" in str(found.value)


def test_a_workflow_can_be_a_file(tmp_path, monkeypatch):
    (tmp_path / "own.yaml").write_text("stages: {train: {}}")
    monkeypatch.chdir(tmp_path)
    assert load_workflow("own.yaml").order() == load_workflow("./own.yaml").order() == ["train"]


def test_a_workflow_file_that_is_not_there_is_refused(tmp_path):
    with pytest.raises(ConfigError, match="cannot read the workflow file"):
        load_workflow(str(tmp_path / "none.yaml"))


@pytest.mark.parametrize(
    "stages",
    [
        {"train": {"follow": True}},
        {"train": {}, "report": {"needs": ["train"], "follow": True}},
        {"train": {}, "sample": {"needs": ["train"]}, "evaluate": {"needs": ["sample"], "follow": True}},
        {"train": {}, "sample": {"needs": ["train"]}, "evaluate": {"needs": ["train"], "follow": True}},
    ],
)
def test_only_a_stage_that_needs_the_training_can_follow_it(stages):
    with pytest.raises(ValidationError, match="follow"):
        Workflow.model_validate({"stages": stages})


def test_a_following_evaluation_samples_too():
    follow = load_workflow("follow")
    assert [follow.work_of(name) for name in follow.order()] == [
        ("prepare",),
        ("train",),
        ("sample", "evaluate"),
        ("report",),
    ]
