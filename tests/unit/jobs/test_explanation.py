"""Why elements stand as they do: equal causes together, evidence, and the command that goes on."""

from dataclasses import replace
from functools import partial

import pytest
from submitted import Says, attempt, handed_over

from rhodiff.jobs.element_state import ElementState
from rhodiff.jobs.explanation import MOST_EXPLAINED, explain
from rhodiff.jobs.failure import read_failure
from rhodiff.jobs.scheduler import JobRecord
from rhodiff.jobs.selection import Selected
from rhodiff.jobs.state import observe_submissions
from rhodiff.jobs.submission_plan import Allocation, Dependency, Piece
from rhodiff.store.files import write_json


@pytest.fixture
def made(tmp_path):
    return partial(handed_over, tmp_path)


def seen(plan, folder, *records):
    chosen = [Selected(folder, plan, plan.elements)]
    return observe_submissions(chosen, lambda *_: Says(*records), records_of_all=True)[0]


def fail(folder, element, *, node="rho1", lines=(), code=1, reason=None):
    facts = {"element": element, "job": f"12_{element}", "attempt": 1, "nodes": node, "host": node, "exit_code": code}
    write_json(folder.failed(element), {**facts, "reason": reason or f"exit code {code}", "last_lines": list(lines)})


def record(plan, index, state, *, piece=0, **more):
    return JobRecord(str(12 + piece), plan.job_name(piece), index, state, **more)


def test_37_equal_failures_are_one_finding_with_all_elements(made):
    plan, folder = made(num_elements=50)
    for element in range(50):
        if element < 37:
            fail(folder, element, lines=["reading", f"error: part-{element}.h5 is truncated", "bye"], code=2)
        else:
            folder.done(element).touch()
    (finding,) = explain(seen(plan, folder), "1")
    assert finding.elements == tuple(range(37))
    assert finding.what == "exit code 2: the request or an input is wrong"
    assert finding.lines == ("error: part-0.h5 is truncated",)
    assert "rhodiff-hpc retry 1" in finding.advice


def test_different_errors_are_different_findings(made):
    plan, folder = made(num_elements=3)
    fail(folder, 0, lines=["error: a file is missing"])
    fail(folder, 1, lines=["error: another file is damaged"])
    fail(folder, 2, lines=["error: a file is missing"])
    assert [finding.elements for finding in explain(seen(plan, folder), "1")] == [(0, 2), (1,)]


def test_a_node_on_which_all_fails_is_named_with_the_evidence(made):
    plan, folder = made(num_elements=8)
    records = []
    for element in range(8):
        node = "rho2" if element < 3 else "rho1"
        records.append(record(plan, element, "FAILED" if element < 3 else "COMPLETED", nodes=node))
        if element < 3:
            fail(folder, element, node=node)
        else:
            folder.done(element).touch()
    (finding,) = explain(seen(plan, folder, *records), "1")
    assert "3 of 3 failures are on rho2, where nothing succeeded; 5 succeeded on other nodes" in finding.evidence
    assert "--exclude rho2" in finding.advice


def test_a_node_is_not_blamed_where_all_nodes_fail_alike(made):
    plan, folder = made(num_elements=8)
    for element in range(8):
        if element < 4:
            fail(folder, element, node=f"rho{element % 2 + 1}")
        else:
            folder.done(element).touch()
    records = [record(plan, k, "COMPLETED", nodes=f"rho{k % 2 + 1}") for k in range(4, 8)]
    (finding,) = explain(seen(plan, folder, *records), "1")
    assert "exclude" not in finding.advice


@pytest.mark.parametrize(
    ("state", "exit_code", "what", "advice"),
    [
        (
            "OUT_OF_MEMORY",
            "0:125",
            "more memory than it asked for",
            "now 4 GB), or make the work smaller: rhodiff-hpc retry 1 --memory-gb 8",
        ),
        ("TIMEOUT", "0:15", "reached its time limit", "rhodiff-hpc retry 1 --time 120"),
        ("NODE_FAIL", "0:0", "lost its node", "nothing is wrong with the work itself"),
        ("FAILED", "127:0", "exit code 127: the command was not found", "mend what the log says"),
        ("FAILED", "5:0", "exit code 5: the environment lacks", "mend the environment"),
        ("FAILED", "0:9", "signal SIGKILL: killed, most often for using too much memory", "more memory"),
    ],
)
def test_without_a_marker_the_schedulers_word_is_explained(made, state, exit_code, what, advice):
    plan, folder = made(num_elements=1, allocation=Allocation(memory_gb=4))
    (finding,) = explain(seen(plan, folder, record(plan, 0, state, exit_code=exit_code)), "1")
    assert what in finding.what
    assert advice in finding.advice


def test_the_log_is_read_where_the_marker_has_no_lines(made):
    plan, folder = made(num_elements=1)
    log = folder.log("12", 0)
    log.write_text(
        "x\n" * 100000 + "2026-01-01T00:00:00.000Z rhodiff: error: the folder is not there\n  was it moved?\nbye\n"
    )
    state = seen(plan, folder, record(plan, 0, "FAILED", exit_code="2:0"))
    failure = read_failure(state, state.elements[0])
    assert failure.log == log
    assert failure.lines == ("2026-01-01T00:00:00.000Z rhodiff: error: the folder is not there", "  was it moved?")


def test_only_so_many_failures_are_read_and_the_rest_is_told(made):
    plan, folder = made(num_elements=MOST_EXPLAINED + 5)
    for element in plan.elements:
        fail(folder, element)
    first, rest = explain(seen(plan, folder), "1")
    assert len(first.elements) == MOST_EXPLAINED
    assert rest.elements == plan.elements[MOST_EXPLAINED:]
    assert f"why 1:{MOST_EXPLAINED}-{MOST_EXPLAINED + 4}" in rest.advice


def test_waiting_elements_are_told_by_reason_with_what_they_ask_for(made):
    plan, folder = made(num_elements=3, allocation=Allocation(nodes=2, walltime_min=90, partition="main"))
    records = [
        record(plan, 0, "PENDING", reason="Resources", expected_start="2026-01-01T12:00:00Z"),
        record(plan, 1, "PENDING", reason="Priority"),
        record(plan, 2, "PENDING", reason="Priority"),
    ]
    first, second = explain(seen(plan, folder, *records), "1")
    assert (first.elements, first.expected_start) == ((0,), "2026-01-01T12:00:00Z")
    assert second.elements == (1, 2)
    assert first.evidence == ("each job asks for 2 nodes for 90 min in the partition main",)
    assert "shorter --time" in second.advice


def test_what_never_starts_says_how_to_end_it(made):
    plan, folder = made(num_elements=1)
    (finding,) = explain(seen(plan, folder, record(plan, 0, "PENDING", reason="DependencyNeverSatisfied")), "7")
    assert "will never start" in finding.what
    assert "rhodiff-hpc cancel 7" in finding.advice


def test_a_dependency_is_named_by_its_submission(made, tmp_path):
    first, waited = made(stage="train", number=1)
    plan, folder = made(number=2, after=(Dependency(f"{first.run}/jobs/{waited.path.name}"),))
    records = [record(plan, k, "PENDING", reason="Dependency") for k in plan.elements]
    (finding,) = explain(seen(plan, folder, *records), "2")
    assert "waits for submission 1 (train of demo-12345678)" in finding.evidence


def test_members_of_a_chain_wait_for_the_one_before(made):
    links = [Piece(0, 0, 1, False), Piece(1, 0, 1, False, link=1, after=(0,))]
    plan, folder = made(num_elements=1, pieces=links)
    records = [record(plan, None, "TIMEOUT"), record(plan, None, "PENDING", piece=1, reason="Dependency")]
    (finding,) = explain(seen(plan, folder, *records), "1")
    assert "waits for the job before it in its chain" in finding.evidence


def test_attempts_in_a_row_are_told(made):
    plan, folder = made(num_elements=1)
    attempt(folder, 0, 1, verdict="lost", reason="it was killed together with its job's body", progress=False)
    attempt(folder, 0, 2, verdict="failed", reason="exit code 1", elapsed_s=7.0, nodes="rho2")
    fail(folder, 0)
    (finding,) = explain(seen(plan, folder), "1")
    assert finding.evidence[-1] == (
        "2 attempts: 1 on rho1 was lost, it was killed together with its job's body, with nothing new; "
        "2 on rho2 failed after 7 s, exit code 1"
    )


def test_what_stopped_was_cancelled_or_is_unknown_has_a_way_on(made):
    plan, folder = made(num_elements=4)
    write_json(folder.stopped(0), {"reason": "the time limit is near"})
    write_json(folder.cancelled_element(1), {"reason": "cancelled by hand"})
    state = seen(plan, folder)
    found = {finding.state: finding for finding in explain(state, "1")}
    assert found[ElementState.STOPPED].what == "the time limit is near"
    assert found[ElementState.CANCELLED].what == "cancelled by hand"
    assert found[ElementState.UNKNOWN].what == "the scheduler no longer knows its job"
    assert found[ElementState.UNKNOWN].elements == (2, 3)
    assert all("retry 1" in finding.advice for finding in found.values())


def test_silence_gives_no_advice_to_run_anything_again(made):
    plan, folder = made(num_elements=1)
    state = replace(seen(plan, folder), silence="the scheduler does not answer: why. Ask again")
    (finding,) = explain(state, "1")
    assert (finding.what, finding.advice) == ("the scheduler does not answer: why", "")


def test_there_is_nothing_to_say_of_what_runs_or_is_done(made):
    plan, folder = made(num_elements=2)
    folder.done(0).touch()
    assert explain(seen(plan, folder, record(plan, 1, "RUNNING")), "1") == []


def test_a_damaged_marker_is_said_to_be_one(made):
    plan, folder = made(num_elements=1)
    folder.failed(0).write_text("{")
    (finding,) = explain(seen(plan, folder), "1")
    assert finding.what == "its marker cannot be read"


@pytest.mark.parametrize("is_met", [False, True])
def test_what_slurm_cancelled_for_a_failure_before_it_names_that(made, tmp_path, is_met):
    first, its_folder = made(num_elements=1, stage="train", number=2)
    if is_met:
        its_folder.done(0).touch()
    after = (Dependency(f"{first.run}/jobs/{its_folder.path.name}"),)
    plan, folder = made(num_elements=1, stage="sample", number=3, after=after)
    (finding,) = explain(seen(plan, folder, record(plan, 0, "CANCELLED")), "3")
    named = "it waited for what did not succeed: submission 2 (train of demo-12345678)"
    assert (finding.what == named) is not is_met
    assert "retry 3" in finding.advice
