"""Options that every command shares."""

from pathlib import Path
from typing import Annotated

import typer

__all__ = ["Backend", "ConfigFile", "DryRun", "JsonOutput", "Overrides", "Quiet"]

ConfigFile = Annotated[Path, typer.Option("-c", "--config", help="Experiment file.", show_default=True)]
Overrides = Annotated[
    list[str] | None, typer.Option("--set", metavar="KEY.PATH=VALUE", help="Override a setting; repeatable.")
]
JsonOutput = Annotated[bool, typer.Option("--json", help="Print one JSON value on stdout.")]
DryRun = Annotated[bool, typer.Option("--dry-run", help="Say what would be done, and do nothing.")]
Quiet = Annotated[bool, typer.Option("-q", "--quiet", help="Print warnings and results only.")]
Backend = Annotated[
    str | None,
    typer.Option(
        "--backend", metavar="NAME", help="What carries collectives (train): oneccl, xccl, ccl, nccl, gloo."
    ),
]
