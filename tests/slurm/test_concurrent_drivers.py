"""Eight commands at the same moment on one run: one of them submits, the others find it, nothing is damaged."""

from collections import Counter

import pytest
from drivers import Drivers

import rhodiff.cli.submit_pipeline
import rhodiff.jobs.stage_submission
import rhodiff.stages.checks  # noqa: F401 - loaded once, before the commands are forked

HELD = ("--time", "5", "--set", "jobs.prepare.options={hold: true}")
"""Jobs that stay in the queue: they can be counted, and cost nothing."""


@pytest.fixture
def drivers(cluster, tmp_path):
    return Drivers(tmp_path)


def test_eight_submits_make_one_submission(drivers):
    ended = drivers.at_once(*[("submit", "prepare", *HELD)] * 8)
    assert [code for code, _ in ended] == [0] * 8, ended
    (plan,) = drivers.plans()
    assert drivers.num_jobs(plan) == 4
    assert sum("already submitted as submission 1" in text for _, text in ended) == 7


def test_submit_retry_and_status_at_once_submit_each_lost_element_once(drivers):
    drivers.call("submit", "prepare", *HELD)
    drivers.call("cancel", "1:0,2")
    commands = [*[("retry",)] * 4, *[("submit", "prepare", *HELD)] * 2, *[("status", "--json")] * 2]
    ended = drivers.at_once(*commands)
    assert [code for code, _ in ended] == [0] * 8, ended
    first, *later = drivers.plans()
    assert Counter(element for plan in later for element in plan["elements"]) == {0: 1, 2: 1}
    assert drivers.num_jobs(first) == 2
    assert sum(drivers.num_jobs(plan) for plan in later) == 2
