"""Which device, which collectives, and whether IPEX: decided from probes alone, each candidate with its reason.

    device    auto: xpu, else cuda, else cpu
    backend   auto: xpu -> xccl, else ccl (Intel's bindings, torch <= 2.8); cuda -> nccl; cpu -> gloo
              oneccl: Intel's library: on CPUs the backend that rhodiff compiles, on xpu what auto takes there
    ipex      auto: where it is installed for this torch (<= 2.8) and there is an xpu or a CPU with AVX-512

What is demanded is taken or refused, never replaced. Tensors on an xpu never travel over gloo: it would copy each
through the host, or fail in the middle of a training. A single process has no backend; one that is demanded must be
there all the same.
"""

import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, Literal

from rhodiff.errors import ConfigError, EnvironmentLacksError
from rhodiff.runtime.probes import Probe, Probes

__all__ = ["Decision", "DeviceRequest", "Request", "Resolution", "choose_device", "resolve"]

DeviceRequest = Literal["auto", "xpu", "cuda", "cpu"]
BackendRequest = Literal["auto", "oneccl", "xccl", "ccl", "nccl", "gloo"]
IpexRequest = Literal["auto", "on", "off"]

LAST_LEGACY = (2, 8)
"""The last torch of intel-extension-for-pytorch and oneccl_bindings_for_pytorch."""
OURS = "rho_oneccl"
"""torch's name of the backend that rhodiff compiles; ``rhodiff.runtime.oneccl`` registers it."""
CARRIERS: dict[str, dict[str, tuple[str, ...]]] = {
    "xpu": {"auto": ("xccl", "ccl"), "oneccl": ("xccl", "ccl"), "xccl": ("xccl",), "ccl": ("ccl",)},
    "cuda": {"auto": ("nccl",), "nccl": ("nccl",), "gloo": ("gloo",)},
    "cpu": {"auto": ("gloo",), "oneccl": (OURS,), "ccl": ("ccl",), "gloo": ("gloo",)},
}
"""Device -> request -> torch's backends to try, in order. gloo is not in the row of xpu, and must not be."""


@dataclass(frozen=True)
class Request:
    """What was asked for.

    Attributes:
        device: ``runtime.device``.
        backend: ``runtime.backend``.
        ipex: ``runtime.ipex``.
        num_processes: processes of the training.
    """

    device: DeviceRequest = "auto"
    backend: BackendRequest = "auto"
    ipex: IpexRequest = "auto"
    num_processes: int = 1


@dataclass(frozen=True)
class Decision:
    """One candidate.

    Attributes:
        what: ``device``, ``backend`` or ``ipex``.
        candidate: its name.
        is_taken: whether it was taken.
        words: why, or why not.
    """

    what: Literal["device", "backend", "ipex"]
    candidate: str
    is_taken: bool
    words: str

    def __str__(self) -> str:
        name = self.what if self.what == self.candidate else f"{self.what} {self.candidate}"
        return f"{name}: {'taken' if self.is_taken else 'refused'}: {self.words}"


@dataclass(frozen=True)
class Resolution:
    """What is used.

    Attributes:
        device: ``xpu``, ``cuda`` or ``cpu``.
        backend: torch's name of the backend; None: a single process for which none was demanded.
        ipex: whether IPEX optimises the network.
        decisions: all candidates that were looked at, in order.
    """

    device: str
    backend: str | None
    ipex: bool
    decisions: tuple[Decision, ...]

    def to_record(self) -> dict[str, Any]:
        """As JSON values."""
        said = [str(decision) for decision in self.decisions]
        return {"device": self.device, "backend": self.backend, "ipex": self.ipex, "decisions": said}


def resolve(request: Request, probes: Probes) -> Resolution:
    """Decide.

    Args:
        request: what was asked for.
        probes: what there is.

    Raises:
        ConfigError: for a backend that does not carry tensors of the device.
        EnvironmentLacksError: if what was demanded, or everything that would do, is absent; with all reasons.
    """
    devices = choose_device(request.device, probes)
    device = devices[-1].candidate
    backends = tuple(_choose_backend(request, device, probes))
    ipex = _choose_ipex(request.ipex, device, probes)
    backend = backends[-1].candidate if backends else None
    return Resolution(device, backend, ipex.is_taken, (*devices, *backends, ipex))


def choose_device(request: DeviceRequest, probes: Probes) -> tuple[Decision, ...]:
    """The devices that were looked at; the last one is taken.

    Raises:
        EnvironmentLacksError: if the one that was demanded is absent.
    """
    found = {"xpu": probes.xpu, "cuda": probes.cuda, "cpu": Probe(True, "always there")}
    if request != "auto":
        probe = found[request]
        if not probe.is_there:
            raise EnvironmentLacksError(
                f"runtime.device '{request}' was asked for, and it cannot be used: {probe.words}. Or take 'auto'"
            )
        return (Decision("device", request, True, f"asked for; {probe.words}"),)
    names = list(found)
    taken = next(index for index, name in enumerate(names) if found[name].is_there)
    return tuple(
        Decision("device", name, index == taken, found[name].words) for index, name in enumerate(names[: taken + 1])
    )


def _choose_backend(request: Request, device: str, probes: Probes) -> Iterator[Decision]:
    """Backends that were looked at, the last one taken; none for a single process that demands none."""
    if request.backend == "auto" and request.num_processes == 1:
        return
    candidates = CARRIERS[device].get(request.backend)
    if candidates is None:
        raise ConfigError(
            f"runtime.backend '{request.backend}' does not carry tensors on device '{device}': it takes "
            f"{', '.join(CARRIERS[device])}. Change one of runtime.backend and runtime.device"
        )
    found = {"gloo": probes.gloo, "nccl": probes.nccl, "xccl": probes.xccl, "ccl": probes.ccl, OURS: probes.oneccl}
    refused = []
    for name in candidates:
        probe = _fitting_bindings(probes) if name == "ccl" else found[name]
        if probe.is_there:
            yield Decision("backend", name, True, probe.words)
            return
        refused.append(Decision("backend", name, False, probe.words))
        yield refused[-1]
    demanded = "" if request.backend == "auto" else f"runtime.backend '{request.backend}' was asked for, and "
    raise EnvironmentLacksError(
        f"{demanded}processes on device '{device}' find no backend that works:"
        + "".join(f"\n  {decision.candidate}: {decision.words}" for decision in refused)
    )


def _fitting_bindings(probes: Probes) -> Probe:
    """Intel's bindings ended with torch 2.8."""
    if probes.ccl.is_there and _minor(probes.torch) > LAST_LEGACY:
        return Probe(
            False,
            f"oneccl_bindings_for_pytorch ended with torch 2.8, and this is torch {probes.torch}: uninstall it, and "
            "use a torch with XPU, whose 'xccl' has oneCCL inside",
        )
    return probes.ccl


def _choose_ipex(request: IpexRequest, device: str, probes: Probes) -> Decision:
    if request == "off":
        return Decision("ipex", "ipex", False, "runtime.ipex is 'off'")
    refusal = _why_no_ipex(device, probes)
    if refusal is not None and request == "on":
        raise EnvironmentLacksError(f"runtime.ipex 'on' was asked for, and IPEX cannot be used: {refusal}")
    return Decision("ipex", "ipex", refusal is None, refusal or f"intel-extension-for-pytorch {probes.ipex}")


def _why_no_ipex(device: str, probes: Probes) -> str | None:
    if probes.ipex is None:
        return (
            "intel-extension-for-pytorch is not installed; it ended with torch 2.8, later ones have what it did: "
            "take 'auto', or install 'rhodiff[ipex]' in an environment of its own"
        )
    if _minor(probes.torch) > LAST_LEGACY or _minor(probes.ipex) != _minor(probes.torch):
        return (
            f"intel-extension-for-pytorch {probes.ipex} is for torch {'.'.join(map(str, _minor(probes.ipex)))}, and "
            f"this is torch {probes.torch}: install 'rhodiff[ipex]' in an environment of its own, or uninstall it"
        )
    if device == "cuda":
        return "it does nothing for device 'cuda'"
    if device == "cpu" and not probes.avx512.is_there:
        return f"on a CPU it needs AVX-512: {probes.avx512.words}"
    return None


def _minor(version: str) -> tuple[int, int]:
    match = re.match(r"(\d+)\.(\d+)", version)
    return (int(match[1]), int(match[2])) if match else (0, 0)
