"""Devices, carriers of collectives and IPEX, in the words of the policy that chooses, and their environment.

Loads torch: whoever wants to say that torch itself is broken imports this inside a ``try``.
"""

import shlex
import shutil
import socket
from collections.abc import Iterator, Mapping
from dataclasses import replace
from importlib import metadata
from importlib.util import find_spec
from pathlib import Path

import torch

from rhodiff.config.experiment import Runtime
from rhodiff.errors import EnvironmentLacksError, RhodiffError
from rhodiff.runtime.health.checks import Check, Result, State
from rhodiff.runtime.oneccl.extension import cache_folders, find_built, provide_extension
from rhodiff.runtime.oneccl.installation import find_installation
from rhodiff.runtime.places import Place
from rhodiff.runtime.preparation import contract_of
from rhodiff.runtime.probes import Probe, Probes
from rhodiff.runtime.probing import BINDINGS, probe_environment
from rhodiff.runtime.resolution import Request, Resolution, resolve

__all__ = ["collective_checks", "usable_backends"]

TITLE = "devices and collectives"
CONTRACT = "environment of a training"
CARRIERS = (("xccl", "xpu"), ("ccl", "xpu"), ("nccl", "cuda"), ("gloo", "cpu"), ("oneccl", "cpu"))
"""Backends as they are asked for, each on the device that it is looked at for."""
LIMIT_S = 60.0
"""Loading oneCCL from a busy file system takes its time."""
NVIDIA_FILES = Path("/dev/nvidia[0-9]*")
RENDER_NODES = Path("/sys/class/drm")
INTEL, COMPUTE = "0x8086", "0x0380"
"""PCI vendor; and the class of GPUs without display outputs (Max, Flex), which a desktop's are not."""


def collective_checks(runtime: Runtime, num_processes: int, environment: Mapping[str, str]) -> list[Check]:
    """All checks of devices and collectives.

    Args:
        runtime: what the experiment asks for.
        num_processes: processes of a training.
        environment: usually ``os.environ``, with what the site profile proposes.
    """
    return [
        Check(TITLE, "backends", lambda: check_policy(runtime, num_processes, environment), LIMIT_S),
        Check(TITLE, "port", lambda: check_port(environment)),
        Check(CONTRACT, "variables", lambda: check_contract(runtime, num_processes, environment), LIMIT_S),
    ]


def usable_backends(device: str, probes: Probes) -> list[tuple[str, str]]:
    """Backends that work here, as they are asked for, with the device whose tensors they carry.

    Args:
        device: the one that trainings take here; gloo and oneCCL on CPUs are looked at besides.
        probes: what there is.
    """
    pairs = [pair for pair in CARRIERS if pair[1] in {device, "cpu"}]
    return [pair for pair in pairs if _refusal(*pair, probes) is None]


def check_policy(runtime: Runtime, num_processes: int, environment: Mapping[str, str]) -> Iterator[Result]:
    """What each device, carrier and IPEX is refused for, and what a training takes."""
    probes = probe_environment(loads_oneccl=True)
    yield _device_result("xpu", probes.xpu, _intel_devices(RENDER_NODES, any_kind=torch.xpu._is_compiled()))
    files = NVIDIA_FILES.parent.glob(NVIDIA_FILES.name)
    yield _device_result("cuda", probes.cuda, sorted(map(str, files)))
    for name, device in CARRIERS:
        yield _carrier_result(name, device, probes, environment)
    yield _ipex_result(probes)
    yield _training_result(runtime, num_processes, probes)


def _intel_devices(folder: Path, *, any_kind: bool) -> list[str]:
    """Intel's GPUs as the kernel lists them; those of desktops only where ``any_kind`` is wanted."""
    found = []
    for node in sorted(folder.glob("renderD*")):
        try:
            vendor, kind = ((node / "device" / name).read_text().strip() for name in ("vendor", "class"))
        except OSError:  # no PCI device
            continue
        if vendor == INTEL and (any_kind or kind.startswith(COMPUTE)):
            found.append(f"/dev/dri/{node.name}")
    return found


def _device_result(name: str, probe: Probe, files: list[str]) -> Result:
    """Devices that the kernel knows and torch does not are worth a word: torch may be one for others."""
    if probe.is_there or not files:
        return Result(name, "ok" if probe.is_there else "absent", probe.words)
    fix = "is torch the one for this device, may you open it ('groups'), is the driver's user part here?"
    return Result(name, "warning", f"{probe.words}; but there is {', '.join(files)}", fix)


def _refusal(name: str, device: str, probes: Probes) -> str | None:
    """The policy's reason against a backend on a device; None where it would take it."""
    absent = {"xpu": probes.xpu, "cuda": probes.cuda, "cpu": Probe(True, "")}[device]
    with_device = replace(probes, xpu=Probe(True, ""), cuda=Probe(True, ""))
    try:
        resolve(Request(device, name, "off", 2), with_device)  # type: ignore[arg-type]
    except RhodiffError as error:
        return str(error).partition("\n  ")[2].partition(": ")[2] or str(error)
    return None if absent.is_there else absent.words


def _carrier_result(name: str, device: str, probes: Probes, environment: Mapping[str, str]) -> Result:
    refusal = _refusal(name, device, probes)
    if refusal is None and name == "oneccl":
        return _oneccl_result(probes, environment)
    if refusal is None:
        return Result(name, "ok", f"{probes.ccl.words if name == 'ccl' else f'torch {probes.torch} has it'}")
    return Result(name, _state_of_refusal(name, probes, environment), refusal)


def _state_of_refusal(name: str, probes: Probes, environment: Mapping[str, str]) -> State:
    """What is installed and cannot work is no mere absence."""
    if name == "oneccl" and (environment.get("CCL_ROOT") or _is_installed("oneccl-cpu")):
        return "fault"
    if name == "ccl" and find_spec(BINDINGS) is not None:
        return "warning"
    return "absent"


def _is_installed(package: str) -> bool:
    """Whether a distribution is installed."""
    try:
        metadata.version(package)
    except metadata.PackageNotFoundError:
        return False
    return True


def _oneccl_result(probes: Probes, environment: Mapping[str, str]) -> Result:
    """It works with a process group that is compiled once for each torch."""
    installation = find_installation(environment)
    built = find_built(installation, cache_folders(environment))
    if built is not None:
        return Result("oneccl", "ok", f"{probes.oneccl.words}; compiled for torch {probes.torch}: {built}")
    compiler = shlex.split(environment.get("CXX") or "c++")[0]
    if shutil.which(compiler, path=environment.get("PATH")):
        return Result("oneccl", "ok", f"{probes.oneccl.words}; '{compiler}' compiles it in a minute when first used")
    try:
        provide_extension(installation, environment)
    except EnvironmentLacksError as error:
        return Result("oneccl", "fault", str(error))
    return Result("oneccl", "ok", probes.oneccl.words)


def _ipex_result(probes: Probes) -> Result:
    try:
        device = "xpu" if probes.xpu.is_there else "cpu"
        resolve(Request(device, "auto", "on", 1), probes)  # type: ignore[arg-type]
    except EnvironmentLacksError as error:
        why = str(error).partition("cannot be used: ")[2]
        return Result("ipex", "absent" if probes.ipex is None else "warning", why)
    return Result("ipex", "ok", f"intel-extension-for-pytorch {probes.ipex}")


def _training_result(runtime: Runtime, num_processes: int, probes: Probes) -> Result:
    """What a training takes, or why it cannot begin."""
    asked = f"device {runtime.device}, backend {runtime.backend}, IPEX {runtime.ipex}"
    try:
        found = resolve(_request(runtime, num_processes), probes)
    except RhodiffError as error:
        return Result("training", "fault", f"{asked}: {' '.join(str(error).split())}")
    backend = found.backend or "none (one process)"
    taken = f"device {found.device}, backend {backend}, IPEX {'on' if found.ipex else 'off'}"
    return Result("training", "ok", f"{num_processes} processes that ask for {asked} take {taken}")


def _request(runtime: Runtime, num_processes: int) -> Request:
    return Request(runtime.device, runtime.backend, runtime.ipex, num_processes)


def check_port(environment: Mapping[str, str]) -> Iterator[Result]:
    """Whether the port that somebody named for the processes to meet is free."""
    port = environment.get("MASTER_PORT")
    if port is None or environment.get("TORCHELASTIC_USE_AGENT_STORE") == "True":  # torchrun itself listens there
        return
    fix = "choose another MASTER_PORT, or unset it: rhodiff then takes a free one"
    if not port.isdecimal() or not 0 < int(port) < 65536:
        yield Result("port", "fault", f"MASTER_PORT={port!r} is no port (1 to 65535)", fix)
        return
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind(("", int(port)))
        except OSError as error:
            yield Result("port", "fault", f"MASTER_PORT={port} cannot be used on this node: {error.strerror}", fix)
            return
    yield Result("port", "ok", f"MASTER_PORT={port} is free on this node")


def check_contract(runtime: Runtime, num_processes: int, environment: Mapping[str, str]) -> Iterator[Result]:
    """Each variable that a training's libraries are told, with whose it is and why."""
    try:
        found = resolve(_request(runtime, num_processes), probe_environment())
    except RhodiffError:
        found = Resolution("cpu", None, False, ())  # the policy's own check tells it; the site's variables remain
    variables = contract_of(found, Place(0, num_processes, 0, num_processes), environment)
    if not variables:
        yield Result(
            "variables", "absent", f"backend {found.backend or 'none'} needs none, and no site profile has any"
        )
    for one in variables:
        yield Result(one.name, "ok", f"{one.value} ({one.origin}: {one.reason})")
