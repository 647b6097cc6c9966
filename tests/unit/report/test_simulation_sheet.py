"""Contact sheets and histories of simulations show what they were given."""

import numpy as np
import pytest

from rhodiff.errors import DataError
from rhodiff.report.encoding import figure_to_png
from rhodiff.report.simulation_sheet import SimulationHistory, contact_sheet, simulation_history


def images_of(num_times, num_cameras, size=6):
    """Each image has its own level, 10 ** (-camera - time / 100), and an empty pixel at the lower right."""
    levels = 10.0 ** (-np.arange(num_cameras) - np.arange(num_times)[:, None] / 100)
    images = np.ones((num_times, num_cameras, size, size)) * levels[..., None, None]
    images[..., 0, -1] = 0
    return images.astype(np.float32)


def sheet(images, **other):
    times, cameras = 10.0 * np.arange(len(images)), [f"camera {n}" for n in range(images.shape[1])]
    return contact_sheet(images, times, cameras, width_kpc=60.0, unit="Msun/kpc^2", title="two galaxies", **other)


def panels_of(figure):
    return [axes for axes in figure.axes if axes.get_images()]


def grid_of(figure, num_columns):
    panels = panels_of(figure)
    return [panels[start : start + num_columns] for start in range(0, len(panels), num_columns)]


def test_cameras_go_down_and_times_across():
    images = images_of(3, 2)
    figure = sheet(images)
    grid = grid_of(figure, 3)
    assert [axes.get_title() for axes in grid[0]] == ["0 Myr", "10 Myr", "20 Myr"]
    assert [row[0].get_ylabel() for row in grid] == ["camera 0", "camera 1"]
    for camera, row in enumerate(grid):
        for time, axes in enumerate(row):
            shown = axes.get_images()[0]
            assert shown.origin == "lower"
            assert np.asarray(shown.get_array())[3, 3] == images[time, camera, 3, 3]


def test_many_times_of_few_cameras_go_down():
    images = images_of(12, 2)
    grid = grid_of(sheet(images), 2)
    assert [axes.get_title() for axes in grid[0]] == ["camera 0", "camera 1"]
    assert [row[0].get_ylabel() for row in grid] == [f"{10 * n} Myr" for n in range(12)]
    assert np.asarray(grid[7][1].get_images()[0].get_array())[3, 3] == images[7, 1, 3, 3]


def test_all_panels_share_one_logarithmic_scale_below_the_largest_value():
    figure = sheet(images_of(3, 2), decades=3)
    norms = [axes.get_images()[0].norm for axes in panels_of(figure)]
    assert all((norm.vmin, norm.vmax) == (pytest.approx(1e-3), 1.0) for norm in norms)
    assert float(norms[0](10**-1.5)) == pytest.approx(0.5)
    assert figure.axes[-1].get_ylabel() == "surface density [Msun/kpc²]"


def test_empty_pixels_take_the_lowest_colour_and_not_the_paper():
    shown = panels_of(sheet(images_of(3, 2)))[0].get_images()[0]
    low, high = shown.to_rgba(np.asarray(shown.get_array()))[0, [-1, 0]]
    assert low == pytest.approx(shown.cmap(0))
    assert high == pytest.approx(shown.cmap(1.0))


def test_the_scale_bar_has_its_length():
    axes = panels_of(sheet(images_of(3, 2)))[0]
    (text,) = axes.texts
    length = float(text.get_text().removesuffix(" kpc"))
    ends = axes.get_lines()[-1].get_xdata()
    assert ends[1] - ends[0] == pytest.approx(length)
    assert np.diff(axes.get_images()[0].get_extent()[:2]) == pytest.approx(60)


@pytest.mark.parametrize("bad", [-1.0, np.nan, np.inf])
def test_values_without_a_logarithm_are_refused(bad):
    images = images_of(3, 2)
    images[1, 1, 2, 2] = bad
    with pytest.raises(DataError, match="logarithmic scale"):
        sheet(images)


def test_an_empty_simulation_and_disagreeing_labels_are_refused():
    with pytest.raises(DataError, match="one above 0"):
        sheet(np.zeros((3, 2, 6, 6), np.float32))
    with pytest.raises(DataError, match=r"\(3, 2, 6, 6\)"):
        contact_sheet(images_of(3, 2), [0.0], ["a", "b"], width_kpc=60.0, unit="", title="")


def history_of(**changed):
    steps, snapshots = np.linspace(0, 100, 11), np.linspace(0, 100, 3)
    arrays = {
        "times_myr": steps,
        "relative_energy_error": -1e-4 * steps,
        "kinetic": 2 + steps / 100,
        "potential": -6 - steps / 100,
        "snapshot_times_myr": snapshots,
        "drift_kpc": snapshots / 1000,
        "separation_kpc": 50 - snapshots / 4,
    }
    return SimulationHistory(**{**arrays, "max_energy_error": 0.01, "max_drift_kpc": 0.1, **changed})


def test_a_history_shows_its_curves_and_limits():
    history = history_of()
    errors, energies, drift, separation = simulation_history(history).axes
    assert errors.get_lines()[0].get_ydata()[1:] == pytest.approx(1e-4 * history.times_myr[1:])
    assert np.isnan(errors.get_lines()[0].get_ydata()[0])
    assert errors.get_lines()[1].get_ydata() == [0.01, 0.01]
    assert errors.get_ylim()[1] > 0.01
    by_name = {line.get_label(): line.get_ydata() for line in energies.get_lines()}
    assert by_name["kinetic"] == pytest.approx(history.kinetic / 4)
    assert by_name["total"] == pytest.approx(-np.ones(11))
    assert drift.get_lines()[1].get_ydata() == [0.1, 0.1]
    assert separation.get_lines()[0].get_ydata() == pytest.approx(history.separation_kpc)


def test_a_history_that_never_errs_can_be_drawn():
    still = history_of(relative_energy_error=np.zeros(11), drift_kpc=np.zeros(3))
    assert figure_to_png(simulation_history(still), 50).startswith(b"\x89PNG")


@pytest.mark.parametrize("changed", [{"kinetic": np.ones(4)}, {"drift_kpc": np.ones(2)}, {"drift_kpc": 0.1}])
def test_a_history_of_unequal_lengths_is_refused(changed):
    with pytest.raises(DataError, match="one value a step"):
        history_of(**changed)
