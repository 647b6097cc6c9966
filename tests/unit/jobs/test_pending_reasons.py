"""Slurm's reasons for waiting, in the spellings that squeue of different versions prints."""

import pytest

from rhodiff.jobs.pending_reasons import explain_pending


@pytest.mark.parametrize(
    ("word", "says", "never"),
    [
        ("Resources", "waits for nodes to become free", False),
        ("(Priority)", "other jobs are before it", False),
        ("Dependency", "waits for another job", False),
        ("DependencyNeverSatisfied", "never start", True),
        ("ReqNodeNotAvail, UnavailableNodes:rho[1-2]", "down, drained or reserved", False),
        ("ReqNodeNotAvail,_UnavailableNodes:rho1", "down, drained or reserved", False),
        ("ReqNodeNotAvail,_Reserved_for_maintenance", "maintenance", False),
        ("launch failed requeued held", "could not start it", True),
        ("launch_failed_requeued_held", "could not start it", True),
        (
            "Nodes_required_for_job_are_DOWN,_DRAINED_or_reserved_for_jobs_in_higher_priority_partitions",
            "drained",
            False,
        ),
        ("JobArrayTaskLimit", "throttle", False),
        ("PartitionTimeLimit", "more time than its partition allows", True),
        ("QOSMaxSubmitJobPerUserLimit", "in the queue as the QOS allows", False),
        ("QOSMaxJobsPerUserLimit", "run as the QOS allows", False),
        ("QOSGrpSubmitJobsLimit", "in the queue as the quality of service", False),
        ("AssocMaxWallDurationPerJobLimit", "more time than the account or user allows", False),
        ("AssocGrpGRES", "account or user limits what may be used", False),
        ("AssocGrpCPUMinutesLimit", "used up its hours", True),
        ("AssocGrpBillingRunMinutes", "hours of the account or user", False),
        ("MaxGRESPerAccount", "account or user limits what may be used", False),
        ("BeginTime", "begin time", False),
        ("JobHeldUser", "held by you", True),
    ],
)
def test_reasons_are_explained(word, says, never):
    reason = explain_pending(word)
    assert says in reason.meaning
    assert reason.never is never


@pytest.mark.parametrize("word", ["SomethingOfTomorrow", "Sched_Tuning"])
def test_an_unknown_reason_is_shown_as_it_is(word):
    assert explain_pending(word).meaning == f"Slurm says '{word}'"


@pytest.mark.parametrize("word", ["", "()", " "])
def test_no_reason_is_no_reason(word):
    assert explain_pending(word).meaning == "the scheduler gives no reason"


def test_everything_that_never_starts_says_what_to_do():
    from rhodiff.jobs.pending_reasons import REASONS

    assert [reason.word for reason in REASONS if reason.never and not reason.advice] == []
