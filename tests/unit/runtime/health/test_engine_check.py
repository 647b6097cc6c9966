"""The container engine as it is here, and each way in which it can be lacking."""

import shutil
import subprocess

import pytest

from rhodiff.runtime.containers import CONTAINER, EngineProbe
from rhodiff.runtime.health import engine


def test_what_is_said_is_what_is_here():
    (result,) = engine.check_engine({})
    path = shutil.which("apptainer")
    if path is None:
        assert result.state == "absent"
        assert "only jobs in containers need it" in result.found
    else:
        version = subprocess.run([path, "--version"], capture_output=True, text=True, check=True).stdout.split()[-1]
        assert f"{version} at {path}" in result.found


@pytest.mark.parametrize(
    ("probe", "state", "words"),
    [
        (EngineProbe(None, problem="there is no engine", fix="install it"), "absent", "there is no engine"),
        (EngineProbe("/a", "1.4", problem="no namespaces", fix="ask for them"), "warning", "no namespaces"),
        (EngineProbe("/a", "1.4", can_run=True, can_run_post=True), "ok", "runs and builds images"),
        (
            EngineProbe("/a", "1.4", ("--no-privs",), can_run=True, problem="root lacks 2", fix="build elsewhere"),
            "ok",
            "runs images; root lacks 2, so build elsewhere (with --no-privs)",
        ),
    ],
)
def test_each_lack_has_its_state_and_its_fix(monkeypatch, probe, state, words):
    monkeypatch.setattr(engine, "probe_engine", lambda: probe)
    (result,) = engine.check_engine({})
    assert (result.name, result.state) == ("apptainer", state)
    assert words in result.found
    assert state == "ok" or result.fix == probe.fix


def test_an_empty_path_has_no_engine(monkeypatch, tmp_path):
    monkeypatch.setenv("PATH", str(tmp_path))
    (result,) = engine.check_engine({})
    assert result.state == "absent"
    assert result.fix


@pytest.mark.parametrize(
    ("environment", "words"),
    [
        (
            {CONTAINER: '{"image": "/i.sif", "sha256": "0123456789abcdef", "engine": "apptainer 1.4"}'},
            "/i.sif (sha256 0123456789ab, apptainer 1.4)",
        ),
        ({"APPTAINER_CONTAINER": "/mine.sif"}, "/mine.sif"),
    ],
)
def test_within_an_image_no_engine_is_needed(monkeypatch, tmp_path, environment, words):
    monkeypatch.setenv("PATH", str(tmp_path))
    (result,) = engine.check_engine(environment)
    assert (result.state, result.found) == ("ok", f"this is inside {words}")
