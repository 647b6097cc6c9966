"""``rhodiff-hpc bench``: measure what tools cost or get wrong by themselves."""

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from rhodiff.cli.console import Console
from rhodiff.cli.options import JsonOutput, Overrides

if TYPE_CHECKING:
    from rhodiff.stages.sampler_bench import MeasuredBias, Shells
    from rhodiff.stages.scaling_bench import Scaling

__all__ = ["app"]

app = typer.Typer(
    help="Measure what samplers get wrong, and how a training scales.",
    no_args_is_help=True,
    rich_markup_mode=None,
)

EVALUATIONS = "11,15,21,25,35,51,101"


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
    asked, title = _numbers(evaluations, "--evaluations", EVALUATIONS), _title(shells, reference_factor)
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


def _numbers(text: str, option: str, example: str) -> list[int]:
    from rhodiff.errors import ConfigError

    try:
        found = sorted({int(word) for word in text.split(",")})
    except ValueError as error:
        raise ConfigError(f"{option}: '{text}' is no list of whole numbers such as {example}") from error
    if found[0] < 1:
        raise ConfigError(f"{option}: {found[0]} is not positive")
    return found


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


@app.command()
def scaling(
    config: Annotated[Path, typer.Option("-c", "--config", help="Experiment with prepared data.")] = Path(
        "rhodiff.yaml"
    ),
    overrides: Overrides = None,
    nodes: Annotated[str, typer.Option("--nodes", metavar="N,...", help="Numbers of nodes.")] = "1,2,4,8,16",
    per_node: Annotated[int, typer.Option("--processes-per-node", min=1, help="Devices or tiles of a node.")] = 1,
    latency_us: Annotated[
        float, typer.Option("--latency-us", help="Of a message between nodes, microseconds.")
    ] = 5.0,
    bandwidth_gb_s: Annotated[
        float, typer.Option("--bandwidth-gb-s", help="Of a node's links together, 10^9 bytes a second.")
    ] = 25.0,
    repeats: Annotated[int, typer.Option("--repeats", min=1, help="Steps behind each measured time.")] = 5,
    as_json: JsonOutput = False,
) -> None:
    """Predict how the training of an experiment scales: its step is measured here, its communication computed.

    Run it on the device of the training. ``submit doctor --nodes 2`` measures all-reduces of two processes by size:
    half the time of the smallest is the latency, bytes over the time of the largest the bandwidth.
    """
    from rhodiff.config.loading import load_experiment
    from rhodiff.runtime.devices import configure_torch, resolve_device
    from rhodiff.stages.scaling_bench import predict_scaling
    from rhodiff.stages.workspace import Workspace
    from rhodiff.training.scaling import LinkSpeed

    console = Console(as_json=as_json)
    workspace = Workspace(load_experiment(config, overrides or []), config.resolve().parent, console)
    runtime = workspace.experiment.runtime
    configure_torch(runtime.threads, per_node, deterministic=runtime.deterministic)
    link = LinkSpeed(latency_us * 1e-6, bandwidth_gb_s * 1e9)
    device = resolve_device(runtime.device)
    found = predict_scaling(workspace, device, _numbers(nodes, "--nodes", "1,2,4"), per_node, link, repeats)
    console.result(_scaling_text(found, per_node, latency_us, bandwidth_gb_s), found.to_plain())


def _scaling_text(found: "Scaling", per_node: int, latency_us: float, bandwidth_gb_s: float) -> str:
    buckets = ", ".join(f"{size:.3g}" for size in found.bucket_sizes_mb)
    lines = [
        f"{found.parameters / 1e6:.3g} million parameters, {found.gradient_mb:.3g} MiB of gradients a step",
        f"in buckets of {buckets} MiB",
        f"compute times measured on {found.device} ({found.threads} threads); ring with {latency_us:g} us and "
        f"{bandwidth_gb_s:g} GB/s a node, {per_node} process(es) each",
        "",
        "nodes  processes  share  compute s  exposed s  hidden s   step s  speed-up  efficiency  node-hours",
    ]
    for row in found.rows:
        step = row.time
        lines.append(
            f"{row.nodes:>5}{step.processes:>11}{row.share:>7}{step.compute_s:>11.4g}{step.exposed_s:>11.3g}"
            f"{step.hidden_s:>10.3g}{step.step_s:>9.4g}{row.speedup:>10.2f}{row.efficiency:>12.0%}{row.node_hours:>12.3g}"
        )
    best = found.largest_worth_it
    advice = "fewer nodes than these" if best is None else f"at most {best} of these"
    lines += ["", f"run it on {advice}: beyond, a node-hour does less than half of what it does on one process"]
    return "\n".join(lines)
