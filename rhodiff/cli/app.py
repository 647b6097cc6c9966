"""``rhodiff-hpc``: the Typer application and the one place where errors become exit codes.

Modules that load torch or zarr are imported inside commands, so that ``--help`` answers at once.
"""

import sys
from typing import Annotated

import typer

from rhodiff import __version__
from rhodiff.cli.bench import app as bench_app
from rhodiff.cli.cancel import cancel
from rhodiff.cli.console import Console
from rhodiff.cli.container import app as container_app
from rhodiff.cli.cost import cost
from rhodiff.cli.data import app as data_app
from rhodiff.cli.doctor import doctor
from rhodiff.cli.init import init
from rhodiff.cli.logs import logs
from rhodiff.cli.retry import retry
from rhodiff.cli.run import run
from rhodiff.cli.selftest import selftest
from rhodiff.cli.site import app as site_app
from rhodiff.cli.status import status
from rhodiff.cli.submit import submit
from rhodiff.cli.why import why
from rhodiff.errors import PeerEndedError, RhodiffError, StoppedEarly

__all__ = ["app", "main"]

INTERRUPTED = 130

app = typer.Typer(
    name="rhodiff-hpc",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    rich_markup_mode=None,
)
app.command("init")(init)
app.command("run")(run)
app.command("submit")(submit)
app.command("status")(status)
app.command("why")(why)
app.command("cost")(cost)
app.command("logs")(logs)
app.command("cancel")(cancel)
app.command("retry")(retry)
app.command("doctor")(doctor)
app.command("selftest")(selftest)
app.add_typer(data_app, name="data")
app.add_typer(site_app, name="site")
app.add_typer(container_app, name="container")
app.add_typer(bench_app, name="bench")


def _show_version(value: bool) -> None:
    if value:
        typer.echo(f"rhodiff {__version__}")
        raise typer.Exit


@app.callback()
def _root(
    version: Annotated[
        bool, typer.Option("--version", help="Show the version.", callback=_show_version, is_eager=True)
    ] = False,
) -> None:
    """Diffusion models of physical fields and densities, from data to report."""


def main() -> None:
    """Run the command line; an error of ours is one message and its exit code."""
    try:
        app()
    except StoppedEarly as stopped:
        Console().note(str(stopped))
        sys.exit(stopped.exit_code)
    except PeerEndedError as ended:
        sys.exit(ended.exit_code)
    except RhodiffError as error:
        Console().error(str(error))
        sys.exit(error.exit_code)
    except SystemExit as ended:
        if ended.code == INTERRUPTED:  # typer makes this of a KeyboardInterrupt
            Console().error("interrupted; finished work is kept, the same command goes on")
        raise
