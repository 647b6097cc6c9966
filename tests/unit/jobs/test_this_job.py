"""Which job a body belongs to: variables as Slurm 22.05 set them on the testbed."""

import pytest

from rhodiff.errors import ConfigError
from rhodiff.jobs.submission_plan import Piece
from rhodiff.jobs.this_job import local_job, slurm_job

ALONE, ARRAY = Piece(0, 0, 1, False), Piece(0, 4, 2, True)
TASK = {
    "SLURM_ARRAY_JOB_ID": "18",
    "SLURM_ARRAY_TASK_ID": "0",
    "SLURM_JOB_ID": "19",
    "SLURM_JOB_NODELIST": "rho[1-2]",
    "SLURMD_NODENAME": "rho1",
    "SLURM_JOB_PARTITION": "main",
}


def test_a_task_of_an_array_goes_by_the_arrays_id_and_is_put_back_alone():
    job = slurm_job({**TASK, "SLURM_RESTART_COUNT": "2"}, ARRAY)
    assert (job.job_id, job.own_id, job.index, job.name, job.restart) == ("18", "19", 0, "18_0", 2)
    assert (job.nodes, job.host, job.partition) == ("rho[1-2]", "rho1", "main")


def test_a_single_job_goes_by_its_id():
    job = slurm_job({"SLURM_JOB_ID": "19", "SLURM_JOB_NODELIST": "rho1"}, ALONE)
    assert (job.job_id, job.own_id, job.index, job.name, job.restart) == ("19", "19", 0, "19", 0)


def test_a_local_job_goes_by_what_its_supervisor_says():
    job = local_job({"RHODIFF_JOB_ID": "33-44", "RHODIFF_JOB_INDEX": "1", "RHODIFF_RESTART": "3"}, ARRAY)
    assert (job.job_id, job.index, job.name, job.restart) == ("33-44", 1, "33-44_1", 3)


@pytest.mark.parametrize(
    ("environment", "reason"),
    [
        ({}, "SLURM_JOB_ID is not set"),
        ({"SLURM_JOB_ID": "19"}, "SLURM_ARRAY_TASK_ID is not set"),
        ({**TASK, "SLURM_ARRAY_TASK_ID": "x"}, "SLURM_ARRAY_TASK_ID is 'x'"),
        ({**TASK, "SLURM_ARRAY_TASK_ID": "2"}, "index 2, piece 0 has 2 jobs"),
    ],
)
def test_what_is_no_job_of_the_piece_is_refused(environment, reason):
    with pytest.raises(ConfigError, match=reason):
        slurm_job(environment, ARRAY)
