"""Records of attempts: what is written is read back, whatever a kill left of it."""

from dataclasses import replace

from rhodiff.jobs.attempts import Attempt, num_without_progress, read_attempts, suspect_nodes, write_end, write_start

FIRST = Attempt(1, "7_3", 0, "n[1-2]", "n1", "2026-01-01T00:00:00.000Z", files="00ff")
ENDED = replace(
    FIRST, ended="2026-01-01T00:01:00.000Z", elapsed_s=60.0, exit_code=137, verdict="again", reason="why",
    progress=False, suspect=("n2",),
)  # fmt: skip


def test_attempts_are_read_back(tmp_path):
    path = tmp_path / "a.jsonl"
    second = replace(FIRST, number=2, restart=1)
    assert read_attempts(path) == []
    write_start(path, FIRST)
    assert read_attempts(path) == [FIRST]
    write_end(path, ENDED)
    write_start(path, second)
    assert read_attempts(path) == [ENDED, second]


def test_a_line_that_a_kill_left_torn_swallows_no_other(tmp_path):
    path = tmp_path / "a.jsonl"
    write_start(path, FIRST)
    with path.open("a") as handle:
        handle.write('{"event": "ended", "numb')
    write_end(path, ENDED)
    assert read_attempts(path) == [ENDED]


def test_the_evidence_names_nodes_attempts_and_reasons():
    assert suspect_nodes([ENDED, replace(ENDED, suspect=())]) == {"n2": "attempt 1 (job 7_3): why"}


def test_an_attempt_that_still_runs_is_not_one_without_progress():
    assert num_without_progress([ENDED, ENDED]) == 2
    assert num_without_progress([ENDED, FIRST]) == 0
