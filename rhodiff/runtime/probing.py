"""Look at this process's torch, devices and packages; nothing is decided here."""

from importlib import import_module, metadata
from importlib.util import find_spec
from pathlib import Path
from types import ModuleType

import torch
import torch.distributed as dist

from rhodiff.errors import EnvironmentLacksError
from rhodiff.runtime.oneccl.installation import find_installation, load_libraries, refuse_two_mpis
from rhodiff.runtime.probes import Probe, Probes

__all__ = ["probe_environment"]

BINDINGS = "oneccl_bindings_for_pytorch"
IPEX = "intel-extension-for-pytorch"


def probe_environment(*, loads_oneccl: bool = False) -> Probes:
    """Look at everything.

    Args:
        loads_oneccl: load oneCCL's libraries to see whether that works; else it is only looked for.
    """
    return Probes(
        torch=str(torch.__version__),
        xpu=_probe_device("xpu", torch.xpu),
        cuda=_probe_device("cuda", torch.cuda),
        gloo=_probe_backend("gloo", dist.is_available() and dist.is_gloo_available()),
        nccl=_probe_backend("nccl", dist.is_available() and dist.is_nccl_available()),
        xccl=_probe_backend("xccl", _has_xccl()),
        ccl=_probe_bindings(),
        oneccl=_probe_oneccl(loads=loads_oneccl),
        ipex=_version(IPEX),
        avx512=_probe_avx512(),
    )


def _probe_device(name: str, module: ModuleType) -> Probe:
    build = f"torch {torch.__version__}"
    try:
        count = module.device_count() if module.is_available() else 0
    except RuntimeError as error:  # a driver that does not work
        return Probe(False, f"{build} cannot look for {name} devices: {str(error).splitlines()[0]}")
    if count:
        return Probe(True, f"{build} sees {count} {name} device{'s' * (count > 1)}")
    if not _was_built_for(name):
        return Probe(False, f"{build} was built without {name}: install one that was built for it")
    return Probe(False, f"{build} was built for {name} and sees no device: are there any, and their driver, here?")


def _was_built_for(name: str) -> bool:
    compiled = getattr(getattr(torch, name), "_is_compiled", None)
    return bool(compiled()) if compiled is not None else False


def _has_xccl() -> bool:
    """``Backend.backend_list`` names xccl even where torch was built without it."""
    asked = getattr(dist, "is_xccl_available", None)
    return bool(asked()) if asked is not None else False


def _probe_backend(name: str, is_built_in: bool) -> Probe:
    build = f"torch {torch.__version__}"
    if is_built_in:
        return Probe(True, f"{build} has it")
    return Probe(False, f"{build} was built without {name}: install one that was built with it")


def _probe_bindings() -> Probe:
    if find_spec(BINDINGS) is None:
        return Probe(False, f"{BINDINGS} (for torch <= 2.8) is not installed")
    if tuple(int(part) for part in torch.__version__.split(".")[:2]) > (2, 8):
        return Probe(True, f"{BINDINGS} is installed")  # not imported: it would not load
    try:
        import_module(BINDINGS)
    except (ImportError, OSError, RuntimeError) as error:
        return Probe(False, f"{BINDINGS} is installed and cannot be imported: {error}")
    return Probe(True, f"{BINDINGS} {_version('oneccl_bind_pt') or ''}".strip())


def _probe_oneccl(*, loads: bool) -> Probe:
    try:
        refuse_two_mpis()
        installation = find_installation()
        if loads:
            load_libraries(installation)
    except EnvironmentLacksError as error:
        return Probe(False, str(error))
    return Probe(True, str(installation))


def _probe_avx512() -> Probe:
    info = Path("/proc/cpuinfo")
    flags = info.read_text(errors="replace") if info.exists() else ""
    is_there = "avx512f" in flags
    return Probe(is_there, f"this CPU has {'' if is_there else 'no '}AVX-512")


def _version(package: str) -> str | None:
    try:
        return metadata.version(package)
    except metadata.PackageNotFoundError:
        return None
