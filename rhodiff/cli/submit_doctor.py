"""``rhodiff-hpc submit doctor``: the checks that need several nodes, as a small job, and its report."""

from pathlib import Path
from typing import TYPE_CHECKING, Any

import typer

from rhodiff.cli.console import Console

if TYPE_CHECKING:
    from rhodiff.config.resources import StageResources
    from rhodiff.jobs.doctor_job import DoctorJob

__all__ = ["job_of", "submit_doctor_job"]


def submit_doctor_job(
    console: Console,
    job: "DoctorJob",
    *,
    local: bool,
    dry_run: bool,
    wait: bool,
) -> None:
    """Submit, and with ``wait`` show the report when it is there.

    Args:
        console: where to.
        job: what is asked for.
        local: take this machine's processes even where there is Slurm.
        dry_run: say what would be submitted, and its script.
        wait: until it has ended.

    Raises:
        typer.Exit: with the report's exit code, or 1 if there is none.
    """
    from rhodiff.cli.submit_screen import describe_planned
    from rhodiff.jobs.doctor_job import submit_doctor

    scheduler, planned, selected, jobs = submit_doctor(job, local=local, dry_run=dry_run)
    for warning in planned.warnings:
        console.warn(warning)
    plan = planned.plan
    value: dict[str, Any] = {"stage": "doctor", "run": plan.run, "number": plan.number}
    value |= {"folder": str(selected.folder.path), "jobs": {str(piece): name for piece, name in jobs.items()}}
    head = f"doctor: submission {plan.number}, job {', '.join(jobs.values())} on {plan.cluster}"
    lines = describe_planned(planned, None)
    if dry_run:
        script = scheduler.script(selected.folder, plan, plan.pieces[0], ())
        text = [f"doctor: would be submission {plan.number} on {plan.cluster}", *lines, "", script]
        console.result("\n".join(text), {**value, "scripts": [script]})
    elif wait:
        console.note("\n".join([head, *lines]))
        _show_end(console, selected)
    else:
        where = f"  report     {selected.folder.path / 'doctor.txt'}, when the job has ended (--wait waits for it)"
        console.result("\n".join([head, *lines, where]), value)


def _show_end(console: Console, selected: Any) -> None:
    """Wait, and show the report: it says what is wrong, and its exit code counts."""
    from rhodiff.cli.doctor import read_report, show_report
    from rhodiff.cli.waiting import wait_for

    ended: typer.Exit | None = None
    try:
        with console.hushed():
            wait_for(console, [selected])
    except typer.Exit as failed:
        ended = failed
    report = read_report(selected.folder.path)
    if report is None:
        raise ended or typer.Exit(1)
    show_report(console, report)
    if report.exit_code or ended is not None:
        raise typer.Exit(report.exit_code or 1)


def job_of(
    config: Path, overrides: list[str], site: str | None, flags: "StageResources", demands: list[str]
) -> "DoctorJob":
    """What the command line asks for.

    Args:
        config: experiment file; the default one need not be there.
        overrides: ``--set`` values.
        site: name of a site profile.
        flags: resources.
        demands: ``--require``.
    """
    from rhodiff.cli.doctor import DEFAULT, open_patient
    from rhodiff.config.loading import dump_experiment, load_experiment
    from rhodiff.config.resources import StageResources
    from rhodiff.jobs.doctor import check_demands
    from rhodiff.jobs.doctor_job import DoctorJob

    check_demands(demands)
    words = tuple(word for name in demands for word in ("--require", name))
    if config == DEFAULT and not config.exists():
        sets = tuple(word for override in overrides for word in ("--set", override))
        return DoctorJob(open_patient(None, overrides, site, None), flags, StageResources(), (*words, *sets))
    experiment = load_experiment(config, overrides)
    patient = open_patient(config, overrides, site, None)
    return DoctorJob(patient, flags, experiment.jobs.train, words, dump_experiment(experiment))
