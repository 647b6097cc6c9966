"""The sequence of a trained network's report: its numbers are those of the stored fields; bad wishes are refused."""

import csv
import re
from dataclasses import dataclass

import numpy as np
import pytest
from whole_runs import open_run, run_to_evaluation

from rhodiff.errors import ConfigError
from rhodiff.sources.source import TRAIN
from rhodiff.stages.checks import check_experiment
from rhodiff.stages.plan import plan_stage
from rhodiff.stages.reference import reference_indices
from rhodiff.stages.report import write_report
from rhodiff.stages.report_files import WrittenReport
from rhodiff.stages.report_sequence import sequence_section
from rhodiff.stages.sweep import sweep_cells
from rhodiff.stages.workspace import Workspace
from rhodiff.statistics.centres import Centres, find_separations
from rhodiff.store.field_store import open_fields
from rhodiff.store.reader import read_fields

TIMES, MASSES, CELLS = np.arange(24) * 5.0, (0.5, 1.0), 16
SPACING = 2.0
SETTINGS = {
    "name": "pairs",
    "data": {
        "source": {
            "kind": "arrays",
            "fields": "fields.npy",
            "parameters": "parameters.csv",
            "parameter_units": {"t": "Myr"},
            "spacing": SPACING,
            "length_unit": "kpc",
            "field_unit": "Msun",
        },
        "split": {"train": 0.5, "validation": 0.0, "test": 0.5},
    },
    "model": {
        "width": 8,
        "multipliers": [1, 2],
        "norm_groups": 4,
        "heads": 1,
        "head_channels": 4,
        "conditioning": {"parameters": ["t", "mass"]},
    },
    "training": {"iterations": 4, "batch_size": 4, "checkpoint_every": 4, "metrics_every": 1, "sheet_samples": 0},
    "sampling": {"num_samples": 32, "micro_batch": 4, "shard_length": 8, "evaluations": [3]},
    "evaluation": {"bootstrap": 100, "statistics": [{"kind": "power_spectrum"}]},
    "report": {"sequence": {"along": "t", "at": {"mass": 1.0}, "separation": {"smoothing": 2.0, "apart": 6.0}}},
    "runtime": {"threads": 1, "device": "cpu"},
}


def blobs(time, mass):
    """Two bright spots that pass each other."""
    x, y = np.indices((CELLS, CELLS))
    shift = (time - 60) / 12
    return sum(
        height * np.exp(-((x - 8 - sign * shift) ** 2 + (y - 8 - sign * 1.5) ** 2) / 6)
        for sign, height in ((1, 1.0), (-1, mass))
    )


def write_data(folder):
    table = [(time, mass) for mass in MASSES for time in TIMES]
    noise = np.random.default_rng(0).normal(0, 0.01, (len(table), CELLS, CELLS))
    np.save(folder / "fields.npy", (np.stack([blobs(*row) for row in table]) + noise).astype(np.float32))
    (folder / "parameters.csv").write_text("t,mass\n" + "\n".join(f"{t:g},{m:g}" for t, m in table) + "\n")


def workspace_of(folder, *overrides):
    return open_run(folder, SETTINGS, *overrides)


@dataclass
class Reported:
    """An experiment, its report without a sequence, and the one with it."""

    workspace: Workspace
    plain: WrittenReport
    plain_text: str
    written: WrittenReport


@pytest.fixture(scope="module")
def reported(tmp_path_factory):
    folder = tmp_path_factory.mktemp("pairs")
    write_data(folder)
    workspace = workspace_of(folder)
    run_to_evaluation(workspace)
    plain = write_report(workspace_of(folder, "report.sequence=null"))
    text = plain.page.read_text()
    return Reported(workspace, plain, text, write_report(workspace))


def section(workspace):
    (cell,) = sweep_cells(workspace)
    return sequence_section(workspace, open_fields(workspace.run_folder.samples(cell.identity)))


def table(reported, name):
    path = reported.workspace.run_folder.report_folder.figure(name, "csv")
    return list(csv.DictReader(path.open()))


def stored_pairs(workspace):
    """Truth, sample and parameters of each reference field that has a sample: sample i is of reference field i."""
    (cell,) = sweep_cells(workspace)
    samples = open_fields(workspace.run_folder.samples(cell.identity))
    truths = reference_indices(workspace)[: samples.num_fields]
    generated = read_fields(samples, np.arange(len(truths)))
    assert samples.parameters[: len(truths)] == pytest.approx(workspace.store.parameters[truths])
    return read_fields(workspace.store, truths)[:, 0], generated[:, 0], workspace.store.parameters[truths]


def neighbours_of(workspace, time, mass):
    """Training fields before and after, by a search through all of them."""
    train = workspace.store.indices(TRAIN)
    known = {t: i for i, (t, m) in zip(train, workspace.store.parameters[train], strict=True) if m == mass}
    before, after = (
        max((t for t in known if t < time), default=None),
        min((t for t in known if t > time), default=None),
    )
    if before is None or after is None:
        return None
    fields = read_fields(workspace.store, np.array([known[before], known[after]]))[:, 0].astype(float)
    nearest = fields[0] if time - before <= after - time else fields[1]
    return nearest, ((after - time) * fields[0] + (time - before) * fields[1]) / (after - before)


def relative(estimate, truth):
    return np.linalg.norm(estimate - truth.astype(float)) / np.linalg.norm(truth.astype(float))


def test_differences_are_those_of_the_stored_fields_and_their_neighbours(reported):
    truth, generated, parameters = stored_pairs(reported.workspace)
    expected = {}
    for one, ours, (time, mass) in zip(truth, generated, parameters, strict=True):
        if (found := neighbours_of(reported.workspace, time, mass)) is not None:
            expected.setdefault(time, []).append([relative(estimate, one) for estimate in (ours, *found)])
    rows = table(reported, "sequence_difference")
    assert [float(row["t [Myr]"]) for row in rows] == sorted(expected)
    for row in rows:
        medians = np.median(expected[float(row["t [Myr]"])], axis=0)
        told = [float(row[f"{name}: median"]) for name in ("generated", "nearest", "interpolated")]
        assert told == pytest.approx(medians, rel=1e-5)


def test_differences_as_seen_are_those_of_the_standardised_fields(reported):
    """The transform is (x - mean) / std over the training part; in a ratio of norms the std cancels."""
    workspace = reported.workspace
    training = read_fields(workspace.store, workspace.store.indices(TRAIN)).astype(np.float64)
    truth, generated, parameters = (one.astype(np.float64) for one in stored_pairs(workspace))
    has_both = [neighbours_of(workspace, *one) is not None for one in parameters]
    expected = [
        np.linalg.norm(g - t) / np.linalg.norm(t - training.mean()) for g, t in zip(generated, truth, strict=True)
    ]
    (fact,) = [one for one in section(workspace)[1] if one.label == "difference as seen, generated"]
    told = float(fact.value.split()[0])
    assert told == pytest.approx(np.median(np.array(expected)[has_both]), rel=0.01)


def test_separations_are_those_of_the_stored_images(reported):
    truth, generated, parameters = stored_pairs(reported.workspace)
    apart = [find_separations(one, (SPACING,) * 2, Centres(2.0, 6.0)) for one in (truth, generated)]
    names = ("t [Myr]", "truth: separation [kpc]", "generated: separation [kpc]")
    told = sorted([float(row[name]) for name in names] for row in table(reported, "sequence_separation"))
    assert np.array(told) == pytest.approx(np.array(sorted(zip(parameters[:, 0], *apart, strict=True))), abs=1e-6)


def test_the_page_has_the_section_with_its_numbers(reported):
    text = re.sub(r"<[^>]+>", " ", reported.written.page.read_text())
    assert "Generated against the same fields" in text
    assert "better than interpolated training fields" in text
    assert "separation off, generated" in text
    assert re.search(r"6 of \d+ fields with mass = 1", text)


def test_the_plan_counts_the_files_of_the_sequence(reported):
    without = plan_stage(workspace_of(reported.workspace.folder, "report.sequence=null"), "report").num_files
    names = [path for path in reported.written.figures if path.name.startswith("sequence")]
    assert len(names) == 14
    assert len(names) <= plan_stage(reported.workspace, "report").num_files - without


def test_a_report_without_a_sequence_has_none(reported):
    assert "Generated against the same fields" not in reported.plain_text
    assert not [path for path in reported.plain.figures if path.name.startswith("sequence")]


def test_training_fields_may_stand_beside_in_another_parameter(reported):
    """Of two masses no field has training fields on both sides, and some have one that differs in the mass alone."""
    workspace = workspace_of(reported.workspace.folder, "report.sequence.between=mass")
    _, facts = section(workspace)
    train, test = (
        {tuple(row) for row in workspace.store.parameters[indices]}
        for indices in (workspace.store.indices(TRAIN), reference_indices(workspace))
    )
    other = sum((time, MASSES[int(mass == MASSES[0])]) in train for time, mass in test)
    assert facts[0].value.startswith(f"{other} in {other}")
    assert "on one side in mass" in facts[0].note
    assert "better than interpolated training fields" not in {fact.label for fact in facts}


@pytest.mark.parametrize(
    ("overrides", "message"),
    [
        (["report.sequence.along=time"], r"along: 'time' is none of .*'t'"),
        (["report.sequence.at={mas: 1}"], r"at: 'mas' is none of .*did you mean 'mass'"),
        (["report.sequence.at={t: 5}"], "'t' is what changes"),
        (["report.sequence.between=camera"], r"between: 'camera' is none of"),
        (["sampling.conditions=[{t: 5, mass: 1}]"], "needs sampling.conditions 'reference'"),
        (["model.conditioning.parameters=[]"], "a network that is told parameters"),
    ],
)
def test_what_cannot_be_a_sequence_is_refused_before_anything_is_done(reported, overrides, message):
    workspace = workspace_of(reported.workspace.folder, *overrides)
    for check in (check_experiment, lambda one: plan_stage(one, "report")):
        with pytest.raises(ConfigError, match=message):
            check(workspace)


def test_separations_of_what_are_no_images_are_refused(tmp_path):
    np.save(tmp_path / "fields.npy", np.ones((48, 16), np.float32))
    write_parameters = "t,mass\n" + "\n".join(f"{n},1" for n in range(48)) + "\n"
    (tmp_path / "parameters.csv").write_text(write_parameters)
    with pytest.raises(ConfigError, match="images"):
        check_experiment(workspace_of(tmp_path))


def test_a_value_that_no_field_has_is_told_with_those_that_there_are(reported):
    workspace = workspace_of(reported.workspace.folder, "report.sequence.at={mass: 3}")
    with pytest.raises(ConfigError, match=r"mass = 3; there are 0\.5, 1"):
        section(workspace)
