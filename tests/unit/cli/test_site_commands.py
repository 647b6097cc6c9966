"""``rhodiff-hpc site``: what it prints and how it ends, with and without Slurm."""

import pytest


@pytest.fixture
def no_slurm(monkeypatch, tmp_path):
    monkeypatch.setenv("PATH", str(tmp_path))


def test_list_shows_every_profile_and_whether_it_is_verified(call):
    ended = call("site", "list")
    assert ended.code == 0
    assert "dawn" in ended.out
    assert set(call("site", "list", "--json").value["sites"]) >= {"generic", "stampede3"}


def test_show_prints_the_file_with_its_comments(call):
    assert call("site", "show", "stampede3").out.startswith("# Stampede3")
    assert call("site", "show", "stampede3", "--json").value["profile"]["launcher"] == "ibrun"


def test_an_unknown_profile_is_a_usage_error(call):
    ended = call("site", "show", "dwan")
    assert ended.code == 2
    assert "there are: dawn" in ended.err


@pytest.mark.parametrize("words", [("probe",), ("check",), ("check", "dawn")])
def test_without_slurm_the_environment_lacks_it(call, no_slurm, words):
    ended = call("site", *words)
    assert ended.code == 5
    assert "no Slurm on its PATH" in ended.err
