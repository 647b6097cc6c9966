"""A training under Intel MPI's own mpiexec: its ranks, oneCCL's collectives over libfabric and over Intel MPI."""

import os
import subprocess
from pathlib import Path

import pytest
import torch
from experiments import LAUNCHER, free_port

HERE = Path(__file__).resolve().parent


@pytest.mark.parametrize(
    ("number", "transport", "library"),
    [(2, "ofi", "libfabric.so.1"), (2, "mpi", "libmpi.so.12"), (4, "mpi", "libmpi.so.12")],
)
def test_mpiexec_of_intel_mpi(prepared, oneccl_python, tmp_path, number, transport, library):
    """Two processes agree with gloo bit for bit; four, which may add in another order, to 1e-6 in norm."""
    gloo, lab = prepared.sibling(tmp_path / "gloo"), prepared.sibling(tmp_path / "run")
    gloo.do_ranks(number, "run", "train")
    environment = {name: value for name, value in os.environ.items() if name not in LAUNCHER}
    environment |= {"MASTER_ADDR": "127.0.0.1", "MASTER_PORT": str(free_port()), "CCL_ATL_TRANSPORT": transport}
    sets = [word for override in lab.overrides for word in ("--set", override)]
    command = [oneccl_python, HERE / "show_libraries.py", tmp_path, "run", "train", "--backend", "oneccl", *sets]
    ended = subprocess.run(
        [oneccl_python.parent / "mpiexec", "-n", str(number), *command],
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
    assert len(maps) == number
    assert all("libccl.so.1" in text and library in text for text in maps)
    weights, expected = (
        torch.cat([x.double().flatten() for x in one.final()["model"].values()]) for one in (lab, gloo)
    )
    assert (weights - expected).norm() <= (0 if number == 2 else 1e-6) * expected.norm()
