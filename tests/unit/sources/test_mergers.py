"""Images of mergers: in which order, of what, and nothing is simulated that was."""

from dataclasses import replace

import numpy as np
import pytest
from merger_sources import SOURCE, make_all, mergers, spoilt_stand_in

from rhodiff.config.fields import Split
from rhodiff.errors import ConfigError, DataError, EnvironmentLacksError
from rhodiff.jobs.progress_files import fingerprint
from rhodiff.simulation.camera import Camera, fixed_camera
from rhodiff.simulation.rendering import Frame, Renderer
from rhodiff.simulation.units import MASS_MSUN, TIME_MYR
from rhodiff.sources.source import TEST, TRAIN, VALIDATION

TRUE_MYR = (0.0, 9.778145, 24.4453625)
"""0, 1 and 2.5 units: snapshots are 2^-1 units = 4.89 Myr apart, so that none is more than 2.5 Myr from a time."""


@pytest.fixture(scope="module")
def made(tmp_path_factory):
    """The source, its folder, and all its fields."""
    folder = tmp_path_factory.mktemp("mergers")
    source = mergers(folder)
    batch, started = make_all(source)
    return folder, source, batch, started


def column(source, batch, name):
    return batch.parameters[:, [parameter.name for parameter in source.parameters].index(name)]


def test_fields_are_counted_by_simulation_time_and_camera(made):
    _, source, batch, started = made
    assert source.num_fields == len(batch.fields) == 4 * 3 * 2
    assert source.fields_together == 6
    assert source.spec.field_shape == batch.fields.shape[1:] == (2, 16, 16)
    assert batch.valid.all() and np.isfinite(batch.fields).all()
    assert len(started) == len(set(started)) == 4
    assert column(source, batch, "mass_ratio").tolist() == [0.5] * 12 + [1.0] * 12
    assert column(source, batch, "seed").tolist() == ([1] * 6 + [2] * 6) * 2
    np.testing.assert_allclose(column(source, batch, "t_myr"), np.tile(np.repeat(TRUE_MYR, 2), 4), rtol=1e-12)
    assert column(source, batch, "camera").tolist() == [3, 14] * 12
    assert source.groups().tolist() == np.repeat(np.arange(4), 6).tolist()


def test_parameters_have_their_units_and_the_cameras_their_directions(made):
    _, source, batch, _ = made
    units = {parameter.name: parameter.unit for parameter in source.parameters}
    assert {name for name, unit in units.items() if unit == "kpc"} == {"pericentre_kpc", "separation_kpc"}
    angles = {"inc1_deg", "omega1_deg", "inc2_deg", "omega2_deg", "polar_deg", "azimuth_deg", "roll_deg"}
    assert {name for name, unit in units.items() if unit == "deg"} == angles
    assert units["t_myr"] == "Myr" and units["mass_ratio"] == "" and source.spec.length_unit == "kpc"
    assert set(column(source, batch, "separation_kpc")) == {40.0} and set(column(source, batch, "eccentricity")) == {
        1
    }
    assert column(source, batch, "polar_deg")[:2].tolist() == [pytest.approx(60.0), 90.0]  # cos t = 1 - 7 / 14
    assert column(source, batch, "roll_deg")[:2].tolist() == [0, 10]
    view = np.array([column(source, batch, f"view_{axis}")[1] for axis in "xyz"])
    np.testing.assert_allclose(view, [0.5**0.5, 0.5**0.5, 0], atol=1e-15)


def test_times_are_of_the_grid_of_snapshots_and_within_the_tolerance(tmp_path):
    asked = {"start": 300, "stop": 350, "step": 5}
    for tolerance_myr in (2.5, 1.0, 0.3):
        times = mergers(tmp_path, images={"times_myr": asked, "time_tolerance_myr": tolerance_myr}).times
        steps = np.array(times.times) / times.interval
        assert (steps == np.round(steps)).all() and times.interval / 0.125 in {1, 2, 4}
        apart = np.abs(np.array(times.times) * TIME_MYR - np.arange(300, 351, 5))
        assert apart.max() <= max(tolerance_myr, 0.125 * TIME_MYR / 2)


def test_an_image_is_the_renderers_of_the_snapshot_with_its_camera(made):
    _, source, batch, _ = made
    cameras = fixed_camera(3), Camera(90, 45, 10)
    for simulation in (0, 3):
        for number, snapshot in enumerate(source.snapshots(simulation)):
            assert snapshot.time * TIME_MYR == pytest.approx(TRUE_MYR[number])
            renderer = Renderer(snapshot, Frame(80.0, 16), ("stars", "dark"), 32)
            for k, camera in enumerate(cameras):
                field = batch.fields[(simulation * 3 + number) * 2 + k]
                np.testing.assert_array_equal(field.swapaxes(-1, -2), renderer.render(camera).pixels)


def test_another_frame_needs_no_new_simulation_and_holds_all_the_mass(made):
    folder, source, _, _ = made
    wide = mergers(folder, images={"width_kpc": 4000, "cameras": [0, 5, 9]})
    batch, started = make_all(wide)
    assert started == []
    masses = batch.fields.sum(axis=(2, 3), dtype=np.float64) * (4000 / 16) ** 2
    for simulation, mass_ratio in ((0, 0.5), (2, 1.0)):
        snapshot = next(source.snapshots(simulation))
        held = [
            part.masses.sum(dtype=np.float64) * MASS_MSUN
            for part in (snapshot.stars, snapshot.select(np.flatnonzero(snapshot.is_dark)))
        ]
        np.testing.assert_allclose(masses[simulation * 9 : simulation * 9 + 9], [held] * 9, rtol=1e-5)
        assert held[0] == pytest.approx(5e10 * (1 + mass_ratio), rel=0.02)  # a particle is 0.3 % of a galaxy


@pytest.mark.parametrize("parts", [[(6, 12), (0, 6)], [(12, 24), (0, 12)]])
def test_fields_do_not_depend_on_the_parts_they_were_made_in(parts, made, tmp_path):
    source = mergers(tmp_path)
    for start, stop in parts:
        batch = source.make(start, stop)
        np.testing.assert_array_equal(batch.fields, made[2].fields[start:stop])
        np.testing.assert_array_equal(batch.parameters, made[2].parameters[start:stop])


def test_a_second_time_nothing_is_simulated_and_all_is_the_same(made):
    folder, source, batch, _ = made
    before = [source.folder_of(number).read_record() for number in range(4)]
    again, started = make_all(mergers(folder))
    assert started == []
    np.testing.assert_array_equal(again.fields, batch.fields)
    assert [source.folder_of(number).read_record() for number in range(4)] == before
    assert [fact["created"] for fact in again.facts["simulations"]] == [record.created for record in before]


def test_a_grid_that_grows_simulates_the_new_points_only(made):
    folder, _, batch, _ = made
    grown = mergers(folder, grid={"mass_ratio": [0.25, 0.5, 1.0], "seed": [1, 2]})
    text = grown.describe_work()
    assert "6 simulations (4 there already) of 300 particles in 20 steps, 3 times x 2 cameras each" in text
    assert "core hours" in text and "measured on 4 of them" in text
    fields, started = make_all(grown)
    assert started == [grown.folder_of(number).key for number in (0, 1)]
    np.testing.assert_array_equal(fields.fields[12:], batch.fields)
    assert "core hours" not in grown.describe_work()


@pytest.mark.parametrize(
    "change",
    [
        {"engine": {"time_step": 0.0625}},
        {"engine": {"theta": 0.5}},
        {"engine": {"max_energy_error": 0.04}},
        {"engine": {"max_drift_kpc": 2.0}},
        {"engine": {"softening_kpc": 0.6}},
        {"particles": 151},
        {"galaxy": {"toomre_q": 1.5}},
        {"images": {"times_myr": [0, 12, 40]}},
        {"grid": {"eccentricity": 0.9}},
    ],
)
def test_whatever_changes_the_particles_or_whether_they_count_changes_the_key(change, made):
    changed = mergers(made[0], **change)
    assert not {changed.folder_of(n).key for n in range(4)} & {made[1].folder_of(n).key for n in range(4)}


@pytest.mark.parametrize("change", [{"engine": {"timeout_min": 9}}, {"images": {"size": 8}}, {"scratch": "/tmp"}])
def test_what_does_not_change_the_particles_does_not_change_the_key(change, made):
    changed = mergers(made[0], **change)
    assert [changed.folder_of(n).key for n in range(4)] == [made[1].folder_of(n).key for n in range(4)]


def test_images_alone_are_kept_where_that_is_asked_for(made, tmp_path):
    source = mergers(tmp_path, keep_snapshots=False)
    batch, started = make_all(source)
    assert len(started) == 4
    np.testing.assert_array_equal(batch.fields, made[2].fields)
    names = sorted(path.name.split("-")[0] for path in source.folder_of(0).path.iterdir())
    assert names == ["engine.log", "images", "record.json"]
    assert make_all(source)[1] == []
    other = mergers(tmp_path, keep_snapshots=False, images={"cameras": [7]})
    first, started = make_all(other)
    assert len(started) == 4  # nothing is left to take other images of
    assert make_all(other)[1] == [] and make_all(source)[1] == []
    np.testing.assert_array_equal(make_all(source)[0].fields, batch.fields)
    np.testing.assert_array_equal(first.fields, make_all(mergers(made[0], images={"cameras": [7]}))[0].fields)


@pytest.fixture
def spoilt(tmp_path, monkeypatch):
    """A source whose engine spoils the second of four simulations."""
    executable = spoilt_stand_in(tmp_path)
    source = mergers(tmp_path, engine={"kind": "bonsai", "executable": str(executable)})
    monkeypatch.setenv("SPOILT", source.folder_of(1).key)
    return source


def test_a_simulation_that_fails_is_masked_and_the_others_are_whole(spoilt, monkeypatch):
    batch = spoilt.make(0, spoilt.num_fields)
    assert batch.valid.tolist() == [True] * 6 + [False] * 6 + [True] * 12
    assert np.isnan(batch.fields[6:12]).all() and np.isfinite(batch.fields[batch.valid]).all()
    assert np.isfinite(batch.parameters).all()
    (told,) = batch.failures
    for words in ("mass_ratio = 0.5", "seed = 2", "missing_snapshot", "failed-2.log", "--snapname", "exit code 0"):
        assert words in told
    assert [fact["status"] for fact in batch.facts["simulations"]] == ["done", "failed", "done", "done"]
    monkeypatch.delenv("SPOILT")
    again = spoilt.make(0, spoilt.num_fields)
    assert again.valid.tolist() == batch.valid.tolist()  # it stands until it is forgotten
    spoilt.forget_failures()
    whole, started = make_all(spoilt)
    assert whole.valid.all() and set(started) <= {spoilt.folder_of(1).key}
    np.testing.assert_array_equal(whole.fields[batch.valid], batch.fields[batch.valid])


def test_damaged_particles_are_one_clear_error_and_never_fields(made, tmp_path):
    source = mergers(tmp_path)
    source.make(0, 6)
    path = source.folder_of(0).particles
    content = bytearray(path.read_bytes())
    content[len(content) // 2] ^= 1
    path.write_bytes(content)
    with pytest.raises(DataError, match=r"particles\.zip is not what its record vouches for"):
        source.make(0, 6)
    path.unlink()
    np.testing.assert_array_equal(source.make(0, 6).fields, made[2].fields[:6])


def test_groups_never_straddle_parts(made):
    split = made[1].assign_split(Split(train=0.5, validation=0.25, test=0.25))
    per_simulation = split.reshape(4, 6)
    assert (per_simulation == per_simulation[:, :1]).all()
    assert sorted(per_simulation[:, 0].tolist()) == [TRAIN, TRAIN, VALIDATION, TEST]


def test_held_out_values_are_the_test_part(made):
    folder, source, batch, _ = made
    split = Split(train=0.5, validation=0.5, test=0)
    by_mass = mergers(folder, held_out={"mass_ratio": [0.5]}).assign_split(split)
    assert ((by_mass == TEST) == (column(source, batch, "mass_ratio") == 0.5)).all()
    by_time = mergers(folder, held_out={"t_myr": [25]}).assign_split(split)
    np.testing.assert_array_equal(by_time == TEST, column(source, batch, "t_myr") > 20)
    with pytest.raises(ConfigError, match=r"held_out\.t_myr: no image is taken at 18 Myr, the nearest is at 24\.45"):
        mergers(folder, held_out={"t_myr": [18]}).assign_split(split)


def test_the_spec_says_what_is_seen(tmp_path):
    source = mergers(tmp_path, images={"channels": ["stars", "velocity"]})
    assert source.spec.channels == ("stars", "velocity")
    assert source.spec.unit == "Msun/kpc^2, km/s"
    assert source.spec.spacing == (5.0, 5.0) and source.spec.periodic == (False, False)
    assert "treegrav" in source.provenance["engine"]
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"grid": {"mass_ratio": [0.5, 0]}}, r"grid\.mass_ratio has the value 0"),
        ({"grid": {"size_ratio": -1}}, r"grid\.size_ratio has the value -1"),
        ({"grid": {"seed": 1.5}}, r"grid\.seed has the value 1\.5"),
        ({"grid": {"mass_ratio": [1, 1]}}, r"grid\.mass_ratio has 1 more than once"),
        ({"grid": {"pericentre_kpc": 50}}, "pericentre"),
        ({"engine": {"time_step": 0.1}}, r"time_step 0\.1 is not 2\^-k.*take 0\.125"),
        ({"images": {"times_myr": [0]}}, "only time 0 is asked for"),
        ({"images": {"times_myr": [20, 20.1]}}, "fall on one step"),
        ({"particles": {"dark": 100, "disc": 50, "bulge": 0}}, r"particles\.bulge is 0, but the galaxy has a bulge"),
    ],
)
def test_settings_that_make_no_sense_are_refused_before_anything_is_written(changes, message, tmp_path):
    with pytest.raises(ConfigError, match=message):
        mergers(tmp_path, **changes)
    assert not list(tmp_path.iterdir())


def test_an_engine_that_is_not_there_or_may_not_be_executed_is_named(tmp_path):
    with pytest.raises(EnvironmentLacksError, match=r"'.*nowhere' is not there"):
        mergers(tmp_path, engine={"kind": "bonsai", "executable": str(tmp_path / "nowhere")})
    (tmp_path / "plain").write_text("")
    with pytest.raises(EnvironmentLacksError, match="may not be executed"):
        mergers(tmp_path, engine={"kind": "bonsai", "executable": "plain"})


@pytest.mark.parametrize("place", ["archive", "scratch"])
def test_a_path_that_bonsai_cannot_hold_is_refused_before_anything_is_run(place, tmp_path, monkeypatch):
    bonsai = {"engine": {"kind": "bonsai", "executable": str(spoilt_stand_in(tmp_path))}}
    deep = tmp_path / "/".join(["x" * 60] * 4)
    with pytest.raises(ConfigError, match=r"has \d+ characters; Bonsai's buffers hold paths under 256"):
        mergers(tmp_path, **bonsai, **{place: str(deep)})
    mergers(tmp_path, **{place: str(deep)})  # the embedded engine opens any path
    monkeypatch.delenv("NODE_DISK", raising=False)
    mergers(tmp_path, **bonsai, archive=str(deep), scratch="$NODE_DISK/x")  # known on its node alone
    monkeypatch.setenv("NODE_DISK", str(deep))
    with pytest.raises(ConfigError, match="256"):
        mergers(tmp_path, **bonsai, scratch="$NODE_DISK/x")


def test_a_path_that_just_fits_gives_images_and_one_more_character_is_refused(tmp_path):
    bonsai = {"engine": {"kind": "bonsai", "executable": str(spoilt_stand_in(tmp_path))}}
    key = mergers(tmp_path, **bonsai).folder_of(0).key
    longest = f"/{key}/work-0.0625/snapshot_00002.5000-0"
    room = 255 - len(longest) - len(str(tmp_path)) - 1
    archive = "/".join(["y" * 40] * 9)[:room].rstrip("/")
    archive += "z" * (room - len(archive))
    source = mergers(tmp_path, **bonsai, archive=archive)
    assert source.make(0, 6).valid.all()
    with pytest.raises(ConfigError, match="has 256 characters"):
        mergers(tmp_path, **bonsai, archive=f"{archive}z")


def test_records_tell_what_made_them(made):
    record = made[1].folder_of(0).read_record()
    assert record.point == {**record.point, "mass_ratio": 0.5, "size_ratio": 0.75, "seed": 1, "eccentricity": 1.0}
    assert replace(record, status="failed").describe_failure(made[0])
    assert SOURCE["engine"]["max_energy_error"] >= record.energy_error


def test_snapshots_at_work_and_finished_simulations_are_progress(tmp_path):
    """Of what stands in the archive while a simulation is run."""
    source = mergers(tmp_path)
    folder = source.folder_of(0)
    work = folder.path / "work-0.125"
    work.mkdir(parents=True)
    seen = [fingerprint(source.progress_globs)]
    for path in (folder.lock, work / "engine.log", work / "initial.tipsy"):  # of every attempt, however short
        path.touch()
        assert fingerprint(source.progress_globs) == seen[-1]
    for path in (work / "snapshot_00000.5000-0", folder.path / "record.json"):
        path.touch()
        seen.append(fingerprint(source.progress_globs))
    assert len(set(seen)) == 3
