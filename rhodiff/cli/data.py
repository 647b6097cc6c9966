"""``rhodiff-hpc data``: look at stores of fields, check and mend them."""

from pathlib import Path
from typing import Annotated

import typer

from rhodiff.cli.console import Console
from rhodiff.cli.options import JsonOutput

__all__ = ["app"]

app = typer.Typer(help="Look at stores of fields, check and mend them.", no_args_is_help=True, rich_markup_mode=None)

StorePath = Annotated[Path, typer.Argument(help="A data folder, or a samples/*.zarr of a run.")]


@app.command()
def info(path: StorePath, as_json: JsonOutput = False) -> None:
    """Say what a store holds."""
    import numpy as np

    from rhodiff.stages.inspection import inspect

    store = inspect(path).store
    spec = store.spec
    parts = {name: int((store.split == code).sum()) for name, code in (("train", 0), ("validation", 1), ("test", 2))}
    with np.errstate(all="ignore"):
        ranges = {
            parameter.name: [float(np.nanmin(column)), float(np.nanmax(column))]
            for parameter, column in zip(store.parameter_info, store.parameters.T, strict=True)
            if np.isfinite(column).any()
        }
    units = {parameter.name: parameter.unit for parameter in store.parameter_info}
    box = " x ".join(f"{extent:.4g}" for extent in spec.box_size)
    lines = [
        f"{spec.name} [{spec.unit or 'dimensionless'}], channels {', '.join(spec.channels)}",
        f"{store.num_fields} fields of {' x '.join(map(str, spec.shape))} cells, {box} {spec.length_unit}, "
        f"periodic {list(spec.periodic)}",
        f"failed {int((~store.valid).sum())}, split " + ", ".join(f"{name} {n}" for name, n in parts.items()),
        *(f"  {name} {low:g} .. {high:g} {units[name]}" for name, (low, high) in ranges.items()),
    ]
    value = {
        "path": str(store.path),
        "spec": spec.model_dump(mode="json"),
        "num_fields": store.num_fields,
        "num_failed": int((~store.valid).sum()),
        "split": parts,
        "parameters": {name: {"unit": units[name], "range": limits} for name, limits in ranges.items()},
        "identity": store.attributes.get("identity"),
    }
    Console(as_json=as_json).result("\n".join(lines), value)


@app.command()
def verify(path: StorePath, as_json: JsonOutput = False) -> None:
    """Read everything and compare it with the checksums written when it was made."""
    from rhodiff.stages.inspection import find_failures, find_faults, inspect

    inspected = inspect(path)
    faults, failures = find_faults(inspected), find_failures(inspected)
    lines = [fault.describe() for fault in faults]
    lines += [f"shard {shard}, masked: {told}" for shard, several in failures.items() for told in several]
    damaged = sum(fault.shard is not None for fault in faults)
    summary = f"{len(inspected.markers) - damaged} of {len(inspected.markers)} shards are sound"
    if failures:
        summary += f"; what failed is masked, and tried again by 'rhodiff-hpc data repair --failed {path}'"
    Console(as_json=as_json).result(
        "\n".join([*lines, summary]),
        {
            "path": str(path),
            "num_shards": len(inspected.markers),
            "faults": [{"shard": fault.shard, "reason": fault.reason} for fault in faults],
            "failures": [{"shard": shard, "reasons": several} for shard, several in failures.items()],
        },
    )
    if faults:
        raise typer.Exit(1)


@app.command()
def repair(
    path: StorePath,
    failed: Annotated[bool, typer.Option("--failed", help="Try again too what failed and is masked.")] = False,
    as_json: JsonOutput = False,
) -> None:
    """Make missing and damaged shards again, and nothing else."""
    from rhodiff.stages.inspection import inspect
    from rhodiff.stages.inspection import repair as repair_store

    console = Console(as_json=as_json)
    inspected = inspect(path)
    faults = repair_store(inspected, console, failed=failed)
    done = "made again" if inspected.is_data_set else "forgotten: 'rhodiff-hpc run sample' makes them again"
    shards = [fault.shard for fault in faults if fault.shard is not None]
    text = "\n".join([*(fault.describe() for fault in faults), f"{len(shards)} shards {done}"])
    console.result(text, {"path": str(path), "repaired": shards})


@app.command()
def plot(
    path: StorePath,
    output: Annotated[
        Path | None, typer.Option("-o", "--output", help="PNG to write (--simulation: folder); default: beside.")
    ] = None,
    channel: Annotated[int, typer.Option(min=0, help="Channel to show.")] = 0,
    simulation: Annotated[
        str | None, typer.Option(help="Number or key of a simulation behind the store: contact sheet and history.")
    ] = None,
    as_json: JsonOutput = False,
) -> None:
    """Draw the first fields of a store on one colour scale, or a simulation behind it."""
    if simulation is not None:
        _plot_simulation(path, simulation, output, as_json=as_json)
        return
    import numpy as np

    from rhodiff.errors import ConfigError, DataError
    from rhodiff.report import data_sheet, figure_to_png
    from rhodiff.store.field_store import open_fields
    from rhodiff.store.files import write_atomic
    from rhodiff.store.reader import read_fields

    store = open_fields(path)
    if channel >= len(store.spec.channels):
        raise ConfigError(f"--channel {channel}: the store has the channels {list(store.spec.channels)}, from 0")
    shown = np.flatnonzero(store.valid)[:24]
    if len(shown) == 0:
        raise DataError(f"{path} holds no valid field yet: there is nothing to draw")
    fields = read_fields(store, shown)[:, channel]
    captions = [
        ", ".join(f"{p.name} {value:.4g}" for p, value in zip(store.parameter_info, row, strict=True))
        for row in store.parameters[shown]
    ]
    target = output or store.path.with_suffix(".png")
    figure = data_sheet(fields, store.spec, captions=captions)
    write_atomic(target, lambda handle: handle.write(figure_to_png(figure)))
    Console(as_json=as_json).result(str(target), {"path": str(target)})


def _plot_simulation(path: Path, wanted: str, output: Path | None, *, as_json: bool) -> None:
    from rhodiff.stages.inspection import inspect
    from rhodiff.stages.simulation_pictures import draw_simulation, open_mergers

    console, inspected = Console(as_json=as_json), inspect(path)
    source = open_mergers(inspected, console)
    files = [str(file) for file in draw_simulation(source, wanted, output or inspected.store.path.parent)]
    console.result("\n".join(files), {"paths": files})


@app.command()
def simulations(path: StorePath, as_json: JsonOutput = False) -> None:
    """List the simulations behind a data set of mergers, and what became of each."""
    from rhodiff.stages.inspection import inspect
    from rhodiff.stages.simulation_pictures import open_mergers, simulation_rows
    from rhodiff.store.records import to_plain

    console = Console(as_json=as_json)
    rows = simulation_rows(open_mergers(inspect(path), console))
    listed = [
        {"number": row.number, "key": row.key, "point": row.varied, "record": to_plain(row.record)} for row in rows
    ]
    console.result("\n".join(row.describe() for row in rows), {"path": str(path), "simulations": listed})
