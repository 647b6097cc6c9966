"""The lines of real logs that tell most."""

import pytest

from rhodiff.jobs.log_lines import telling_lines

SRUN_KILLED = [
    "iteration 120",
    "slurmstepd: error: Detected 1 oom_kill event in StepId=12.0. Some of the step tasks have been OOM Killed.",
    "srun: error: rho1: task 0: Out Of Memory",
    "2026-01-01T00:00:00.000Z rhodiff: element 0: failed for good: it was killed by SIGKILL (out of memory?)",
]
TRACEBACK = [
    "Traceback (most recent call last):",
    '  File "x.py", line 1, in <module>',
    "ValueError: bad 6",
    "srun: error: rho1: task 1: Exited with exit code 1",
]
OURS = ["0: reading", "0: error: model.channels: unknown key", "0:   Allowed here: width", "  config.yaml", "bye"]
TOLD_TWICE = ["KeyError: 'x'", "[3] error: data.path: there is no file x.h5"]
NOTHING = [*(f"step {k}" for k in range(20)), "", "2026-01-01T00:00:00.000Z rhodiff: element 1: attempt 1 failed"]


@pytest.mark.parametrize(
    ("lines", "telling"),
    [
        (SRUN_KILLED, ["srun: error: rho1: task 0: Out Of Memory"]),
        (TRACEBACK, ["ValueError: bad 6"]),
        (OURS, ["0: error: model.channels: unknown key", "  config.yaml"]),
        (TOLD_TWICE, ["[3] error: data.path: there is no file x.h5"]),
        (NOTHING, [f"step {k}" for k in range(15, 20)]),
        ([], []),
    ],
)
def test_what_tells_most_is_found(lines, telling):
    assert telling_lines(lines) == telling


def test_endless_lines_are_cut():
    (line,) = telling_lines(["error: " + "x" * 10000])
    assert len(line) == 400
