"""The section of a report on denoising, from what the stage ``denoise`` left behind."""

from rhodiff.config.denoising import ObservationNoise
from rhodiff.report import Fact, ReportFigure, format_estimate
from rhodiff.report.denoising import denoising_facts, report_denoised_fields, report_denoised_residuals
from rhodiff.report.denoising_curves import (
    report_denoised_calibration,
    report_denoised_correlations,
    report_denoised_spectra,
)
from rhodiff.stages.denoised_results import (
    finished_checkpoints,
    headlines,
    read_denoised,
    read_examples,
    shown_arrays,
    summarise,
)
from rhodiff.stages.workspace import Workspace
from rhodiff.store.spec import FieldSpec

__all__ = ["denoising_figures", "denoising_numbers", "denoising_warnings"]

EXAMPLES = 3


def denoising_figures(workspace: Workspace) -> tuple[ReportFigure, ...]:
    """Figures of the last checkpoint whose fields are all denoised; none if there is none."""
    identity = _shown(workspace)
    if identity is None:
        return ()
    path = workspace.run_folder.denoised(identity).relative_to(workspace.run_folder.path)
    examples, spec = read_examples(workspace, identity, EXAMPLES)
    found = read_denoised(workspace, identity)
    settings = workspace.experiment.evaluation
    stores = [f"{path} ({name})" for name in shown_arrays()]
    return (
        report_denoised_fields(examples, spec, stores=stores),
        report_denoised_residuals(examples, spec, stores=stores),
        report_denoised_correlations(found, summarise(workspace, found)),
        report_denoised_spectra(found, spec, resamples=settings.bootstrap, seed=settings.seed),
        report_denoised_calibration(found, spec, resamples=settings.bootstrap, seed=settings.seed),
    )


def denoising_numbers(workspace: Workspace) -> tuple[Fact, ...]:
    """Headline numbers of the same checkpoint, and one line for each of the others."""
    identity = _shown(workspace)
    if identity is None:
        return ()
    checkpoints = finished_checkpoints(workspace)
    summaries = headlines(workspace)
    _, spec = read_examples(workspace, identity, 1)
    others = tuple(
        Fact(
            checkpoints[one].name,
            f"{format_estimate(summary.contests['posterior_mean'].won, percent=True)} won",
            f"error {format_estimate(summary.error['posterior_mean'])} of the noise, spread over error "
            f"{format_estimate(summary.spread_ratio)}",
        )
        for one, summary in summaries.items()
        if one != identity
    )
    shown = Fact("checkpoint", checkpoints[identity].name, "of the figures and of the numbers that follow")
    return (shown, *denoising_facts(summaries[identity], _describe_noise(workspace, spec)), *others)


def denoising_warnings(workspace: Workspace) -> tuple[str, ...]:
    """What a reader must know: fields that are not there, or came out not finite."""
    if workspace.experiment.denoising is None:
        return ()
    identity = _shown(workspace)
    if identity is None:
        return ("Denoising is asked for and not done (completely): run 'rhodiff-hpc run denoise'.",)
    lost = read_denoised(workspace, identity).num_lost
    return (f"{lost} denoised fields came out NaN or infinite and are left out.",) if lost else ()


def _shown(workspace: Workspace) -> str | None:
    if workspace.experiment.denoising is None:
        return None
    return next(reversed(finished_checkpoints(workspace)), None)


def _describe_noise(workspace: Workspace, spec: FieldSpec) -> str:
    settings = workspace.experiment.denoising
    noise = ObservationNoise() if settings is None else settings.noise
    size = {
        "mean": f"{100 * noise.sigma:g} % of the mean of each field",
        "std": f"{noise.sigma:g} standard deviations of each field",
        "unit": f"{noise.sigma:g} {spec.unit}".strip(),
    }[noise.of]
    return f"white Gaussian, σ = {size}, added to {spec.name}"
