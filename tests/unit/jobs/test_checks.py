"""What can never run is refused before submission, with what is allowed and the nearest name; the rest passes."""

import pytest
from printed_cluster import printed_cluster

from rhodiff.errors import SubmissionRefusedError
from rhodiff.jobs.checks import check_allocation, find_problems, find_warnings
from rhodiff.jobs.limit_tables import parse_nodes, parse_partitions
from rhodiff.jobs.submission_plan import Allocation

TWO_KINDS = parse_partitions(
    "PartitionName=mix Default=YES MaxTime=UNLIMITED State=UP TotalNodes=6\n",
    parse_nodes("mix|4|idle|8|16000|(null)|(null)\nmix|2|idle|64|16000|gpu:4|(null)\n"),
)


@pytest.mark.parametrize(
    ("allocation", "words"),
    [
        (Allocation(nodes=9), ["9 nodes", "partition 'main' has 2"]),
        (
            Allocation(partition="mian"),
            ["no partition 'mian'", "main, preempt, short, limited", "did you mean 'main'?"],
        ),
        (Allocation(partition="closed"), ["'closed' is DOWN", "main, preempt, short, limited"]),
        (Allocation(account="tset"), ["account 'tset' is not yours", "root, test", "did you mean 'test'?"]),
        (Allocation(qos="lnog"), ["no QOS 'lnog'", "did you mean 'long'?"]),
        (Allocation(qos="secret"), ["QOS 'secret' is not open to you", "long, normal, tight"]),
        (Allocation(partition="limited", qos="long", walltime_min=60), ["takes no jobs of QOS 'long'"]),
        (Allocation(partition="limited", walltime_min=200), ["3 h 20 min", "2 h 00 min that QOS 'tight' allows"]),
        (Allocation(account="test", partition="short", walltime_min=20), ["10 min that partition 'short' allows"]),
        (Allocation(account="test", walltime_min=5000), ["72 h 00 min that account 'test' allows"]),
        (Allocation(partition="short", walltime_min=5), ["not open to account 'root', only to test"]),
        (Allocation(qos="long", nodes=2), ["the most that QOS 'long' allows a job is 1"]),
        (Allocation(gres="gpu:mxa:2"), ["GRES gpu:mxa:2", "only gpu:max:8", "did you mean 'gpu:max'?"]),
        (Allocation(gres="fpga:1"), ["GRES fpga:1", "only gpu:max:8"]),
        (Allocation(gpus_per_node=9), ["GRES gpu:9", "at most 8"]),
        (Allocation(gres="gpu:max:9"), ["GRES gpu:max:9", "at most 8"]),
        (Allocation(tasks_per_node=4, cpus_per_task=2), ["8 CPUs (4 tasks x 2)", "at most 4"]),
        (Allocation(memory_gb=5), ["5 GB of memory", "at most 3.9 GB (4000 MB)"]),
        (Allocation(partition="limited", cpus_per_task=3), ["3 CPUs", "at most 2"]),
        (Allocation(partition="limited", memory_gb=3), ["at most 1.95 GB (2000 MB)"]),
    ],
)
def test_each_problem_is_named_with_what_is_allowed(allocation, words):
    (problem,) = find_problems(allocation, printed_cluster())
    for word in words:
        assert word in problem


def test_what_fits_is_not_refused():
    whole = Allocation(nodes=2, gres="gpu:max:8", tasks_per_node=4, memory_gb=3.9, walltime_min=100_000)
    for allocation in (Allocation(), whole, Allocation(account="test", partition="short", walltime_min=10)):
        assert find_problems(allocation, printed_cluster()) == []


def test_all_problems_are_told_at_once():
    with pytest.raises(SubmissionRefusedError) as refused:
        check_allocation(Allocation(account="nope", nodes=9, memory_gb=100), printed_cluster())
    assert str(refused.value).count("\n  - ") == 3
    assert refused.value.exit_code == 2


def test_one_partition_of_several_is_enough():
    assert find_problems(Allocation(partition="closed,main"), printed_cluster()) == []
    assert find_problems(Allocation(partition="closed,nothing"), printed_cluster()) != []


def test_a_cluster_without_a_default_partition_wants_one_named():
    partitions = {name: p for name, p in printed_cluster().partitions.items() if name != "main"}
    (problem,) = find_problems(Allocation(), printed_cluster(partitions=partitions))
    assert "no partition is named" in problem


def test_nodes_of_several_kinds_are_counted_together():
    cluster = printed_cluster(partitions=TWO_KINDS)
    assert find_problems(Allocation(nodes=6), cluster) == []
    assert find_problems(Allocation(nodes=2, gpus_per_node=4, cpus_per_task=64), cluster) == []
    (problem,) = find_problems(Allocation(nodes=3, gpus_per_node=4), cluster)
    assert "2 of the 6 nodes of partition 'mix' have that" in problem


def test_what_is_not_enforced_is_no_problem_but_an_unknown_account_is_told():
    cluster = printed_cluster(enforced=frozenset())
    assert find_problems(Allocation(account="tset", walltime_min=5000), cluster) == []
    (warning,) = find_warnings(Allocation(account="tset"), cluster)
    assert "not one of yours" in warning
    assert "did you mean 'test'?" in warning


def test_without_accounts_nothing_can_be_charged_where_that_is_enforced():
    (problem,) = find_problems(Allocation(), printed_cluster(associations=()))
    assert "you have no account" in problem
    assert find_problems(Allocation(), printed_cluster(associations=None)) == []


def test_nodes_that_are_away_now_are_a_warning():
    (warning,) = check_allocation(Allocation(nodes=2), printed_cluster())
    assert "1 of the 2 nodes of partition 'main' work now (1 allocated*)" in warning
    assert check_allocation(Allocation(nodes=1), printed_cluster()) == []


def test_what_could_not_be_asked_is_told():
    cluster = printed_cluster(associations=None, qos=None, silent=("accounting (sacctmgr) does not answer",))
    (warning,) = check_allocation(Allocation(account="whatever", qos="any"), cluster)
    assert "does not answer" in warning


def test_gres_that_cannot_be_read_is_refused():
    with pytest.raises(SubmissionRefusedError, match=r"gres: ':::' is no generic resource"):
        check_allocation(Allocation(gres=":::"), printed_cluster())
