"""Lines of one process, or of one attempt, out of a job's log."""

import pytest

from rhodiff.jobs.log_parts import LogPart, read_part

SAYS = "2026-01-01T00:00:00.000Z rhodiff: "

TRAINING = f"""{SAYS}train 0a1b2c3d: job 12, piece 0, on rho[1-2]
{SAYS}element 0: attempt 1 on rho[1-2]
0: loss 1.0
1: ready
10: ready
{SAYS}element 0: attempt 1 again after 3.0 s: it was killed by SIGKILL
{SAYS}element 0: attempt 2 on rho[1-2]
0: loss 0.5
1: ready
{SAYS}element 0: attempt 2 done after 9.0 s
"""

LANES = f"""{SAYS}element 4: attempt 1 on rho1
{SAYS}element 5: attempt 1 on rho1
[4] four
[5] five
{SAYS}element 5: attempt 1 done after 1.0 s
[4] more of four
{SAYS}element 4: attempt 1 done after 2.0 s
"""


@pytest.fixture
def read(tmp_path):
    def read_text(text, num_lines=100, **part):
        (tmp_path / "log").write_text(text)
        return [
            line.removeprefix(SAYS) for line in read_part(tmp_path / "log", LogPart(**part), num_lines).splitlines()
        ]

    return read_text


def test_a_process_is_told_from_one_whose_number_begins_alike(read):
    assert [line for line in read(TRAINING, rank=1) if ": ready" in line or "loss" in line] == [
        "1: ready",
        "1: ready",
    ]


def test_what_the_body_says_stays_beside_a_process(read):
    assert read(TRAINING, rank=1)[0].startswith("train 0a1b2c3d")


def test_an_attempt_is_what_stands_between_its_begin_and_end(read):
    assert read(TRAINING, element=0, attempt=2) == [
        "element 0: attempt 2 on rho[1-2]",
        "0: loss 0.5",
        "1: ready",
        "element 0: attempt 2 done after 9.0 s",
    ]


def test_a_process_of_an_attempt(read):
    assert read(TRAINING, element=0, attempt=1, rank=0)[1:-1] == ["0: loss 1.0"]


def test_elements_side_by_side_are_told_apart(read):
    assert read(LANES, element=4, attempt=1)[1:-1] == ["[4] four", "[4] more of four"]


def test_the_last_lines_of_the_part_are_shown(read):
    assert read(TRAINING, num_lines=1, element=0, attempt=1) == [
        "element 0: attempt 1 again after 3.0 s: it was killed by SIGKILL"
    ]
