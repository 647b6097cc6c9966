"""What jobs used, read from lines that sacct of Slurm 22.05 printed."""

import pytest

from rhodiff.jobs.usage import measure_usage, parse_usage

PRINTED = """141_0||00:00.106|2|1|1
141_0.batch||00:00.106|2|1|1
142||01-02:10:30|100000|4|1
142.batch|9388K|00:30.000|100000|4|1
142.0|1.50G|01-02:10:00|100000|4|1
143_[4-9]||00:00:00|0|1|1
"""


def test_times_of_jobs_and_memory_of_steps_are_read():
    used = parse_usage("\n".join(line.rpartition("|")[0] for line in PRINTED.splitlines()))
    assert used["141"].cpu_s == pytest.approx(0.106)
    assert used["141"].memory_gb is None
    assert used["142"].cpu_s == 86400 + 2 * 3600 + 630
    assert used["142"].core_s == 400000
    assert used["142"].memory_gb == pytest.approx(1.5 * 1024**3 / 1e9)


def test_what_cannot_be_read_is_left_out():
    assert parse_usage("sacct: error: slurmdbd\nnonsense|\n") == {}
    assert parse_usage("12|x|y|z|1\n")["12"].core_s == 0


def test_nothing_is_known_without_slurm(monkeypatch):
    monkeypatch.setenv("PATH", "/nowhere")
    assert measure_usage(["12"]) == {}
    assert measure_usage([]) == {}
