"""An image for CPUs, made as a user would who cannot run ``%post``: debootstrap, wheels, ``container build --root``.

It has Debian 12 with its Python 3.11, the packages of the tests' environment in the same versions (from wheels that
pip brings), MPICH, and this checkout of rhodiff. ``RHODIFF_TEST_IMAGE`` names one that is there, to try things with.
"""

import os
import shutil
import subprocess
import sys
from pathlib import Path

from rhodiff.jobs.image_build import requirements_here

INSTALL = Path(__file__).resolve().parents[1] / "containers" / "install_apptainer.sh"
PYTHON = "3.11"
"""Of Debian 12, which need not be that of the tests."""
FASTER = ("--option=--mksquashfs-args", "--option=-comp zstd -Xcompression-level 1 -no-progress")


def make_image(folder: Path) -> Path:
    """Install what is needed, and build an image in a folder."""
    given = os.environ.get("RHODIFF_TEST_IMAGE")
    if given:
        return Path(given)
    _call("bash", str(INSTALL))
    image, root, wheels = folder / "rhodiff-cpu.sif", folder / "root", folder / "wheels"
    packages = "--include=python3,python3-venv,ca-certificates"
    bootstrap = ["debootstrap", "--variant=minbase", packages, "bookworm", str(root), *_archive()]
    debian = subprocess.Popen(bootstrap, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
    required = [*requirements_here(["mpi"]), f"--python-version={PYTHON}", "--only-binary=:all:"]
    _call(sys.executable, "-m", "pip", "download", "--quiet", "--dest", str(wheels), *required)
    said, _ = debian.communicate()
    assert debian.returncode == 0, said[-3000:]
    words = ["build", "cpu", "--output", str(image), "--root", str(root), "--wheels", str(wheels), *FASTER]
    _call(sys.executable, "-m", "rhodiff.cli", "container", *words)
    shutil.rmtree(wheels)
    shutil.rmtree(root)
    return image


def _archive() -> list[str]:
    """Where this machine has its packages from; debootstrap knows one itself."""
    sources = Path("/etc/apt/sources.list.d/debian.sources")
    lines = sources.read_text().splitlines() if sources.exists() else []
    return [line.split()[1] for line in lines if line.startswith("URIs:")][:1]


def _call(*words: str) -> None:
    ended = subprocess.run(words, capture_output=True, text=True, check=False)
    assert ended.returncode == 0, f"{words} ended with {ended.returncode}:\n{(ended.stdout + ended.stderr)[-3000:]}"
