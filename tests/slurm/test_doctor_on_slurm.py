"""The doctor's job on two nodes: its report, and a PMI type that makes every process a world of its own."""

import json
import os

import pytest
from experiments import Lab, tiny_settings, write_arrays

from rhodiff.jobs.slurm_health import check_slurm

SUBMIT = ("submit", "doctor", "--nodes", "2", "--time", "5")
PROFILE = """description: the test cluster with a PMI type that MPICH does not understand
updated: "2026-11-22"
source: a fault made on purpose
mpi: none
resources: {partition: main}
"""


@pytest.fixture
def lab(cluster, tmp_path):
    return Lab.make(tmp_path, tiny_settings(write_arrays(tmp_path / "fields.npy")))


@pytest.mark.slow
def test_two_nodes_report_a_pmi_type_that_does_not_fit_and_sums_that_are_right(cluster, lab):
    site = lab.folder / "site.yaml"
    site.write_text(PROFILE)
    environment = {"SLURM_CONF": os.environ["SLURM_CONF"]}
    ended = lab.run(*SUBMIT, "--site", str(site), "--wait", "--json", environment=environment)
    value = json.loads(ended.out)
    found = {one["name"]: one for section in value["sections"] for one in section["results"]}
    assert ended.code == 1, ended.err
    assert found["mpi-size"]["state"] == "fault"
    assert "started 2 processes, and MPI" in found["mpi-size"]["found"]
    assert "finds 1" in found["mpi-size"]["found"]
    assert "srun --mpi=list" in found["mpi-size"]["fix"]
    assert [name for name, one in found.items() if one["state"] == "fault"] == ["mpi-size"]
    (gloo,) = value["all_reduce"]
    assert (gloo["backend"], gloo["num_processes"], gloo["wrong"]) == ("gloo", 2, [])
    assert [row["size_bytes"] for row in gloo["times"]][:3] == [1000, 4000, 16000]
    assert "2 processes on" in found["nodes"]["found"]


def test_a_cluster_that_works_has_no_fault_and_one_that_does_not_is_told(cluster, tmp_path):
    good = {one.name: one for one in check_slurm("generic", None, os.environ)}
    assert {one.state for one in good.values()} == {"ok"}
    assert {"slurm", "partitions", "account", "accounting", "requeue", "limits"} <= set(good)
    (gone,) = check_slurm("generic", None, {**os.environ, "SLURM_CONF": str(tmp_path / "slurm.conf")})
    assert (gone.state, "does not exist" in gone.found) == ("fault", True)
    (without,) = check_slurm("generic", None, {"PATH": str(tmp_path)})
    assert without.state == "absent"


def test_accounting_that_is_silent_is_a_warning_where_jobs_are_submitted_and_none_within_a_job(cluster, lab):
    def states(**more):
        ended = lab.run("doctor", "--json", environment={"SLURM_CONF": os.environ["SLURM_CONF"], **more})
        results = [one for section in ended.value["sections"] for one in section["results"]]
        return {one["name"]: one["state"] for one in results if one["name"] in {"slurm", "account", "accounting"}}

    with cluster.without("slurmdbd"):
        assert states() == {"slurm": "ok", "account": "absent", "accounting": "warning"}
        assert states(SLURM_JOB_ID="7") == {"slurm": "ok", "account": "absent", "accounting": "absent"}
