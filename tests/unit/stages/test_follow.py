"""Followers: each checkpoint is worked on as it appears, exactly once, and nobody waits for nothing."""

import os
import shutil
import signal
import threading

import pytest

from rhodiff.config.loading import apply_overrides, parse_experiment
from rhodiff.errors import ConfigError, StoppedEarly
from rhodiff.stages import follow as module
from rhodiff.stages.evaluate import evaluation_tasks
from rhodiff.stages.follow import Patience, follow
from rhodiff.stages.sample import sample_sweep
from rhodiff.stages.sweep import is_sampled, sweep_cells
from rhodiff.stages.workspace import Workspace
from rhodiff.store.locks import hold_lock

QUICK = Patience(first_s=0.05, longest_s=0.1, idle_s=60.0)
HASTY = Patience(first_s=0.02, longest_s=0.02, idle_s=0.1)
ALL = "sampling.checkpoints=all"


def never():
    return None


@pytest.fixture
def own(trained, tmp_path, observer):
    """A copy of the trained experiment, which has checkpoints at 2, 3 and 4 of 4 iterations."""
    shutil.copytree(trained.data_folder.path.parent, tmp_path / "data")
    shutil.copytree(trained.run_folder.checkpoints, tmp_path / "runs" / trained.run_folder.path.name / "checkpoints")

    def make(*overrides):
        settings = trained.experiment.model_dump(mode="json")
        return Workspace(parse_experiment(apply_overrides(settings, overrides), "test"), tmp_path, observer)

    return make


def hide(workspace, *iterations):
    """Take the markers of checkpoints away, and return what brings them back, by iteration."""
    hidden = {}
    for marker in workspace.run_folder.checkpoints.glob("step-*.json"):
        iteration = int(marker.name[5:13])
        if iteration in iterations:
            aside = marker.with_name(f"hidden-{marker.name}")
            marker.rename(aside)
            hidden[iteration] = lambda aside=aside, marker=marker: aside.rename(marker)
    assert set(hidden) == set(iterations)
    return hidden


def test_a_finished_training_is_followed_to_its_end_at_once(own):
    workspace = own(ALL)
    assert follow(workspace, "evaluate", never, QUICK) == 3
    assert all(is_sampled(workspace, cell) for cell in sweep_cells(workspace))
    tasks = evaluation_tasks(workspace)
    assert len(tasks) == 4
    assert all(workspace.run_folder.statistics_marker(task.identity).exists() for task in tasks)


def test_what_was_followed_is_what_a_sweep_over_all_checkpoints_asks_for(own, observer):
    follow(own(ALL), "sample", never, QUICK)
    sample_sweep(own(ALL))
    assert observer.notes[-1] == "samples: all 9 shards done before"


def test_a_following_sampling_evaluates_nothing(own):
    workspace = own(ALL)
    follow(workspace, "sample", never, QUICK)
    assert not workspace.run_folder.path.joinpath("statistics").exists()


def test_each_checkpoint_is_worked_on_when_it_appears(own, monkeypatch):
    workspace = own(ALL)
    hidden = hide(workspace, 3, 4)
    worked = []

    def sampled(narrowed):
        worked.append(narrowed.experiment.sampling.checkpoints)
        if hidden:
            threading.Timer(0.3, hidden.pop(min(hidden))).start()

    monkeypatch.setattr(module, "sample_sweep", sampled)
    assert follow(workspace, "sample", never, QUICK) == 3
    assert worked == [(2,), (3,), (4,)]


def test_a_checkpoint_without_marker_is_not_one_yet(own, monkeypatch):
    workspace = own(ALL)
    hide(workspace, 2, 3, 4)
    monkeypatch.setattr(module, "sample_sweep", pytest.fail)
    with pytest.raises(StoppedEarly, match="0 checkpoints were followed"):
        follow(workspace, "sample", never, HASTY)


def test_the_end_of_the_training_ends_the_follower_after_what_is_there(own):
    workspace = own(ALL)
    hide(workspace, 4)
    with pytest.raises(StoppedEarly, match=r"\(cancelled\); 2 checkpoints were followed") as stopped:
        follow(workspace, "sample", lambda: "cancelled", QUICK)
    assert stopped.value.exit_code == 75
    cells = sweep_cells(workspace)
    assert [is_sampled(workspace, cell) for cell in cells] == [True, True]


def test_a_checkpoint_written_just_before_the_end_is_not_missed(own, monkeypatch):
    workspace = own(ALL)
    hidden = hide(workspace, 4)
    monkeypatch.setattr(module, "sample_sweep", lambda _: None)

    def why_ended():
        if hidden:
            hidden.popitem()[1]()
        return "failed"

    assert follow(workspace, "sample", why_ended, QUICK) == 3


def test_nobody_is_waited_for_when_nobody_trains(own):
    workspace = own(ALL)
    hide(workspace, 2, 3, 4)
    with pytest.raises(StoppedEarly, match="nobody has worked on the training"):
        follow(workspace, "sample", never, HASTY)


def test_a_training_that_is_worked_on_is_waited_for(own, monkeypatch):
    workspace = own(ALL)
    hidden = hide(workspace, 2, 3, 4)
    monkeypatch.setattr(module, "sample_sweep", lambda _: None)

    def appear():
        for bring in hidden.values():
            bring()

    with hold_lock(workspace.run_folder.training_lock, "training"):
        threading.Timer(0.6, appear).start()
        assert follow(workspace, "sample", never, HASTY) == 3


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGUSR1])
def test_a_stop_signal_ends_the_wait(own, number, observer, monkeypatch):
    workspace = own(ALL)
    hide(workspace, 2, 3, 4)
    monkeypatch.setattr(observer, "progress", lambda *_: os.kill(os.getpid(), number))
    with pytest.raises(StoppedEarly, match=number.name):
        follow(workspace, "sample", never, QUICK)


def test_waiting_is_told(own, observer):
    workspace = own(ALL)
    hide(workspace, 2, 3, 4)
    with pytest.raises(StoppedEarly):
        follow(workspace, "sample", never, HASTY)
    assert observer.steps
    assert set(observer.steps) == {(0, 3)}


@pytest.mark.parametrize(
    ("overrides", "named"),
    [
        ([], "sampling.checkpoints is last"),
        (["sampling.checkpoints=[2, 4]"], r"sampling.checkpoints is \[2, 4\]"),
        ([ALL, "training.keep_checkpoints=2"], "training.keep_checkpoints is 2"),
    ],
)
def test_following_is_refused_where_checkpoints_would_be_missed(own, overrides, named):
    with pytest.raises(ConfigError, match=named):
        follow(own(*overrides), "sample", never, QUICK)
