"""What squeue and sacct printed on a cluster with Slurm 22.05.8, read; and what is no complete answer, refused."""

import time

import pytest

from rhodiff.errors import SchedulerUnreachableError
from rhodiff.jobs.job_tables import (
    expand_indices,
    newest_attempts,
    parse_names,
    parse_sacct,
    parse_squeue,
)

# Captured: an array with a throttle, one with a step, time limit, cancellation, failure, too many nodes, a closed
# partition, hold, begin time, a dependency that cannot come true, preemption and a node without power.
SQUEUE = """\
11|N/A|PENDING|PartitionDown||1|0:00|N/A|closed-aabbccdd-0
1|9|COMPLETING|None|rq1|1|0:04|1795311780|prepare-aabbccdd-0
3|N/A|CANCELLED|None|rq2|1|1:06|1795311718|cancel-aabbccdd-0
1|6|COMPLETED|None|rq1|1|0:20|1795311759|prepare-aabbccdd-0
4|N/A|FAILED|NonZeroExitCode|rq2|1|0:00|1795311718|fail-aabbccdd-0
5|N/A|PENDING|PartitionConfig||9|0:00|N/A|big-aabbccdd-0
7|N/A|PENDING|BeginTime||1|0:00|1795315317|begin-aabbccdd-0
10|N/A|PENDING|DependencyNeverSatisfied||1|0:00|N/A|neverdep-aabbccdd-0
24|1,3,7-9,12|PENDING|JobHeldUser||1|0:00|N/A|odd-aabbccdd-0
2|N/A|TIMEOUT|TimeLimit|rq1|1|1:04|1795311718|train-aabbccdd-0
23|5,7,9,11,13,15%2|PENDING|JobArrayTaskLimit||1|0:00|N/A|sparse-aabbccdd-0
23|1|RUNNING|None|rq2|1|0:00|1795311784|sparse-aabbccdd-0
33|N/A|NODE_FAIL|NodeDown|rq2|1|0:31|1795313271|cut-11112222-0
34|N/A|PENDING|ReqNodeNotAvail, UnavailableNodes:rq2||1|0:00|N/A|cutre-11112222-0
"""
SACCT = """\
2|TIMEOUT|0:0|None|rq1|1|64|1795311717|1795311782|train-aabbccdd-0
3|CANCELLED by 0|0:15|None|rq2|1|66|1795311717|1795311784|cancel-aabbccdd-0
4|FAILED|3:0|None|rq2|1|0|1795311717|1795311718|fail-aabbccdd-0
5|PENDING|0:0|PartitionConfig|None assigned|9|0|1795311717|Unknown|big-aabbccdd-0
6|CANCELLED by 0|0:0|JobHeldUser|None assigned|1|0|1795311717|1795311859|hold-aabbccdd-0
1_3|COMPLETED|0:0|JobArrayTaskLimit|rq2|1|20|1795311717|1795311759|prepare-aabbccdd-0
24_[1,3,7-9,12]|CANCELLED by 0|0:0|JobHeldUser|None assigned|1|0|1795311784|1795311859|odd-aabbccdd-0
32|PREEMPTED|0:0|None|rq1|1|17|1795313270|1795313288|low-11112222-0
33|NODE_FAIL|0:0|None|rq2|1|31|1795313270|1795313302|cut-11112222-0
34|NODE_FAIL|0:0|None|rq2|1|31|1795313270|1795313302|cutre-11112222-0
32|RUNNING|0:0|BeginTime|rq1|1|27|1795313288|Unknown|low-11112222-0
34|RUNNING|0:0|ReqNodeNotAvail|rq2|1|14|1795313302|Unknown|cutre-11112222-0
"""


def by_task(records):
    return {(record.job_id, record.index): record for record in records}


@pytest.mark.parametrize(
    ("text", "indices"),
    [
        ("7", [7]),
        ("0-9%3", list(range(10))),
        ("1-15:2%2", [1, 3, 5, 7, 9, 11, 13, 15]),
        ("1,3,7-9,12", [1, 3, 7, 8, 9, 12]),
    ],
)
def test_lists_of_array_tasks_are_expanded(text, indices):
    assert expand_indices(text) == indices


@pytest.mark.parametrize("text", ["", "N/A", "1-", "1,,2", "1-3...", "-1", "0x3f"])
def test_what_is_no_list_of_tasks_is_refused(text):
    with pytest.raises(ValueError, match="no list of array indices"):
        expand_indices(text)


def test_squeue_tells_states_reasons_and_tasks():
    records = by_task(parse_squeue(SQUEUE))
    assert len(records) == 14 - 2 + 6 + 6
    assert (records["11", None].state, records["11", None].reason) == ("PENDING", "PartitionDown")
    assert records["1", 9].state == "COMPLETING"
    assert (records["2", None].state, records["2", None].elapsed_s) == ("TIMEOUT", 64)
    assert (records["33", None].state, records["33", None].reason) == ("NODE_FAIL", "NodeDown")
    assert records["34", None].reason == "ReqNodeNotAvail, UnavailableNodes:rq2"
    assert records["5", None].num_nodes == 9
    assert [index for job, index in records if job == "24"] == [1, 3, 7, 8, 9, 12]
    assert {index for job, index in records if job == "23"} == {1, 5, 7, 9, 11, 13, 15}
    assert records["23", 1].state == "RUNNING"
    assert (records["23", 5].state, records["23", 5].nodes) == ("PENDING", "")
    assert records["1", 6].reason == ""


def test_only_a_waiting_job_has_an_expected_start():
    records = by_task(parse_squeue(SQUEUE))
    assert records["7", None].expected_start == "2026-11-22T02:41:57Z"  # 'now+1hour' at 01:41:57
    assert records["5", None].expected_start is None
    assert records["23", 1].expected_start is None


def test_an_empty_queue_is_an_answer():
    assert parse_squeue("") == []
    assert parse_sacct("") == []


def test_the_newest_attempt_of_a_job_counts():
    records = by_task(newest_attempts(parse_sacct(SACCT)))
    low = records["32", None]
    assert (low.state, low.restarts, low.total_elapsed_s) == ("RUNNING", 1, 17 + 27)
    assert (records["34", None].state, records["34", None].restarts) == ("RUNNING", 1)
    assert (records["33", None].state, records["33", None].restarts) == ("NODE_FAIL", 0)


def test_sacct_tells_exit_codes_ends_and_who_cancelled():
    records = by_task(newest_attempts(parse_sacct(SACCT)))
    assert (records["4", None].state, records["4", None].exit_code) == ("FAILED", "3:0")
    assert (records["3", None].state, records["3", None].reason) == ("CANCELLED", "by 0")
    assert records["2", None].ended == "2026-11-22T01:43:02Z"
    assert records["5", None].ended is None
    assert records["5", None].reason == "PartitionConfig"
    assert [index for job, index in records if job == "24"] == [1, 3, 7, 8, 9, 12]


def test_an_ended_task_does_not_keep_why_it_once_waited():
    assert by_task(newest_attempts(parse_sacct(SACCT)))["1", 3].reason == ""


def test_the_order_of_attempts_does_not_matter():
    lines = SACCT.splitlines(keepends=True)
    assert by_task(newest_attempts(parse_sacct("".join(reversed(lines))))) == by_task(
        newest_attempts(parse_sacct(SACCT))
    )


def test_jobs_of_one_id_and_different_names_are_kept_apart():
    text = "2|COMPLETED|0:0|None|n1|1|5|100|105|train-00000000-0\n2|FAILED|1:0|None|n1|1|5|200|205|train-11111111-0\n"
    assert {(r.name, r.state, r.restarts) for r in newest_attempts(parse_sacct(text))} == {
        ("train-00000000-0", "COMPLETED", 0),
        ("train-11111111-0", "FAILED", 0),
    }


def test_names_may_hold_separators_and_line_breaks():
    text = "12|N/A|COMPLETED|None|rq2|1|0:30|1795311718|odd name|with: bars, and\nnewline\n" + SQUEUE
    records = parse_squeue(text)
    assert records[0].name == "odd name|with: bars, and\nnewline"
    assert len(records) == 1 + len(parse_squeue(SQUEUE))


@pytest.mark.parametrize("position", range(1, len(SQUEUE), 7))
def test_a_table_that_breaks_off_never_shows_a_state_that_is_not_there(position):
    whole = set(parse_squeue(SQUEUE))
    try:
        part = parse_squeue(SQUEUE[:position])
    except SchedulerUnreachableError:
        return
    assert set(part) <= whole


@pytest.mark.parametrize(
    "text",
    [
        "slurm_load_jobs error: Socket timed out\n",
        "12|N/A|RUNN",
        "12|N/A|RUNNING|None\n",
        "12|N/A|12|None|n1|1|0:30|0|x-0\n",
        "12|N/A|running?|None|n1|1|0:30|0|x-0\n",
        "12|N/A|RUNNING|None|n1|many|0:30|0|x-0\n",
        "12|N/A|RUNNING|None|n1|1|soon|0|x-0\n",
        "12|1-5...|PENDING|None||1|0:00|N/A|x-0\n",
        "\x00\x00\x00\n",
        "<html>502 Bad Gateway</html>\n",
    ],
)
def test_garbage_is_unknown_and_no_state(text):
    with pytest.raises(SchedulerUnreachableError, match="cannot read what 'squeue' printed"):
        parse_squeue(text)


def test_garbage_of_sacct_is_unknown_too():
    for text in ("no such table\n", "2|TIMEOUT|0:0\n", SACCT[:-4], SACCT.replace("|64|", "|sixty|")):
        with pytest.raises(SchedulerUnreachableError, match="cannot read what 'sacct' printed"):
            parse_sacct(text)


def test_elapsed_times_of_days_and_of_differing_clocks():
    row = "12|N/A|RUNNING|None|n1|1|{}|0|x-0\n"
    assert parse_squeue(row.format("1-02:03:04"))[0].elapsed_s == ((24 + 2) * 60 + 3) * 60 + 4
    assert parse_squeue(row.format("2:03:04"))[0].elapsed_s == (2 * 60 + 3) * 60 + 4
    assert parse_squeue(row.format("INVALID"))[0].elapsed_s == 0


def test_names_by_id():
    assert parse_names("8|train-0-0\n1_3|prepare-0-0\n24_[1,3]|x\n", "sacct") == [
        ("8", "train-0-0"),
        ("1", "prepare-0-0"),
        ("24", "x"),
    ]


def test_thousands_of_tasks_are_read_at_once():
    one_each = "".join(f"1|{k}|RUNNING|None|n1|1|0:30|1795311718|prepare-aabbccdd-0\n" for k in range(2500))
    ended = "".join(f"1_{k}|COMPLETED|0:0|None|n1|1|5|100|105|prepare-aabbccdd-0\n" for k in range(2500))
    begun = time.process_time()
    assert len(parse_squeue("1|0-2499%50|PENDING|Resources||1|0:00|N/A|prepare-aabbccdd-0\n")) == 2500
    assert len(parse_squeue(one_each)) == 2500
    assert len(newest_attempts(parse_sacct(ended))) == 2500
    assert time.process_time() - begun < 1  # 0.1 s of one core; what grows with the square takes far more
