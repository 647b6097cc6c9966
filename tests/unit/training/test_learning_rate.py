"""The learning rate: warm-up, constant, decay to zero, and the law that a training can be made longer."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rhodiff.config.training import Optimizer, Training
from rhodiff.training.schedule import checkpoint_iterations, decay_start, learning_rate

OPTIMIZERS = st.builds(
    Optimizer,
    learning_rate=st.floats(1e-6, 1.0),
    warmup_iterations=st.integers(0, 300),
    decay_fraction=st.floats(0, 1),
)


@given(OPTIMIZERS, st.integers(1, 1000), st.integers(1, 1000))
def test_before_the_decay_the_rate_does_not_depend_on_the_length(settings, one, other):
    for iteration in range(min(decay_start(settings, one), decay_start(settings, other))):
        assert learning_rate(iteration, settings, one) == learning_rate(iteration, settings, other)


@given(OPTIMIZERS, st.integers(1, 1000))
def test_the_rate_is_positive_and_never_above_its_peak(settings, iterations):
    rates = [learning_rate(i, settings, iterations) for i in range(iterations)]
    assert all(0 < rate <= settings.learning_rate * (1 + 1e-12) for rate in rates)


def test_warm_up_rises_linearly_to_the_peak():
    settings = Optimizer(learning_rate=2.0, warmup_iterations=4, decay_fraction=0)
    rates = [learning_rate(i, settings, 100) for i in range(6)]
    assert rates == pytest.approx([0.5, 1.0, 1.5, 2.0, 2.0, 2.0])


def test_the_decay_falls_linearly_to_almost_zero():
    settings = Optimizer(learning_rate=1.0, warmup_iterations=0, decay_fraction=0.25)
    assert decay_start(settings, 1000) == 750
    assert [learning_rate(i, settings, 1000) for i in (749, 750, 875, 999)] == pytest.approx([1.0, 1.0, 0.5, 0.004])
    steps = [learning_rate(i, settings, 1000) - learning_rate(i + 1, settings, 1000) for i in range(750, 999)]
    assert steps == pytest.approx([0.004] * 249)


def test_no_decay_keeps_the_peak_to_the_end():
    settings = Optimizer(learning_rate=1.0, warmup_iterations=0, decay_fraction=0)
    assert learning_rate(999, settings, 1000) == 1.0


def test_the_mean_rate_of_the_decay_is_half_the_peak():
    settings = Optimizer(learning_rate=1.0, warmup_iterations=0, decay_fraction=1.0)
    rates = [learning_rate(i, settings, 500) for i in range(500)]
    assert sum(rates) / 500 == pytest.approx(0.5 * 501 / 500)


def test_the_rate_scales_with_processes_only_where_asked_for():
    asked = Optimizer(learning_rate=0.1, warmup_iterations=0, scale_rate_by_processes=True)
    assert learning_rate(5, asked, 1000, 4) == pytest.approx(0.4)
    assert learning_rate(5, Optimizer(learning_rate=0.1, warmup_iterations=0), 1000, 4) == pytest.approx(0.1)


@pytest.mark.parametrize(
    ("every", "fraction", "expected"), [(4, 0.25, [4, 8, 9, 12]), (50, 0.25, [9, 12]), (6, 0, [6, 12])]
)
def test_a_checkpoint_stands_where_the_rate_begins_to_fall(every, fraction, expected):
    training = Training(iterations=12, checkpoint_every=every, optimizer={"decay_fraction": fraction})
    assert checkpoint_iterations(training) == expected
