"""The loop: gradients in pieces, schedule, metrics, checkpoints and stops, on a network one can follow."""

import signal

import pytest
import torch
from training_parts import Line, make_batches, make_trainer

from rhodiff.config.training import Optimizer, Training
from rhodiff.errors import RhodiffError, StoppedEarly
from rhodiff.runtime.stopping import StopRequest
from rhodiff.training.gradient import batch_gradient
from rhodiff.training.schedule import learning_rate
from rhodiff.training.state import TrainingState


class Remembered:
    """A sink that keeps what it gets."""

    def __init__(self):
        self.lines = []

    def write(self, iteration, values):
        self.lines.append((iteration, values))

    def close(self):
        pass


def settings(**changes) -> Training:
    return Training(**{"iterations": 12, "batch_size": 6, "checkpoint_every": 5, "metrics_every": 4, **changes})


def gradient(training: Training) -> tuple[list[torch.Tensor], torch.Tensor]:
    trainer, network = make_trainer(training), Line()
    batch = make_batches(6).make(2, range(6))
    losses = batch_gradient(network, trainer.formulation, batch, training, trainer.processes)
    return [weight.grad for weight in network.parameters()], losses


@pytest.mark.parametrize("micro_batch", [1, 2, 4, 5, 6, 100])
def test_gradient_in_pieces_is_that_of_the_whole(micro_batch):
    whole, losses = gradient(settings())
    pieces, same_losses = gradient(settings(micro_batch=micro_batch))
    for one, two in zip(whole, pieces, strict=True):
        torch.testing.assert_close(two, one, rtol=1e-5, atol=1e-7)
    torch.testing.assert_close(same_losses, losses, rtol=1e-6, atol=0)


def test_gradient_is_that_of_the_mean_loss_by_finite_differences():
    training = settings()
    trainer, batch = make_trainer(training), make_batches(6).make(2, range(6))
    network = Line().double()

    def mean_loss():
        formulation = trainer.formulation
        u = formulation.stratify(batch.uniform, batch.positions, 6).double()
        return formulation.loss(network, batch.fields.double(), batch.noise.double(), u, batch.parameters).mean()

    found, _ = gradient(training)
    weight = network.linear.weight
    with torch.no_grad():
        weight[1, 2] += 1e-4
        above = mean_loss()
        weight[1, 2] -= 2e-4
        below = mean_loss()
    assert float(found[0][1, 2]) == pytest.approx(float(above - below) / 2e-4, rel=1e-3)


def test_metrics_come_when_asked_and_at_the_end_with_the_rate_of_the_schedule():
    sink, training = Remembered(), settings(iterations=10)
    make_trainer(training, sinks=[sink]).run(TrainingState.begin(Line(), training))
    assert [iteration for iteration, _ in sink.lines] == [4, 8, 10]
    for iteration, values in sink.lines:
        assert values["learning_rate"] == learning_rate(iteration - 1, training.optimizer, 10)
        assert values["loss"] > 0
        assert values["gradient_norm"] > 0


def test_loss_is_the_mean_over_samples_since_the_last_line():
    every, some = Remembered(), Remembered()
    for sink, number in ((every, 1), (some, 4)):
        training = settings(metrics_every=number)
        make_trainer(training, sinks=[sink]).run(TrainingState.begin(Line(), training))
    single = [values["loss"] for _, values in every.lines]
    for position, (_, values) in enumerate(some.lines):
        assert values["loss"] == pytest.approx(sum(single[4 * position : 4 * position + 4]) / 4, rel=1e-6)


def test_checkpoints_come_when_asked_where_the_rate_begins_to_fall_and_at_the_end():
    saved, drawn, training = [], [], settings(optimizer={"decay_fraction": 0.25})
    trainer = make_trainer(
        training, save=lambda s: saved.append(s.iteration), draw=lambda s: drawn.append(s.iteration)
    )
    trainer.run(TrainingState.begin(Line(), training))
    assert saved == drawn == [5, 9, 10, 12]


def test_stop_saves_at_once_and_draws_nothing():
    saved, drawn, training, stop = [], [], settings(), StopRequest()

    class Stopping(Remembered):
        def write(self, iteration, values):
            stop._receive(signal.SIGTERM, None)

    trainer = make_trainer(
        training,
        stop=stop,
        sinks=[Stopping()],
        save=lambda s: saved.append(s.iteration),
        draw=lambda s: drawn.append(s.iteration),
    )
    with pytest.raises(StoppedEarly, match="stopped by SIGTERM at iteration 4 of 12; the state is saved"):
        trainer.run(TrainingState.begin(Line(), training))
    assert saved == [4]
    assert drawn == []


def test_stop_that_comes_with_the_last_step_is_no_stop():
    training, stop = settings(iterations=1), StopRequest()
    stop._receive(signal.SIGTERM, None)
    saved = []
    make_trainer(training, stop=stop, save=lambda s: saved.append(s.iteration)).run(
        TrainingState.begin(Line(), training)
    )
    assert saved == [1]


@pytest.mark.parametrize("metrics_every", [1, 12], ids=["seen_in_the_loss", "seen_in_the_weights"])
def test_divergence_is_an_error_and_nothing_is_saved(metrics_every):
    training = settings(
        metrics_every=metrics_every,
        optimizer=Optimizer(learning_rate=1e30, warmup_iterations=0, gradient_clip=None),
    )
    saved = []
    with pytest.raises(RhodiffError, match="training has diverged"):
        make_trainer(training, save=lambda s: saved.append(s.iteration)).run(TrainingState.begin(Line(), training))
    assert saved == []


def test_gradient_is_clipped_to_its_norm():
    norms = []
    for clip in (None, 1e-3):
        training = settings(optimizer=Optimizer(gradient_clip=clip))
        network, sink = Line(), Remembered()
        make_trainer(training, sinks=[sink]).run(TrainingState.begin(network, training))
        norms.append(torch.nn.utils.get_total_norm([w.grad for w in network.parameters()]))
        assert sink.lines[0][1]["gradient_norm"] > 1e-2, "what is told is the norm before"
    assert norms[0] > 1e-2
    assert norms[1] == pytest.approx(1e-3, rel=1e-3)


def test_training_lowers_the_loss():
    sink = Remembered()
    training = settings(iterations=400, metrics_every=100, optimizer=Optimizer(learning_rate=0.01))
    make_trainer(training, sinks=[sink]).run(TrainingState.begin(Line(), training))
    assert sink.lines[-1][1]["loss"] < 0.5 * sink.lines[0][1]["loss"]
