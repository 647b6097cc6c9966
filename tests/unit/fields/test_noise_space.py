"""Noise is white, Gaussian and of a known level for the network, whatever the transform."""

import numpy as np
import pytest

from rhodiff.config.fields import Log10, MinMax, Standardise
from rhodiff.errors import ConfigError, DataError
from rhodiff.fields.noise_space import NoiseSpace, noise_std
from rhodiff.fields.transforms import fit_transform
from rhodiff.store.spec import FieldSpec

FIELDS = np.random.default_rng(0).lognormal(1.0, 0.8, size=(6, 1, 12, 12)).astype(np.float32)
SPEC = FieldSpec(name="rho", unit="g", shape=(12, 12), spacing=(1, 1), periodic=(True, True))


def space_of(*steps):
    return NoiseSpace.of(fit_transform(steps, lambda: [FIELDS]))


CHAINS = {
    "standardise": (Standardise(),),
    "set": (Log10(), MinMax()),
    "image": (MinMax(scope="image"),),
    "log, image": (Log10(), MinMax(scope="image", low=0.0)),
    "two affine": (Log10(), MinMax(), Standardise()),
    "affine before": (MinMax(low=1.0, high=2.0), Log10(), Standardise()),
    "none": (),
}


@pytest.mark.parametrize("steps", CHAINS.values(), ids=CHAINS)
def test_level_in_network_units_is_that_of_the_noise_there(steps):
    space = space_of(*steps)
    clean = space.clean(FIELDS)
    sigma = noise_std(clean, 0.3, "std")
    white = np.random.default_rng(1).normal(size=clean.shape)
    noisy = clean + sigma[:, None, None] * white
    seen = space.to_network(noisy)
    # the noise alone, through the same affine map
    added = seen.scale[:, None, None] * (noisy - clean)
    np.testing.assert_allclose(added, (sigma * seen.scale)[:, None, None] * white, rtol=1e-9)
    np.testing.assert_allclose(seen.values, seen.scale[:, None, None] * noisy + seen.offset[:, None, None], atol=2e-6)
    np.testing.assert_allclose(seen.back(seen.values), noisy, atol=1e-5 * np.abs(noisy).max())


@pytest.mark.parametrize(
    "steps", [CHAINS["standardise"], CHAINS["set"], CHAINS["two affine"], CHAINS["affine before"]]
)
def test_values_without_noise_are_those_of_the_whole_transform(steps):
    transform = fit_transform(steps, lambda: [FIELDS])
    space = NoiseSpace.of(transform)
    seen = space.to_network(space.clean(FIELDS))
    np.testing.assert_allclose(seen.values, transform.forward(FIELDS)[:, 0], atol=2e-5)


def test_min_max_by_image_takes_its_extremes_from_the_noisy_field_as_paper_a_does():
    space = space_of(MinMax(scope="image"))
    clean = space.clean(FIELDS)
    sigma = noise_std(clean, 0.2, "mean")
    np.testing.assert_allclose(sigma, 0.2 * FIELDS.mean(axis=(1, 2, 3)), rtol=1e-6)
    noisy = clean + sigma[:, None, None] * np.random.default_rng(2).normal(size=clean.shape)
    seen = space.to_network(noisy)
    extent = noisy.max(axis=(1, 2)) - noisy.min(axis=(1, 2))
    np.testing.assert_allclose(seen.scale * sigma, 2 * sigma / extent)
    assert (seen.values.min(axis=(1, 2)) == -1).all()
    assert (seen.values.max(axis=(1, 2)) == 1).all()


def test_extremes_can_be_those_of_an_estimate():
    """With the truth for an estimate the clean structure has just the range that the network was trained on."""
    space = space_of(Log10(), MinMax(scope="image"))
    clean = space.clean(FIELDS)
    noisy = clean + 0.3 * np.random.default_rng(3).normal(size=clean.shape)
    seen = space.to_network(noisy, like=clean)
    np.testing.assert_allclose(seen.scale, 2 / (clean.max(axis=(1, 2)) - clean.min(axis=(1, 2))))
    np.testing.assert_allclose(seen.back(seen.values), noisy, atol=1e-6)
    whole = space_of(Log10(), Standardise())
    np.testing.assert_allclose(whole.to_network(noisy, like=clean).values, whole.to_network(noisy).values, atol=1e-5)


def test_noise_is_added_after_the_last_step_that_is_not_affine():
    space = space_of(Log10(), Standardise())
    np.testing.assert_allclose(space.clean(FIELDS), np.log10(FIELDS[:, 0]), atol=1e-6)
    assert space.spec(SPEC).name == "log10(rho / g)"
    assert space.spec(SPEC).unit == ""
    affine = space_of(Standardise())
    np.testing.assert_array_equal(affine.clean(FIELDS), FIELDS[:, 0])
    assert affine.spec(SPEC) == SPEC


def test_level_is_a_share_of_the_fields_own_mean_or_spread_or_a_number():
    clean = FIELDS[:, 0].astype(np.float64)
    np.testing.assert_allclose(noise_std(clean, 0.5, "std"), 0.5 * clean.std(axis=(1, 2)))
    np.testing.assert_array_equal(noise_std(clean, 0.5, "unit"), np.full(6, 0.5))


def test_share_of_a_mean_that_is_not_positive_is_refused():
    clean = np.stack([FIELDS[0, 0], FIELDS[1, 0] - 100.0])
    with pytest.raises(DataError, match=r"1 of 2 fields have a mean of zero or below .* say 'of: std'"):
        noise_std(clean, 0.2, "mean")
    assert (noise_std(clean, 0.2, "std") > 0).all()


def test_constant_field_and_several_channels_are_refused():
    with pytest.raises(DataError, match="a field is constant"):
        noise_std(np.ones((2, 4, 4)), 0.2, "unit")
    with pytest.raises(ConfigError, match="fields of 2 channels cannot be denoised"):
        space_of(Standardise()).clean(np.repeat(FIELDS, 2, axis=1))
    with pytest.raises(DataError, match="the noise vanishes"):
        space_of(Standardise()).to_network(np.ones((1, 4, 4)))
