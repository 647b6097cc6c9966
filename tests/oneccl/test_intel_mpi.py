"""A training under Intel MPI's own mpiexec: its ranks, oneCCL's collectives over libfabric and over Intel MPI."""

import os
import subprocess
from pathlib import Path

import pytest
import torch
from experiments import LAUNCHER, free_port

HERE = Path(__file__).resolve().parent


@pytest.fixture(scope="module")
def over_gloo(prepared, tmp_path_factory):
    """The same training over gloo."""
    lab = prepared.sibling(tmp_path_factory.mktemp("gloo") / "run")
    lab.do_ranks(2, "run", "train")
    return lab.final()["model"]


@pytest.mark.parametrize(("transport", "library"), [("ofi", "libfabric.so.1"), ("mpi", "libmpi.so.12")])
def test_mpiexec_of_intel_mpi(prepared, over_gloo, oneccl_python, tmp_path, transport, library):
    lab = prepared.sibling(tmp_path / "run")
    environment = {name: value for name, value in os.environ.items() if name not in LAUNCHER}
    environment |= {"MASTER_ADDR": "127.0.0.1", "MASTER_PORT": str(free_port()), "CCL_ATL_TRANSPORT": transport}
    sets = [word for override in lab.overrides for word in ("--set", override)]
    command = [oneccl_python, HERE / "show_libraries.py", tmp_path, "run", "train", "--backend", "oneccl", *sets]
    ended = subprocess.run(
        [oneccl_python.parent / "mpiexec", "-n", "2", *command],
        env=environment,
        cwd=lab.folder,
        capture_output=True,
        text=True,
        check=False,
        timeout=300,
    )
    assert ended.returncode == 0, ended.stderr
    assert "backend rho_oneccl: taken: oneCCL 2021.16.2" in ended.stderr
    maps = [path.read_text() for path in tmp_path.glob("maps-*.txt")]
    assert len(maps) == 2
    assert all("libccl.so.1" in text and library in text for text in maps)
    weights = lab.final()["model"]
    assert weights.keys() == over_gloo.keys()
    assert all(torch.equal(weights[name], over_gloo[name]) for name in weights)
