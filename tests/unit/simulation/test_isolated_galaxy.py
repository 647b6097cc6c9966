"""A galaxy alone stays what it was sampled as, up to the noise of its sample.

A sample of a few thousand particles has a virial ratio 2 T / |W| = Q that is off 1 by some per cent. It settles where
the virial theorem says, W = 2 E = (2 - Q) W_0, so that its gravitational radius -M^2 / W changes by 1 / (2 - Q).
(With halo, disc and bulge all half-mass radii hold to 5 % from some 30 000 particles on, a minute of CPU.)
"""

import numpy as np
import pytest

from rhodiff.runtime.cpus import available_cpus
from rhodiff.simulation import GalaxyModel, ParticleCounts, sample_galaxy
from rhodiff.simulation.leapfrog import integrate
from rhodiff.simulation.units import to_myr

SOFTENING = 0.4


def test_a_halo_stays_in_virial_equilibrium_over_500_myr():
    model = GalaxyModel(bulge=None, disc=None, softening_kpc=SOFTENING)
    start = sample_galaxy(model, ParticleCounts(dark=1500, disc=0, bulge=0), seed=1)
    log = integrate(start, dt=0.25, end=52.0, outputs=[52.0], softening=SOFTENING, on_output=lambda _: None)
    assert to_myr(log.records[-1].time) > 500
    first, late = log.records[0], [record for record in log.records if record.time > 26]
    ratio = 2 * first.kinetic / -first.potential
    assert ratio == pytest.approx(1, abs=0.1)
    assert np.mean([record.potential for record in late]) == pytest.approx((2 - ratio) * first.potential, rel=0.02)
    assert np.mean([2 * record.kinetic / -record.potential for record in late]) == pytest.approx(1, abs=0.02)
    assert log.energy_error < 0.01
    assert log.centre_drift_kpc < 0.1


def half_mass_radii(snapshot):
    """Of halo, disc and bulge, about the middle of the bulge, kpc."""
    centre = np.median(snapshot.positions[snapshot.is_bulge].astype(np.float64), axis=0)
    radii = np.linalg.norm(snapshot.positions - centre, axis=1)
    return np.array([np.median(radii[part]) for part in (snapshot.is_dark, snapshot.is_disc, snapshot.is_bulge)])


def test_half_mass_radii_of_halo_disc_and_bulge_stay_within_5_per_cent_over_500_myr():
    softening = 0.3
    counts = ParticleCounts(dark=18000, disc=6000, bulge=6000)
    start = sample_galaxy(GalaxyModel(softening_kpc=softening), counts, seed=1)
    first, later = half_mass_radii(start), []
    log = integrate(
        start,
        dt=0.125,
        end=52.0,
        outputs=[6.5 * number for number in range(1, 9)],
        softening=softening,
        on_output=lambda snapshot: later.append(half_mass_radii(snapshot) / first),
        threads=available_cpus(),
    )
    assert to_myr(log.records[-1].time) > 500
    # a single median of 6000 particles scatters by 2 %, and the bulge breathes
    assert np.abs(np.mean(later, axis=0) - 1).max() <= 0.05
    assert np.abs(np.array(later) - 1).max() <= 0.07
    assert log.energy_error < 0.002
