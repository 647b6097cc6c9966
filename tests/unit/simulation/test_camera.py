"""Cameras look where they say, and the fixed ones look from everywhere."""

import numpy as np
import pytest

from rhodiff.errors import ConfigError
from rhodiff.simulation.camera import NUM_CAMERAS, Camera, fixed_camera


@pytest.mark.parametrize(
    ("camera", "right", "up", "towards"),
    [
        (Camera(0, -90), [1, 0, 0], [0, 1, 0], [0, 0, 1]),
        (Camera(90, 0), [0, 1, 0], [0, 0, 1], [1, 0, 0]),
        (Camera(90, 90), [-1, 0, 0], [0, 0, 1], [0, 1, 0]),
        (Camera(0, -90, roll_deg=90), [0, 1, 0], [-1, 0, 0], [0, 0, 1]),
    ],
)
def test_axes_of_known_views(camera, right, up, towards):
    np.testing.assert_allclose(camera.axes, [right, up, towards], atol=1e-12)


def test_axes_are_a_right_handed_orthonormal_frame():
    for angles in np.random.default_rng(0).uniform(0, 180, (20, 3)):
        axes = Camera(*angles).axes
        np.testing.assert_allclose(axes @ axes.T, np.eye(3), atol=1e-12)
        np.testing.assert_allclose(np.cross(axes[0], axes[1]), axes[2], atol=1e-12)


def test_fixed_cameras_stand_evenly_and_none_is_opposite_another():
    towards = np.array([fixed_camera(number).axes[2] for number in range(NUM_CAMERAS)])
    cosines = (towards @ towards.T)[~np.eye(NUM_CAMERAS, dtype=bool)]
    assert np.degrees(np.arccos(cosines.max())) > 48
    assert 180 - np.degrees(np.arccos(cosines.min())) > 12
    np.testing.assert_allclose(towards.mean(axis=0), 0, atol=0.02)
    np.testing.assert_allclose(towards.T @ towards / NUM_CAMERAS, np.eye(3) / 3, atol=0.02)


def test_cameras_that_are_not_there_are_refused():
    for number in (-1, NUM_CAMERAS, 1.5):
        with pytest.raises(ConfigError, match="0 to 13"):
            fixed_camera(number)
    for angles in ((181, 0), (-1, 0), (0, np.nan), (0, 0, np.inf)):
        with pytest.raises(ConfigError, match="polar angle"):
            Camera(*angles)
