"""``--backend NAME``: short for ``--set runtime.backend=NAME``, for what trains."""

from rhodiff.errors import ConfigError

__all__ = ["with_backend"]

TRAINING = ("train", "pipeline")


def with_backend(overrides: list[str], backend: str | None, stage: str) -> list[str]:
    """Overrides, and the backend.

    Args:
        overrides: ``--set`` values.
        backend: value of the option; None: it was not given.
        stage: what is to be run or submitted.

    Raises:
        ConfigError: if the stage has no collectives of torch's.
    """
    if backend is None:
        return overrides
    if stage not in TRAINING:
        raise ConfigError(f"--backend has no effect on '{stage}', only on {' and '.join(TRAINING)}: leave it out")
    return [*overrides, f"runtime.backend={backend}"]
