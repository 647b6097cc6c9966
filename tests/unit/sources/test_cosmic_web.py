"""The cosmic web source: Gaussian fields have the input spectrum, LPT fields grow and stay independent of chunks."""

from functools import cache
from pathlib import Path

import numpy as np
import pytest
from pydantic import ValidationError
from scipy.stats import chi2

from rhodiff.config.fields import Split
from rhodiff.config.sources import CosmicWebSource
from rhodiff.sources.cosmic_web import CosmicWeb
from rhodiff.sources.cosmology import Cosmology, growth_factor, linear_power

FIXED = {"omega_m": 0.3, "sigma_8": 0.8, "num_vectors": 1}
MODEL = Cosmology(omega_m=0.3, omega_b=0.049, h=0.6711, n_s=0.9624, sigma_8=0.8)


def source(**settings):
    return CosmicWeb(CosmicWebSource(**settings), Path())


def fields(**settings):
    made = source(**settings)
    return made.make(0, made.num_fields).fields[:, 0].astype(np.float64)


@cache
def mode_numbers(size):
    """|n| of every mode of the full FFT, k and -k both there."""
    n = np.fft.fftfreq(size, 1 / size)
    numbers = np.sqrt(n[:, None, None] ** 2 + n[None, :, None] ** 2 + n[None, None, :] ** 2)
    numbers.flags.writeable = False
    return numbers


def mode_power(boxes, box_size):
    """|delta_k|^2 V / N^2 of each mode, mean over boxes ``[box, x, y, z]``."""
    return sum(np.abs(np.fft.fftn(box)) ** 2 for box in boxes) * box_size**3 / boxes[0].size ** 2 / len(boxes)


@pytest.mark.parametrize("redshift", [0.0, 1.0])
def test_linear_fields_have_the_input_spectrum(redshift):
    """Each mode's P over its expectation has mean 1; a bin of M modes of the full plane has variance 2 / M."""
    size, box_size, num_boxes = 32, 150.0, 400
    boxes = fields(
        ndim=3, size=size, box_size_mpc_h=box_size, order="linear", redshift=redshift,
        fields_per_vector=num_boxes, seed=17 + int(redshift), **FIXED,
    )  # fmt: skip
    number = mode_numbers(size)
    expected = linear_power(2 * np.pi / box_size * number, MODEL, redshift)
    inside = number > 0
    ratio = mode_power(boxes, box_size)[inside] / expected[inside]
    bins = np.round(number[inside]).astype(int)
    count = np.bincount(bins)[1:]
    z = (np.bincount(bins, weights=ratio)[1:] / count - 1) / np.sqrt(2 / (count * num_boxes))
    p_value = chi2.sf((z**2).sum(), len(z))
    print(f"z = {redshift}: max |z| {np.abs(z).max():.2f} in {len(z)} bins, p {p_value:.3f}")
    assert np.abs(z).max() < 4
    assert p_value > 1e-3


def test_linear_fields_have_sigma_8():
    """Rms in spheres of 8 Mpc/h against the sum over the modes that the box has."""
    size, box_size, num_boxes = 64, 250.0, 8
    boxes = fields(
        ndim=3, size=size, box_size_mpc_h=box_size, order="linear", fields_per_vector=num_boxes, seed=3, **FIXED
    )
    number = np.maximum(mode_numbers(size), 1.0)
    x = 8 * 2 * np.pi / box_size * number
    window = 3 * (np.sin(x) - x * np.cos(x)) / x**3
    window[0, 0, 0] = 0.0
    expected = np.sqrt((linear_power(x / 8, MODEL) * window**2).sum() / box_size**3)
    smoothed = [np.fft.ifftn(np.fft.fftn(box) * window).real for box in boxes]
    measured = np.sqrt(np.mean(np.square(smoothed)))
    print(f"sigma_8 measured / mode sum {measured / expected:.4f}, mode sum {expected:.4f}")
    assert measured == pytest.approx(expected, rel=0.02)
    assert expected == pytest.approx(0.8, rel=0.02)


def test_low_k_power_of_moved_matter_grows_as_linear_theory():
    """Same phases at two redshifts: the ratio of power is D^2 up to nonlinear terms, below k = 0.06 h/Mpc."""
    size, box_size = 64, 500.0
    common = {"ndim": 3, "size": size, "box_size_mpc_h": box_size, "fields_per_vector": 2, "seed": 1, **FIXED}
    low = (mode_numbers(size) > 0) & (mode_numbers(size) < 0.06 * box_size / (2 * np.pi))
    late, early, initial = (mode_power(fields(**common, redshift=z), box_size)[low].sum() for z in (0.0, 1.0, 30.0))
    linear = mode_power(fields(**common, order="linear"), box_size)[low].sum()
    cloud = np.sinc(np.fft.fftfreq(size)) ** 4
    window = (cloud[:, None, None] * cloud[None, :, None] * cloud[None, None, :])[low].mean()
    print(f"late/early/D^2 {late / early * growth_factor(MODEL, 1.0) ** 2:.4f}")
    print(f"late/linear/window {late / linear / window:.4f}")
    print(f"initial/linear/window {initial / linear / window / growth_factor(MODEL, 30.0) ** 2:.4f}")
    assert late / early == pytest.approx(growth_factor(MODEL, 1.0) ** -2, rel=0.05)
    assert late / linear == pytest.approx(window, rel=0.05)
    # at redshift 30 nothing acts but the CIC window, on the power as its square
    assert initial / linear == pytest.approx(window * growth_factor(MODEL, 30.0) ** 2, rel=0.01)


@pytest.mark.parametrize("assignment", ["ngp", "cic", "tsc"])
def test_mean_density_of_a_box_is_one(assignment):
    boxes = fields(ndim=3, size=16, particles=32, box_size_mpc_h=60.0, assignment=assignment, **FIXED)
    assert boxes.mean(axis=(1, 2, 3)) == pytest.approx(np.ones(len(boxes)), abs=1e-6)
    assert boxes.min() >= 0


@pytest.mark.parametrize("order", ["linear", "2lpt"])
def test_slabs_are_projections_of_the_three_dimensional_box(order):
    common = {"size": 16, "box_size_mpc_h": 60.0, "order": order, "assignment": "ngp", "seed": 5, **FIXED}
    box = fields(ndim=3, fields_per_vector=1, **common)[0]
    slabs = fields(ndim=2, fields_per_vector=12, **common)
    for index, slab in enumerate(slabs):
        axis, low = index // 4, index % 4 * 4
        expected = np.moveaxis(box, axis, 0)[low : low + 4].mean(axis=0)
        assert slab == pytest.approx(expected, abs=1e-5)


def test_slab_that_cuts_cells_weighs_them_by_their_share():
    common = {"size": 8, "box_size_mpc_h": 80.0, "order": "linear", **FIXED}
    box = fields(ndim=3, fields_per_vector=1, **common)[0]
    slabs = fields(ndim=2, fields_per_vector=2, slab_thickness_mpc_h=15.0, **common)
    assert slabs[0] == pytest.approx((box[0] + 0.5 * box[1]) / 1.5, abs=1e-5)
    assert slabs[1] == pytest.approx((0.5 * box[1] + box[2]) / 1.5, abs=1e-5)


@pytest.mark.parametrize("ndim", [2, 3])
def test_fields_do_not_depend_on_how_the_work_is_split(ndim):
    settings = {"ndim": ndim, "size": 16, "num_vectors": 4, "fields_per_vector": 5, "slab_thickness_mpc_h": None}
    whole = source(**settings).make(0, 8)
    first, second = source(**settings).make(0, 3), source(**settings).make(3, 8)
    again = source(**settings)
    last_first = [again.make(7, 8), again.make(0, 1)]
    assert np.array_equal(whole.fields, np.concatenate([first.fields, second.fields]))
    assert np.array_equal(whole.parameters, np.concatenate([first.parameters, second.parameters]))
    assert np.array_equal(whole.fields[[7, 0]], np.concatenate([batch.fields for batch in last_first]))
    assert whole.valid.all()
    assert whole.fields.dtype == np.float32
    assert whole.fields.shape == (8, *source(**settings).spec.field_shape)


def test_vectors_are_a_latin_hypercube_over_the_ranges():
    made = source(size=4, num_vectors=20, fields_per_vector=1, n_s=(r := {"low": 0.9, "high": 1.1}))
    batch = made.make(0, 20)
    assert [p.name for p in made.parameters] == ["Omega_m", "sigma_8", "n_s"]
    for column, (low, high) in enumerate([(0.1, 0.5), (0.6, 1.0), (r["low"], r["high"])]):
        cells = np.floor((batch.parameters[:, column] - low) / (high - low) * 20)
        assert sorted(cells) == list(range(20))
    assert made.provenance["h"] == 0.6711
    assert "n_s" not in made.provenance


def test_parts_share_no_parameter_vector():
    made = source(size=4, num_vectors=10, fields_per_vector=15)
    codes = made.assign_split(Split())
    assert [len(set(codes[made.groups() == g])) for g in range(10)] == [1] * 10
    assert len(set(codes)) == 3


def test_parts_share_no_box_where_there_is_one_vector():
    made = source(size=4, fields_per_vector=30, **FIXED)
    assert list(made.groups()) == [0] * 12 + [1] * 12 + [2] * 6
    assert [p.name for p in made.parameters] == ["Omega_m", "sigma_8"]


def test_boxes_of_different_vectors_have_different_phases():
    boxes = fields(ndim=3, size=8, omega_m=0.3, sigma_8=0.8, order="linear", num_vectors=2, fields_per_vector=2)
    assert np.abs(np.corrcoef(boxes.reshape(4, -1)) - np.eye(4)).max() < 0.4


def test_floor_is_added():
    common = {"size": 8, "fields_per_vector": 1, **FIXED}
    assert fields(empty_cell_floor=0.05, **common) == pytest.approx(fields(**common) + 0.05, abs=1e-6)


def test_spec_states_the_comoving_grid():
    spec = source(size=32, box_size_mpc_h=100.0).spec
    assert (spec.name, spec.unit, spec.length_unit) == ("rho / mean rho", "", "Mpc/h")
    assert spec.spacing == (3.125, 3.125)
    assert spec.periodic == (True, True)


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"order": "linear", "particles": 32}, "no effect with order 'linear'"),
        ({"ndim": 3, "slab_thickness_mpc_h": 10.0}, "no effect with ndim 3"),
        ({"slab_thickness_mpc_h": 101.0}, "above box_size_mpc_h"),
        ({"omega_m": {"low": 0.04, "high": 0.3}}, "must stay above omega_b"),
        ({"omega_m": {"low": 0.4, "high": 1.2}}, "at most 1"),
        ({"sigma_8": 0.0}, "must stay above 0"),
        ({"seed": -1}, "greater than or equal to 0"),
    ],
)
def test_impossible_settings_are_refused(settings, message):
    with pytest.raises(ValidationError, match=message):
        CosmicWebSource(**settings)
