"""The leapfrog against Kepler's laws and the conservation laws of mechanics."""

from dataclasses import replace

import numpy as np
import pytest

from rhodiff.errors import ConfigError, DataError
from rhodiff.simulation import Snapshot, particle_ids
from rhodiff.simulation.leapfrog import integrate

PERIOD, ECCENTRICITY = 4.0, 0.5
NEWTONIAN = 1e-4


def two_bodies(period=PERIOD, eccentricity=ECCENTRICITY):
    """Masses 3:1 at apocentre, semi-major axis 1, total mass from Kepler's third law, at rest in their centre."""
    total = (2 * np.pi / period) ** 2
    apart = np.array([1 + eccentricity, 0, 0])
    speed = np.array([0, np.sqrt(total * (1 - eccentricity) / (1 + eccentricity)), 0])
    shares = np.array([[-0.25], [0.75]])
    return Snapshot(0.0, total * np.array([0.75, 0.25]), shares * apart, shares * speed, particle_ids(0, "disc", 2))


def sphere(num=300, seed=4):
    """A cold uniform ball that falls in: total mass 1, radius 1, speeds at a third of the virial ones."""
    random = np.random.default_rng(seed)
    positions, velocities = random.uniform(-1, 1, (2, 8 * num, 3))
    inside = np.linalg.norm(positions, axis=1) < 1
    masses = np.full(num, 1 / num)
    return Snapshot(0.0, masses, positions[inside][:num], 0.3 * velocities[:num], particle_ids(0, "dark", num))


def run(start, dt, end, outputs=None, **options):
    """The last output, and the log."""
    got = []
    outputs = [end] if outputs is None else outputs
    log = integrate(start, dt=dt, end=end, outputs=outputs, on_output=got.append, **{"softening": 0.1, **options})
    assert [snapshot.time for snapshot in got] == [time for time in outputs if time > start.time]
    return got, log


def error_after_a_period(dt):
    start = two_bodies()
    got, _ = run(start, dt, PERIOD, softening=NEWTONIAN)
    return np.linalg.norm(np.diff(got[0].positions - start.positions, axis=0))


def test_two_bodies_are_back_after_keplers_period_with_second_order_error():
    coarse, fine = error_after_a_period(2**-7), error_after_a_period(2**-8)
    assert fine < 3e-3
    assert coarse / fine == pytest.approx(4, rel=0.05)


def test_two_bodies_are_at_pericentre_after_half_a_period():
    got, _ = run(two_bodies(), 2**-10, PERIOD / 2, softening=NEWTONIAN)
    apart = np.diff(got[0].positions, axis=0)[0]
    np.testing.assert_allclose(apart, [-(1 - ECCENTRICITY), 0, 0], atol=2e-3)


def test_two_bodies_keep_the_energy_of_their_orbit():
    start = two_bodies()
    log = run(start, 2**-9, 2 * PERIOD, softening=NEWTONIAN)[1]
    total = start.masses.sum()
    expected = -0.75 * 0.25 * total * total / 2
    assert log.records[0].energy == pytest.approx(expected, rel=1e-6)
    assert log.energy_error < 1e-3
    assert abs(log.records[-1].energy / expected - 1) < 2e-5


def test_energy_error_of_an_orbit_falls_by_four_with_half_the_step():
    errors = [run(two_bodies(), dt, PERIOD, softening=NEWTONIAN)[1].energy_error for dt in (2**-8, 2**-9)]
    assert errors[0] / errors[1] == pytest.approx(4, rel=0.1)


def test_two_bodies_keep_momentum_and_angular_momentum_to_rounding():
    start = two_bodies()
    got, log = run(start, 2**-6, PERIOD, softening=NEWTONIAN)

    def spin(snapshot):
        return np.einsum("i,ij->j", snapshot.masses, np.cross(snapshot.positions, snapshot.velocities))

    np.testing.assert_allclose(spin(got[0]), spin(start), atol=1e-6)
    assert log.centre_drift_kpc < 1e-6


def test_a_collapsing_ball_keeps_energy_and_the_centre_stays_on_its_line():
    moving = replace(sphere(), velocities=sphere().velocities + np.float32([1, 2, 0]))
    log = run(moving, 2**-6, 1.0)[1]
    assert log.energy_error < 2e-3
    assert log.centre_drift_kpc < 2e-3
    assert log.records[-1].centre_kpc[1] - log.records[0].centre_kpc[1] == pytest.approx(2.0, abs=0.1)
    assert [r.iteration for r in log.records] == list(range(65))


def test_reversed_velocities_lead_back_to_the_start():
    start = sphere()
    there = run(start, 2**-5, 0.5)[0][0]
    assert np.abs(there.positions - start.positions).max() > 0.1
    back = run(replace(there, time=0.0, velocities=-there.velocities), 2**-5, 0.5)[0][0]
    np.testing.assert_allclose(back.positions, start.positions, atol=2e-4)
    np.testing.assert_allclose(-back.velocities, start.velocities, atol=2e-3)


def test_a_run_from_any_output_equals_the_unbroken_one_bit_for_bit():
    outputs = [0.125, 0.25, 0.5]
    whole, _ = run(sphere(), 2**-5, 0.5, outputs)
    rest, _ = run(whole[1], 2**-5, 0.5, outputs)
    np.testing.assert_array_equal(rest[0].positions, whole[2].positions)
    np.testing.assert_array_equal(rest[0].velocities, whole[2].velocities)


def test_ids_and_masses_are_handed_on():
    start = sphere(20)
    got = run(start, 2**-5, 2**-4)[0][0]
    np.testing.assert_array_equal(got.ids, start.ids)
    np.testing.assert_array_equal(got.masses, start.masses)


def test_a_step_that_raises_ends_the_run():
    seen = []

    def stop(record):
        seen.append(record.time)
        if record.time >= 0.25:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        run(sphere(20), 2**-4, 1.0, on_step=stop)
    assert seen == [0, 0.0625, 0.125, 0.1875, 0.25]


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"dt": 0.1}, "2\\^-k"),
        ({"outputs": [0.03]}, "an output"),
        ({"end": 0.53}, "end"),
        ({"outputs": [1.0]}, "after the end"),
        ({"end": float("inf")}, "end"),
    ],
)
def test_times_off_the_grid_of_steps_are_refused(change, message):
    request = {"dt": 2**-5, "end": 0.5, "outputs": [0.5], **change}
    with pytest.raises(ConfigError, match=message):
        integrate(sphere(5), softening=0.1, on_output=print, **request)


def test_an_overflow_is_an_error_and_no_snapshot():
    far = replace(two_bodies(), velocities=np.full((2, 3), 3e38, np.float32) * np.float32([[1], [-1]]))
    with pytest.raises(DataError, match="no finite position"):
        run(far, 1.0, 4.0)
