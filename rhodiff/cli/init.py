"""``rhodiff-hpc init``: write an experiment from a shipped configuration."""

from pathlib import Path
from typing import Annotated

import typer

from rhodiff.cli.console import Console
from rhodiff.cli.options import JsonOutput

__all__ = ["init"]


def init(
    name: Annotated[str | None, typer.Argument(help="Shipped configuration; without it they are listed.")] = None,
    output: Annotated[Path, typer.Option("-o", "--output", help="File to write.")] = Path("rhodiff.yaml"),
    as_json: JsonOutput = False,
) -> None:
    """Write ./rhodiff.yaml from a shipped configuration.

    Without a name: list the configurations.
    """
    from rhodiff.config.shipped import read_shipped, shipped_names
    from rhodiff.errors import ConfigError
    from rhodiff.store.files import write_atomic

    console = Console(as_json=as_json)
    if name is None:
        listed = {config: _headline(read_shipped("configs", config)) for config in shipped_names("configs")}
        lines = [f"  {config:<18} {headline}" for config, headline in listed.items()]
        console.result("Shipped configurations (rhodiff-hpc init NAME):\n" + "\n".join(lines), {"configs": listed})
        return
    text = read_shipped("configs", name)
    if output.exists():
        raise ConfigError(f"{output} exists already: name another file with -o, or remove it")
    write_atomic(output, lambda handle: handle.write(text.encode()))
    console.result(
        f"wrote {output} from '{name}'; next: rhodiff-hpc run pipeline -c {output}",
        {"config": name, "path": str(output)},
    )


def _headline(text: str) -> str:
    """First comment line of a configuration."""
    return text.splitlines()[0].lstrip("# ")
