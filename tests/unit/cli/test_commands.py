"""Commands on a real small experiment: results for people and programs, dry runs, processes side by side."""

import subprocess
import sys

import pytest
import torch

from rhodiff.config.shipped import read_shipped, shipped_names


def tree(folder):
    return {path: path.stat().st_mtime_ns for path in folder.rglob("*")}


def test_preparing_shows_the_folder_and_says_when_it_was_done_before(call, folder):
    first = call("run", "prepare")
    assert first.code == 0
    (prepared,) = (folder / "data").iterdir()
    assert first.out == f"{prepared}\n"
    assert "16 fields (11 train, 3 validation, 2 test)" in first.err
    again = call("run", "prepare")
    assert again.out == first.out
    assert "done before" in again.err


def test_quiet_shows_results_only(call, folder):
    ended = call("run", "prepare", "-q")
    assert ended.err == ""
    assert ended.out.count("\n") == 1


def test_overrides_reach_the_experiment(call, folder):
    call("run", "prepare", "--set", "data.shard_length=16", "--set", "paths.data=elsewhere")
    (prepared,) = (folder / "elsewhere").iterdir()
    assert len(list((prepared / "markers").glob("shard-*"))) == 1


def test_the_experiment_may_lie_elsewhere_and_paths_start_there(call, folder, monkeypatch, tmp_path_factory):
    monkeypatch.chdir(tmp_path_factory.mktemp("other"))
    call("run", "prepare", "-c", folder / "rhodiff.yaml")
    assert (folder / "data").exists()


@pytest.mark.parametrize("words", [["prepare"], ["pipeline"], ["train"], ["sample"]])
def test_a_dry_run_changes_nothing_at_all(call, folder, words):
    call("run", "prepare", "--part", "0/2")
    before = tree(folder)
    ended = call("run", *words, "--dry-run")
    assert ended.code == 0
    assert "tasks to do" in ended.out
    assert tree(folder) == before
    plans = call("run", *words, "--dry-run", "--json").value["plan"]
    assert plans[0]["stage"] == ("prepare" if words == ["pipeline"] else words[0])
    assert tree(folder) == before


def test_json_is_one_value_with_a_schema_and_warnings(call, folder):
    prepared = call("run", "prepare", "--json").value
    data = prepared["data"]
    values = [
        prepared,
        call("run", "prepare", "--json").value,
        call("run", "pipeline", "--dry-run", "--json").value,
        call("data", "info", data, "--json").value,
        call("data", "verify", data, "--json").value,
        call("data", "repair", data, "--json").value,
        call("data", "plot", data, "-o", "plot.png", "--json").value,
        call("init", "--json").value,
        call("init", "demo", "-o", "demo.yaml", "--json").value,
    ]
    for value in values:
        assert value["schema"] == 1
        assert value["warnings"] == []
    assert values[0]["identity"] in data
    assert values[3]["num_fields"] == 16
    assert values[3]["split"] == {"train": 11, "validation": 3, "test": 2}
    assert values[3]["parameters"]["l"] == {"unit": "", "range": [0.0, 3.0]}
    assert values[3]["spec"]["shape"] == [8, 8, 8]
    assert values[4] == {"schema": 1, "path": data, "num_shards": 4, "faults": [], "failures": [], "warnings": []}
    assert values[5]["repaired"] == []


def test_info_tells_people_what_a_store_holds(call, folder):
    data = call("run", "prepare").out.strip()
    text = call("data", "info", data).out
    assert "16 fields of 8 x 8 x 8 cells" in text
    assert "train 11, validation 3, test 2" in text
    assert "l 0 .. 3" in text


def test_verify_ends_with_1_and_names_the_shard_and_repair_mends_it(call, folder):
    data = call("run", "prepare").out.strip()
    assert "4 of 4 shards are sound" in call("data", "verify", data).out
    (folder / data / "fields.zarr/fields/c.2.0.0.0.0").write_bytes(b"")
    (folder / data / "markers/done.json").unlink()
    ended = call("data", "verify", data)
    assert ended.code == 1
    assert "shard 2: fields.zarr/fields/c.2.0.0.0.0 has 0 bytes" in ended.out
    assert "store: not finished (no marker done.json)" in ended.out
    assert "3 of 4 shards are sound" in ended.out
    faults = call("data", "verify", data, "--json").value["faults"]
    assert [fault["shard"] for fault in faults] == [2, None]
    assert "1 shards made again" in call("data", "repair", data).out
    assert call("data", "verify", data).code == 0


def test_plot_draws_a_png_and_refuses_a_channel_that_is_not_there(call, folder):
    data = call("run", "prepare").out.strip()
    assert call("data", "plot", data, "-o", "a.png").out == "a.png\n"
    assert (folder / "a.png").read_bytes().startswith(b"\x89PNG")
    refused = call("data", "plot", data, "--channel", "1")
    assert refused.code == 2
    assert "--channel 1" in refused.err


def test_plot_does_not_draw_a_damaged_shard_as_if_it_were_sound(call, folder):
    data = call("run", "prepare").out.strip()
    (folder / data / "fields.zarr/fields/c.0.0.0.0.0").write_bytes(b"")
    refused = call("data", "plot", data, "-o", "a.png")
    assert refused.code == 2
    assert "damaged" in refused.err
    assert not (folder / "a.png").exists()


def test_plot_draws_what_there_is_of_an_unfinished_store(call, folder):
    data = call("run", "prepare", "--part", "0/2").out.strip()
    assert call("data", "plot", data, "-o", "a.png").code == 0
    empty = call("run", "prepare", "--part", "4/5", "--set", "data.shard_length=8").out.strip()
    assert "nothing to draw" in call("data", "plot", empty).err


def test_init_lists_what_is_shipped_with_a_headline(call, folder):
    text = call("init").out
    for name in shipped_names("configs"):
        assert name in text
    assert call("init", "--json").value["configs"]["demo"] == read_shipped("configs", "demo").splitlines()[0].lstrip(
        "# "
    )


def test_init_copies_word_for_word_and_never_overwrites(call, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    assert call("init", "tiny_harmonics").code == 0
    target = tmp_path / "rhodiff.yaml"
    assert target.read_text() == read_shipped("configs", "tiny_harmonics")
    refused = call("init", "demo")
    assert refused.code == 2
    assert "exists already" in refused.err
    assert target.read_text() == read_shipped("configs", "tiny_harmonics")
    assert call("init", "demo", "-o", "other.yaml").code == 0
    assert call("run", "pipeline", "--dry-run").code == 0


def test_init_of_an_unknown_name_writes_nothing(call, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    ended = call("init", "nothing")
    assert ended.code == 2
    assert "tiny_harmonics" in ended.err
    assert list(tmp_path.iterdir()) == []


def test_a_failing_process_ends_the_command_with_its_code(folder):
    """The children find what the parent could not know: their folder is taken by a file meanwhile."""
    (folder / "data").touch()
    command = [sys.executable, "-m", "rhodiff.cli", "run", "prepare", "--procs", "2"]
    ended = subprocess.run(command, capture_output=True, text=True, check=False, cwd=folder)
    assert (ended.returncode, ended.stdout) == (1, "")
    assert "a file stands where a folder is needed" in ended.stderr


@pytest.mark.parametrize("command", ["run", "submit"])
def test_a_backend_is_for_what_trains_and_has_a_known_name(call, folder, command):
    ended = call(command, "sample", "--backend", "gloo")
    assert ended.code == 2
    assert "--backend has no effect on 'sample', only on train and pipeline" in ended.err
    ended = call(command, "train", "--backend", "pigeons")
    assert ended.code == 2
    assert "runtime.backend" in ended.err
    assert "'oneccl'" in ended.err


def test_a_backend_that_is_demanded_and_absent_ends_with_5_before_anything_is_written(call, folder, monkeypatch):
    monkeypatch.setenv("CCL_ROOT", str(folder / "no-oneccl"))
    before = sorted(folder.rglob("*"))
    ended = call("run", "train", "--set", "runtime.device=cpu", "--backend", "oneccl")
    assert ended.code == 5
    assert "runtime.backend 'oneccl' was asked for" in ended.err
    assert f"CCL_ROOT is {folder / 'no-oneccl'}" in ended.err
    ended = call("run", "train", "--set", "runtime.device=cpu", "--backend", "xccl")
    assert ended.code == 2
    assert "'xccl' does not carry tensors on device 'cpu'" in ended.err
    assert sorted(folder.rglob("*")) == before


@pytest.mark.skipif(torch.distributed.is_xccl_available(), reason="this torch has xccl")
def test_an_xpu_is_never_replaced_by_something_else(call, folder):
    ended = call("run", "train", "--set", "runtime.device=xpu", "--backend", "oneccl")
    assert ended.code == 5
    assert "runtime.device 'xpu' was asked for, and it cannot be used: torch" in ended.err
