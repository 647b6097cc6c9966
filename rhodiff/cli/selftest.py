"""``rhodiff-hpc selftest``: all that rhodiff asks of the hardware, done here in a minute, as a report to send."""

import os
import sys
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, Annotated

import typer

from rhodiff.cli.console import Console
from rhodiff.cli.doctor import Demands
from rhodiff.cli.options import JsonOutput, Overrides, Quiet

if TYPE_CHECKING:
    import torch

    from rhodiff.cli.doctor import DoctorReport
    from rhodiff.runtime.health.checks import Section

__all__ = ["selftest"]

NAME = "selftest"
ON_CPU = 2
"""Processes that sum together where there is no device."""


def selftest(
    overrides: Overrides = None,
    site: Annotated[str | None, typer.Option("--site", help="Site profile: a name or a file.")] = None,
    folder: Annotated[
        Path, typer.Option("--folder", file_okay=False, help="Folder to work in, and for the report.")
    ] = Path(),
    demands: Demands = None,
    as_json: JsonOutput = False,
    quiet: Quiet = False,
) -> None:
    """Try the devices of this machine, and write a report to send.

    Writes selftest.txt and selftest.json, which can be sent. Exit code 0 without a fault, 1 with one, 5 if something
    demanded is missing.
    """
    from rhodiff.cli.doctor import make_report, open_patient, show_report, write_report
    from rhodiff.errors import ConfigError
    from rhodiff.jobs.doctor import Examination, check_demands, examine
    from rhodiff.runtime.health.checks import Section
    from rhodiff.runtime.places import place_from_environment

    check_demands(demands or [])
    if place_from_environment(os.environ).world_size > 1:
        raise ConfigError("selftest starts its processes itself: start it once on a node, e.g. by 'srun --ntasks=1'")
    console = Console(quiet=quiet, as_json=as_json)
    patient = open_patient(None, overrides or [], site, folder)
    console.note("selftest: what there is")
    found = examine(patient, os.environ)
    done: list[Section] = []
    all_reduce: tuple[dict[str, object], ...] = ()
    device = _device_of(patient.runtime.device)
    if device is not None:
        done.append(_on_device(console, device, folder))
        sums, all_reduce = _together(console, device, overrides or [], folder)
        done.append(sums)
    told = make_report(Examination((*done, *found.sections), all_reduce), demands or [])
    write_report(folder, told, NAME)
    show_report(console, told)
    console.note(f"the report is in {folder / NAME}.txt and {folder / NAME}.json")
    if told.exit_code:
        raise typer.Exit(told.exit_code)


def _device_of(kind: str) -> "torch.device | None":
    """The first device of the kind; None where torch or the device is missing, which the other checks tell."""
    from rhodiff.errors import EnvironmentLacksError

    try:
        from rhodiff.runtime.devices import resolve_device

        return resolve_device(kind)  # type: ignore[arg-type]
    except (ImportError, OSError, EnvironmentLacksError):
        return None


def _on_device(console: Console, device: "torch.device", folder: Path) -> "Section":
    from rhodiff.runtime.health.checks import Section
    from rhodiff.stages.selftest import run_selftest

    with TemporaryDirectory(dir=folder, prefix=".selftest-") as scratch:
        results = run_selftest(device, Path(scratch), console.note)
    return Section(f"done on {device}", tuple(results))


def _together(
    console: Console, device: "torch.device", overrides: list[str], folder: Path
) -> "tuple[Section, tuple[dict[str, object], ...]]":
    """All-reduces between all devices of this node, or two processes on its CPUs."""
    import torch

    from rhodiff.runtime.health.checks import Result, Section

    count = ON_CPU if device.type == "cpu" else torch.accelerator.device_count()
    if count == 1:
        alone = Result("all-reduce", "absent", f"one {device.type} device: there is nobody to sum with")
        return Section("all-reduce", (alone,)), ()
    console.note(f"selftest: all-reduces of {count} processes")
    report = _sums_of(count, overrides, folder)
    if report is None:
        failed = Result("all-reduce", "fault", f"the {count} processes ended before they had met: see above")
        return Section("all-reduce", (failed,)), ()
    sections = [Section.from_plain(plain) for plain in report.value["sections"]]
    return next(one for one in sections if one.title == "all-reduce"), tuple(report.value["all_reduce"])


def _sums_of(count: int, overrides: list[str], folder: Path) -> "DoctorReport | None":
    from rhodiff.cli.doctor import read_report
    from rhodiff.runtime.local_processes import run_processes

    sets = [word for override in overrides for word in ("--set", override)]
    with TemporaryDirectory(dir=folder, prefix=".selftest-") as scratch:
        words = ["doctor", "--collective", *sets, "--folder", scratch, "--report", scratch]
        run_processes([[sys.executable, "-m", "rhodiff.cli", *words]] * count)
        return read_report(Path(scratch))
