"""The report is made from what the stages left behind, and copes with what is not there."""

import pytest

from rhodiff.errors import DataError
from rhodiff.stages.evaluate import evaluate
from rhodiff.stages.report import write_report
from rhodiff.stages.sample import sample_sweep
from rhodiff.store.journal import read_journal

FORMATS = ("svg", "pdf", "png", "csv")


def report(workspace):
    sample_sweep(workspace)
    evaluate(workspace)
    return write_report(workspace).page.read_text()


def test_report_names_run_settings_and_costs(changed):
    workspace = changed("report.title=Spheres")
    text = report(workspace)
    assert "<title>Spheres" in text
    assert workspace.run_folder.path.name in text
    assert workspace.data_folder.path.name in text
    assert "amplitude_scatter" in text
    assert "process(es)" in text


def test_report_before_the_evaluation_says_what_to_run(changed):
    with pytest.raises(DataError, match="run 'rhodiff-hpc run evaluate'"):
        write_report(changed("evaluation.seed=77"))


@pytest.mark.parametrize("kind", ["power_spectrum", "pixel_distribution", "minkowski", "bispectrum", "peaks"])
def test_report_of_one_statistic_alone(kind, changed):
    assert "</html>" in report(changed(f"evaluation.statistics=[{{kind: {kind}}}]"))


def test_report_of_several_cells_has_a_row_for_each(changed):
    text = report(changed("sampling.samplers=[ddim, dpmpp_2m]", "sampling.seeds=[0, 3]", "sampling.trajectory=2"))
    assert text.count("ddim") >= 2
    assert text.count("dpmpp_2m") >= 2


def test_figures_are_files_beside_the_report_that_the_journal_names(changed):
    workspace = changed("sampling.trajectory=2")
    report(workspace)
    written = write_report(workspace)
    folder = workspace.run_folder.path
    named = {path.name for path in written.figures}
    assert {path.name for path in (written.page.parent / "figures").iterdir()} == named
    curves = {f"{name}.{suffix}" for name in ("power_spectrum_value", "loss") for suffix in FORMATS}
    assert curves | {"samples_value.pdf", "trajectory.png"} <= named
    assert "samples_value.csv" not in named
    last = read_journal(workspace.run_folder.journal)[-1]
    assert (last["event"], last["report"]) == ("report written", "report/report.html")
    assert [folder / name for name in last["figures"]] == list(written.figures)


def test_figures_of_an_earlier_report_go_and_files_of_others_stay(changed):
    report(changed("sampling.trajectory=2"))
    figures = changed().run_folder.report_folder.path / "figures"
    own = figures / "my_own.svg"
    own.write_text("mine")
    assert (figures / "trajectory.pdf").exists()
    report(changed())
    assert not (figures / "trajectory.pdf").exists()
    assert (figures / "power_spectrum_value.pdf").exists()
    assert own.read_text() == "mine"
    own.unlink()


def test_the_same_report_writes_the_same_figures(changed):
    workspace = changed()
    report(workspace)
    first = [path.read_bytes() for path in write_report(workspace).figures]
    assert [path.read_bytes() for path in write_report(workspace).figures] == first


def test_few_independent_groups_are_pointed_out(changed):
    assert "independent groups" in report(changed())


def test_report_without_metrics_of_the_training(changed, trained, tmp_path):
    metrics = trained.run_folder.metrics
    metrics.rename(tmp_path / "metrics")
    try:
        assert "</html>" in report(changed("evaluation.seed=5"))
    finally:
        (tmp_path / "metrics").rename(metrics)


def test_other_statistics_have_a_section_with_their_data(changed):
    text = report(changed("evaluation.statistics=[{kind: power_spectrum}, {kind: wavelet_l1}, {kind: bispectrum}]"))
    assert "Further statistics" in text
    assert "Wavelet ℓ1-norm by scale" in text
    for name in ("wavelet_l1_", "bispectrum_equilateral_", "bispectrum_squeezed_"):
        assert f'download="{name}' in text
    assert "/ peak, wavelet l1 2" in text


def test_a_single_number_of_each_field_is_a_headline_without_a_figure(changed):
    text = report(changed("evaluation.statistics=[{kind: correlation_function}]"))
    assert "Correlation function" in text
    assert "Δ, correlation length" in text
    assert "correlation_function_" in text
    assert "correlation_length_" not in text
