"""Averages put together after training, against averages that were kept during it."""

import numpy as np
import pytest
import torch
from scipy.integrate import quad

from rhodiff.errors import ConfigError
from rhodiff.training.average import WeightAverage
from rhodiff.training.checkpoints import CheckpointFolder
from rhodiff.training.reconstruction import Profile, combine_profiles, reconstruct_average

GAMMAS = (16.97, 6.94)
STEPS = 400


class Walk(torch.nn.Module):
    """Weights that drift and jitter like those of a training, and a counter."""

    def __init__(self):
        super().__init__()
        self.weight = torch.nn.Parameter(torch.zeros(50, dtype=torch.float64))
        self.register_buffer("count", torch.tensor(0))
        self.path = np.random.default_rng(3).normal(size=(STEPS, 50)).cumsum(axis=0)

    def go_to(self, step):
        with torch.no_grad():
            self.weight.copy_(torch.from_numpy(self.path[step - 1]))
            self.count.fill_(step)


def walk(folder, every, *wanted):
    """Checkpoints of the walk, and averages with other exponents that went along."""
    network = Walk()
    kept, direct = [WeightAverage(network, g) for g in GAMMAS], [WeightAverage(network, g) for g in wanted]
    checkpoints = CheckpointFolder(folder)
    for step in range(1, STEPS + 1):
        network.go_to(step)
        for average in (*kept, *direct):
            average.update(network, step)
        if step % every == 0:
            content = {
                "model": network.state_dict(),
                "ema": kept[0].weights,
                "ema_second": kept[1].weights,
                "experiment": {"training": {"ema_gamma": list(GAMMAS)}},
            }
            checkpoints.save(content, step, None)
    return network, checkpoints.list(), [average.weights["weight"] for average in direct]


def stored_at(*steps):
    return [Profile(gamma, step) for step in steps for gamma in GAMMAS]


def step_weights(profile, steps):
    """What the running average weighs each step by: beta(t) = (1 - 1/t)^(gamma + 1)."""
    t = np.arange(1, steps + 1)
    beta = (1 - 1 / t) ** (profile.gamma + 1)
    later = np.array([np.prod(beta[step : profile.steps]) for step in t])
    return np.where(t <= profile.steps, (1 - beta) * later, 0.0)


@pytest.mark.parametrize("wanted", stored_at(100, 200, 400))
def test_a_stored_average_is_itself(wanted):
    stored = stored_at(100, 200, 400)
    found = combine_profiles(stored, wanted)
    np.testing.assert_allclose(found.coefficients, [float(one == wanted) for one in stored], atol=1e-9)
    assert found.misfit < 1e-6


def test_the_combination_solves_the_least_squares_problem_of_the_profiles():
    """Against numpy's least squares on a fine grid of t, with the constraint put in by elimination."""
    stored, wanted = stored_at(0.5, 1.0), Profile(10.0, 1.0)
    t = (np.arange(200_000) + 0.5) / 200_000
    columns = np.array([(p.gamma + 1) * t**p.gamma / p.steps ** (p.gamma + 1) * (t <= p.steps) for p in stored]).T
    target = (wanted.gamma + 1) * t**wanted.gamma
    free = columns[:, :-1] - columns[:, -1:]
    first = np.linalg.lstsq(free, target - columns[:, -1], rcond=None)[0]
    expected = np.append(first, 1 - first.sum())
    found = combine_profiles(stored, wanted)
    np.testing.assert_allclose(found.coefficients, expected, rtol=1e-4)
    left_over = np.linalg.norm(columns @ expected - target) / np.linalg.norm(target)
    assert found.misfit == pytest.approx(left_over, rel=1e-3)


def test_the_misfit_is_the_norm_by_quadrature():
    stored, wanted = stored_at(2.0, 4.0), Profile(3.0, 4.0)
    found = combine_profiles(stored, wanted)

    def profile(t, one):
        return (one.gamma + 1) * t**one.gamma / one.steps ** (one.gamma + 1) * (t <= one.steps)

    def left_over(t):
        return (found.coefficients @ [profile(t, one) for one in stored] - profile(t, wanted)) ** 2

    norms = quad(left_over, 0, 4, points=[2])[0], quad(lambda t: profile(t, wanted) ** 2, 0, 4)[0]
    assert found.misfit == pytest.approx((norms[0] / norms[1]) ** 0.5, rel=1e-6)


@pytest.mark.parametrize("gamma", [4.0, 10.0, 25.0])
def test_coefficients_add_up_to_one_and_more_checkpoints_miss_less(gamma):
    found = [combine_profiles(stored_at(*range(every, 401, every)), Profile(gamma, 400)) for every in (200, 80, 20)]
    for one in found:
        assert one.coefficients.sum() == pytest.approx(1)
    assert found[0].misfit > found[1].misfit > found[2].misfit
    assert found[2].misfit < 0.02


@pytest.mark.parametrize("gamma", [4.0, 9.0, 20.0])
def test_the_reconstructed_average_is_the_one_that_went_along(gamma, tmp_path):
    """The error of a sum over steps is at most the norm of the weights' difference times that of the path."""
    network, snapshots, (direct,) = walk(tmp_path, 20, gamma)
    found = reconstruct_average(snapshots, gamma)
    combination = combine_profiles(
        [Profile(g, c.iteration) for c in snapshots for g in GAMMAS], Profile(gamma, STEPS)
    )
    exact = step_weights(Profile(gamma, STEPS), STEPS)
    np.testing.assert_allclose(exact @ network.path, direct.numpy(), rtol=1e-10, atol=1e-10)
    used = sum(
        coefficient * step_weights(Profile(g, c.iteration), STEPS)
        for coefficient, (c, g) in zip(
            combination.coefficients, [(c, g) for c in snapshots for g in GAMMAS], strict=True
        )
    )
    np.testing.assert_allclose(found["weight"].numpy(), used @ network.path, rtol=1e-8, atol=1e-8)
    assert np.linalg.norm(used - exact) <= combination.misfit * np.linalg.norm(exact) * 1.1
    scatter = network.path.std(axis=0)
    assert np.abs(found["weight"].numpy() - direct.numpy()).max() < 0.02 * scatter.max()
    assert int(found["count"]) == STEPS


@pytest.mark.parametrize(("gamma", "part"), [(GAMMAS[0], "ema"), (GAMMAS[1], "ema_second")])
def test_a_stored_exponent_gives_the_stored_weights(gamma, part, tmp_path):
    _, snapshots, _ = walk(tmp_path, 100)
    expected = torch.load(snapshots[-1].path, weights_only=True)[part]["weight"]
    torch.testing.assert_close(reconstruct_average(snapshots, gamma)["weight"], expected)


def test_what_the_checkpoints_cannot_make_up_is_refused(tmp_path):
    _, snapshots, _ = walk(tmp_path, STEPS)
    with pytest.raises(ConfigError, match=r"ema_gamma 1 cannot be made up from 1 checkpoints .* more frequent"):
        reconstruct_average(snapshots, 1.0)


def test_a_damaged_checkpoint_on_the_way_is_named(tmp_path):
    _, snapshots, _ = walk(tmp_path, 100)
    snapshots[1].path.write_bytes(snapshots[1].path.read_bytes()[:-1])
    with pytest.raises(ConfigError, match=r"step-00000200.*damaged.*leave ema_gamma out"):
        reconstruct_average(snapshots, 9.0)
