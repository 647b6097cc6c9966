"""The selftest: its checks pass on what works, on the CPU and on Intel GPUs where there are some, and can fail."""

import json

import pytest
import torch

from rhodiff.stages import selftest
from rhodiff.stages.selftest import check_arithmetic, run_selftest

NUM_DEVICES = torch.xpu.device_count() if torch.xpu.is_available() else 0
DEVICES = [
    "cpu",
    pytest.param(
        "xpu",
        marks=[
            pytest.mark.xpu,
            pytest.mark.skipif(
                NUM_DEVICES == 0, reason=f"torch {torch.__version__} sees no Intel GPU on this machine"
            ),
        ],
    ),
]


@pytest.mark.parametrize("kind", DEVICES)
def test_a_device_that_works_passes(kind, tmp_path):
    told = []
    found = {one.name: one for one in run_selftest(torch.device(kind), tmp_path, told.append)}
    assert set(found) == {"arithmetic", "memory", "step", "resume", "sampling"}
    assert {name for name, one in found.items() if one.state != "ok"} == ({"memory"} if kind == "cpu" else set())
    assert len(told) == 3
    if kind == "cpu":
        assert "bit for bit" in found["resume"].found
        assert "by 0.0e+00" in found["step"].found
        assert "by 0.0e+00" in found["sampling"].found


def test_wrong_arithmetic_is_found(monkeypatch):
    """Products with 10 bits, as a GPU's TF32 has them."""

    def rough(values):
        kept = values if values.dtype == torch.float64 else (values.view(torch.int32) & ~0x1FFF).view(torch.float32)
        return kept[:8192].reshape(64, 128) @ kept[-8192:].reshape(128, 64)

    monkeypatch.setitem(selftest.OPERATIONS, "product", rough)
    (one,) = check_arithmetic(torch.device("cpu"))
    assert one.state == "fault"
    assert one.found.startswith("product wrong")


def test_an_error_in_one_check_does_not_keep_the_others_from_being_made(monkeypatch, tmp_path):
    def broken(*_):
        raise RuntimeError("UR_RESULT_ERROR_DEVICE_LOST")

    monkeypatch.setattr(selftest, "check_memory", broken)
    monkeypatch.setattr(selftest, "check_network", broken)
    found = run_selftest(torch.device("cpu"), tmp_path, lambda _: None)
    assert [(one.name, one.state) for one in found] == [
        ("arithmetic", "ok"),
        ("memory", "fault"),
        ("network", "fault"),
    ]
    assert "DEVICE_LOST" in found[1].found


def test_the_report_of_a_machine_that_lacks_what_was_demanded_ends_with_5(lab):
    ended = lab.run("doctor", "--require", "gloo", "--require", "xccl", "--json")
    value = json.loads(ended.out)
    assert ended.code == (5 if NUM_DEVICES == 0 else 0)
    assert value["missing"] == (["xccl"] if NUM_DEVICES == 0 else [])
    assert lab.run("doctor", "--require", "xcl").code == 2
