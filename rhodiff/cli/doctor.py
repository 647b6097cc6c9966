"""``rhodiff-hpc doctor``: what of this machine, and of the cluster, a run will stumble over."""

import os
import socket
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from rhodiff.cli.console import Console
from rhodiff.cli.options import JsonOutput, Overrides

if TYPE_CHECKING:
    from rhodiff.config.experiment import Runtime
    from rhodiff.jobs.doctor import Patient

__all__ = ["Demands", "doctor", "open_patient"]

DEFAULT = Path("rhodiff.yaml")

Demands = Annotated[
    list[str] | None,
    typer.Option("--require", metavar="NAME", help="Exit code 5 unless it is there and works; repeatable."),
]


def doctor(
    config: Annotated[
        Path | None,
        typer.Option("-c", "--config", help="Experiment file.", show_default="rhodiff.yaml if it is here"),
    ] = None,
    overrides: Overrides = None,
    site: Annotated[str | None, typer.Option("--site", help="Site profile: a name or a file.")] = None,
    folder: Annotated[
        Path | None, typer.Option("--folder", help="Folder of the runs.", show_default="the experiment's, else this")
    ] = None,
    demands: Demands = None,
    as_json: JsonOutput = False,
) -> None:
    """Look at what a run needs here, and say what to do about each fault.

    Exit code 0 without a fault, 1 with one, 5 if something demanded is missing.
    """
    from rhodiff.cli.doctor_screen import doctor_text
    from rhodiff.jobs.doctor import all_checks, check_demands, find_missing
    from rhodiff.runtime.health.checks import run_checks
    from rhodiff.store.journal import utc_now

    check_demands(demands or [])
    patient = open_patient(config, overrides or [], site, folder)
    sections = run_checks(all_checks(patient, os.environ))
    missing = find_missing(sections, demands or [])
    time, host = utc_now(), socket.gethostname()
    value = {
        "time": time,
        "host": host,
        "sections": [section.to_plain() for section in sections],
        "missing": [result.name for result in missing],
    }
    text = doctor_text(f"rhodiff on {host}, {time}", sections, missing, colour=sys.stdout.isatty() and not as_json)
    Console(as_json=as_json).result(text, value)
    if missing:
        raise typer.Exit(5)
    if any(result.state == "fault" for section in sections for result in section.results):
        raise typer.Exit(1)


def open_patient(config: Path | None, overrides: list[str], site: str | None, folder: Path | None) -> "Patient":
    """What the experiment, where there is one, and the command line say that is to be looked at.

    Args:
        config: experiment file; None: ``rhodiff.yaml``, and without one all is as its defaults.
        overrides: ``--set`` values.
        site: name of a site profile.
        folder: of the runs.

    Raises:
        ConfigError: if the experiment is wrong, or there is none for overrides other than ``runtime.``.
    """
    from rhodiff.config.loading import load_experiment
    from rhodiff.jobs.doctor import Patient

    if config is None and not DEFAULT.exists():
        return Patient(_runtime_alone(overrides), folder or Path.cwd(), site)
    experiment = load_experiment(config or DEFAULT, overrides)
    runs = (config or DEFAULT).resolve().parent / experiment.paths.runs
    return Patient(experiment.runtime, folder or runs, site or experiment.jobs.site)


def _runtime_alone(overrides: list[str]) -> "Runtime":
    """The section ``runtime`` of overrides, which name nothing else."""
    from rhodiff.config.experiment import Runtime
    from rhodiff.config.loading import apply_overrides, parse_section
    from rhodiff.errors import ConfigError

    settings = apply_overrides({}, overrides)
    if set(settings) - {"runtime"}:
        raise ConfigError("--set: without an experiment file only runtime.* is looked at; name one with -c")
    return parse_section(Runtime, settings.get("runtime", {}), "--set")
