"""Which log tells of an element, and the ends of logs."""

import pytest
from submitted import attempt, hand_over, make_plan, submitted

from rhodiff.errors import ConfigError
from rhodiff.jobs.element_state import ElementState, ElementStatus
from rhodiff.jobs.log_reading import BLOCK_BYTES, FollowedLog, choose_elements, find_logs, read_tail
from rhodiff.jobs.marks import read_marks
from rhodiff.jobs.scheduler import JobRecord
from rhodiff.jobs.selection import Selected
from rhodiff.jobs.state import SubmissionState
from rhodiff.store.files import write_json


@pytest.fixture
def stand(tmp_path):
    """A submission on disk whose elements stand as told: (state, job)."""

    def make(*statuses, chosen=None, **plan):
        plan = make_plan(num_elements=len(statuses), stage="sample", **plan)
        folder = hand_over(submitted(tmp_path / "runs", plan), plan, {0: "12"})
        elements = tuple(ElementStatus(k, state, job=job) for k, (state, job) in enumerate(statuses))
        selected = Selected(folder, plan, tuple(range(len(statuses))))
        return SubmissionState(selected, elements, read_marks(folder), {0: "12"})

    return make


def looked_again(state):
    """The same after something was written."""
    return SubmissionState(state.selected, state.elements, read_marks(state.folder), state.jobs)


def test_the_last_lines_are_read_and_where_the_file_ends(tmp_path):
    path = tmp_path / "log"
    path.write_bytes(b"".join(b"line %d\n" % k for k in range(100)))
    assert read_tail(path, 2) == ("line 98\nline 99\n", path.stat().st_size)
    assert read_tail(path, 1000)[0].count("\n") == 100


def test_a_last_line_without_end_counts(tmp_path):
    path = tmp_path / "log"
    path.write_text("one\ntwo\nthr")
    assert read_tail(path, 2)[0] == "two\nthr"


@pytest.mark.parametrize("length", [10, BLOCK_BYTES - 1, BLOCK_BYTES, 3 * BLOCK_BYTES])
def test_lines_longer_than_a_block_are_whole(tmp_path, length):
    path = tmp_path / "log"
    path.write_text(f"before\n{'x' * length}\nlast\n")
    assert read_tail(path, 2)[0] == f"{'x' * length}\nlast\n"


def test_a_large_log_is_not_read_whole(tmp_path):
    path = tmp_path / "log"
    with path.open("wb") as handle:
        handle.seek(50_000_000_000)  # a sparse file: reading it whole would take minutes
        handle.write(b"\nthe end\n")
    assert read_tail(path, 1)[0] == "the end\n"


def test_an_empty_log_has_no_lines(tmp_path):
    path = tmp_path / "log"
    path.touch()
    assert read_tail(path, 5) == ("", 0)


def test_what_is_added_is_read_once_and_characters_are_not_torn(tmp_path):
    path = tmp_path / "log"
    path.write_bytes(b"before\n")
    log = FollowedLog(path, 7)
    assert log.read() == ""
    with path.open("ab") as handle:
        handle.write("σ₈".encode()[:3])
        handle.flush()
        first = log.read()
        handle.write("σ₈".encode()[3:] + b" = 0.8\n")
        handle.flush()
    assert first + log.read() == "σ₈ = 0.8\n"


def test_lines_that_are_not_finished_can_be_left_for_later(tmp_path):
    path = tmp_path / "log"
    path.write_text("one\ntw")
    log = FollowedLog(path, whole_lines=True)
    assert log.read() == "one\n"
    with path.open("a") as handle:
        handle.write("o\n")
    assert log.read() == "two\n"


def test_the_element_that_runs_is_looked_at_first_then_one_that_failed(stand):
    state = stand((ElementState.DONE, "12_0"), (ElementState.FAILED, "12_1"), (ElementState.RUNNING, "12_2"))
    (chosen,) = choose_elements([state], all_of_them=False)
    assert [one.element for one in chosen.elements] == [2]
    state = stand((ElementState.DONE, "12_0"), (ElementState.FAILED, "12_1"), (ElementState.PENDING, "12_2"))
    (chosen,) = choose_elements([state], all_of_them=False)
    assert [one.element for one in chosen.elements] == [1]
    (chosen,) = choose_elements([state], all_of_them=False, goes_on=True)
    assert [one.element for one in chosen.elements] == [2]


def test_of_a_pipeline_what_runs_is_shown_then_what_failed_then_what_began_last(stand):
    def shown(*states, **how):
        (chosen,) = choose_elements(states, all_of_them=False, **how)
        return states.index(next(one for one in states if one.elements[0] is chosen.elements[0]))

    done, waits = stand((ElementState.DONE, "11")), stand((ElementState.PENDING, "13"))
    assert shown(done, stand((ElementState.RUNNING, "12")), waits) == 1
    assert shown(done, stand((ElementState.FAILED, "12")), stand((ElementState.CANCELLED, None))) == 1
    assert shown(done, waits, stand((ElementState.PENDING, "14")), goes_on=True) == 2
    assert choose_elements([], all_of_them=False) == []


def test_more_logs_than_a_screen_holds_are_refused(stand):
    state = stand(*[(ElementState.DONE, f"12_{k}") for k in range(21)])
    with pytest.raises(ConfigError, match=r"21 logs: at most 20 .* 1:0"):
        choose_elements([state], all_of_them=True)


def test_elements_that_share_a_job_share_its_log(stand):
    state = stand(*[(ElementState.RUNNING, f"12_{k // 2}") for k in range(3)], pack=2)
    (state.folder.logs / "12_0.log").write_text("here\n")
    first, second = find_logs(state)
    assert (first.elements, first.path) == ((0, 1), state.folder.logs / "12_0.log")
    assert first.head == "submission 1 (sample), elements 0-1, job 12_0, 2 running"
    assert (second.elements, second.path) == ((2,), None)


def test_the_log_is_that_of_the_last_attempt_not_of_a_job_that_waits(stand):
    state = stand((ElementState.PENDING, "13_0"))
    attempt(state.folder, 0, 1, job="12_0", nodes="rho3")
    (state.folder.logs / "12_0.log").write_text("here\n")
    (log,) = find_logs(looked_again(state))
    assert log.path == state.folder.logs / "12_0.log"
    assert log.head == "submission 1 (sample), job 12_0, attempt 1 on rho3, pending"


def test_the_head_says_why_an_element_failed_or_waits(stand):
    state = stand((ElementState.FAILED, "12_0"), (ElementState.PENDING, "12_1"))
    write_json(state.folder.failed(0), {"reason": "exit code 3"})
    waiting = ElementStatus(
        1, ElementState.PENDING, job="12_1", record=JobRecord("12", "x", 1, "PENDING", "Priority")
    )
    state = SubmissionState(state.selected, (state.elements[0], waiting), read_marks(state.folder), state.jobs)
    heads = [log.head for log in find_logs(state)]
    assert heads == [
        "submission 1 (sample), element 0, job 12_0, failed: exit code 3",
        "submission 1 (sample), element 1, job 12_1, pending: other jobs are before it in the queue",
    ]
