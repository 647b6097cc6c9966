"""``rhodiff-hpc bench``: measure what tools cost or get wrong by themselves."""

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from rhodiff.cli.console import Console
from rhodiff.cli.options import JsonOutput, Overrides

if TYPE_CHECKING:
    from rhodiff.stages.sampler_bench import MeasuredBias, Shells

__all__ = ["app"]

app = typer.Typer(help="Measure what samplers get wrong by themselves.", no_args_is_help=True, rich_markup_mode=None)

EVALUATIONS = "11,15,21,25,35,51,101"


@app.callback()
def _bench() -> None:
    """Keep ``sampler`` a command of its own."""


@app.command()
def sampler(
    config: Annotated[
        Path | None,
        typer.Option("-c", "--config", help="Experiment with prepared data.", show_default="rhodiff.yaml"),
    ] = None,
    overrides: Overrides = None,
    power_law: Annotated[
        float | None, typer.Option("--power-law", metavar="SLOPE", help="S ~ k^-SLOPE in place of an experiment.")
    ] = None,
    size: Annotated[int | None, typer.Option("--size", help="Cells along an axis of the power law's fields.")] = None,
    ndim: Annotated[int | None, typer.Option("--ndim", help="Axes of them.", show_default="2")] = None,
    samplers: Annotated[
        str | None, typer.Option("--samplers", metavar="NAME,...", help="Samplers.", show_default="all")
    ] = None,
    evaluations: Annotated[
        str, typer.Option("--evaluations", metavar="N,...", help="Network evaluations.")
    ] = EVALUATIONS,
    reference_factor: Annotated[
        float, typer.Option("--reference-factor", help="Samplers take this times the spectrum for it.")
    ] = 1.0,
    output: Annotated[Path, typer.Option("-o", "--output", help="PNG to write.")] = Path("sampler_bias.png"),
    as_json: JsonOutput = False,
) -> None:
    """Show what each sampler does to the power spectrum of Gaussian fields: no network, no noise.

    The spectrum is that of the training fields as the network sees them, or a power law.
    """
    from rhodiff.diffusion.sampling import SAMPLERS
    from rhodiff.report.encoding import figure_to_png
    from rhodiff.report.sampler_bias import sampler_bias_figure
    from rhodiff.stages.sampler_bench import bias_curves, measure_bias
    from rhodiff.store.files import write_atomic

    console = Console(as_json=as_json)
    shells = _shells(console, config, overrides or [], power_law, size, ndim)
    names = list(SAMPLERS) if samplers is None else [name.strip() for name in samplers.split(",")]
    asked, title = _numbers(evaluations), _title(shells, reference_factor)
    found = measure_bias(shells, names, asked, reference_factor)
    figure = sampler_bias_figure(bias_curves(found), "\n".join([title, *_ranges(found)]))
    write_atomic(output, lambda handle: handle.write(figure_to_png(figure)))
    lines = [title, "", *_table(found, asked), *_fewer(found, asked), *_ranges(found), f"plot: {output}"]
    console.result("\n".join(lines), _plain(shells, reference_factor, found, output))


def _shells(
    console: Console,
    config: Path | None,
    overrides: list[str],
    slope: float | None,
    size: int | None,
    ndim: int | None,
) -> "Shells":
    from rhodiff.config.loading import load_experiment
    from rhodiff.errors import ConfigError
    from rhodiff.stages.sampler_bench import power_law_shells, training_shells
    from rhodiff.stages.workspace import Workspace

    if slope is not None:
        if config is not None or overrides:
            raise ConfigError("--power-law takes the place of an experiment: leave out --config and --set, or it")
        if size is None:
            raise ConfigError("--power-law needs --size, the cells along an axis")
        return power_law_shells(slope, size, 2 if ndim is None else ndim)
    if size is not None or ndim is not None:
        raise ConfigError("--size and --ndim belong to --power-law: an experiment has its own")
    path = config or Path("rhodiff.yaml")
    return training_shells(Workspace(load_experiment(path, overrides), path.resolve().parent, console))


def _numbers(text: str) -> list[int]:
    from rhodiff.errors import ConfigError

    try:
        return sorted({int(word) for word in text.split(",")})
    except ValueError as error:
        raise ConfigError(f"--evaluations: '{text}' is no list of whole numbers such as {EVALUATIONS}") from error


def _title(shells: "Shells", factor: float) -> str:
    return shells.name + ("" if factor == 1 else f", samplers told {factor:g} times its power")


def _table(found: "Sequence[MeasuredBias]", asked: Sequence[int]) -> list[str]:
    """Worst bin, then mean over bins, one row a sampler."""
    samplers = list(dict.fromkeys(one.sampler for one in found))
    lines = []
    for title, value in (("worst |dP/P|, per cent", "worst"), ("mean |dP/P|, per cent", "mean")):
        lines.append(f"{title:<24}" + "".join(f"{number:>9}" for number in asked))
        for name in samplers:
            cells = [_cell(one, value, number) for one, number in zip(_of(found, name), asked, strict=True)]
            lines.append((f"  {name:<22}" + "".join(cells)).rstrip())
        lines.append("")
    return lines


def _cell(one: "MeasuredBias", value: str, asked: int) -> str:
    mark = " " if one.evaluations == asked else "*"
    return f"{100 * getattr(one, value):>8.2f}{mark}"


def _of(found: "Sequence[MeasuredBias]", sampler: str) -> "list[MeasuredBias]":
    return [one for one in found if one.sampler == sampler]


def _fewer(found: "Sequence[MeasuredBias]", asked: Sequence[int]) -> list[str]:
    """Which samplers made fewer evaluations than asked."""
    names = {}
    for name in dict.fromkeys(one.sampler for one in found):
        made = [one.evaluations for one in _of(found, name)]
        if made != list(asked):
            names[name] = ", ".join(str(number) for number in made)
    return [f"* {name} made {numbers}" for name, numbers in names.items()]


def _ranges(found: "Sequence[MeasuredBias]") -> list[str]:
    """The noise levels, and who takes them."""
    ranges: dict[tuple[float, float], list[str]] = {}
    for one in found:
        names = ranges.setdefault((one.sigma_min, one.sigma_max), [])
        names += [one.sampler] * (one.sampler not in names)
    return [
        f"noise levels {low:.4g} to {high:.4g}" + (f": {', '.join(names)}" if len(ranges) > 1 else "")
        for (low, high), names in ranges.items()
    ]


def _plain(shells: "Shells", factor: float, found: "Sequence[MeasuredBias]", output: Path) -> dict[str, Any]:
    rows = [
        {
            "sampler": one.sampler,
            "evaluations": one.evaluations,
            "worst": one.worst,
            "worst_shell": one.worst_shell,
            "mean": one.mean,
            "sigma_min": one.sigma_min,
            "sigma_max": one.sigma_max,
        }
        for one in found
    ]
    return {"spectrum": shells.name, "reference_factor": factor, "biases": rows, "plot": str(output)}
