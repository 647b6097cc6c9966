"""Where oneCCL is: in ``$CCL_ROOT`` of a site's module, or in the wheels of the extra ``oneccl``.

Of the wheels on the registry only one set works together (seen 2026-11): newer ones lack libfabric, or a libccl that
their own files name. So a part that is missing is told by name, with the set that works.
"""

import ctypes
import os
from collections.abc import Mapping
from dataclasses import dataclass
from importlib import metadata
from pathlib import Path

from rhodiff.errors import EnvironmentLacksError

__all__ = ["WHEELS", "Installation", "find_installation", "load_libraries", "refuse_two_mpis"]

WHEELS = "oneccl-cpu==2021.16.2 oneccl-cpu-devel==2021.16.2 impi-rt==2021.18.1"
"""Versions that work together."""
LIBRARY, FABRIC, MPI, HEADER = "libccl.so.1", "libfabric.so.1", "libmpi.so.12", "oneapi/ccl.hpp"
TRANSPORT = "CCL_ATL_TRANSPORT"
INSTALL = f"install the extra in an environment of its own: pip install 'rhodiff[oneccl]' ({WHEELS})"


@dataclass(frozen=True)
class Installation:
    """A oneCCL.

    Attributes:
        version: what its package or folder is called.
        library: libccl.
        fabric: libfabric; None: oneCCL looks for the site's.
        include: folder of the headers; None: they are not installed.
        mpi: Intel MPI's library; None: the site's, by name.
    """

    version: str
    library: Path
    fabric: Path | None
    include: Path | None
    mpi: Path | None = None

    def __str__(self) -> str:
        return f"oneCCL {self.version} ({self.library})"


def find_installation(environment: Mapping[str, str] = os.environ) -> Installation:
    """Find oneCCL.

    Args:
        environment: its CCL_ROOT, where set, comes first.

    Raises:
        EnvironmentLacksError: naming the part that is missing.
    """
    root = environment.get("CCL_ROOT")
    return _in_folder(Path(root)) if root else _in_wheels()


def refuse_two_mpis() -> None:
    """Refuse an environment into which two MPI libraries were installed over each other.

    Raises:
        EnvironmentLacksError: naming both.
    """
    folders = {name: _folder(name) for name in ("mpich", "impi-rt")}
    if folders["mpich"] is not None and folders["mpich"] == folders["impi-rt"]:
        raise EnvironmentLacksError(
            f"mpich and impi-rt are both installed in {folders['mpich']}: each brings its own libmpi and mpiexec, "
            "and the later one has overwritten the other's. Make two environments: one with 'rhodiff[mpi]', one "
            "with 'rhodiff[oneccl]'"
        )


def load_libraries(installation: Installation, environment: Mapping[str, str] = os.environ) -> None:
    """Load libfabric and libccl, so that what is linked to them finds these and no others.

    Args:
        installation: the oneCCL.
        environment: where it asks for the transport ``mpi``, Intel MPI is loaded too.

    Raises:
        EnvironmentLacksError: with the loader's own words.
    """
    if environment.get(TRANSPORT) == "mpi":
        _load_mpi(installation)
    for library in (installation.fabric, installation.library):
        try:
            if library is not None:
                ctypes.CDLL(str(library), mode=ctypes.RTLD_GLOBAL)
        except OSError as error:
            raise EnvironmentLacksError(
                f"oneCCL is broken: {library} cannot be loaded ({error}); {INSTALL}"
            ) from error


def _load_mpi(installation: Installation) -> None:
    """Without it oneCCL would take another transport, and say so at CCL_LOG_LEVEL=warn only."""
    library = str(installation.mpi or MPI)
    try:
        ctypes.CDLL(library, mode=ctypes.RTLD_GLOBAL)
    except OSError as error:
        raise EnvironmentLacksError(
            f"{TRANSPORT} is 'mpi', and Intel MPI cannot be loaded ({error}): load the site's module of Intel MPI, "
            f"or set {TRANSPORT}=ofi"
        ) from error


def _in_folder(root: Path) -> Installation:
    # A oneAPI has two builds of it: one for SYCL, and one for CPUs alone, which needs no SYCL runtime.
    found = next(
        (folder / LIBRARY for folder in (root / "lib/ccl/cpu/lib", root / "lib") if (folder / LIBRARY).exists()), None
    )
    if found is None:
        raise EnvironmentLacksError(
            f"CCL_ROOT is {root}, and there is no lib/{LIBRARY}: load the site's module of oneCCL, or "
            "unset CCL_ROOT to use the wheels"
        )
    fabric, include = root / "lib" / FABRIC, root / "include"
    return Installation(
        root.name, found, fabric if fabric.exists() else None, include if (include / HEADER).exists() else None
    )


def _in_wheels() -> Installation:
    try:
        version = metadata.version("oneccl-cpu")
    except metadata.PackageNotFoundError:
        raise EnvironmentLacksError(
            f"oneCCL is not installed, neither as package oneccl-cpu nor as CCL_ROOT; {INSTALL}"
        ) from None
    library, fabric = _file("oneccl-cpu", LIBRARY), _file("impi-rt", FABRIC)
    for package, name, path in (("oneccl-cpu", LIBRARY, library), ("impi-rt", FABRIC, fabric)):
        if path is None:
            raise EnvironmentLacksError(f"oneCCL is broken: {_described(package)} has no {name}; {INSTALL}")
    assert library is not None, "checked above"
    header = _file("oneccl-cpu-devel", HEADER)
    include = None if header is None else header.parent.parent
    return Installation(version, library, fabric, include, _file("impi-rt", MPI))


def _described(package: str) -> str:
    try:
        return f"{package} {metadata.version(package)}"
    except metadata.PackageNotFoundError:
        return f"{package}, which is not installed,"


def _file(package: str, name: str) -> Path | None:
    """A file that a package has installed and that is there."""
    try:
        files = metadata.distribution(package).files or []
    except metadata.PackageNotFoundError:
        return None
    found = (Path(str(file.locate())).resolve() for file in files if str(file).endswith(f"/{name}"))
    return next((path for path in found if path.exists()), None)


def _folder(package: str) -> Path | None:
    try:
        return Path(str(metadata.distribution(package).locate_file("."))).resolve()
    except metadata.PackageNotFoundError:
        return None
