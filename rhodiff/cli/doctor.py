"""``rhodiff-hpc doctor``: what of this machine, of the cluster, or of a job's nodes, a run will stumble over."""

import os
import socket
import sys
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, Annotated, Any

import typer

from rhodiff.cli.console import Console
from rhodiff.cli.options import JsonOutput, Overrides

if TYPE_CHECKING:
    from rhodiff.config.experiment import Runtime
    from rhodiff.jobs.doctor import Examination, Patient
    from rhodiff.runtime.places import Place

__all__ = [
    "Demands",
    "DoctorReport",
    "doctor",
    "make_report",
    "open_patient",
    "read_report",
    "show_report",
    "write_report",
]

DEFAULT = Path("rhodiff.yaml")
NAME = "doctor"

Demands = Annotated[
    list[str] | None,
    typer.Option("--require", metavar="NAME", help="Exit code 5 unless it is there and works; repeatable."),
]


@dataclass(frozen=True)
class DoctorReport:
    """What is shown at the end.

    Attributes:
        text: for people.
        value: JSON values.
    """

    text: str
    value: dict[str, Any]

    @property
    def exit_code(self) -> int:
        """5 if something demanded is missing, 1 with a fault, else 0."""
        if self.value["missing"]:
            return 5
        states = [result["state"] for section in self.value["sections"] for result in section["results"]]
        return int("fault" in states)


def doctor(
    config: Annotated[
        Path | None,
        typer.Option("-c", "--config", help="Experiment file.", show_default="rhodiff.yaml if it is here"),
    ] = None,
    overrides: Overrides = None,
    site: Annotated[str | None, typer.Option("--site", help="Site profile: a name or a file.")] = None,
    folder: Annotated[
        Path | None, typer.Option("--folder", help="Folder of the runs.", show_default="the experiment's, or ./runs")
    ] = None,
    demands: Demands = None,
    collective: Annotated[
        bool, typer.Option("--collective", help="All processes of a launcher together: all-reduce, locks, clocks.")
    ] = False,
    procs: Annotated[int, typer.Option("--procs", min=1, help="Local processes, with --collective.")] = 1,
    report: Annotated[
        Path | None, typer.Option("--report", help="Folder to write doctor.txt and doctor.json into.")
    ] = None,
    as_json: JsonOutput = False,
) -> None:
    """Look at what a run needs here, with a fix for each fault.

    Exit code 0 without a fault, 1 with one, 5 if something demanded is missing.
    """
    from rhodiff.errors import ConfigError
    from rhodiff.jobs.doctor import check_demands, examine
    from rhodiff.runtime.places import place_from_environment

    check_demands(demands or [])
    if procs > 1 and not collective:
        raise ConfigError("--procs has no effect without --collective: leave it out, or give both")
    patient = open_patient(config, overrides or [], site, folder)
    place = place_from_environment(os.environ)
    if procs > 1:
        told = _on_processes(procs)
    elif collective:
        told = _together(patient, place, demands or [], report)
    else:
        told = make_report(examine(patient, os.environ), demands or [])
    if place.rank == 0:
        show_report(Console(as_json=as_json), told)
        if report is not None:
            write_report(report, told)
    if told.exit_code:
        raise typer.Exit(told.exit_code)


def show_report(console: Console, told: DoctorReport) -> None:
    """Show a report; in colour on a terminal."""
    from rhodiff.cli.doctor_screen import coloured

    on_terminal = sys.stdout.isatty() and not console.as_json
    console.result(coloured(told.text) if on_terminal else told.text, told.value)


def make_report(found: "Examination", demands: list[str]) -> DoctorReport:
    """What is to be shown of an examination."""
    from rhodiff.cli.doctor_screen import doctor_text
    from rhodiff.jobs.doctor import find_missing
    from rhodiff.store.journal import utc_now

    missing = find_missing(found.sections, demands)
    time, host = utc_now(), socket.gethostname()
    value = {
        "time": time,
        "host": host,
        "sections": [section.to_plain() for section in found.sections],
        "all_reduce": list(found.all_reduce),
        "missing": [result.name for result in missing],
    }
    head = f"rhodiff on {host}, {time[:16].replace('T', ' ')} UTC"
    return DoctorReport(doctor_text(head, found.sections, missing, found.all_reduce), value)


def write_report(folder: Path, told: DoctorReport, name: str = NAME) -> None:
    """Write both files of a report.

    Args:
        folder: where to.
        told: the report.
        name: of the files, without ending.
    """
    from rhodiff.store.files import write_atomic, write_json

    write_json(folder / f"{name}.json", {**told.value, "text": told.text})
    write_atomic(folder / f"{name}.txt", lambda handle: handle.write(f"{told.text}\n".encode()))


def read_report(folder: Path) -> DoctorReport | None:
    """The report that a job has left in a folder; None where there is none."""
    from rhodiff.store.files import read_json

    path = folder / f"{NAME}.json"
    if not path.exists():
        return None
    value = read_json(path)
    return DoctorReport(value.pop("text"), value)


def _together(patient: "Patient", place: "Place", demands: list[str], report: Path | None) -> DoctorReport:
    """All processes of a launcher; the first one keeps the report up to date while they are at it."""
    from rhodiff.errors import ConfigError
    from rhodiff.runtime.thread_limits import share_cores

    if place.world_size == 1:
        raise ConfigError(
            "--collective: this process is alone: start it by srun or torchrun, give --procs 2, or let 'rhodiff-hpc "
            "submit doctor --nodes 2' do it"
        )
    share_cores(place, os.environ)
    from rhodiff.jobs.doctor import examine_together

    def keep(found: "Examination") -> None:
        if report is not None and place.rank == 0:
            write_report(report, make_report(found, demands))

    return make_report(examine_together(patient, place, os.environ, keep), demands)


def _on_processes(procs: int) -> DoctorReport:
    """Start this command on several processes, and read what the first one of them writes."""
    from rhodiff.errors import EnvironmentLacksError
    from rhodiff.runtime.local_processes import run_processes

    words = _without_procs(sys.argv[1:])
    with TemporaryDirectory(prefix="rhodiff-doctor-") as scratch:
        code = run_processes([[sys.executable, "-m", "rhodiff.cli", *words, "--report", scratch]] * procs)
        told = read_report(Path(scratch))
    if told is None:
        raise EnvironmentLacksError(f"the {procs} processes ended with code {code} before they had met: see above")
    return told


def _without_procs(words: list[str]) -> list[str]:
    """The command line of one of the processes."""
    kept, skips = [], False
    for word in words:
        if skips:
            skips = False
        elif word in {"--procs", "--report"}:
            skips = True
        elif not word.startswith(("--procs=", "--report=")):
            kept.append(word)
    return kept


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
        return Patient(_runtime_alone(overrides), (folder or Path("runs")).absolute(), site)
    experiment = load_experiment(config or DEFAULT, overrides)
    runs = (config or DEFAULT).resolve().parent / experiment.paths.runs
    return Patient(experiment.runtime, (folder or runs).absolute(), site or experiment.jobs.site)


def _runtime_alone(overrides: list[str]) -> "Runtime":
    """The section ``runtime`` of overrides, which name nothing else."""
    from rhodiff.config.experiment import Runtime
    from rhodiff.config.loading import apply_overrides, parse_section
    from rhodiff.errors import ConfigError

    settings = apply_overrides({}, overrides)
    if set(settings) - {"runtime"}:
        raise ConfigError("--set: without an experiment file only runtime.* is looked at; name one with -c")
    return parse_section(Runtime, settings.get("runtime", {}), "--set")
