"""Exit codes and where words go: results on stdout, all else on stderr, one message for an error of ours."""

import subprocess
import sys

import pytest
import torch

from rhodiff.cli import app as cli_app
from rhodiff.errors import (
    ConfigError,
    DataError,
    EnvironmentLacksError,
    PeerEndedError,
    RhodiffError,
    RunBusyError,
    StoppedEarly,
)

HAS_ACCELERATOR = torch.accelerator.current_accelerator(check_available=True) is not None


@pytest.mark.parametrize(
    ("error", "code"),
    [
        (RhodiffError("why"), 1),
        (RunBusyError("why"), 1),
        (ConfigError("why"), 2),
        (DataError("why"), 2),
        (EnvironmentLacksError("why"), 5),
        (StoppedEarly("why"), 75),
    ],
)
def test_an_error_of_ours_is_one_message_and_its_code(call, monkeypatch, error, code):
    def fail():
        raise error

    monkeypatch.setattr(cli_app, "app", fail)
    ended = call()
    assert (ended.code, ended.out) == (code, "")
    assert ended.err in ("error: why\n", "why\n")
    assert ended.err.startswith("error") == (code != 75)


def test_a_process_that_ends_with_its_peers_says_nothing(call, monkeypatch):
    def fail():
        raise PeerEndedError(75)

    monkeypatch.setattr(cli_app, "app", fail)
    assert (call().code, call().err) == (75, "")


def test_an_error_of_another_kind_is_not_hidden(call, monkeypatch):
    def fail():
        raise ZeroDivisionError

    monkeypatch.setattr(cli_app, "app", fail)
    with pytest.raises(ZeroDivisionError):
        call()


@pytest.mark.parametrize(
    "words", [["--help"], ["--version"], ["run", "--help"], ["data", "--help"], ["init", "--help"]]
)
def test_help_and_version_are_results(call, words):
    ended = call(*words)
    assert ended.code == 0
    assert "rhodiff" in ended.out
    assert ended.err == ""


@pytest.mark.parametrize(
    "words",
    [
        ["nonsense"],
        ["run"],
        ["run", "nonsense"],
        ["run", "prepare", "--nonsense"],
        ["run", "prepare", "--procs", "0"],
        ["run", "prepare", "--procs", "two"],
        ["data", "nonsense"],
        ["data", "verify"],
    ],
)
def test_wrong_usage_ends_with_2(call, folder, words):
    ended = call(*words)
    assert (ended.code, ended.out) == (2, "")
    assert ended.err


@pytest.mark.parametrize(
    ("words", "code", "reason"),
    [
        (["run", "prepare", "-c", "none.yaml"], 2, "rhodiff-hpc init"),
        (["run", "prepare", "--set", "data.source.sise=8"], 2, "did you mean 'size'"),
        (["run", "prepare", "--set", "data.source={kind: camels, fields: a.npy, parameters: p.txt}"], 2, "a.npy"),
        (["run", "train"], 2, "rhodiff-hpc run prepare"),
        (["run", "prepare", "--set", "paths.data=rhodiff.yaml"], 1, "a file stands where a folder is needed"),
        (["run", "pipeline", "--set", "sampling.samplers=[haun]"], 2, "did you mean 'heun'"),
        (["data", "info", "none"], 2, "no store of fields"),
        (["data", "verify", "rhodiff.yaml"], 2, "no store of fields"),
    ],
)
def test_what_is_wrong_is_said_on_stderr_and_leaves_nothing(call, folder, words, code, reason):
    ended = call(*words)
    assert (ended.code, ended.out) == (code, "")
    assert ended.err.startswith("error: ")
    assert reason in ended.err
    assert [path.name for path in folder.iterdir()] == ["rhodiff.yaml"]


@pytest.mark.skipif(HAS_ACCELERATOR, reason="this machine has an accelerator")
def test_a_device_that_is_not_there_ends_with_5(call, folder):
    for stage in ("train", "pipeline"):
        ended = call("run", stage, "--set", "runtime.device=cuda")
        assert ended.code == 5
        assert "runtime.device 'cuda'" in ended.err


@pytest.mark.parametrize(
    ("words", "reason"),
    [
        (["run", "train", "--part", "0/2"], "--part has no effect on 'train'"),
        (["run", "report", "--part", "0/2"], "--part has no effect"),
        (["run", "pipeline", "--part", "0/2"], "--part has no effect"),
        (["run", "report", "--procs", "2"], "--procs has no effect"),
        (["run", "sample", "--dry-run", "--part", "0/2"], "no effect on --dry-run"),
        (["run", "prepare", "--part", "0/2", "--procs", "2"], "exclude each other"),
        (["run", "prepare", "--part", "2/2"], "0 <= K < N"),
        (["run", "train", "--workflow", "pipeline"], "--workflow has no effect on 'train'"),
        (["run", "pipeline", "--workflow", "none"], "'none'"),
        (["run", "pipeline", "--workflow", "none", "--dry-run"], "'none'"),
    ],
)
def test_options_without_effect_are_refused(call, folder, words, reason):
    ended = call(*words)
    assert ended.code == 2
    assert reason in ended.err
    assert not (folder / "data").exists()


@pytest.mark.parametrize("words", [["prepare"], ["sample"], ["pipeline"], ["train", "--procs", "2"]])
def test_processes_of_a_launcher_do_not_repeat_each_others_work(call, folder, monkeypatch, words):
    for name, value in {"RANK": "0", "WORLD_SIZE": "4", "MASTER_ADDR": "localhost", "MASTER_PORT": "1"}.items():
        monkeypatch.setenv(name, value)
    ended = call("run", *words)
    assert ended.code == 2
    assert "started 4 processes" in ended.err


def test_the_console_script_is_the_module(folder):
    command = [sys.executable, "-m", "rhodiff.cli", "run", "nonsense"]
    ended = subprocess.run(command, capture_output=True, text=True, check=False)
    assert ended.returncode == 2
    assert "nonsense" in ended.stderr


def test_the_list_of_commands_is_not_cut_off(call):
    ended = call("--help")
    commands = ended.out.partition("Commands:")[2].splitlines()[1:]
    assert len(commands) > 10
    assert not [line for line in commands if line.endswith("...") or len(line) > 78]
