"""How an attempt's processes get into their container; the body that looks after them stays outside.

So the body can requeue the job although there is no ``scontrol`` inside, and processes inside run the package that
was pinned at submission: the image has its dependencies only. The launcher starts one container a process, which
inherits the launcher's variables and descriptors (PMI).
"""

import os
import socket
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

from rhodiff.errors import EnvironmentLacksError
from rhodiff.jobs.submission_plan import Container
from rhodiff.runtime.containers import (
    ContainerRecord,
    container_environment,
    exec_command,
    require_engine,
)
from rhodiff.store.files import checksum

__all__ = ["enter_container"]

SCRATCH = ("TMPDIR", "SLURM_TMPDIR", "SCRATCH")
"""Variables that name folders of the node or of the job, bound where they are there."""


def enter_container(
    container: Container,
    command: Sequence[str],
    variables: Mapping[str, str],
    folder: str,
    code: str | None,
    log: Callable[[str], None],
) -> tuple[list[str], dict[str, str]]:
    """What starts a process inside, and its environment.

    Args:
        container: the container.
        command: words of the process.
        variables: its environment.
        folder: where it runs.
        code: the pinned package; None: the image's own.
        log: takes lines for the job's log.

    Raises:
        EnvironmentLacksError: if engine or image are not there.
    """
    engine = require_engine()
    digest = _checked_image(container, log)
    record = ContainerRecord(container.image, digest, f"apptainer {engine.version}")
    log(f"rhodiff: inside {container.image} (sha256 {digest[:12]}, {record.engine})")
    scratch = [path for name in SCRATCH if (path := variables.get(name)) and Path(path).is_dir()]
    words = exec_command(
        engine,
        container.image,
        command,
        folder=folder,
        binds=[*container.binds, *scratch],
        options=container.options,
    )
    return words, container_environment(variables, record, python_path=code)


def _checked_image(container: Container, log: Callable[[str], None]) -> str:
    """Checksum of the image as it is now; that it changed is told."""
    path = Path(container.image)
    try:
        found = path.stat()
    except OSError as error:
        raise EnvironmentLacksError(
            f"the container image {path} cannot be read on {socket.gethostname()} ({os.strerror(error.errno or 0)}): "
            "it must lie on a file system that compute nodes see"
        ) from error
    if (found.st_size, found.st_mtime_ns) == (container.size, container.modified_ns):
        return container.sha256
    digest = checksum(path)
    if digest != container.sha256:
        log(
            f"rhodiff: warning: the image {path} was changed after the submission (sha256 {container.sha256[:12]} "
            f"then, {digest[:12]} now): this attempt runs in the new one"
        )
    return digest
