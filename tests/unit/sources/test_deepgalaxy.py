"""DeepGalaxy's file: every image where it belongs, brightness as it is, and each way to be broken told by name."""

import fcntl
import os
from itertools import pairwise

import h5py
import numpy as np
import pytest

from rhodiff.config.fields import Split
from rhodiff.config.loading import parse_experiment, read_yaml
from rhodiff.config.mergers import DeepGalaxySource
from rhodiff.config.shipped import read_shipped
from rhodiff.errors import ConfigError, DataError
from rhodiff.sources.deepgalaxy import DeepGalaxy
from rhodiff.sources.deepgalaxy_file import list_sequences
from rhodiff.sources.registry import build_source
from rhodiff.sources.source import TEST, TRAIN
from rhodiff.stages.inspection import find_faults, inspect
from rhodiff.stages.prepare import prepare
from rhodiff.stages.workspace import Workspace

RATIOS = [(10.0, 0.5), (0.25, 1.5), (0.25, 0.5), (2.0, 1.0)]
CAMERAS = (0, 3)
TIMES = np.array([310, 300, 305, 600], dtype=np.int16)
"""As the published converter leaves them: in the order in which a folder listed them."""


def image_of(size, mass, camera, t_myr, cells=8, channels=1):
    """Pixels that tell to which image they belong and where they are in it."""
    rows, columns, colours = np.indices((cells, cells, channels))
    return 1 + 1000 * size + 100 * mass + 10 * camera + t_myr / 100 + rows / 8 + columns / 64 + colours / 512


def write_file(path, *, cells=8, channels=1, dtype=np.float32, ratios=RATIOS, cameras=CAMERAS, **options):
    with h5py.File(path, "w") as file:
        for size, mass in ratios:
            group = file.create_group(f"s_{size:g}_m_{mass:g}")
            for camera in cameras:
                images = [image_of(size, mass, camera, t, cells, channels) for t in TIMES]
                group.create_dataset(f"images_camera_{camera:02d}", data=np.array(images, dtype=dtype), **options)
                group.create_dataset(f"t_myr_camera_{camera:02d}", data=TIMES)
    return path


@pytest.fixture
def folder(tmp_path):
    write_file(tmp_path / "mergers.h5", chunks=True, compression="gzip", compression_opts=3)
    return tmp_path


def build(folder, **settings):
    return DeepGalaxy(DeepGalaxySource(file="mergers.h5", **settings), folder)


def everything(source):
    return source.make(0, source.num_fields)


def expected(parameters, **options):
    """Images ``[sample, channel, *space]`` of rows (size, mass, t, camera)."""
    images = [image_of(size, mass, camera, t, **options) for size, mass, t, camera in parameters]
    return np.moveaxis(np.array(images), 3, 1).astype(np.float32)


def change(folder, name, values):
    """Puts another dataset, or with None nothing, in the place of one."""
    with h5py.File(folder / "mergers.h5", "a") as file:
        if name in file:
            del file[name]
        if values is not None:
            file[name] = values


class TestFields:
    def test_order_is_size_mass_camera_by_number_and_then_as_in_the_file(self, folder):
        wanted = [(s, m, t, c) for s, m in sorted(RATIOS) for c in CAMERAS for t in TIMES]
        np.testing.assert_array_equal(everything(build(folder)).parameters, wanted)

    def test_each_image_has_its_own_parameters_and_lies_as_in_the_file(self, folder):
        batch = everything(build(folder))
        np.testing.assert_array_equal(batch.fields, expected(batch.parameters))
        assert batch.valid.all() and batch.fields.dtype == np.float32

    def test_any_split_of_the_work_gives_the_same_fields(self, folder):
        source = build(folder, size=4, t_max_myr=306)
        whole = everything(source)
        for cuts in ([5, 6, 14], range(1, source.num_fields), [0, 0]):
            ends = [0, *cuts, source.num_fields]
            parts = [source.make(start, stop) for start, stop in pairwise(ends)]
            for name in ("fields", "parameters", "valid"):
                joined = np.concatenate([getattr(part, name) for part in parts])
                np.testing.assert_array_equal(joined, getattr(whole, name))

    def test_block_means_keep_the_brightness(self, folder):
        batch = everything(build(folder, size=4))
        full = expected(batch.parameters).astype(np.float64)
        np.testing.assert_allclose(batch.fields, full.reshape(-1, 1, 4, 2, 4, 2).mean((3, 5)), rtol=1e-6)

    @pytest.mark.parametrize("dtype", [np.uint8, np.float16, np.float64])
    def test_values_are_those_of_the_file_whatever_the_group_holds(self, tmp_path, dtype):
        """A faint simulation stays faint beside a bright one; the published loader makes them equal."""
        with h5py.File(tmp_path / "mergers.h5", "w") as file:
            for size, brightness in ((0.5, 3), (1, 255)):
                images = np.full((1, 4, 4, 1), brightness, dtype=dtype)
                images[0, 0, 0, 0] = 0
                file[f"s_{size}_m_1/images_camera_00"] = images
                file[f"s_{size}_m_1/t_myr_camera_00"] = [300.0]
        fields = everything(build(tmp_path)).fields
        assert fields.max((1, 2, 3)).tolist() == [3.0, 255.0] and fields.min() == 0

    def test_colours_are_channels(self, tmp_path):
        write_file(tmp_path / "mergers.h5", channels=3)
        source = build(tmp_path, size=4)
        batch = everything(source)
        assert source.spec.channels == ("r", "g", "b") and batch.fields.shape == (32, 3, 4, 4)
        full = expected(batch.parameters, channels=3).astype(np.float64)
        np.testing.assert_allclose(batch.fields, full.reshape(-1, 3, 4, 2, 4, 2).mean((3, 5)), rtol=1e-6)

    def test_an_image_that_was_never_rendered_is_masked(self, folder):
        with h5py.File(folder / "mergers.h5", "a") as file:
            file["s_0.25_m_0.5/images_camera_03"][2] = 0
        batch = everything(build(folder))
        assert np.flatnonzero(~batch.valid).tolist() == [6]
        assert np.isnan(batch.fields[6]).all() and np.isfinite(batch.fields[batch.valid]).all()
        np.testing.assert_array_equal(batch.parameters[6], [0.25, 0.5, 305, 3])

    def test_spec_is_in_pixels_or_in_kpc(self, folder):
        pixels, kpc = build(folder).spec, build(folder, size=4, width_kpc=120).spec
        assert (pixels.length_unit, pixels.spacing, pixels.shape) == ("pixel", (1.0, 1.0), (8, 8))
        assert (kpc.length_unit, kpc.box_size, kpc.shape) == ("kpc", (120.0, 120.0), (4, 4))
        assert pixels.periodic == (False, False) and pixels.channels == ("value",)

    def test_parameters_have_names_and_units(self, folder):
        parameters = [(parameter.name, parameter.unit) for parameter in build(folder).parameters]
        assert parameters == [("size_ratio", ""), ("mass_ratio", ""), ("t_myr", "Myr"), ("camera", "")]

    def test_the_file_is_the_input(self, folder):
        assert build(folder).input_files == (folder / "mergers.h5",)

    @pytest.mark.skipif(
        "HDF5_USE_FILE_LOCKING" in os.environ, reason="it decides for every file, whatever we ask for"
    )
    def test_no_lock_is_needed_to_read(self, folder):
        """Where a file system has no locks HDF5 would fail to open the file as it does beside somebody's lock."""
        with (folder / "mergers.h5").open("rb") as held:
            fcntl.flock(held, fcntl.LOCK_EX)
            with pytest.raises(BlockingIOError):
                h5py.File(folder / "mergers.h5", "r", locking=True)
            assert everything(build(folder)).valid.all()


class TestChoice:
    def test_ratios_and_cameras_can_be_chosen(self, folder):
        values = everything(build(folder, size_ratios=[0.25], mass_ratios=[1.5 + 1e-7], cameras=[3])).parameters
        assert values.tolist() == [[0.25, 1.5, t, 3] for t in TIMES]

    def test_times_are_between_both_ends_with_these(self, folder):
        source = build(folder, t_min_myr=300, t_max_myr=305)
        batch = everything(source)
        assert source.num_fields == 16 and batch.parameters[:2, 2].tolist() == [300, 305]
        np.testing.assert_array_equal(batch.fields, expected(batch.parameters))

    def test_rows_apart_from_each_other_are_read(self, folder):
        batch = everything(build(folder, t_min_myr=302, t_max_myr=320))
        assert batch.parameters[:2, 2].tolist() == [310, 305]
        np.testing.assert_array_equal(batch.fields, expected(batch.parameters))

    def test_what_is_not_chosen_may_be_broken(self, folder):
        change(folder, "s_10_m_0.5/images_camera_00", np.full((4, 6, 6, 1), np.nan))
        assert build(folder, size_ratios=[0.25, 2]).num_fields == 24
        assert build(folder, cameras=[3]).num_fields == 16


class TestSplit:
    def test_a_simulation_is_one_group(self, folder):
        np.testing.assert_array_equal(build(folder).groups(), np.repeat(np.arange(4), 8))

    def test_simulations_never_straddle_the_split(self, folder):
        parts = build(folder).assign_split(Split(train=0.5, validation=0.25, test=0.25))
        assert sorted(len(set(parts[start : start + 8])) for start in range(0, 32, 8)) == [1] * 4
        assert sorted(parts[::8]) == [0, 0, 1, 2]

    def test_values_held_out_are_the_test_part(self, folder):
        source = build(folder, held_out={"mass_ratio": [1.5], "t_myr": [305]})
        parts = source.assign_split(Split(train=1, validation=0, test=0))
        values = everything(source).parameters
        np.testing.assert_array_equal(parts == TEST, (values[:, 1] == 1.5) | (values[:, 2] == 305))
        assert set(parts) == {TRAIN, TEST}

    @pytest.mark.parametrize(
        ("held_out", "message"),
        [
            ({"mass_ratio": [0.75]}, r"held_out\.mass_ratio: no field has the value 0\.75; the nearest is 0\.5"),
            ({"time": [300]}, r"held_out: no parameter 'time'; .*size_ratio, mass_ratio, t_myr, camera"),
            ({"camera": [0, 3]}, "all 32 fields have one of these values"),
        ],
    )
    def test_what_cannot_be_held_out_is_told_on_opening(self, folder, held_out, message):
        with pytest.raises(ConfigError, match=message):
            build(folder, held_out=held_out)


class TestWrongRequests:
    @pytest.mark.parametrize(
        ("settings", "message"),
        [
            ({"size_ratios": [0.25, 0.3]}, r"data\.source\.size_ratios: .* none with 0\.3; there are 0\.25, 2, 10"),
            ({"mass_ratios": [2]}, r"data\.source\.mass_ratios: .* none with 2; there are 0\.5, 1, 1\.5"),
            ({"cameras": [0, 1]}, r"data\.source\.cameras: .* none with 1; there are 0, 3"),
            ({"size_ratios": [10], "mass_ratios": [1]}, r"no simulation with both .* s_0\.25_m_0\.5, .*s_10_m_0\.5"),
            ({"t_min_myr": 700}, r"t_min_myr, t_max_myr: no image .* 700\.0 and None Myr; .* from 300 to 600 Myr"),
            ({"size": 6}, r"data\.source\.size: 6 does not divide 8 pixels; allowed are \[4, 8\]"),
            ({"size": 16}, r"data\.source\.size: 16 does not divide 8 pixels"),
        ],
    )
    def test_what_the_file_does_not_have_is_told_with_what_it_has(self, folder, settings, message):
        with pytest.raises(ConfigError, match=message):
            build(folder, **settings)

    def test_a_camera_that_one_simulation_lacks_is_not_left_out_in_silence(self, folder):
        for kind in ("images", "t_myr"):
            change(folder, f"s_2_m_1/{kind}_camera_03", None)
        assert build(folder).num_fields == 28
        with pytest.raises(ConfigError, match=r"cameras: s_2_m_1 in .* has no images of camera 3; leave"):
            build(folder, cameras=[0, 3])

    def test_a_missing_file_is_named_with_its_key(self, tmp_path):
        with pytest.raises(ConfigError, match=r"data\.source\.file: no file .*mergers\.h5"):
            build(tmp_path)


class TestBrokenFiles:
    @pytest.mark.parametrize(
        ("name", "values", "message"),
        [
            ("notes", np.zeros(3), r"'notes' is no simulation .* s_<size ratio>_m_<mass ratio>.*remove it"),
            ("s_1_m_2", np.zeros(3), r"'s_1_m_2' is no simulation"),
            ("m_1_s_2/images_camera_00", np.zeros(3), r"'m_1_s_2' is no simulation"),
            ("s_0_m_1/images_camera_00", np.zeros(3), r"'s_0_m_1' is no simulation .* ratios above 0"),
            ("s_1_m_-2/images_camera_00", np.zeros(3), r"'s_1_m_-2' is no simulation"),
            ("s_3_m_3/readme", np.zeros(3), r"group s_3_m_3 holds no images_camera_00"),
            ("s_2_m_1/images_camera_7", np.zeros(3), r"name of 's_2_m_1/images_camera_7' is neither"),
            ("s_2_m_1/t_myr_camera_00", None, r"s_2_m_1/images_camera_00 is there, s_2_m_1/t_myr_camera_00 is not"),
            ("s_2_m_1/images_camera_00", None, r"s_2_m_1/t_myr_camera_00 is there, s_2_m_1/images_camera_00 is not"),
            (
                "s_2_m_1/t_myr_camera_03",
                np.arange(3),
                r"t_myr_camera_03 has the shape \[3\] .*camera_03 holds 4 images",
            ),
            ("s_2_m_1/t_myr_camera_03", [1, 2, np.nan, 4], r"s_2_m_1/t_myr_camera_03 holds NaN or infinite times"),
            ("s_2_m_1/images_camera_03", np.ones((4, 8, 8)), r"images_camera_03 has the shape \[4, 8, 8\]"),
            (
                "s_2_m_1/images_camera_03",
                np.ones((4, 8, 8, 2)),
                r"\[4, 8, 8, 2\] of float64; real numbers \[n, H, W, C\]",
            ),
            ("s_2_m_1/images_camera_03", np.ones((4, 8, 6, 1)), r"\[4, 8, 6, 1\] of float64.* H = W"),
            ("s_2_m_1/images_camera_03", np.ones((0, 8, 8, 1)), r"\[0, 8, 8, 1\].* n and H = W at least 1"),
            ("s_2_m_1/images_camera_03", np.ones((4, 8, 8, 1), complex), r"complex128; real numbers"),
            (
                "s_2_m_1/images_camera_03",
                np.ones((4, 4, 4, 1), np.float32),
                r"s_2_m_1/images_camera_03 has images \[4, 4, 1\] of float32, s_0\.25_m_0\.5/images_camera_00 has "
                r"\[8, 8, 1\] of float32.*leave some out",
            ),
            ("s_2_m_1/images_camera_03", np.ones((4, 8, 8, 1), np.uint8), r"of uint8, .* of float32"),
            ("s_2.0_m_1/images_camera_00", np.ones(3), r"s_2\.0_m_1/images_camera_00 is there"),
        ],
    )
    def test_what_is_not_of_the_layout_is_named(self, folder, name, values, message):
        change(folder, name, values)
        with pytest.raises(DataError, match=message):
            build(folder)

    def test_two_groups_of_one_simulation_are_refused(self, folder):
        change(folder, "s_2.0_m_1/images_camera_00", np.ones((4, 8, 8, 1)))
        change(folder, "s_2.0_m_1/t_myr_camera_00", TIMES)
        with pytest.raises(
            DataError, match=r"(s_2_m_1 and s_2\.0_m_1|s_2\.0_m_1 and s_2_m_1) are the same simulation"
        ):
            build(folder)

    @pytest.mark.parametrize("value", [np.nan, np.inf, 1e39])
    def test_a_value_that_is_no_number_names_its_image(self, tmp_path, value):
        write_file(tmp_path / "mergers.h5", dtype=np.float64)
        with h5py.File(tmp_path / "mergers.h5", "a") as file:
            file["s_0.25_m_1.5/images_camera_03"][1, 2, 3] = value
        source = build(tmp_path)
        assert source.make(0, 13).valid.all()
        with pytest.raises(
            DataError, match=r"s_0\.25_m_1\.5/images_camera_03, image 1 \(t = 300 Myr\) holds 1 values"
        ):
            everything(source)

    def test_chunks_that_were_never_written_are_not_taken_for_black(self, folder):
        change(folder, "s_2_m_1/images_camera_03", None)
        with h5py.File(folder / "mergers.h5", "a") as file:
            images = file["s_2_m_1"].create_dataset("images_camera_03", (4, 8, 8, 1), "f4", chunks=(1, 8, 8, 1))
            images[:3] = 1
        with pytest.raises(DataError, match=r"1 of 4 chunks of s_2_m_1/images_camera_03 were never written"):
            build(folder)

    def test_a_truncated_file_is_refused(self, folder):
        os.truncate(folder / "mergers.h5", (folder / "mergers.h5").stat().st_size - 100)
        with pytest.raises(DataError, match=r"mergers\.h5 cannot be read as \.h5: .*truncated"):
            build(folder)

    @pytest.mark.parametrize("content", [b"", b"hello, this is no HDF5 file"])
    def test_a_file_that_is_no_hdf5_is_refused(self, folder, content):
        (folder / "mergers.h5").write_bytes(content)
        with pytest.raises(DataError, match=r"mergers\.h5 cannot be read as \.h5"):
            build(folder)

    def test_a_file_without_groups_is_refused(self, folder):
        h5py.File(folder / "mergers.h5", "w").close()
        with pytest.raises(DataError, match="holds no images: DeepGalaxy's layout is"):
            list_sequences(folder / "mergers.h5")


def test_the_file_is_prepared_into_a_store(folder, observer):
    with h5py.File(folder / "mergers.h5", "a") as file:
        file["s_2_m_1/images_camera_03"][3] = 0
    settings = {
        "name": "mergers",
        "data": {
            "source": {
                "kind": "deepgalaxy",
                "file": "mergers.h5",
                "size": 4,
                "width_kpc": 60,
                "held_out": {"mass_ratio": [1.5]},
            },
            "split": {"train": 0.67, "validation": 0.33, "test": 0},
            "shard_length": 5,
        },
    }
    workspace = Workspace(parse_experiment(settings, "test"), folder, observer)
    path = prepare(workspace)
    made = everything(build_source(workspace.experiment.data.source, folder))
    store = workspace.store
    np.testing.assert_array_equal(store.fields[:], made.fields)
    np.testing.assert_array_equal(store.parameters, made.parameters)
    np.testing.assert_array_equal(store.valid, made.valid)
    np.testing.assert_array_equal(store.split == TEST, made.parameters[:, 1] == 1.5)
    assert np.flatnonzero(~store.valid).tolist() == [23] and store.spec.box_size == (60.0, 60.0)
    assert "1 failed" in observer.notes[-1]
    assert find_faults(inspect(path)) == []


def test_the_shipped_experiment_reads_the_published_layout(tmp_path):
    experiment = parse_experiment(read_yaml(read_shipped("configs", "paper_b_deepgalaxy"), "shipped"), "shipped")
    ratios = [(size, mass) for size in (0.25, 1.5) for mass in (0.5, 0.75, 1.25)]
    write_file(tmp_path / "output_bw_512.h5", cells=256, ratios=ratios, cameras=range(14), dtype=np.uint8)
    source = build_source(experiment.data.source, tmp_path)
    assert source.num_fields == 6 * 14 * len(TIMES) and source.spec.field_shape == (1, 128, 128)
    assert set(experiment.model.conditioning.parameters) == {parameter.name for parameter in source.parameters}
    parts = source.assign_split(experiment.data.split)
    assert (parts == TEST).sum() == 2 * 14 * len(TIMES) and (parts == TRAIN).sum() == 4 * 14 * len(TIMES)
