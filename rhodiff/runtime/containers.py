"""The container engine of a machine, Apptainer, and the command that starts something inside an image.

Nothing about the engine is assumed: root may lack a capability (then Apptainer has to drop all of them,
``--no-privs``), and an unprivileged user needs user namespaces or the engine's setuid starter. Intel GPUs need no
flag such as ``--nv``: ``/dev/dri`` is bound, and the image has the user-space driver.

This module loads neither pydantic nor numpy: every job's body reads it.
"""

import json
import os
import subprocess
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from shutil import which

from rhodiff.errors import EnvironmentLacksError

__all__ = [
    "CONTAINER",
    "ENGINE",
    "ContainerRecord",
    "EngineProbe",
    "container_environment",
    "exec_command",
    "outermost",
    "probe_engine",
    "read_container_record",
    "require_engine",
]

ENGINE = "apptainer"
CONTAINER = "RHODIFF_CONTAINER"
"""Variable by which processes inside are told their image, as JSON."""
PASSED_ON = "APPTAINERENV_"
"""A variable of this prefix is set inside, whatever the image says."""
DEVICES = Path("/dev/dri")
DEADLINE_S = 20.0
OF_THE_HOST = {"PYTHONPATH", "PYTHONHOME", "VIRTUAL_ENV", "LD_PRELOAD"}
"""Variables that name what only the host has."""


@dataclass(frozen=True)
class EngineProbe:
    """What there is.

    Attributes:
        path: the engine; None: there is none.
        version: its version.
        exec_options: words that ``apptainer exec`` needs here.
        can_run: whether it can run an image as this user.
        can_run_post: whether it can run the ``%post`` section of a definition as this user.
        problem: what is wrong, or does not go; None: nothing.
        fix: what to do about it.
    """

    path: str | None
    version: str | None = None
    exec_options: tuple[str, ...] = ()
    can_run: bool = False
    can_run_post: bool = False
    problem: str | None = None
    fix: str | None = None


@dataclass(frozen=True)
class ContainerRecord:
    """The image that a process runs in.

    Attributes:
        image: its file.
        sha256: of the file; None: rhodiff did not start the container.
        engine: engine and version; None: likewise.
    """

    image: str
    sha256: str | None = None
    engine: str | None = None


def probe_engine() -> EngineProbe:
    """Look for the engine and for what it can do as this user; nothing is started but ``apptainer`` itself."""
    path = which(ENGINE)
    if path is None:
        fix = f"load the site's module of it, or have '{ENGINE}' installed (a package of most distributions)"
        return EngineProbe(None, problem=f"there is no '{ENGINE}' on the PATH", fix=fix)
    answer = _answer(path, "--version")
    if answer is None:
        fix = f"run '{path} --version' to see what is wrong with the installation"
        return EngineProbe(path, problem=f"{path} does not answer", fix=fix)
    version = answer.split()[-1]
    return _as_root(path, version) if os.geteuid() == 0 else _as_user(path, version)


def require_engine() -> EngineProbe:
    """The engine, which must be able to run an image.

    Raises:
        EnvironmentLacksError: if it cannot, with the fix.
    """
    probe = probe_engine()
    if not probe.can_run:
        raise EnvironmentLacksError(f"{probe.problem}: {probe.fix}")
    return probe


def _as_root(path: str, version: str) -> EngineProbe:
    missing = _missing_capabilities()
    if not missing:
        return EngineProbe(path, version, can_run=True, can_run_post=True)
    return EngineProbe(
        path,
        version,
        exec_options=("--no-privs",),
        can_run=True,
        problem=f"root lacks {missing} of the kernel's capabilities here, so that %post sections cannot run",
        fix="build images elsewhere, or with 'container build --root FOLDER', which runs what %post does by chroot",
    )


def _as_user(path: str, version: str) -> EngineProbe:
    has_namespaces = _has_user_namespaces()
    if not has_namespaces and not _has_setuid_starter(path):
        return EngineProbe(
            path,
            version,
            problem="users may make no user namespaces here, and the engine has no setuid starter",
            fix="ask the administrators for user.max_user_namespaces > 0, or for the package 'apptainer-suid'",
        )
    if not has_namespaces:
        fix = "build images where user namespaces are allowed, and bring the .sif file here"
        problem = "users may make no user namespaces here, so that %post sections cannot run"
        return EngineProbe(path, version, can_run=True, problem=problem, fix=fix)
    return EngineProbe(path, version, can_run=True, can_run_post=True)


def _answer(*words: str) -> str | None:
    """What a command prints; None if it fails or prints nothing."""
    try:
        ended = subprocess.run(words, capture_output=True, text=True, timeout=DEADLINE_S, check=False)
    except (OSError, subprocess.TimeoutExpired):
        return None
    return ended.stdout.strip() or None if ended.returncode == 0 else None


def _missing_capabilities() -> int:
    """How many of the kernel's capabilities this process may not have."""
    status = Path("/proc/self/status").read_text(encoding="utf-8")
    permitted = next(line.split()[1] for line in status.splitlines() if line.startswith("CapPrm:"))
    last = int(Path("/proc/sys/kernel/cap_last_cap").read_text(encoding="utf-8"))
    return last + 1 - int(permitted, 16).bit_count()


def _has_user_namespaces() -> bool:
    return _answer("unshare", "--user", "echo", "yes") is not None


def _has_setuid_starter(path: str) -> bool:
    folders = _answer(path, "buildcfg", "LIBEXECDIR")
    starter = Path(folders or "/nowhere") / ENGINE / "bin" / "starter-suid"
    return starter.exists() and bool(starter.stat().st_mode & 0o4000)


def exec_command(
    probe: EngineProbe,
    image: str,
    command: Sequence[str],
    *,
    folder: str,
    binds: Sequence[str] = (),
    options: Sequence[str] = (),
) -> list[str]:
    """Words that run a command inside an image.

    Args:
        probe: the engine.
        image: the image.
        command: what runs inside.
        folder: where it runs, bound too.
        binds: folders to bind, ``outside[:inside[:ro]]``.
        options: more words for ``apptainer exec``.
    """
    assert probe.path is not None, "there is an engine"
    devices = [str(DEVICES)] if DEVICES.is_dir() else []
    bound = [word for bind in dict.fromkeys([folder, *binds, *devices]) for word in ("--bind", bind)]
    home = [] if Path(os.environ.get("HOME", "/nowhere")).is_dir() else ["--no-home"]
    words = [probe.path, "--silent", "exec", *probe.exec_options, *home, "--pwd", folder, *bound]
    return [*words, *options, image, *command]


def container_environment(
    base: Mapping[str, str], record: ContainerRecord, *, python_path: str | None = None
) -> dict[str, str]:
    """Environment for :func:`exec_command`: all of the host's but what names its own Python.

    Args:
        base: the environment so far.
        record: what processes inside are told about their image.
        python_path: PYTHONPATH inside; None: none.
    """
    kept = {name: value for name, value in base.items() if name not in OF_THE_HOST}
    inside = {f"{PASSED_ON}PYTHONNOUSERSITE": "1"}
    if python_path is not None:
        inside[f"{PASSED_ON}PYTHONPATH"] = python_path
    return {**kept, **inside, CONTAINER: json.dumps(asdict(record))}


def read_container_record(environment: Mapping[str, str]) -> ContainerRecord | None:
    """The image that this process runs in; None outside of any."""
    told = environment.get(CONTAINER)
    if told:
        return ContainerRecord(**json.loads(told))
    image = environment.get("APPTAINER_CONTAINER")
    return None if image is None else ContainerRecord(image)


def outermost(folders: Sequence[Path]) -> list[str]:
    """Absolute folders as links lead to them and as they are named, without those inside others."""
    named = {path for folder in folders for path in (Path(os.path.abspath(folder)), folder.resolve())}  # noqa: PTH100
    return sorted(str(path) for path in named if not any(other in path.parents for other in named))
