"""What is shown: redrawn in place on a terminal, lines now and then elsewhere."""

import io
import json
import sys

import pytest

from rhodiff.cli import console as module
from rhodiff.cli.console import Console
from rhodiff.runtime.heartbeat import Heartbeat, read_heartbeat


class Terminal(io.StringIO):
    def isatty(self):
        return True


@pytest.fixture
def clock(monkeypatch):
    now = [0.0]
    monkeypatch.setattr(module.time, "monotonic", lambda: now[0])
    return now


def test_elsewhere_progress_is_a_line_now_and_then_and_always_the_last(capsys, clock):
    console = Console()
    console.begin("train")
    for step in range(1, 101):
        clock[0] += 1
        console.progress(step, 100, f"loss {step}")
    captured = capsys.readouterr()
    lines = captured.err.splitlines()
    assert captured.out == ""
    assert lines[0].split() == ["train", "1/100", "loss", "1"]
    assert lines[-1].split() == ["train", "100/100", "loss", "100"]
    assert 6 <= len(lines) <= 9
    assert "\x1b" not in captured.err


def test_a_new_stage_shows_its_first_step(capsys, clock):
    console = Console()
    console.begin("prepare")
    console.progress(1, 10, "")
    console.begin("train")
    console.progress(1, 10, "")
    assert [line.split()[0] for line in capsys.readouterr().err.splitlines()] == ["prepare", "train"]


def test_on_a_terminal_progress_is_redrawn_and_a_note_gets_its_own_line(monkeypatch, clock):
    terminal = Terminal()
    monkeypatch.setattr(sys, "stderr", terminal)
    console = Console()
    console.begin("train")
    console.progress(1, 10, "a")
    clock[0] += 1
    console.progress(2, 10, "b")
    console.note("saved")
    console.progress(10, 10, "c")
    text = terminal.getvalue()
    assert text.count("\r\x1b[2K") == 3
    assert "b\nsaved\n" in text
    assert text.endswith("c\n")


def test_quiet_shows_warnings_and_results_only(capsys):
    console = Console(quiet=True)
    console.note("note")
    console.progress(10, 10, "")
    console.warn("careful")
    console.result("done", {})
    captured = capsys.readouterr()
    assert (captured.out, captured.err) == ("done\n", "warning: careful\n")


def test_a_json_result_has_the_warnings(capsys):
    console = Console(as_json=True)
    console.warn("careful")
    console.result("for people", {"a": 1})
    assert json.loads(capsys.readouterr().out) == {"schema": 1, "a": 1, "warnings": ["careful"]}


def test_a_quiet_console_keeps_its_heartbeat(tmp_path, capsys):
    Console(quiet=True, heartbeat=Heartbeat(tmp_path / "h")).progress(3, 10, "loss 1")
    assert read_heartbeat(tmp_path / "h").done == 3
    assert capsys.readouterr().err == ""
