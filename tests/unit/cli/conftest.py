"""The command line called in this process: exit code, stdout, stderr."""

import json
import sys
from dataclasses import dataclass

import pytest
import yaml

from rhodiff.cli.app import main


@dataclass
class Ended:
    code: int
    out: str
    err: str

    @property
    def value(self):
        """The one JSON value on stdout."""
        return json.loads(self.out)


@pytest.fixture
def folder(tmp_path, harmonics, monkeypatch):
    """The current folder, with the small experiment in it."""
    (tmp_path / "rhodiff.yaml").write_text(yaml.safe_dump(harmonics))
    monkeypatch.chdir(tmp_path)
    return tmp_path


@pytest.fixture
def call(capfd, monkeypatch):
    def call_main(*words):
        monkeypatch.setattr(sys, "argv", ["rhodiff-hpc", *map(str, words)])
        capfd.readouterr()
        code = 0
        try:
            main()
        except SystemExit as ended:
            code = ended.code or 0
        captured = capfd.readouterr()
        return Ended(code, captured.out, captured.err)

    return call_main
