"""``rhodiff-hpc container``: images with rhodiff and its dependencies, and commands inside them."""

import os
from enum import StrEnum
from pathlib import Path
from typing import Annotated

import typer

from rhodiff.cli.console import Console
from rhodiff.cli.options import DryRun, JsonOutput, Quiet

__all__ = ["app"]

app = typer.Typer(
    help="Images for Apptainer: build one, run something in one.", no_args_is_help=True, rich_markup_mode=None
)


class Kind(StrEnum):
    """Definitions that come with rhodiff."""

    CPU = "cpu"
    XPU = "xpu"


@app.command()
def build(
    kind: Annotated[Kind, typer.Argument(help="What the image is for.")],
    output: Annotated[
        Path | None, typer.Option("-o", "--output", help="File to write.", show_default="rhodiff-KIND.sif")
    ] = None,
    root: Annotated[
        Path | None,
        typer.Option(
            "--root",
            exists=True,
            file_okay=False,
            help="Folder with a root file system (debootstrap) to set up by chroot and pack, where %post cannot run.",
        ),
    ] = None,
    wheels: Annotated[
        Path | None,
        typer.Option("--wheels", exists=True, file_okay=False, help="Take all packages from this folder of wheels."),
    ] = None,
    extra: Annotated[
        list[str] | None,
        typer.Option("--extra", metavar="NAME", help="Optional dependencies to include.", show_default="mpi"),
    ] = None,
    torch_index: Annotated[
        str | None, typer.Option("--torch-index", metavar="URL", help="Index of torch's builds for the device.")
    ] = None,
    temporary: Annotated[
        Path | None, typer.Option("--temporary", help="Folder for temporary files.", show_default="$TMPDIR")
    ] = None,
    option: Annotated[
        list[str] | None, typer.Option("--option", metavar="WORD", help="Word for 'apptainer build'; repeatable.")
    ] = None,
    as_json: JsonOutput = False,
    dry_run: DryRun = False,
    quiet: Quiet = False,
) -> None:
    """Build an image with the dependencies that are installed here, labelled, its sha256 beside it."""
    from rhodiff.jobs.image_build import BuildRequest, build_image, check_build, requirements_here

    image = output or Path(f"rhodiff-{kind.value}.sif")
    extras = ("mpi",) if extra is None else tuple(extra)
    request = BuildRequest(kind.value, image, root, wheels, extras, torch_index, temporary, tuple(option or ()))
    console = Console(quiet=quiet, as_json=as_json)
    engine = check_build(request)
    if dry_run:
        requirements = requirements_here(extras)
        text = "\n".join([f"would build {image} with", *(f"  {line}" for line in requirements)])
        console.result(text, {"image": str(image), "requirements": requirements})
        return
    built = build_image(request, engine, console.note)
    lines = [f"{built.image}  {built.image.stat().st_size / 1e6:,.0f} MB, sha256 {built.sha256}"]
    lines += [f"  {name:<17} {value}" for name, value in built.labels.items()]
    value = {"image": str(built.image), "sha256": built.sha256, "labels": dict(built.labels)}
    console.result("\n".join(lines), value)


@app.command("exec", context_settings={"ignore_unknown_options": True})
def exec_inside(
    image: Annotated[Path, typer.Argument(exists=True, dir_okay=False, help="The image.")],
    command: Annotated[list[str], typer.Argument(metavar="-- COMMAND...", help="What runs inside, in this folder.")],
    bind: Annotated[
        list[str] | None,
        typer.Option("--bind", metavar="OUTSIDE[:INSIDE[:ro]]", help="More folders to bind; repeatable."),
    ] = None,
) -> None:
    """Run a command inside an image, with this folder bound; becomes that command."""
    from rhodiff.runtime.containers import ContainerRecord, container_environment, exec_command, require_engine
    from rhodiff.store.files import checksum

    engine = require_engine()
    path = image.resolve()
    words = exec_command(engine, str(path), command, folder=str(Path.cwd()), binds=bind or ())
    record = ContainerRecord(str(path), checksum(path), f"apptainer {engine.version}")
    os.execve(words[0], words, container_environment(os.environ, record))
