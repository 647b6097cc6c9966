"""Node-hours, from accounting where there is any and from our own records where not; each number by hand."""

from functools import partial

import pytest
from submitted import Says, attempt, handed_over

from rhodiff.jobs.cost import spending_of
from rhodiff.jobs.scheduler import JobRecord
from rhodiff.jobs.selection import Selected
from rhodiff.jobs.state import observe_submissions
from rhodiff.jobs.submission_plan import Allocation, Piece
from rhodiff.store.files import write_json

TWO_NODES_30_MIN = Allocation(nodes=2, walltime_min=30)


@pytest.fixture
def made(tmp_path):
    return partial(handed_over, tmp_path)


def spent(plan, folder, *records, elements=None):
    chosen = [Selected(folder, plan, plan.elements if elements is None else elements)]
    return spending_of(observe_submissions(chosen, lambda *_: Says(*records), records_of_all=True)[0])


def test_what_is_reserved_is_jobs_times_nodes_times_limit(made):
    plan, folder = made(num_elements=10, pack=4, allocation=TWO_NODES_30_MIN)
    assert spent(plan, folder).reserved_node_h == 3 * 2 * 0.5
    assert spent(plan, folder, elements=(0, 9)).reserved_node_h == 2 * 2 * 0.5


def test_accounting_counts_all_attempts_of_a_job(made):
    plan, folder = made(num_elements=1, allocation=TWO_NODES_30_MIN)
    record = JobRecord("12", plan.job_name(0), 0, "COMPLETED", elapsed_s=600, total_elapsed_s=1800, restarts=2)
    found = spent(plan, folder, record)
    assert found.used_node_h == pytest.approx(2 * 1800 / 3600)
    assert (found.num_jobs, found.num_accounted) == (1, 1)


def test_without_accounting_our_own_records_count(made):
    plan, folder = made(num_elements=2, allocation=TWO_NODES_30_MIN)
    attempt(folder, 0, 1, elapsed_s=900.0, verdict="again", progress=True)
    attempt(folder, 0, 2, elapsed_s=360.0, verdict="done", progress=True)
    found = spent(plan, folder)
    assert found.used_node_h == pytest.approx(2 * 1260 / 3600)
    assert (found.num_jobs, found.num_accounted, found.lost_node_h) == (1, 0, 0)


def test_a_running_attempt_counts_up_to_its_last_heartbeat_by_the_clock_of_its_node(made):
    plan, folder = made(num_elements=1)
    attempt(folder, 0, 1, ended=False)
    write_json(folder.heartbeat(0), {"done": 1, "total": 2, "text": "", "time": "2026-01-01T01:00:00.000Z"})
    assert spent(plan, folder).used_node_h == pytest.approx(1.0)


def test_attempts_with_nothing_new_are_lost_and_others_are_not(made):
    plan, folder = made(num_elements=1, allocation=TWO_NODES_30_MIN)
    attempt(folder, 0, 1, elapsed_s=1800.0, verdict="again", progress=False)
    attempt(folder, 0, 2, elapsed_s=1800.0, verdict="stopped", progress=True)
    attempt(folder, 0, 3, elapsed_s=360.0, verdict="done", progress=False)
    assert spent(plan, folder).lost_node_h == pytest.approx(1.0)


def test_what_died_unmeasured_is_what_accounting_has_beyond_our_records(made):
    plan, folder = made(num_elements=1)
    attempt(folder, 0, 1, verdict="lost", progress=False)
    attempt(folder, 0, 2, elapsed_s=600.0, verdict="done", progress=True)
    record = JobRecord("12", plan.job_name(0), 0, "COMPLETED", elapsed_s=600, total_elapsed_s=2400)
    found = spent(plan, folder, record)
    assert found.lost_node_h == pytest.approx(0.5)
    assert found.num_unmeasured == 1
    assert spent(plan, folder).lost_node_h == 0


def test_elements_side_by_side_share_the_time_of_their_job(made):
    plan, folder = made(num_elements=4, pack=4, side_by_side=2)
    for element in range(4):
        attempt(folder, element, 1, job="12_0", elapsed_s=3600.0, verdict="done", progress=True)
    found = spent(plan, folder)
    assert found.used_node_h == pytest.approx(2.0)
    assert found.num_jobs == 1


def test_members_of_a_chain_add_up(made):
    plan, folder = made(num_elements=1, pieces=[Piece(0, 0, 1, False), Piece(1, 0, 1, False, link=1, after=(0,))])
    first = JobRecord("12", plan.job_name(0), None, "TIMEOUT", elapsed_s=3600, total_elapsed_s=3600)
    second = JobRecord("13", plan.job_name(1), None, "COMPLETED", elapsed_s=1800, total_elapsed_s=1800)
    assert spent(plan, folder, first, second).used_node_h == pytest.approx(1.5)


def test_the_longest_job_is_told_once_all_is_done(made):
    plan, folder = made(num_elements=2)
    records = [
        JobRecord("12", plan.job_name(0), k, "COMPLETED", elapsed_s=60.0 * (k + 1), total_elapsed_s=600)
        for k in (0, 1)
    ]
    assert spent(plan, folder, *records).longest_s is None
    for element in (0, 1):
        folder.done(element).touch()
    assert spent(plan, folder, *records).longest_s == 120.0
