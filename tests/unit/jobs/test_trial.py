"""Trials: ten steps of the real training, and what they say about the whole."""

from math import sqrt

import pytest

from rhodiff.config.loading import parse_experiment
from rhodiff.config.training import Training
from rhodiff.errors import RhodiffError
from rhodiff.jobs.sites import Charge
from rhodiff.jobs.trial import (
    STEPS,
    WARM_UP,
    Ahead,
    JobTerms,
    TrialMeasure,
    describe_trial,
    estimate_training,
    trial_experiment,
)
from rhodiff.store.layout import SubmissionFolder
from rhodiff.training.schedule import checkpoint_iterations


def measure(steps_s=(1.0,) * 10, **changes):
    values = {
        "startup_s": 0.0,
        "checkpoint_s": 0.0,
        "sheet_s": 0.0,
        "host_gb": (1.0, 2.0),
        "device_gb": (0.0, 0.0),
    }
    return TrialMeasure(steps_s=steps_s, **{**values, **changes})


def test_a_trial_is_the_real_training_for_thirteen_steps(tmp_path, harmonics):
    own = parse_experiment({**harmonics, "training": {"batch_size": 6, "precision": "bfloat16"}}, "test")
    trial = trial_experiment(own, SubmissionFolder(tmp_path / "sub"))
    assert WARM_UP + STEPS == trial.training.iterations == 13
    assert checkpoint_iterations(trial.training) == [13]
    assert trial.paths.runs == tmp_path / "sub" / "trial"
    for section in ("data", "model", "fields", "diffusion", "seed", "runtime"):
        assert getattr(trial, section) == getattr(own, section)
    assert (trial.training.batch_size, trial.training.precision) == (6, "bfloat16")
    assert trial.paths.data == own.paths.data


def test_what_is_ahead_counts_checkpoints_and_sheets_after_what_is_done():
    training = Training(iterations=100, checkpoint_every=20, sheet_every=40, sheet_samples=4)
    assert checkpoint_iterations(training) == [20, 40, 60, 75, 80, 100]
    assert Ahead.of(training, 0) == Ahead(iterations=100, checkpoints=6, sheets=3)
    assert Ahead.of(training, 60) == Ahead(iterations=40, checkpoints=3, sheets=2)
    assert Ahead.of(training.model_copy(update={"sheet_samples": 0}), 60).sheets == 0


def test_equal_steps_leave_the_margin_of_fifteen_per_cent():
    found = estimate_training(measure(), Ahead(3600, 0, 0), JobTerms(nodes=4))
    assert found.margin == pytest.approx(0.15)
    assert found.walltime_h == pytest.approx(1.15)
    assert found.node_hours == pytest.approx(4.6)


def test_scattered_steps_widen_the_margin_by_two_standard_errors():
    steps = (0.8, 1.2) * 5
    deviation = sqrt(10 * 0.2**2 / 9)
    found = estimate_training(measure(steps), Ahead(100, 0, 0), JobTerms(nodes=1))
    assert found.margin == pytest.approx(0.15 + 2 * deviation / sqrt(10))


def test_start_checkpoints_and_sheets_are_counted():
    one = measure(startup_s=100.0, checkpoint_s=10.0, sheet_s=20.0)
    found = estimate_training(one, Ahead(1000, 5, 3), JobTerms(nodes=1))
    assert found.walltime_h * 3600 == pytest.approx(1.15 * (100 + 1000 + 5 * 10 + 3 * 20))


def test_a_training_that_fits_is_one_job_with_time_to_stop():
    found = estimate_training(measure(), Ahead(3600, 0, 0), JobTerms(nodes=1, longest_min=1440, stop_margin_s=120))
    assert (found.time_min, found.chain) == (80, 1)  # 69 minutes, 2 to stop, rounded up to 10


def test_a_training_that_fits_just_so_takes_the_whole_limit():
    found = estimate_training(measure(), Ahead(3600, 0, 0), JobTerms(nodes=1, longest_min=73, stop_margin_s=120))
    assert (found.time_min, found.chain) == (73, 1)


def test_a_longer_training_is_a_chain_that_starts_anew_in_each_job():
    terms = JobTerms(nodes=2, longest_min=60, stop_margin_s=300)
    found = estimate_training(measure(startup_s=100.0), Ahead(10000, 0, 0), terms)
    usable_s = 3600 - 300 - 115
    assert (found.time_min, found.chain) == (60, 4)
    assert 3 * usable_s < 11500 < 4 * usable_s
    assert found.node_hours == pytest.approx(2 * (11500 + 4 * 115) / 3600)


def test_a_limit_that_ends_before_the_first_step_is_told():
    with pytest.raises(RhodiffError, match="a job may run 5 minutes, of which 230 s"):
        estimate_training(measure(startup_s=200.0), Ahead(1000, 0, 0), JobTerms(nodes=1, longest_min=5))


def test_the_charge_is_of_the_node_hours():
    terms = JobTerms(nodes=4, charge=Charge(unit="SU", per_node_hour=2.5))
    found = estimate_training(measure(), Ahead(3600, 0, 0), terms)
    assert (found.charge, found.charge_unit) == (pytest.approx(11.5), "SU")


def test_the_answer_says_what_was_asked():
    one = measure(startup_s=12.0, checkpoint_s=0.5, device_gb=(3.0, 3.5))
    terms = JobTerms(nodes=2, longest_min=60, charge=Charge(unit="SU", per_node_hour=2.5))
    text = describe_trial(one, estimate_training(one, Ahead(10000, 5, 0), terms), nodes=2)
    for part in ("2 processes on 2 nodes", "1 it/s", "2.00 GB, 3.50 GB of its device", "10000 iterations", "SU"):
        assert part in text
    assert "margin of 15 %" in text
    assert "--time 60 --chain 4" in text
