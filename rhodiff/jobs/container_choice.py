"""Which container a submission's processes run in, from experiment and site profile, and whether it fits."""

import json
import subprocess
from collections.abc import Mapping
from functools import lru_cache
from importlib import metadata
from pathlib import Path
from shutil import which

from rhodiff import __version__
from rhodiff.config.containers import ContainerSettings
from rhodiff.errors import ConfigError, EnvironmentLacksError
from rhodiff.jobs.submission_plan import Container
from rhodiff.runtime.containers import ENGINE, outermost
from rhodiff.stages.workspace import Workspace
from rhodiff.store.files import checksum

__all__ = ["PYTHON_INSIDE", "choose_container", "describe_image", "doubts_about", "read_labels"]

PYTHON_INSIDE = "python"
"""Interpreter inside, found on the image's own PATH."""
DEADLINE_S = 60.0


def choose_container(workspace: Workspace, of_site: ContainerSettings) -> Container | None:
    """The container of a submission.

    Args:
        workspace: the experiment; its image goes before that of the site.
        of_site: ``container`` of the site profile.

    Returns:
        None where neither names an image.

    Raises:
        ConfigError: if the image is not there, or binds or options are given without one.
    """
    own = workspace.experiment.jobs.container
    image = own.image or of_site.image
    if image is None:
        _refuse_idle(own, "jobs.container")
        _refuse_idle(of_site, "container of the site profile")
        return None
    sources = [path.parent for path in workspace.source.input_files]
    needed = [workspace.folder, workspace.data_folder.path.parent, workspace.run_folder.path.parent, *sources]
    binds = (*outermost(needed), *of_site.binds, *own.binds)
    path = _path_of(image, workspace.folder if own.image else None)
    return describe_image(path, binds=binds, options=(*of_site.options, *own.options))


def describe_image(path: Path, *, binds: tuple[str, ...] = (), options: tuple[str, ...] = ()) -> Container:
    """An image as it is now.

    Args:
        path: its file.
        binds: folders to bind.
        options: words for ``apptainer exec``.

    Raises:
        ConfigError: if there is no such file.
    """
    try:
        found = path.stat()
        if not path.is_file():
            raise ConfigError(f"the container image {path} is no file: make one with 'rhodiff-hpc container build'")
        digest = _digest(path, found.st_size, found.st_mtime_ns)
    except OSError as error:
        raise ConfigError(
            f"cannot read the container image {path}: {error.strerror}. 'rhodiff-hpc container build' makes one"
        ) from error
    return Container(str(path), digest, found.st_size, found.st_mtime_ns, binds, options)


def read_labels(image: str) -> dict[str, str] | None:
    """Labels of an image; None where there is no engine that could read them, as on login nodes of some sites.

    Raises:
        EnvironmentLacksError: if the engine cannot read the image.
    """
    engine = which(ENGINE)
    if engine is None:
        return None
    words = [engine, "inspect", "--json", "--labels", image]
    try:
        ended = subprocess.run(words, capture_output=True, text=True, timeout=DEADLINE_S, check=False)
        labels = json.loads(ended.stdout)["data"]["attributes"]["labels"]
    except (OSError, subprocess.TimeoutExpired, ValueError, KeyError, TypeError) as error:
        raise EnvironmentLacksError(f"{ENGINE} cannot read {image} as an image: make it again") from error
    return {str(name): str(value) for name, value in (labels or {}).items()}


def doubts_about(container: Container, labels: Mapping[str, str] | None, *, needs_mpi: bool) -> list[str]:
    """What of an image may not fit the submission.

    Args:
        container: the container.
        labels: those of the image; None: not known.
        needs_mpi: the processes meet over MPI.

    Raises:
        EnvironmentLacksError: if the processes need MPI and the image says that it has none.
    """
    if labels is None:
        return []
    name = Path(container.image).name
    made_with = labels.get("rhodiff.version")
    if made_with is None:
        return [
            f"{name} has no label 'rhodiff.version': it was not made by 'rhodiff-hpc container build', and whether "
            "it has what rhodiff needs shows when the job begins"
        ]
    if needs_mpi and labels.get("rhodiff.mpi") == "none":
        raise EnvironmentLacksError(
            f"an evaluation by several processes needs MPI, and {name} has none: build it with 'rhodiff[mpi]' "
            "installed here, or ask for one process (--parts cuts it into jobs)"
        )
    doubts = []
    if made_with != __version__:
        doubts.append(
            f"{name} has the dependencies of rhodiff {made_with}; the jobs run rhodiff {__version__}, which is "
            "pinned with the submission"
        )
    here, inside = metadata.version("torch"), labels.get("rhodiff.torch", "unknown")
    if here.partition("+")[0] != inside.partition("+")[0]:
        doubts.append(f"{name} has torch {inside}, and here is {here}: results agree, but not bit for bit")
    return doubts


def _refuse_idle(settings: ContainerSettings, name: str) -> None:
    if settings.binds or settings.options:
        raise ConfigError(f"{name}: binds and options have no effect without an image: name one, or leave them out")


def _path_of(image: str, folder: Path | None) -> Path:
    path = Path(image).expanduser()
    if folder is None and not path.is_absolute():
        raise ConfigError(f"container.image of the site profile is '{image}': give an absolute path there")
    return path if folder is None else (folder / path).absolute()


@lru_cache
def _digest(path: Path, _size: int, _modified_ns: int) -> str:
    """Checksum, read again when size or time have changed."""
    return checksum(path)
