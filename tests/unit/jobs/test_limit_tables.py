"""What a cluster printed about itself, read; half an answer is refused."""

import pytest
from printed_cluster import ASSOCIATIONS, NODES, PARTITIONS, QOS, printed_cluster

from rhodiff.errors import SchedulerUnreachableError
from rhodiff.jobs.limit_tables import (
    parse_associations,
    parse_config,
    parse_gres,
    parse_nodes,
    parse_partitions,
    parse_qos,
    parse_queue_counts,
    parse_time_limit_min,
)

CONFIG = """\
Configuration data as of 1795312302
AccountingStorageEnforce = associations,limits,qos
ClusterName             = quay
KillWait                = 3 sec
MaxArraySize            = 20
SLURM_VERSION           = 22.05.8
TopologyParam           = (null)

MPI Plugins Configuration:
PMIxDirectConn          = yes
"""


def test_the_configuration_is_read_by_name():
    config = parse_config(CONFIG)
    assert config["ClusterName"] == "quay"
    assert config["AccountingStorageEnforce"] == "associations,limits,qos"


@pytest.mark.parametrize("text", ["", "Configuration data as of 1795312302\nClusterName = quay\n", "error\n"])
def test_half_a_configuration_is_refused(text):
    with pytest.raises(SchedulerUnreachableError, match=r"scontrol show config.*MaxArraySize"):
        parse_config(text)


def test_partitions_are_read_with_their_nodes():
    partitions = parse_partitions(PARTITIONS, parse_nodes(NODES))
    assert list(partitions) == ["main", "preempt", "short", "closed", "limited"]
    main, short, limited = partitions["main"], partitions["short"], partitions["limited"]
    assert (main.is_default, main.num_nodes, main.num_up, main.max_time_min, main.default_time_min) == (
        True, 2, 1, None, 10,
    )  # fmt: skip
    assert (short.max_time_min, short.max_nodes, short.allow_accounts) == (10, 1, ("test",))
    assert (limited.qos, limited.deny_qos, limited.max_cpus_per_node, limited.max_memory_per_node_mb) == (
        "tight", ("long",), 2, 2000,
    )  # fmt: skip
    assert limited.max_time_min == 24 * 60
    assert partitions["closed"].state == "DOWN"
    assert (partitions["preempt"].preempt_mode, partitions["preempt"].grace_s) == ("REQUEUE", 10)


def test_a_node_that_does_not_answer_is_not_up():
    silent, idle = parse_nodes(NODES)["main"]
    assert (silent.state, silent.is_up, idle.is_up) == ("allocated*", False, True)


@pytest.mark.parametrize(
    ("state", "is_up"),
    [("idle", True), ("mixed", True), ("allocated+", True), ("idle~", True), ("completing", True), ("mixed-", True),
     ("down", False), ("down*", False), ("drained", False), ("draining", False), ("drained*", False),
     ("maint", False), ("unknown", False), ("inval", False), ("idle*", False)],
)  # fmt: skip
def test_states_of_nodes(state, is_up):
    (group,) = parse_nodes(f"main|1|{state}|4|4000|(null)|(null)\n")["main"]
    assert group.is_up is is_up


@pytest.mark.parametrize(
    ("text", "gres"),
    [
        ("(null)", {}),
        ("gpu:max:8", {"gpu:max": 8}),
        ("gpu:pvc:4(S:0-1),shard:16", {"gpu:pvc": 4, "shard": 16}),
        ("gpu:a100:2,gpu:v100:2", {"gpu:a100": 2, "gpu:v100": 2}),
        ("gpu", {"gpu": 1}),
        ("bandwidth:lustre:no_consume:4G", {"bandwidth:lustre": 4 * 1024**3}),
        ("node=4,cpu=16,gres/gpu=8", {"node": 4, "cpu": 16, "gpu": 8}),
    ],
)
def test_generic_resources(text, gres):
    assert parse_gres(text) == gres


@pytest.mark.parametrize("text", [":::", "gpu::4", "gpu 4", "4"])
def test_what_is_no_generic_resource_is_refused(text):
    with pytest.raises(ValueError, match="no generic resource"):
        parse_gres(text)


@pytest.mark.parametrize(
    ("text", "minutes"),
    [("UNLIMITED", None), ("infinite", None), ("NONE", None), ("", None), ("00:10:00", 10), ("1-00:00:00", 1440),
     ("30", 30), ("02:30", 3), ("00:00:30", 1), ("2-12", 3600), ("7-01:30:00", 7 * 1440 + 90)],
)  # fmt: skip
def test_time_limits(text, minutes):
    assert parse_time_limit_min(text) == minutes


def test_accounts_of_other_clusters_do_not_count():
    test, root = parse_associations(ASSOCIATIONS, "quay")
    assert (test.account, test.max_running_jobs, test.max_submitted_jobs, test.max_time_min) == ("test", 10, 30, 4320)
    assert (root.is_default, test.is_default, root.max_submitted_jobs) == (True, False, None)
    assert root.qos == ("long", "normal", "tight")


def test_qualities_of_service():
    levels = parse_qos(QOS)
    assert (levels["tight"].max_time_min, levels["tight"].max_running_jobs, levels["tight"].max_submitted_jobs) == (
        120, 2, 4,
    )  # fmt: skip
    assert levels["long"].max_nodes == 1
    assert levels["normal"].max_submitted_jobs is None


def test_tasks_of_arrays_are_counted_one_each():
    counts = parse_queue_counts("11|N/A|root|normal|main\n1|0-9%3|root|normal|main\n1|12|test|tight|short\n")
    assert {(c.account, c.qos, c.partition): c.count for c in counts} == {
        ("root", "normal", "main"): 11,
        ("test", "tight", "short"): 1,
    }


@pytest.mark.parametrize(
    "read",
    [
        lambda: parse_nodes("main|2|idle|4\n"),
        lambda: parse_nodes("main|two|idle|4|4000|(null)|(null)\n"),
        lambda: parse_partitions("PartitionName=main State=UP\n", {}),
        lambda: parse_partitions("error\n", {}),
        lambda: parse_qos("normal|x\n"),
        lambda: parse_associations("root|quay\n", "quay"),
        lambda: parse_queue_counts("slurm_load_jobs error\n"),
        lambda: parse_queue_counts("x|N/A|root|normal|main\n"),
        lambda: parse_queue_counts("1|0-...|root|normal|main\n"),
    ],
)
def test_garbage_is_no_answer(read):
    with pytest.raises(SchedulerUnreachableError, match="cannot read what"):
        read()


def test_the_default_account_and_partition_are_known():
    cluster = printed_cluster()
    assert cluster.default_partition.name == "main"
    assert cluster.association(None, "main").account == "root"
    assert cluster.association("test", "main").account == "test"
    assert cluster.association("nobody", "main") is None
