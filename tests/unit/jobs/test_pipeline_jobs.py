"""Pipelines as jobs: every stage once, waiting for what it needs, and the same command goes on from anywhere."""

import pytest

from rhodiff.config.loading import apply_overrides, parse_experiment
from rhodiff.config.resources import StageResources
from rhodiff.errors import ConfigError, SubmissionRefusedError
from rhodiff.jobs.packing import QueueRoom
from rhodiff.jobs.pipeline import submit_pipeline, waits_in_vain, with_workflow_resources
from rhodiff.jobs.planning import Target
from rhodiff.jobs.scheduler import JobRecord
from rhodiff.jobs.sites import SiteProfile
from rhodiff.jobs.submission_plan import Dependency, read_plan
from rhodiff.stages.pipeline import Workflow, load_workflow
from rhodiff.stages.prepare import prepare
from rhodiff.stages.workspace import Workspace
from rhodiff.store.files import write_json
from rhodiff.store.layout import SubmissionFolder

STAGES = ["prepare", "train", "sample", "evaluate", "report"]
PROFILE = SiteProfile(description="test", updated="2026-01-01", source="test")


class Killed(BaseException):
    """The driver is killed here."""


class Queue:
    """A scheduler that only remembers; it can refuse, and kill its driver before or after it has accepted."""

    cluster = "testbed"

    def __init__(self):
        self.jobs = {}
        self.states = {}
        self.kill_before = self.kill_after = self.most = None

    def script(self, folder, plan, piece, after):
        return "#!/bin/sh\n"

    def submit(self, folder, plan, piece, after):
        call = len(self.jobs)
        if self.most is not None and call >= self.most:
            raise SubmissionRefusedError("Job violates accounting/QOS policy (QOSMaxSubmitJobPerUserLimit)")
        if call == self.kill_before:
            self.kill_before = None
            raise Killed
        job = str(100 + call)
        self.jobs[job] = (plan.job_name(piece.index), tuple(after), plan, piece)
        if call == self.kill_after:
            self.kill_after = None
            raise Killed
        return job

    def recover(self, folder, plan, piece):
        return self.find([plan.job_name(piece.index)]).get(plan.job_name(piece.index))

    def find(self, names):
        return {name: job for job, (name, *_) in self.jobs.items() if name in names}

    def observe(self, jobs):
        return [
            JobRecord(job.job_id, job.name, index, self.states.get(job.job_id, "PENDING"))
            for job in jobs
            if job.job_id in self.jobs
            for index in self._indices(job.job_id)
        ]

    def _indices(self, job):
        piece = self.jobs[job][3]
        return range(piece.count) if piece.is_array else [None]

    def cancel(self, jobs):
        self.states |= dict.fromkeys(jobs, "CANCELLED")

    def stages(self):
        return [plan.stage for _, _, plan, _ in self.jobs.values()]

    def job_of(self, stage):
        return [job for job, (_, _, plan, _) in self.jobs.items() if plan.stage == stage][-1]

    def after(self, stage):
        return self.jobs[self.job_of(stage)][1]


@pytest.fixture
def queue():
    return Queue()


@pytest.fixture
def make(tmp_path, harmonics, observer):
    def workspace(*overrides):
        return Workspace(parse_experiment(apply_overrides(harmonics, overrides), "test"), tmp_path, observer)

    return workspace


def submit(queue, *workspaces, workflow="pipeline", room=None, **options):
    loaded = load_workflow(workflow) if isinstance(workflow, str) else workflow
    target = Target("slurm", queue.cluster, "test", PROFILE, room or QueueRoom())
    return submit_pipeline(workspaces, loaded, StageResources(), queue, target, **options)


def kinds(graph):
    return [step.kind for step in graph.steps]


def fail(queue, stage):
    """The last submission of a stage fails, and its scheduler has not ended those that wait for it yet."""
    job = queue.job_of(stage)
    queue.states[job] = "FAILED"


def test_each_stage_is_one_submission_that_waits_for_the_one_before(queue, make):
    graph = submit(queue, make())
    assert queue.stages() == STAGES
    assert kinds(graph) == ["submitted"] * 5
    for stage, needed in zip(STAGES[1:], STAGES, strict=False):
        assert queue.after(stage) == (f"afterok:{queue.job_of(needed)}",)


def test_the_same_command_again_submits_nothing(queue, make):
    submit(queue, make())
    assert kinds(submit(queue, make())) == ["live"] * 5
    assert queue.stages() == STAGES


def test_what_is_done_is_left_out_and_not_waited_for(queue, make):
    workspace = make()
    prepare(workspace)
    assert kinds(submit(queue, workspace)) == ["done", *["submitted"] * 4]
    assert queue.after("train") == ()


def test_experiments_with_equal_data_share_one_preparation(queue, make):
    graph = submit(queue, make("name=one", "seed=1"), make("name=two", "seed=2"))
    assert queue.stages() == [*STAGES, *STAGES[1:]]
    trainings = [after for _, after, plan, _ in queue.jobs.values() if plan.stage == "train"]
    assert trainings == [(f"afterok:{queue.job_of('prepare')}",)] * 2
    assert [step.host for step in graph.steps if step.stage == "prepare"] == [None, "one"]


def test_the_preparation_of_another_run_is_waited_for(queue, make):
    submit(queue, make("name=one", "seed=1"))
    graph = submit(queue, make("name=two", "seed=2"))
    assert queue.stages().count("prepare") == 1
    assert kinds(graph) == ["live", *["submitted"] * 4]
    assert queue.after("train") == (f"afterok:{queue.job_of('prepare')}",)


def test_other_data_are_prepared_on_their_own(queue, make):
    submit(queue, make("name=one"), make("name=two", "data.source.size=16"))
    assert queue.stages().count("prepare") == 2


@pytest.mark.parametrize("moment", ["kill_before", "kill_after"])
@pytest.mark.parametrize("call", range(5))
def test_a_driver_killed_at_any_call_is_made_up_for(queue, make, moment, call):
    setattr(queue, moment, call)
    with pytest.raises(Killed):
        submit(queue, make())
    submit(queue, make())
    assert queue.stages() == STAGES
    for stage, needed in zip(STAGES[1:], STAGES, strict=False):
        assert queue.after(stage) == (f"afterok:{queue.job_of(needed)}",)


def test_a_failed_stage_is_submitted_again_with_all_that_waits_in_vain(queue, make):
    workspace = make()
    prepare(workspace)
    submit(queue, workspace)
    waiting = [queue.job_of(stage) for stage in STAGES[2:]]
    fail(queue, "train")
    assert kinds(submit(queue, workspace)) == ["done", *["submitted"] * 4]
    assert queue.stages() == STAGES[1:] * 2
    assert queue.after("sample") == (f"afterok:{queue.job_of('train')}",)
    assert {queue.states[job] for job in waiting} == {"CANCELLED"}


def test_a_full_queue_takes_what_fits_and_the_same_command_goes_on(queue, make):
    queue.most = 3
    graph = submit(queue, make())
    assert kinds(graph) == ["submitted"] * 3 + ["left"] * 2
    assert "QOSMaxSubmitJobPerUserLimit" in graph.reason
    assert "2 stages left for now" in graph.describe()
    queue.most = None
    assert kinds(submit(queue, make())) == ["live"] * 3 + ["submitted"] * 2
    assert queue.stages() == STAGES


def test_room_is_kept_for_each_later_stage(queue, make):
    """Four shards, and room for six jobs: prepare takes two, so that all five stages find room."""
    graph = submit(queue, make(), room=QueueRoom(max_submitted_jobs=6))
    assert kinds(graph) == ["submitted"] * 5
    assert [step.num_jobs for step in graph.steps] == [2, 1, 1, 1, 1]
    assert graph.num_jobs == 6


def test_with_less_room_than_stages_the_first_go_ahead_with_a_job_each(queue, make):
    graph = submit(queue, make(), room=QueueRoom(max_submitted_jobs=3))
    assert kinds(graph) == ["submitted"] * 3 + ["left"] * 2
    assert "at most 3 jobs may be submitted and 3 are in the queue" in graph.reason


def test_a_refusal_for_another_reason_is_no_lack_of_room(queue, make, monkeypatch):
    def refuse(*_):
        raise SubmissionRefusedError("Invalid account")

    monkeypatch.setattr(queue, "submit", refuse)
    with pytest.raises(SubmissionRefusedError, match="Invalid account"):
        submit(queue, make())


@pytest.mark.parametrize(
    "override", ["jobs.report.nodes=2", "jobs.sample={side_by_side: 4, pack: 2}"], ids=["idle", "contradiction"]
)
def test_a_wrong_setting_of_a_later_stage_is_refused_before_the_first_is_submitted(queue, make, override, tmp_path):
    with pytest.raises(ConfigError):
        submit(queue, make(override))
    assert queue.jobs == {}
    assert list(tmp_path.iterdir()) == []


def test_a_follower_is_one_process_that_begins_with_the_training(queue, make):
    submit(queue, make("sampling.checkpoints=all"), workflow="follow")
    assert queue.stages() == ["prepare", "train", "evaluate", "report"]
    assert queue.after("evaluate") == (f"after:{queue.job_of('train')}",)
    plan = queue.jobs[queue.job_of("evaluate")][2]
    assert len(plan.elements) == 1
    assert "--follow" in plan.command


def test_a_dry_run_shows_the_whole_graph_and_writes_nothing(queue, make, tmp_path):
    graph = submit(queue, make("name=one", "seed=1"), make("name=two", "seed=2"), dry_run=True)
    assert kinds(graph) == ["planned"] * 5 + ["live"] + ["planned"] * 4
    assert [step.waits_for for step in graph.steps[1:5]] == [(stage,) for stage in STAGES[:4]]
    assert graph.node_hours == sum(step.node_hours for step in graph.steps) > 0
    assert queue.jobs == {}
    assert list(tmp_path.iterdir()) == []


def test_resources_of_the_workflow_count_before_the_sites_and_after_the_experiments(make):
    stages = {"train": {"resources": {"nodes": 8, "gpus_per_node": 4, "walltime_min": 30}}}
    own = make("jobs.train.nodes=2", "jobs.train.gpus_per_node=0").experiment
    found = with_workflow_resources(own, Workflow.model_validate({"stages": stages})).jobs
    assert (found.train.nodes, found.train.gpus_per_node, found.train.walltime_min) == (2, 0, 30)
    assert found.sample == own.jobs.sample


def test_the_plans_say_what_was_waited_for(queue, make):
    submit(queue, make())
    plan = queue.jobs[queue.job_of("report")][2]
    (needed,) = plan.after
    evaluate = queue.jobs[queue.job_of("evaluate")][2]
    assert needed == Dependency(f"{evaluate.run}/jobs/{evaluate.cluster}-{evaluate.token}")


class TestWaitsInVain:
    @pytest.fixture
    def live(self, tmp_path, queue, make):
        """A submission that waits for one that has neither ended nor is live."""
        submit(queue, make())
        folder = next(
            SubmissionFolder(path.parent)
            for path in tmp_path.glob("runs/*/jobs/*/plan.json")
            if read_plan(path).stage == "report"
        )
        from rhodiff.jobs.selection import Selected
        from rhodiff.jobs.state import observe_submissions

        plan = read_plan(folder.plan)
        (state,) = observe_submissions([Selected(folder, plan, plan.elements)], lambda *_: queue)
        return state

    def test_not_while_what_it_waits_for_is_current(self, live, tmp_path):
        assert not waits_in_vain(live, tmp_path / "runs", live.plan.after)

    def test_not_if_what_it_waits_for_is_done(self, live, tmp_path):
        other = SubmissionFolder(tmp_path / "runs" / live.plan.after[0].submission)
        for element in read_plan(other.plan).elements:
            write_json(other.done(element), {})
        assert not waits_in_vain(live, tmp_path / "runs", ())

    def test_else_it_does(self, live, tmp_path):
        assert waits_in_vain(live, tmp_path / "runs", ())
