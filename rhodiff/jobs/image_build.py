"""Building an image from a shipped definition: what is checked before, put into it, and written on it.

The image has the dependencies of this environment in the versions that are installed here, so that the same seed
gives the same numbers inside and outside, and a copy of the running package for use by hand. What the definition's
``%post`` does is one script, ``containers/setup.sh``. Where ``%post`` cannot run (root without all capabilities, as
inside other containers), it runs by ``chroot`` in a folder with a root file system, which is packed then.
"""

import os
import re
import shutil
import subprocess
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from importlib import metadata
from pathlib import Path

from rhodiff import __version__
from rhodiff.config.shipped import shipped_folder
from rhodiff.errors import ConfigError, EnvironmentLacksError, RhodiffError
from rhodiff.jobs.pinning import pin_code
from rhodiff.runtime.code_state import describe_code
from rhodiff.runtime.containers import EngineProbe, probe_engine
from rhodiff.store.files import checksum, storage_errors, write_atomic
from rhodiff.store.journal import utc_now
from rhodiff.store.layout import JobsFolder

__all__ = [
    "BuildRequest",
    "BuiltImage",
    "build_image",
    "check_build",
    "packing_definition",
    "pinned_requirements",
    "requirements_here",
]

KIND = "containers"
NEEDED_GB = {"cpu": 6.0, "xpu": 24.0}
"""Room for the unpacked file system and the image together; for xpu estimated, not measured."""
BUILD_FOLDER = "opt/rhodiff-build"
CLEAN_PATH = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"


@dataclass(frozen=True)
class BuildRequest:
    """What is to be built.

    Attributes:
        kind: name of the definition: ``cpu`` or ``xpu``.
        image: file to write.
        root: folder with a root file system to set up by ``chroot`` and pack; None: the definition's own way.
        wheels: folder of wheels that everything comes from; None: from pip's index.
        extras: optional dependencies (``mpi``, ``dust``, ...) to put into it.
        torch_index: index of the torch builds for the device; None: pip's own.
        temporary: folder for temporary files, else that of the engine.
        options: more words for ``apptainer build``.
    """

    kind: str
    image: Path
    root: Path | None = None
    wheels: Path | None = None
    extras: tuple[str, ...] = ("mpi",)
    torch_index: str | None = None
    temporary: Path | None = None
    options: tuple[str, ...] = ()


@dataclass(frozen=True)
class BuiltImage:
    """What was built.

    Attributes:
        image: the image.
        sha256: its checksum, also in ``<image>.sha256``.
        labels: what it says about itself.
    """

    image: Path
    sha256: str
    labels: Mapping[str, str]


def check_build(request: BuildRequest) -> EngineProbe:
    """Refuse what cannot be built, before anything is written.

    Raises:
        ConfigError: if the request contradicts itself or the files there.
        EnvironmentLacksError: if the engine, a right or room is lacking.
    """
    if request.image.exists():
        raise ConfigError(f"{request.image} exists already and is left alone: name another file")
    if request.kind == "xpu" and request.torch_index is None and request.wheels is None:
        raise ConfigError(
            "an image for xpu needs torch's builds for it, which pip's own index does not have: give --torch-index "
            "with the address that pytorch.org names for XPU, or --wheels"
        )
    if request.wheels is not None and request.torch_index is not None:
        raise ConfigError("--wheels and --torch-index exclude each other: with --wheels nothing comes from an index")
    engine = probe_engine()
    if engine.path is None or engine.version is None:
        raise EnvironmentLacksError(f"{engine.problem}: {engine.fix}")
    if request.root is not None:
        _check_root(request.root)
    elif not engine.can_run_post:
        raise EnvironmentLacksError(f"{engine.problem}: {engine.fix}")
    _check_room(request)
    return engine


def build_image(request: BuildRequest, engine: EngineProbe, note: Callable[[str], None]) -> BuiltImage:
    """Build an image.

    Args:
        request: what to build, checked.
        engine: from :func:`check_build`.
        note: told what is being done.

    Raises:
        RhodiffError: if a step fails, with its last lines.
    """
    temporary = request.temporary or Path(os.environ.get("APPTAINER_TMPDIR") or os.environ.get("TMPDIR") or "/tmp")
    work = temporary.resolve() / f"rhodiff-build-{os.getpid()}"
    with storage_errors(work):
        work.mkdir(parents=True)
    try:
        _fill(work / "build", request)
        labels = {
            "rhodiff.version": __version__,
            "rhodiff.git": describe_code().replace(" ", "-"),
            "rhodiff.created": utc_now(),
            "rhodiff.kind": request.kind,
        }
        if request.root is not None:
            note(f"setting up {request.root} by chroot")
            labels |= _set_up_by_chroot(work / "build", request.root, _setup_options(request))
        definition, arguments = _definition(request, work, labels)
        (work / "image.def").write_text(definition, encoding="utf-8")
        note(f"building {request.image}")
        made = work / "image.sif"
        words = [str(engine.path), "build", *request.options, *arguments, str(made), str(work / "image.def")]
        _run(words, {**os.environ, "APPTAINER_TMPDIR": str(temporary)}, "apptainer build")
        return _finished(made, request.image, labels)
    finally:
        shutil.rmtree(work, ignore_errors=True)


def pinned_requirements(
    declared: Sequence[str], extras: Sequence[str], installed: Callable[[str], str | None]
) -> list[str]:
    """Requirements in the versions that are installed here; the local part (``+cpu``) is the index's own matter.

    Args:
        declared: lines of the package's metadata, e.g. ``mpi4py>=4.0; extra == "mpi"``.
        extras: optional dependencies that are wanted.
        installed: version by name; None: it is not installed, and its newest is taken.

    Raises:
        ConfigError: if there is no such extra.
    """
    lines, known = [], set()
    for line in declared:
        requirement, _, marker = line.partition(";")
        extra = re.search(r"extra == ['\"]([\w-]+)['\"]", marker)
        name = re.match(r"[\w.-]+", requirement.strip())
        known |= {extra[1]} if extra is not None else set()
        if name is None or name[0] == "rhodiff" or (extra is not None and extra[1] not in extras):
            continue
        version = installed(name[0])
        lines.append(requirement.strip() if version is None else f"{name[0]}=={version.partition('+')[0]}")
    if unknown := sorted(set(extras) - known):
        raise ConfigError(f"rhodiff has no extra '{unknown[0]}'; there are: {', '.join(sorted(known))}")
    return lines


def requirements_here(extras: Sequence[str]) -> list[str]:
    """What goes into an image: the dependencies of rhodiff as they are installed in this environment."""
    return pinned_requirements(metadata.requires("rhodiff") or [], extras, _installed)


def packing_definition(text: str, root: Path, labels: Mapping[str, str]) -> str:
    """A definition that packs a folder which was set up already.

    Args:
        text: the definition; its source, arguments, files and ``%post`` are left out.
        root: the folder.
        labels: to write on the image.
    """
    sections = re.split(r"(?m)^(?=%\w)", text)[1:]
    kept = [part for part in sections if part.split(None, 1)[0] not in {"%arguments", "%files", "%post"}]
    written = "".join(f"    {name} {value}\n" for name, value in labels.items())
    return f"Bootstrap: localimage\nFrom: {root}\n\n%labels\n{written}\n{''.join(kept)}"


def _definition(request: BuildRequest, work: Path, labels: Mapping[str, str]) -> tuple[str, list[str]]:
    """The definition's text and what fills it in."""
    text = (shipped_folder(KIND) / f"rhodiff-{request.kind}.def").read_text(encoding="utf-8")
    if request.root is not None:
        return packing_definition(text, request.root.resolve(), labels), []
    written = "".join(f"    {name} {value}\n" for name, value in labels.items())
    options = " ".join(_setup_options(request))
    arguments = ["--build-arg", f"folder={work / 'build'}", "--build-arg", f"options={options}"]
    return f"{text}\n%labels\n{written}", arguments


def _setup_options(request: BuildRequest) -> list[str]:
    index = [] if request.torch_index is None else ["--torch-index", request.torch_index]
    return index if request.kind == "cpu" else [*index, "--device", request.kind]


def _fill(folder: Path, request: BuildRequest) -> None:
    """What the set-up script finds."""
    with storage_errors(folder):
        folder.mkdir()
        (folder / pin_code(JobsFolder(folder))).rename(folder / "rhodiff.zip")
        lines = requirements_here(request.extras)
        (folder / "requirements.txt").write_text("\n".join(lines) + "\n", encoding="utf-8")
        (folder / "setup.sh").write_bytes((shipped_folder(KIND) / "setup.sh").read_bytes())
        if request.wheels is not None:
            shutil.copytree(request.wheels, folder / "wheels")


def _installed(name: str) -> str | None:
    try:
        return metadata.version(name)
    except metadata.PackageNotFoundError:
        return None


def _set_up_by_chroot(build: Path, root: Path, options: Sequence[str]) -> dict[str, str]:
    """Run the script in a folder; returns what it says about what is there."""
    inside = root / BUILD_FOLDER
    shutil.rmtree(inside, ignore_errors=True)
    with storage_errors(inside):
        shutil.copytree(build, inside)
        shutil.copy("/etc/resolv.conf", root / "etc" / "resolv.conf")
    words = ["chroot", str(root), "/bin/sh", f"/{BUILD_FOLDER}/setup.sh", f"/{BUILD_FOLDER}", *options]
    try:
        _run(words, {"PATH": CLEAN_PATH, "LANG": "C.UTF-8"}, "setup.sh")
    finally:
        shutil.rmtree(inside)
    lines = (root / "opt" / "rhodiff" / "labels").read_text(encoding="utf-8").splitlines()
    return dict(line.split(" ", 1) for line in lines)


def _check_root(root: Path) -> None:
    if os.geteuid() != 0:
        raise EnvironmentLacksError("--root sets the folder up by chroot, which needs root: leave it out, or be root")
    if not (root / "bin" / "sh").exists() or not (root / "etc").is_dir():
        raise ConfigError(f"--root {root} is no root file system (no bin/sh): make one, e.g. with debootstrap")


def _check_room(request: BuildRequest) -> None:
    temporary = request.temporary or Path(os.environ.get("APPTAINER_TMPDIR") or os.environ.get("TMPDIR") or "/tmp")
    needed = NEEDED_GB[request.kind]
    for folder in (temporary, request.image.absolute().parent):
        if not folder.is_dir():
            raise ConfigError(f"there is no folder {folder}: make it first")
        free = shutil.disk_usage(folder).free / 1e9
        if free < needed:
            raise EnvironmentLacksError(
                f"building an image for {request.kind} takes up to {needed:g} GB, and {folder} has {free:.1f} GB "
                "left: make room, or name another place with --temporary"
            )


def _run(words: Sequence[str], environment: Mapping[str, str], what: str) -> None:
    ended = subprocess.run(
        words,
        env=dict(environment),
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        check=False,
    )
    if ended.returncode:
        last = "\n".join(ended.stdout.splitlines()[-15:])
        raise RhodiffError(f"{what} ended with exit code {ended.returncode}; its last lines:\n{last}")


def _finished(made: Path, image: Path, labels: Mapping[str, str]) -> BuiltImage:
    """Put the image in place, its checksum last."""
    digest = checksum(made)
    hidden = image.with_name(f".{image.name}.tmp")
    with storage_errors(image):
        try:
            shutil.move(made, hidden)
            hidden.replace(image)
        finally:
            hidden.unlink(missing_ok=True)
    line = f"{digest}  {image.name}\n"
    write_atomic(image.with_name(f"{image.name}.sha256"), lambda handle: handle.write(line.encode()))
    return BuiltImage(image, digest, dict(labels))
