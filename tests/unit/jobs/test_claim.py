"""A piece belongs to one job, whatever was submitted twice."""

import subprocess
import sys

from rhodiff.jobs.claim import claim_piece, read_claim

RACE = """
import pathlib, sys
from rhodiff.jobs.claim import claim_piece
print(claim_piece(pathlib.Path(sys.argv[1]), sys.argv[2]))
"""


def test_all_tasks_and_restarts_of_a_job_have_its_claim_and_no_other_job_does(tmp_path):
    path = tmp_path / "markers" / "piece-000.claim"
    assert read_claim(path) is None
    assert [claim_piece(path, job) for job in ("7", "7", "8", "7")] == ["7"] * 4
    assert read_claim(path) == "7"


def test_eight_jobs_at_once_agree_on_one(tmp_path):
    path = tmp_path / "piece-000.claim"
    started = [
        subprocess.Popen([sys.executable, "-c", RACE, str(path), str(job)], stdout=subprocess.PIPE, text=True)
        for job in range(8)
    ]
    assert {process.communicate()[0].strip() for process in started} == {read_claim(path)}


def test_a_claim_whose_writer_was_killed_before_it_wrote_is_taken(tmp_path):
    path = tmp_path / "piece-000.claim"
    path.touch()
    looks = []
    assert claim_piece(path, "7", looks.append) == "7"
    assert len(looks) > 3
    assert read_claim(path) == "7"
