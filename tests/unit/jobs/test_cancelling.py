"""What a cancellation covers, and that nothing is cancelled before it is marked."""

import pytest
from submitted import hand_over, make_plan, submitted

from rhodiff.errors import ConfigError, RunBusyError, SchedulerUnreachableError
from rhodiff.jobs.calls import CallRecord
from rhodiff.jobs.cancelling import cancel_submissions, plan_cancellation
from rhodiff.jobs.element_state import ElementState, ElementStatus
from rhodiff.jobs.marks import Marks
from rhodiff.jobs.selection import Selected
from rhodiff.jobs.state import SubmissionState
from rhodiff.jobs.submission_plan import Piece
from rhodiff.store.layout import JobsFolder, SubmissionFolder
from rhodiff.store.locks import hold_lock

LETTERS = {"d": ElementState.DONE, "r": ElementState.RUNNING, "p": ElementState.PENDING, "f": ElementState.FAILED}
LETTERS |= {"u": ElementState.UNKNOWN, "n": ElementState.NOT_SUBMITTED, "c": ElementState.CANCELLED}


def stand(text, *, chosen=None, jobs=None, folder=None, silence="", **plan):
    """A submission whose elements stand as the letters say; ``chosen`` are those that were asked about."""
    plan = make_plan(num_elements=len(text), **plan)
    chosen = tuple(range(len(text))) if chosen is None else tuple(chosen)
    final = {k: "done" if letter == "d" else "failed" for k, letter in enumerate(text) if letter in "df"}
    elements = tuple(ElementStatus(k, LETTERS[text[k]]) for k in chosen)
    selected = Selected(folder or SubmissionFolder("/nowhere"), plan, chosen)
    return SubmissionState(selected, elements, Marks(final), jobs or {0: "12"}, silence=silence)


def test_a_whole_submission_is_cancelled_by_the_ids_of_its_arrays():
    pieces = [Piece(0, 0, 2, is_array=True), Piece(1, 2, 2, is_array=True)]
    planned = plan_cancellation(stand("drpn", jobs={0: "12", 1: "15"}, pieces=pieces))
    assert (planned.is_whole, planned.elements, planned.jobs) == (True, (1, 2, 3), ("12", "15"))
    assert (
        planned.describe() == "submission 1 (prepare): 1 running and 1 pending and 1 not submitted; 1 done stays done"
    )


def test_elements_are_cancelled_one_by_one():
    planned = plan_cancellation(stand("drpp", chosen=[0, 2]))
    assert (planned.is_whole, planned.elements, planned.jobs) == (False, (2,), ("12_2",))


def test_elements_of_split_arrays_are_counted_from_their_own_array():
    pieces = [Piece(0, 0, 2, is_array=True), Piece(1, 2, 1, is_array=True), Piece(2, 3, 1, is_array=False)]
    state = stand("pppp", chosen=[1, 2, 3], pieces=pieces, jobs={0: "12", 1: "15", 2: "16"})
    assert plan_cancellation(state).jobs == ("12_1", "15_0", "16")


def test_every_member_of_a_chain_is_cancelled():
    pieces = [Piece(0, 0, 2, is_array=True), Piece(1, 0, 2, is_array=True, link=1, after=(0,))]
    assert plan_cancellation(stand("rp", chosen=[1], pieces=pieces, jobs={0: "12", 1: "13"})).jobs == ("12_1", "13_1")


def test_a_state_narrows_it():
    planned = plan_cancellation(stand("drrpp"), [ElementState.PENDING])
    assert (planned.is_whole, planned.jobs) == (False, ("12_3", "12_4"))
    assert plan_cancellation(stand("dppp"), [ElementState.PENDING]).is_whole


def test_what_has_ended_is_not_cancelled():
    assert plan_cancellation(stand("dfc")) is None
    assert plan_cancellation(stand("drr", chosen=[0])) is None


def test_a_job_is_not_taken_from_under_others_that_share_it():
    with pytest.raises(ConfigError, match=r"element 1 would end too.*1:0-1"):
        plan_cancellation(stand("rrpp", chosen=[0], pack=2))
    assert plan_cancellation(stand("rrpp", chosen=[0, 1], pack=2)).jobs == ("12_0",)
    assert plan_cancellation(stand("drpp", chosen=[1], pack=2)).jobs == ("12_0",)


def test_states_that_have_ended_are_refused():
    with pytest.raises(ConfigError, match="--state done: what is done has ended; running or pending"):
        plan_cancellation(stand("dr"), [ElementState.DONE])


def test_nobody_guesses_which_elements_are_pending():
    with pytest.raises(SchedulerUnreachableError, match="no answer"):
        plan_cancellation(stand("uu", silence="no answer"), [ElementState.PENDING])
    assert plan_cancellation(stand("uu", silence="no answer")).is_whole


class Faulty:
    """A scheduler that fails, and notes what was on disk when it was called."""

    cluster = "testbed"

    def __init__(self, folder, error=None, recovered=None):
        self.folder, self.error, self.recovered = folder, error, recovered
        self.marked, self.cancelled = None, []

    def recover(self, folder, plan, piece):
        return self.recovered

    def cancel(self, jobs):
        self.marked = sorted(path.name for path in self.folder.path.rglob("*cancelled.json"))
        if self.error:
            raise self.error
        self.cancelled += jobs


@pytest.fixture
def on_disk(tmp_path):
    """A submission on disk, some of it handed over."""

    def make(text, handed_over=None, **changes):
        plan = make_plan(num_elements=len(text), token="0a1b2c3d")
        folder = hand_over(submitted(tmp_path / "runs", plan), plan, handed_over or {0: "12"})
        return folder, stand(text, folder=folder, token="0a1b2c3d", **changes)

    return make


def test_markers_are_written_before_the_scheduler_is_called(on_disk):
    folder, state = on_disk("rrp", chosen=[1, 2])
    scheduler = Faulty(folder)
    cancel_submissions([plan_cancellation(state)], lambda *_: scheduler)
    assert scheduler.marked == ["000001.cancelled.json", "000002.cancelled.json"]
    assert scheduler.cancelled == ["12_1", "12_2"]


def test_markers_stay_where_the_scheduler_is_silent(on_disk):
    folder, state = on_disk("rr")
    scheduler = Faulty(folder, SchedulerUnreachableError("no answer"))
    with pytest.raises(SchedulerUnreachableError, match="no answer"):
        cancel_submissions([plan_cancellation(state)], lambda *_: scheduler)
    assert folder.cancelled.exists()


def test_a_job_that_nobody_saw_accepted_is_found_and_ended(on_disk):
    folder, state = on_disk("n", {0: None})
    state = SubmissionState(state.selected, state.elements, state.marks, {})
    scheduler = Faulty(folder, recovered="77")
    cancel_submissions([plan_cancellation(state)], lambda *_: scheduler)
    assert scheduler.cancelled == ["77"]
    assert CallRecord(folder).of_piece(0).job.job_id == "77"


def test_jobs_of_another_cluster_are_marked_and_left_to_it(on_disk):
    folder, state = on_disk("r")
    scheduler = Faulty(folder)
    scheduler.cluster = "elsewhere"
    with pytest.raises(SchedulerUnreachableError, match="was made on testbed, and this is elsewhere"):
        cancel_submissions([plan_cancellation(state)], lambda *_: scheduler)
    assert folder.cancelled.exists()
    assert scheduler.cancelled == []


def test_nothing_is_cancelled_while_somebody_submits(on_disk):
    folder, state = on_disk("r")
    with (
        hold_lock(JobsFolder(folder.path.parent).lock, "submitting"),
        pytest.raises(RunBusyError, match="submitting"),
    ):
        cancel_submissions([plan_cancellation(state)], lambda *_: Faulty(folder))
    assert not folder.cancelled.exists()
