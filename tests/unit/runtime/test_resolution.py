"""The choice of device, collectives and IPEX, over every combination of what is there and what is asked for."""

from dataclasses import replace
from itertools import product

import pytest

from rhodiff.errors import ConfigError, EnvironmentLacksError
from rhodiff.runtime.probes import Probe, Probes
from rhodiff.runtime.resolution import Request, resolve

LOOKS = ("xpu", "cuda", "gloo", "nccl", "xccl", "ccl", "oneccl")
OF_BACKEND = {"gloo": "gloo", "nccl": "nccl", "xccl": "xccl", "ccl": "ccl", "rho_oneccl": "oneccl"}
DEVICES = ("auto", "xpu", "cuda", "cpu")
BACKENDS = ("auto", "oneccl", "xccl", "ccl", "nccl", "gloo")
CARRIED = {
    ("xpu", "oneccl"): {"xccl", "ccl"},
    ("xpu", "xccl"): {"xccl"},
    ("xpu", "ccl"): {"ccl"},
    ("cuda", "nccl"): {"nccl"},
    ("cuda", "gloo"): {"gloo"},
    ("cpu", "oneccl"): {"rho_oneccl"},
    ("cpu", "ccl"): {"ccl"},
    ("cpu", "gloo"): {"gloo"},
}
"""What a demand may become on a device: itself, or for the library oneCCL what has it inside."""


def probes_of(there, torch="2.13.0", ipex=None, avx512=True):
    """Probes of which those in ``there`` are."""
    looks = {name: Probe(name in there, f"<words of {name}>") for name in LOOKS}
    return Probes(torch=torch, ipex=ipex, avx512=Probe(avx512, "<words of avx512>"), **looks)


def all_probes():
    for flags in product((False, True), repeat=len(LOOKS)):
        for torch in ("2.7.1", "2.8.0+xpu", "2.9.0", "2.13.0"):
            yield probes_of({name for name, is_there in zip(LOOKS, flags, strict=True) if is_there}, torch)


def can_be_used(probes, backend):
    """By the facts: Intel's bindings ended with torch 2.8."""
    is_there = getattr(probes, OF_BACKEND[backend]).is_there
    return is_there and not (backend == "ccl" and probes.torch.startswith(("2.9", "2.13")))


def device_by_hand(request, probes):
    there = [name for name in ("xpu", "cuda") if getattr(probes, name).is_there]
    if request == "auto":
        return (there or ["cpu"])[0]
    return request if request in (*there, "cpu") else None


@pytest.mark.parametrize("asked", DEVICES)
@pytest.mark.parametrize("backend", BACKENDS)
@pytest.mark.parametrize("num_processes", [1, 4])
def test_every_combination(asked, backend, num_processes):
    request = Request(asked, backend, "off", num_processes)
    for probes in all_probes():
        device = device_by_hand(asked, probes)
        try:
            found = resolve(request, probes)
        except EnvironmentLacksError as error:
            assert error.exit_code == 5
            assert_absent(request, device, probes, str(error))
        except ConfigError as error:
            assert backend != "auto"
            assert (device, backend) not in CARRIED
            assert f"'{backend}' does not carry tensors on device '{device}'" in str(error)
        else:
            assert_right(request, device, probes, found)


def assert_absent(request, device, probes, text):
    """Something demanded, or all that would do, is not there, and the message has the probes' own words."""
    if device is None:
        assert getattr(probes, request.device).words in text
        return
    if request.backend == "auto":
        wanted = {"xpu": {"xccl", "ccl"}, "cuda": {"nccl"}, "cpu": {"gloo"}}[device]
    else:
        wanted = CARRIED[device, request.backend]
        assert f"runtime.backend '{request.backend}' was asked for" in text
    for name in wanted:
        assert not can_be_used(probes, name)
        look = getattr(probes, OF_BACKEND[name])
        assert (look.words if not look.is_there else "ended with torch 2.8, and this is torch") in text


def assert_right(request, device, probes, found):
    assert found.device == device
    assert not (found.device == "xpu" and found.backend == "gloo")
    if request.backend == "auto" and request.num_processes == 1:
        assert found.backend is None
    elif request.backend == "auto":
        first_that_works = [name for name in ("xccl", "ccl") if can_be_used(probes, name)][:1]
        assert [found.backend] == {"xpu": first_that_works, "cuda": ["nccl"], "cpu": ["gloo"]}[device]
    else:
        assert found.backend in CARRIED[device, request.backend]
    assert found.backend is None or can_be_used(probes, found.backend)
    assert not found.ipex
    for what, chosen in (("device", found.device), ("backend", found.backend)):
        taken = [decision.candidate for decision in found.decisions if decision.what == what and decision.is_taken]
        assert taken == ([] if chosen is None else [chosen])
    for decision in found.decisions:
        look = OF_BACKEND.get(decision.candidate, decision.candidate)
        if not decision.is_taken and decision.what != "ipex" and not getattr(probes, look).is_there:
            assert decision.words == getattr(probes, look).words


def test_a_demand_is_never_replaced_where_something_else_would_work():
    everything = probes_of(LOOKS, "2.8.0")
    for absent, backend in (("oneccl", "oneccl"), ("ccl", "ccl"), ("gloo", "gloo")):
        lacking = probes_of(set(LOOKS) - {absent}, "2.8.0")
        with pytest.raises(EnvironmentLacksError, match=f"'{backend}' was asked for.*\n.*<words of {absent}>"):
            resolve(Request("cpu", backend, num_processes=2), lacking)
        assert resolve(Request("cpu", "auto", num_processes=2), everything).backend == "gloo"


def test_a_demanded_backend_must_be_there_for_a_single_process_too():
    with pytest.raises(EnvironmentLacksError, match="<words of oneccl>"):
        resolve(Request("cpu", "oneccl"), probes_of({"gloo"}))


def test_the_bindings_are_told_apart_from_torch_after_2_8():
    with pytest.raises(EnvironmentLacksError) as caught:
        resolve(Request("xpu", num_processes=8), probes_of({"xpu", "ccl", "gloo"}, "2.9.1+xpu"))
    assert "xccl: <words of xccl>" in str(caught.value)
    assert "ccl: oneccl_bindings_for_pytorch ended with torch 2.8, and this is torch 2.9.1+xpu" in str(caught.value)
    taken = resolve(Request("xpu", num_processes=8), probes_of({"xpu", "ccl", "gloo"}, "2.8.0+xpu"))
    assert [str(decision) for decision in taken.decisions if decision.what == "backend"] == [
        "backend xccl: refused: <words of xccl>",
        "backend ccl: taken: <words of ccl>",
    ]


@pytest.mark.parametrize("torch", ["2.7.1", "2.8.0+cpu", "2.9.0", "2.13.0"])
@pytest.mark.parametrize("ipex", [None, "2.7.0", "2.8.10+xpu", "2.9.0"])
@pytest.mark.parametrize("avx512", [False, True])
@pytest.mark.parametrize("device", ["xpu", "cuda", "cpu"])
def test_ipex_is_taken_just_where_it_fits(torch, ipex, avx512, device):
    probes = probes_of({"xpu", "cuda"}, torch, ipex, avx512)
    minor = torch[:3] if torch[3] == "." else torch[:4]
    fits = ipex is not None and ipex.startswith(minor) and minor in {"2.7", "2.8"}
    fits = fits and (device == "xpu" or (device == "cpu" and avx512))
    automatic = resolve(Request(device, ipex="auto"), probes)
    assert automatic.ipex == fits
    assert not resolve(Request(device, ipex="off"), probes).ipex
    assert automatic.decisions[-1].what == "ipex"
    if fits:
        assert resolve(Request(device, ipex="on"), probes).ipex
        return
    with pytest.raises(EnvironmentLacksError, match="'on' was asked for") as caught:
        resolve(Request(device, ipex="on"), probes)
    assert automatic.decisions[-1].words in str(caught.value)


def test_each_reason_against_ipex_has_its_own_words():
    def refusal(device="cpu", **facts):
        return resolve(Request(device), replace(probes_of({"cuda"}), **facts)).decisions[-1].words

    assert "is not installed; it ended with torch 2.8" in refusal()
    assert "2.8.0 is for torch 2.8, and this is torch 2.13.0" in refusal(ipex="2.8.0")
    assert "2.7.0 is for torch 2.7, and this is torch 2.8.1" in refusal(ipex="2.7.0", torch="2.8.1")
    legacy = {"ipex": "2.8.0", "torch": "2.8.0"}
    assert refusal(**legacy, avx512=Probe(False, "<none>")) == "on a CPU it needs AVX-512: <none>"
    assert "'cuda'" in refusal("cuda", **legacy)


def test_the_record_says_everything_in_plain_values():
    record = resolve(Request("auto", "auto", "off", 2), probes_of({"gloo"})).to_record()
    assert record == {
        "device": "cpu",
        "backend": "gloo",
        "ipex": False,
        "decisions": [
            "device xpu: refused: <words of xpu>",
            "device cuda: refused: <words of cuda>",
            "device cpu: taken: always there",
            "backend gloo: taken: <words of gloo>",
            "ipex: refused: runtime.ipex is 'off'",
        ],
    }
