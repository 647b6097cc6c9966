"""Compiling the process group once: where it is kept, who compiles, and what is said where nobody can."""

import os
import stat
import sys
from pathlib import Path

import pytest
import torch

from rhodiff.errors import EnvironmentLacksError
from rhodiff.runtime.oneccl.extension import (
    cache_folders,
    compile_command,
    find_built,
    import_extension,
    provide_extension,
)
from rhodiff.runtime.oneccl.installation import Installation


@pytest.fixture
def installation(tmp_path):
    (tmp_path / "include").mkdir()
    return Installation("2021.16.2", tmp_path / "lib" / "libccl.so.1", None, tmp_path / "include")


def compiler(folder, body):
    """A program in place of the compiler."""
    path = folder / "compiler"
    path.write_text(f"#!/bin/sh\n{body}\n")
    path.chmod(path.stat().st_mode | stat.S_IXUSR)
    return str(path)


WRITES = 'while [ "$1" != "-o" ]; do shift; done; echo library > "$2"; echo run >> "$(dirname "$0")/runs"'


def environment(tmp_path, **more):
    return {"PATH": os.environ["PATH"], "RHODIFF_CACHE": str(tmp_path / "cache"), **more}


def test_it_is_compiled_once_for_each_oneccl(tmp_path, installation):
    told = environment(tmp_path, CXX=compiler(tmp_path, WRITES))
    path = provide_extension(installation, told)
    assert path.read_text() == "library\n"
    assert f"torch{torch.__version__}" in path.name
    assert provide_extension(installation, told) == path
    assert provide_extension(installation, environment(tmp_path, CXX="no-such-compiler")) == path
    other = Installation("2021.17.0", installation.library, None, installation.include)
    assert provide_extension(other, told) != path
    assert (tmp_path / "runs").read_text() == "run\nrun\n"
    assert sorted(entry.suffix for entry in (tmp_path / "cache").iterdir()) == [".so", ".so"]


def test_no_compiler(tmp_path, installation):
    with pytest.raises(
        EnvironmentLacksError, match="no C\\+\\+ compiler here \\('c\\+\\+' is not on the PATH\\)"
    ) as caught:
        provide_extension(installation, {"PATH": str(tmp_path), "RHODIFF_CACHE": str(tmp_path / "cache")})
    assert caught.value.exit_code == 5
    assert f"torch {torch.__version__} in {tmp_path / 'cache'}" in str(caught.value)
    with pytest.raises(EnvironmentLacksError, match="'icpx-9' is not on the PATH"):
        provide_extension(installation, environment(tmp_path, CXX="icpx-9 -O1"))


def test_no_headers(tmp_path, installation):
    without = Installation("2021.16.2", installation.library, None, None)
    with pytest.raises(EnvironmentLacksError, match="has no headers, and the process group is not compiled yet"):
        provide_extension(without, environment(tmp_path, CXX=compiler(tmp_path, WRITES)))


def test_what_the_compiler_says_is_told_and_nothing_is_left_behind(tmp_path, installation):
    fails = compiler(tmp_path, "echo 'Python.h: No such file' >&2; exit 1")
    with pytest.raises(
        EnvironmentLacksError, match=r"(?s)cannot compile.*g\+\+ 10 or later.*Python\.h: No such file"
    ):
        provide_extension(installation, environment(tmp_path, CXX=fails))
    assert list((tmp_path / "cache").iterdir()) == []


def test_a_file_that_is_no_module_is_told_with_what_to_do(tmp_path):
    broken = tmp_path / "rho_oneccl.so"
    broken.write_text("not a library")
    with pytest.raises(EnvironmentLacksError, match=r"cannot be loaded.*remove it, and it is compiled again"):
        import_extension(broken)


def test_the_cache_is_the_users_or_the_environments_or_at_home(tmp_path):
    assert cache_folders({"RHODIFF_CACHE": "/shared"}) == [Path("/shared")]
    assert cache_folders({"XDG_CACHE_HOME": "/c"}) == [Path(sys.prefix) / "share/rhodiff", Path("/c/rhodiff")]
    assert cache_folders({})[1] == Path.home() / ".cache" / "rhodiff"


def test_every_folder_is_looked_in_and_a_foreign_one_is_no_place_to_write(tmp_path, installation):
    told = environment(tmp_path, CXX=compiler(tmp_path, WRITES))
    path = provide_extension(installation, told)
    assert find_built(installation, [tmp_path / "empty", path.parent]) == path
    blocked = tmp_path / "file"
    blocked.touch()
    with pytest.raises(EnvironmentLacksError, match=r"nothing can be written to .*name a folder that all nodes see"):
        provide_extension(installation, {**told, "RHODIFF_CACHE": str(blocked / "below")})


def test_the_command_names_the_headers_and_library_of_that_oneccl(tmp_path, installation):
    words = compile_command(installation, ["g++", "-march=native"], tmp_path / "a.cpp", tmp_path / "a.so")
    assert words[:2] == ["g++", "-march=native"]
    assert words[words.index("-isystem") + 1] == str(installation.include)
    assert f"-L{installation.library.parent}" in words
    assert words[-1] == "-l:libccl.so.1"
