"""The stage denoise as a user runs it: cut into parts, killed, stopped, repeated, planned, and in the report."""

import signal
from functools import partial
from pathlib import Path

import numpy as np
import pytest
import zarr
from experiments import Lab
from holds import hold_in_write

from rhodiff.store.files import checksum

DENOISING = (
    "denoising={noise: {sigma: 0.5, of: std}, posterior_samples: 3, evaluations: 3, micro_batch: 8, block_length: 4}"
)
STOPPED_EARLY = 75
FIELDS, BLOCKS = 18, 5
"""The validation split of 120 independent fields, in blocks of four."""


@pytest.fixture
def denoising(undisturbed, tmp_path) -> Lab:
    """A run with the checkpoints of the trained one, and nothing denoised."""
    return copy_of(undisturbed, tmp_path)


@pytest.fixture(scope="module")
def in_one_part(undisturbed, tmp_path_factory) -> dict[str, str]:
    lab = copy_of(undisturbed, tmp_path_factory.mktemp("one"))
    lab.do("run", "denoise")
    return contents(lab)


def copy_of(trained: Lab, folder: Path) -> Lab:
    lab = trained.sibling(folder, f"paths.data={trained.folder / 'data'}", DENOISING)
    run = folder / "runs" / trained.run_folder().name
    run.mkdir(parents=True)
    (run / "checkpoints").symlink_to(trained.run_folder() / "checkpoints")
    (run / "environment.json").symlink_to(trained.run_folder() / "environment.json")
    return lab


def contents(lab: Lab) -> dict[str, str]:
    """Checksum of every file of denoised fields that holds numbers."""
    folder = lab.run_folder() / "denoised"
    files = [path for path in sorted(folder.rglob("*")) if path.is_file() and path.name != "zarr.json"]
    return {str(path.relative_to(folder)): checksum(path) for path in files}


def blocks_done(lab: Lab) -> int:
    return len(list((lab.run_folder() / "markers").glob("denoised-*.json")))


def test_store_holds_every_field_with_named_axes(denoising, in_one_part):
    (path,) = denoising.do("run", "denoise", "--json").value["denoised"]
    root = zarr.open_group(path, mode="r")
    assert contents(denoising) == in_one_part
    assert root["noisy"].metadata.dimension_names == ("field", "x")
    assert root["draws"].metadata.dimension_names == ("field", "draw", "x")
    assert root["rmse"].metadata.dimension_names == ("field", "estimate")
    assert len(root.attrs["estimates"]) == root["rmse"].shape[1]
    assert root["noisy"].shape == (FIELDS, 32)
    assert root["valid"][:].all()
    residual = root["noisy"][:] - root["truth"][:]
    np.testing.assert_allclose(residual.std(axis=1), root["sigma"][:], rtol=0.6)
    np.testing.assert_allclose(np.sqrt((residual**2).mean(axis=1)), root["rmse"][:, 0], rtol=1e-4)
    assert not list(Path(path).parent.glob(".*"))


def test_parts_at_the_same_time_with_one_killed_and_rerun_give_the_same_files(denoising, in_one_part):
    held = {1: partial(hold_in_write, "denoised-", 2)}  # in its second block's marker
    parts = [denoising.start("run", "denoise", "--part", f"{k}/3", before=held.get(k)) for k in range(3)]
    parts[1].wait_until_held()
    parts[1].send(signal.SIGKILL)
    codes = [part.wait().code for part in parts]
    assert codes == [0, -signal.SIGKILL, 0]
    assert blocks_done(denoising) == BLOCKS - 1
    denoising.do("run", "denoise", "--part", "1/3")
    assert contents(denoising) == in_one_part


def test_stop_signal_finishes_the_block_at_hand_and_the_same_command_goes_on(denoising, in_one_part):
    started = denoising.start("run", "denoise", before=partial(hold_in_write, "denoised-", 2))
    started.wait_until_held()
    started.send(signal.SIGTERM, signal.SIGCONT)
    ended = started.wait()
    assert ended.code == STOPPED_EARLY, ended.err
    assert blocks_done(denoising) == 2
    denoising.do("run", "denoise")
    assert contents(denoising) == in_one_part
    assert "all 5 blocks done before" in denoising.do("run", "denoise").err


def test_plan_counts_blocks_and_files(denoising):
    (plan,) = denoising.do("run", "denoise", "--dry-run", "--json").value["plan"]
    assert (plan["num_tasks"], plan["num_done"]) == (BLOCKS, 0)
    denoising.do("run", "denoise", "--part", "0/5")
    (plan,) = denoising.do("run", "denoise", "--dry-run", "--json").value["plan"]
    assert plan["num_done"] == 1
    denoising.do("run", "denoise")
    run = denoising.run_folder()
    files = [path for path in (run / "denoised").rglob("*") if path.is_file()]
    assert len(files) + BLOCKS == plan["num_files"]
    numbers = sum(path.stat().st_size for path in files if path.name.startswith("c."))
    assert 0 <= numbers - plan["size_bytes"] < 4000  # and a few labels


def test_experiment_without_the_section_is_told_how_to_ask_for_it(undisturbed, tmp_path):
    lab = undisturbed.sibling(tmp_path, f"paths.data={undisturbed.folder / 'data'}")
    refused = lab.run("run", "denoise")
    assert refused.code == 2
    assert "--set denoising={}" in refused.err


def test_report_has_a_section_with_figures_and_their_numbers(denoising):
    for stage in ("denoise", "sample", "evaluate", "report"):
        denoising.do("run", stage)
    page = denoising.run_folder() / "report" / "report.html"
    assert '<section id="denoising">' in page.read_text()
    figures = {path.name for path in (page.parent / "figures").iterdir()}
    assert {f"denoised_{name}.pdf" for name in ("fields", "residuals")} <= figures
    assert {f"denoised_{name}.csv" for name in ("correlations", "spectra", "calibration")} <= figures


def test_submitted_parts_give_what_one_process_gives(denoising, in_one_part):
    denoising.do("submit", "denoise", "--local", "--parts", "2", "--wait")
    assert contents(denoising) == in_one_part
    assert "done before" in denoising.do("submit", "denoise", "--local", "--parts", "2").out
