"""What is said of devices, carriers and ports: in the policy's words, and as a fault only where something broke."""

import socket
import sys
from dataclasses import replace

import pytest
import torch

from rhodiff.config.experiment import Runtime
from rhodiff.errors import EnvironmentLacksError
from rhodiff.runtime.contract import SITE_VARIABLES, Proposal, SiteProposals, write_site_proposals
from rhodiff.runtime.health import collectives, software
from rhodiff.runtime.health.collectives import check_contract, check_policy, check_port, usable_backends
from rhodiff.runtime.oneccl.extension import CACHE_VARIABLE
from rhodiff.runtime.oneccl.installation import find_installation
from rhodiff.runtime.probes import Probe
from rhodiff.runtime.probing import probe_environment
from rhodiff.runtime.resolution import Request, resolve

THERE = Probe(True, "seen")


def by_name(results):
    return {result.name: result for result in results}


@pytest.fixture(scope="module")
def probes():
    return probe_environment()


@pytest.fixture(scope="module")
def on_a_cpu(probes):
    """A machine with torch for CPUs and nothing else."""
    none = Probe(False, "not here")
    return replace(probes, xpu=none, cuda=none, xccl=none, ccl=none, nccl=none, oneccl=none, ipex=None, gloo=THERE)


def test_absence_is_no_fault_on_a_machine_without_devices(monkeypatch, on_a_cpu):
    monkeypatch.setattr(collectives, "probe_environment", lambda **_: on_a_cpu)
    monkeypatch.setattr(collectives, "_is_installed", lambda _: False)
    found = by_name(check_policy(Runtime(), 2, {}))
    assert {name for name, one in found.items() if one.state == "ok"} == {"gloo", "training"}
    assert {one.state for one in found.values()} == {"ok", "absent"}
    assert "backend gloo" in found["training"].found


@pytest.mark.parametrize("backend", ["xccl", "ccl"])
def test_a_refused_carrier_says_what_the_policy_says(monkeypatch, on_a_cpu, backend):
    with_device = replace(on_a_cpu, xpu=THERE, xccl=Probe(False, "no xccl"), ccl=Probe(False, "no bindings"))
    with pytest.raises(EnvironmentLacksError) as refused:
        resolve(Request("xpu", backend, "off", 2), with_device)
    monkeypatch.setattr(collectives, "probe_environment", lambda **_: with_device)
    found = by_name(check_policy(Runtime(), 2, {}))
    assert found[backend].found in str(refused.value)
    assert found[backend].found in {"no xccl", "no bindings"}


def test_bindings_with_a_newer_torch_are_worth_a_warning(monkeypatch, on_a_cpu):
    newer = replace(on_a_cpu, ccl=THERE, torch="2.9.0")
    monkeypatch.setattr(collectives, "probe_environment", lambda **_: newer)
    monkeypatch.setattr(collectives, "find_spec", lambda _: object())
    one = by_name(check_policy(Runtime(), 2, {}))["ccl"]
    assert one.state == "warning"
    assert "ended with torch 2.8" in one.found


def test_ipex_for_another_torch_is_worth_a_warning(monkeypatch, on_a_cpu):
    monkeypatch.setattr(collectives, "probe_environment", lambda **_: replace(on_a_cpu, ipex="2.8.0", torch="2.13.0"))
    one = by_name(check_policy(Runtime(), 2, {}))["ipex"]
    assert (one.state, "uninstall it" in one.found) == ("warning", True)


def test_what_an_experiment_demands_and_the_machine_lacks_is_a_fault(monkeypatch, on_a_cpu):
    monkeypatch.setattr(collectives, "probe_environment", lambda **_: on_a_cpu)
    assert by_name(check_policy(Runtime(device="xpu"), 2, {}))["training"].state == "fault"
    one = by_name(check_policy(Runtime(backend="nccl"), 2, {}))["training"]
    assert (one.state, "does not carry tensors on device 'cpu'" in one.found) == ("fault", True)


@pytest.fixture
def broken_oneccl(tmp_path, monkeypatch):
    """A oneCCL whose library is no library."""
    library = tmp_path / "lib" / "libccl.so.1"
    library.parent.mkdir()
    library.write_bytes(b"not a library")
    monkeypatch.setenv("CCL_ROOT", str(tmp_path))
    return {"CCL_ROOT": str(tmp_path)}


def test_a_broken_oneccl_is_a_fault_with_the_loaders_words(broken_oneccl):
    one = by_name(check_policy(Runtime(), 2, broken_oneccl))["oneccl"]
    assert one.state == "fault"
    assert "cannot be loaded" in one.found
    assert "libccl.so.1" in one.found


def test_oneccl_without_a_compiler_or_a_compiled_group_is_a_fault(broken_oneccl, tmp_path, probes):
    headers = tmp_path / "include" / "oneapi"
    headers.mkdir(parents=True)
    (headers / "ccl.hpp").touch()
    environment = {**broken_oneccl, "PATH": str(tmp_path), CACHE_VARIABLE: str(tmp_path / "cache")}
    assert find_installation(environment).include is not None
    one = collectives._oneccl_result(replace(probes, oneccl=THERE), environment)
    assert one.state == "fault"
    assert "compiler" in one.found


def test_a_port_that_is_taken_or_none_at_all():
    with socket.socket() as taken:
        taken.bind(("", 0))
        taken.listen()
        port = str(taken.getsockname()[1])
        (one,) = check_port({"MASTER_PORT": port})
        assert (one.state, port in one.found) == ("fault", True)
    (one,) = check_port({"MASTER_PORT": port})
    assert one.state == "ok"
    (one,) = check_port({"MASTER_PORT": "http"})
    assert one.state == "fault"
    assert list(check_port({})) == []


def test_the_port_of_torchrun_is_its_own():
    assert list(check_port({"MASTER_PORT": "1", "TORCHELASTIC_USE_AGENT_STORE": "True"})) == []


def test_each_variable_has_its_value_origin_and_reason():
    site = SiteProposals("x of 2026", {"FI_PROVIDER": Proposal("verbs", "InfiniBand"), "A": Proposal("1", "why")})
    environment = {SITE_VARIABLES: write_site_proposals(site), "A": "2"}
    found = by_name(check_contract(Runtime(device="cpu"), 2, environment))
    assert found["FI_PROVIDER"].found.startswith("verbs (profile: InfiniBand")
    assert found["A"].found.startswith("2 (user: in place of 1")


def test_backends_are_tried_on_the_devices_that_trainings_take(on_a_cpu):
    assert usable_backends("cpu", on_a_cpu) == [("gloo", "cpu")]
    tiles = replace(on_a_cpu, xpu=THERE, xccl=THERE)
    assert usable_backends("xpu", tiles) == [("xccl", "xpu"), ("gloo", "cpu")]
    assert usable_backends("cpu", replace(on_a_cpu, oneccl=THERE)) == [("gloo", "cpu"), ("oneccl", "cpu")]


def test_a_torch_that_cannot_be_loaded_is_told_in_the_loaders_words():
    (one,) = software.broken_torch(OSError("libtorch_cpu.so: cannot open shared object file")).look()
    assert (one.name, one.state, "libtorch_cpu.so" in one.found) == ("torch", "fault", True)


def test_versions_are_those_that_run():
    found = by_name([*software.check_python(), *software.check_packages()])
    assert torch.__version__ in found["packages"].found
    assert sys.executable in found["python"].found


def test_no_compiler_is_no_fault_by_itself(tmp_path):
    (one,) = software.check_compiler({"PATH": str(tmp_path)})
    assert one.state == "absent"


MAX_1550, LAPTOP, OTHER = ("0x8086", "0x038000"), ("0x8086", "0x030000"), ("0x1002", "0x030000")


@pytest.mark.parametrize(
    ("devices", "has_xpu_torch", "named"),
    [
        ([], True, None),
        ([MAX_1550, MAX_1550], False, "/dev/dri/renderD128, /dev/dri/renderD129"),
        ([LAPTOP], False, None),
        ([LAPTOP, MAX_1550], False, "/dev/dri/renderD129"),
        ([LAPTOP], True, "/dev/dri/renderD128"),
        ([OTHER], True, None),
    ],
)
def test_an_intel_gpu_that_torch_does_not_see_is_told_where_it_is_meant_to_be_used(
    monkeypatch, tmp_path, on_a_cpu, devices, has_xpu_torch, named
):
    """The kernel lists a node's Data Center GPUs Max, a laptop's GPU, and one of another maker."""
    (tmp_path / "renderD200").mkdir()  # a virtual device has no PCI entry
    for number, (vendor, kind) in enumerate(devices, 128):
        folder = tmp_path / f"renderD{number}" / "device"
        folder.mkdir(parents=True)
        (folder / "vendor").write_text(f"{vendor}\n")
        (folder / "class").write_text(f"{kind}\n")
    monkeypatch.setattr(collectives, "RENDER_NODES", tmp_path)
    monkeypatch.setattr(collectives, "probe_environment", lambda **_: on_a_cpu)
    monkeypatch.setattr(torch.xpu, "_is_compiled", lambda: has_xpu_torch)
    xpu = by_name(check_policy(Runtime(), 2, {}))["xpu"]
    if named is None:
        assert xpu.state == "absent"
    else:
        assert xpu.state == "warning"
        assert xpu.found.endswith(f"but there is {named}")
        assert "is torch the one for this device" in xpu.fix
