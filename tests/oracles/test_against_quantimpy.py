"""Our Minkowski functionals against the real QuantImPy and scikit-image, in an environment of their own."""

import os
import subprocess
from pathlib import Path

import numpy as np
import pytest
from adversarial_fields import LEVELS, make_fields

from rhodiff.config.evaluation import Minkowski
from rhodiff.statistics import MinkowskiStatistic, minkowski_functionals
from rhodiff.statistics.quantimpy_backend import PYTHON_VARIABLE, quantimpy_functionals
from rhodiff.store.spec import FieldSpec

HERE = Path(__file__).parent
FOLDER = HERE.parents[1] / ".venv-oracles" / "quantimpy"
NONE_FOUND = 3


@pytest.fixture(scope="session")
def oracle():
    """Interpreter that has QuantImPy; made once, which takes half a minute."""
    made = subprocess.run([HERE / "setup_quantimpy.sh", FOLDER], capture_output=True, text=True, check=False)
    if made.returncode == NONE_FOUND:
        pytest.skip(f"QuantImPy: {made.stderr.strip()}")
    assert made.returncode == 0, f"QuantImPy's environment could not be made:\n{made.stderr}"
    return Path(made.stdout.strip())


def spec_of(shape):
    return FieldSpec(name="x", shape=shape, spacing=(1.0,) * len(shape), periodic=(False,) * len(shape))


def assert_same_counts(ours, theirs):
    """The same integers; QuantImPy's come with rounding in the last digit."""
    np.testing.assert_array_equal(np.rint(ours), np.rint(theirs))
    for found in (ours, theirs):
        np.testing.assert_allclose(found, np.rint(found), rtol=1e-13, atol=1e-11)


@pytest.mark.parametrize(("shape", "seed"), [((24, 31), 0), ((33, 16), 1), ((20, 20), 2), ((2, 19), 3), ((5, 3), 4)])
def test_2d_is_quantimpy_on_40_random_and_adversarial_fields_of_each_shape(shape, seed, oracle):
    fields = make_fields(shape, 40, seed)
    ours, theirs = minkowski_functionals(fields, LEVELS), quantimpy_functionals(fields, LEVELS, python=oracle)
    assert_same_counts(ours[..., 0], theirs[..., 0])
    np.testing.assert_allclose(ours[..., 1], theirs[..., 1], rtol=1e-12, atol=1e-12)
    # an open border leaves quarters
    assert_same_counts(4 * np.pi * ours[..., 2], 4 * np.pi * theirs[..., 2])


@pytest.mark.parametrize(("shape", "seed"), [((8, 9, 7), 5), ((2, 6, 3), 6)])
def test_volume_and_surface_in_3d_are_quantimpys(shape, seed, oracle):
    fields = make_fields(shape, 40, seed)
    ours, theirs = minkowski_functionals(fields, LEVELS), quantimpy_functionals(fields, LEVELS, python=oracle)
    assert_same_counts(ours[..., 0], theirs[..., 0])
    np.testing.assert_allclose(ours[..., 1], theirs[..., 1], rtol=1e-12, atol=1e-12)


def test_boxes_in_3d_have_all_of_quantimpys_functionals(oracle):
    boxes = np.zeros((3, 12, 12, 12))
    boxes[0, 5, 6, 7] = boxes[1, 2:5, 3:10, 4:9] = boxes[2, 1:11, 1:11, 1:11] = 1
    ours, theirs = minkowski_functionals(boxes, [0.5]), quantimpy_functionals(boxes, np.array([0.5]), python=oracle)
    np.testing.assert_allclose(ours, theirs, rtol=1e-12)


def test_euler_numbers_in_3d_are_those_of_scikit_image_and_quantimpys_are_not(oracle, tmp_path):
    random = np.random.default_rng(8)
    shares = np.repeat([0.1, 0.3, 0.5, 0.7, 0.9], 4)[:, None, None, None]
    masks = np.pad(random.random((20, 9, 10, 8)) < shares, [(0, 0)] + [(1, 1)] * 3)
    np.save(tmp_path / "masks.npy", masks)
    command = [oracle, HERE / "euler_numbers.py", tmp_path / "masks.npy", tmp_path / "numbers.npy"]
    subprocess.run(command, check=True)
    ours = minkowski_functionals(masks, [0.5])[:, 0, 3] * 4 * np.pi / 3
    truth = np.load(tmp_path / "numbers.npy")
    np.testing.assert_allclose(ours, truth, atol=1e-9)
    theirs = quantimpy_functionals(masks.astype(float), np.array([0.5]), python=oracle)[:, 0, 3] * 4 * np.pi / 3
    assert np.abs(theirs - truth).max() > 0.5, "this QuantImPy counts 6-connected bodies: promise its Euler number"


@pytest.mark.parametrize("shape", [(12, 14), (6, 7, 5)])
def test_the_statistic_is_the_same_with_either_backend(shape, oracle, monkeypatch):
    monkeypatch.setenv(PYTHON_VARIABLE, os.fspath(oracle))
    fields, spec = np.random.default_rng(1).normal(size=(4, *shape)).astype(np.float32), spec_of(shape)
    one = MinkowskiStatistic(Minkowski()).fit(fields, spec).measure(fields, spec)
    other = MinkowskiStatistic(Minkowski(backend="quantimpy")).fit(fields, spec).measure(fields, spec)
    assert [m.statistic for m in other] == [m.statistic for m in one][: 3 if len(shape) == 2 else 2]
    for ours, theirs in zip(one, other, strict=False):
        ours.require_comparable(theirs)
        np.testing.assert_allclose(theirs.values, ours.values, rtol=1e-12, atol=1e-12)
