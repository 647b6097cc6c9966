"""The tables of facts in a report: data, costs, environment."""

from collections.abc import Sequence
from typing import Any, Literal

import numpy as np

from rhodiff.config.fields import TransformStep
from rhodiff.report import Fact, format_number, format_seconds
from rhodiff.sources.source import TEST, TRAIN, VALIDATION
from rhodiff.stages.comparison_space import ComparisonSpace
from rhodiff.stages.workspace import Workspace

__all__ = ["cost_facts", "data_facts", "environment_facts"]


def data_facts(workspace: Workspace) -> tuple[Fact, ...]:
    """What the data are, how they are split, and where they are from."""
    store, space = workspace.store, ComparisonSpace(workspace)
    spec = store.spec
    parts = ", ".join(
        f"{len(store.indices(code))} {name} ({len(np.unique(store.group[store.indices(code)]))} groups)"
        for name, code in (("training", TRAIN), ("validation", VALIDATION), ("test", TEST))
    )
    box = " × ".join(f"{extent:.4g}" for extent in spec.box_size)
    facts = [
        Fact("source", workspace.experiment.data.source.kind, f"data set {workspace.data_folder.path.name}"),
        Fact("quantity", f"{spec.name} [{spec.unit or 'dimensionless'}]"),
        Fact("grid", f"{' × '.join(map(str, spec.shape))} cells, {box} {spec.length_unit}"),
        Fact("split", parts, "by independent groups; transform fitted on the training part alone"),
        Fact("compared in", space.spec.name, _told_space(workspace.experiment.evaluation.space)),
    ]
    provenance: dict[str, Any] = dict(store.attributes["provenance"])
    return (*facts, *(Fact(name.replace("_", " "), _plain(value)) for name, value in provenance.items()))


def _told_space(space: Literal["transformed", "physical"] | tuple[TransformStep, ...]) -> str:
    told = f"'{space}'" if isinstance(space, str) else " and ".join(step.kind for step in space)
    return f"evaluation.space is {told}"


def _plain(value: str | float) -> str:
    return format_number(value, 5) if isinstance(value, float) else str(value)


def cost_facts(events: Sequence[dict[str, Any]]) -> tuple[Fact, ...]:
    """What training and sampling took, from the events of the journal."""
    training = [e for e in events if e["event"] == "training ended"]
    sampling = [e for e in events if e["event"] == "sampled"]
    facts = []
    if training:
        steps = sum(e["iteration"] - e["started_at"] for e in training)
        wall = sum(e["wall_s"] for e in training)
        last = training[-1]
        facts += [
            Fact("parameters", f"{last['parameters'] / 1e6:.3g} million"),
            Fact("training", format_seconds(wall), f"wall time of {len(training)} attempt(s), sheets included"),
            Fact(
                "speed",
                f"{format_number(steps / wall)} iterations/s",
                f"{last['processes']} process(es), {last['threads']} thread(s), {last['device']}",
            ),
            Fact("CPU time of training", format_seconds(sum(e["cpu_s"] for e in training)), "first process"),
        ]
    if sampling:
        wall, count = sum(e["wall_s"] for e in sampling), sum(e["samples"] for e in sampling)
        facts.append(
            Fact("sampling", format_seconds(wall), f"{count} fields, {format_number(count / wall)} fields/s")
        )
    return tuple(facts)


def environment_facts(workspace: Workspace) -> tuple[Fact, ...]:
    """Versions, host and command of the last stage that recorded them."""
    record = workspace.read_record(workspace.run_folder.environment)
    packages = record.pop("packages")
    plain = [Fact(name, " ".join(v) if isinstance(v, list) else str(v)) for name, v in record.items()]
    return (*plain, Fact("packages", ", ".join(f"{name} {version}" for name, version in packages.items())))
