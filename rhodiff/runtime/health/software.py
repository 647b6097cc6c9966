"""Versions of what is installed, and what rhodiff needs and does not find."""

import platform
import re
import shutil
import sys
from collections.abc import Iterator, Mapping
from importlib import metadata

from rhodiff import __version__
from rhodiff.runtime.health.checks import Check, Result

__all__ = ["broken_torch", "software_checks"]

TITLE = "software"
SHOWN = ("torch", "numpy", "scipy", "zarr", "submitit", "mpi4py")


def software_checks(environment: Mapping[str, str]) -> list[Check]:
    """Interpreter, packages, compiler.

    Args:
        environment: usually ``os.environ``.
    """
    return [
        Check(TITLE, "python", check_python),
        Check(TITLE, "packages", check_packages, 20.0),
        Check(TITLE, "compiler", lambda: check_compiler(environment)),
    ]


def check_python() -> Iterator[Result]:
    """The interpreter, and the machine."""
    yield Result("python", "ok", f"{platform.python_version()} ({sys.executable}) on {platform.platform()}")


def check_packages() -> Iterator[Result]:
    """Versions, and requirements of rhodiff that are not installed."""
    found = [f"{name} {version}" for name in SHOWN if (version := _version(name)) is not None]
    versions = ", ".join([f"rhodiff {__version__}", *found])
    missing = [name for name in _requirements() if _version(name) is None]
    if missing:
        fix = f"pip install {' '.join(missing)} (with torch of the site: in a venv with --system-site-packages)"
        yield Result("packages", "fault", f"{versions}; not installed: {', '.join(missing)}", fix)
    else:
        yield Result("packages", "ok", versions)


def _requirements() -> list[str]:
    try:
        told = metadata.requires("rhodiff") or []
    except metadata.PackageNotFoundError:  # run from a checkout or a pinned package
        return []
    return [re.split(r"[\s<>=!~;\[]", text, maxsplit=1)[0] for text in told if "extra ==" not in text]


def _version(package: str) -> str | None:
    try:
        return metadata.version(package)
    except metadata.PackageNotFoundError:
        return None


def check_compiler(environment: Mapping[str, str]) -> Iterator[Result]:
    """A C++ compiler: the process group over oneCCL is compiled once."""
    name = (environment.get("CXX") or "c++").split()[0]
    path = shutil.which(name, path=environment.get("PATH"))
    if path:
        yield Result("compiler", "ok", f"{path}")
    else:
        found = f"'{name}' is not on the PATH; only oneCCL on CPUs needs it, once for each torch"
        yield Result("compiler", "absent", found, "load the site's compiler module, or install g++")


def broken_torch(error: Exception) -> Check:
    """That torch cannot be loaded, with the loader's words.

    Args:
        error: what its import raised.
    """
    result = Result(
        "torch",
        "fault",
        f"torch cannot be loaded: {str(error).splitlines()[0]}",
        "load the module that it was installed with, or install it again",
    )
    return Check(TITLE, "torch", lambda: (result,))
