"""Answers of several nodes as one: what differs is told with the names of its nodes, and nothing is lost."""

from rhodiff.cli.doctor_screen import doctor_text
from rhodiff.runtime.health.all_reduce import BackendTimes, SizeTime, all_reduce_result
from rhodiff.runtime.health.checks import Result, Section
from rhodiff.runtime.health.together import merge_nodes


def node(*results):
    return [Section("t", results)]


def test_nodes_that_agree_speak_as_one():
    fine = Result("home", "ok", "there")
    assert merge_nodes({"n1": node(fine), "n2": node(fine)}) == [Section("t", (fine,))]


def test_a_node_with_a_fault_is_named_with_its_own_words():
    broken = Result("home", "fault", "gone", "mount it")
    found = merge_nodes({"n1": node(Result("home", "ok", "there")), "n2": node(broken), "n3": node(broken)})
    assert found == [
        Section("t", (Result("home", "ok", "on n1: there"), Result("home", "fault", "on n2, n3: gone", "mount it")))
    ]


def test_what_one_node_alone_says_is_told_with_its_name():
    quota = Result("quota", "ok", "half")
    assert merge_nodes({"n1": node(quota), "n2": []}) == [Section("t", (Result("quota", "ok", "on n1: half"),))]


def test_wrong_sums_and_silence_are_faults():
    times = (SizeTime(1000, 3, 1e-6),)
    assert all_reduce_result(BackendTimes("gloo", "cpu", 2, 0.1, (), times)).state == "ok"
    wrong = all_reduce_result(BackendTimes("gloo", "cpu", 2, 0.1, (1000,), times))
    assert (wrong.state, "1,000 bytes" in wrong.found) == ("fault", True)
    assert all_reduce_result(BackendTimes("oneccl", "cpu", 2, error="hangs")).state == "fault"


def test_bandwidth_is_bytes_over_time_and_a_size_that_was_left_out_has_a_dash():
    fast = BackendTimes("gloo", "cpu", 2, 0.1, (), (SizeTime(1000, 3, 1e-6), SizeTime(4000, 3, 2e-6)))
    slow = BackendTimes("oneccl", "cpu", 2, 0.1, (), (SizeTime(1000, 3, 2.0),))
    lines = doctor_text("head", [], [], [fast.to_plain(), slow.to_plain()]).splitlines()
    (first,) = (line for line in lines if "1 kB" in line)
    (second,) = (line for line in lines if "4 kB" in line)
    assert "1.000 GB/s" in first
    assert "2.00 s" in first
    assert "2.000 GB/s" in second
    assert second.endswith(" -")
