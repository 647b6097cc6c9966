"""The container that the stages of jobs run in; never part of a result's identity."""

from typing import Annotated

from pydantic import Field

from rhodiff.config.section import Section

__all__ = ["ContainerSettings"]

Words = Annotated[str, Field(min_length=1)]


class ContainerSettings(Section):
    """An image; the experiment's goes before that of the site profile, binds and options of both apply."""

    image: Words | None = None
    """File of the image, relative to the experiment's folder (of a profile: an absolute path); null: the other's."""
    binds: tuple[Words, ...] = ()
    """More folders to bind, ``outside[:inside[:ro]]``: sites' scratch, the socket folder of a PMI. The folders of
    experiment, data, runs and input files, and ``/dev/dri``, are bound anyway."""
    options: tuple[Words, ...] = ()
    """More words for ``apptainer exec``."""
