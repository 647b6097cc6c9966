"""What cannot work is refused before anything is computed or written, by whatever command comes first."""

import numpy as np
import pytest
from experiments import Lab, tiny_settings, write_arrays

COMMANDS = [
    ("run", "pipeline"),
    ("run", "prepare"),
    ("run", "train"),
    ("run", "train", "--dry-run"),
    ("run", "pipeline", "--dry-run"),
    ("run", "prepare", "--procs", "2"),
]


@pytest.mark.parametrize("command", COMMANDS, ids=" ".join)
def test_odd_sizes_are_refused_before_anything_is_written(command, tmp_path):
    fields = write_arrays(tmp_path / "fields.npy", cells=30)
    settings = tiny_settings(fields)
    settings["model"]["multipliers"] = [1, 2, 2]
    lab = Lab.make(tmp_path / "lab", settings)
    refused = lab.run(*command)

    assert refused.code == 2
    assert "must be a multiple of 4" in refused.err
    assert "[[28, 32]]" in refused.err
    assert refused.err.count("error:") == 1
    assert not (lab.folder / "data").exists()
    assert not (lab.folder / "runs").exists()


@pytest.mark.parametrize(
    ("setting", "message"),
    [
        ("sampling.samplers=[heunn]", "did you mean 'heun'"),
        ("sampling.samplers=[heun]", "evaluations"),
        ("sampling.trajectory=9", "sampling.trajectory"),
        ("model.conditioning.parameters=[mass]", "mass"),
        ("data.split={train: 0.99, validation: 0.005, test: 0.005}", "data.split"),
        ("runtime.device=tpu", "runtime.device"),
        ("training.sheet_every=15", "sheet_every"),
        ("evaluation.statistics=[]", "evaluation.statistics"),
        ("sampling.weights=ema and training.ema_gamma=null", "sampling.weights"),
    ],
)
@pytest.mark.parametrize("command", [("run", "pipeline"), ("run", "train")], ids=["pipeline", "train"])
def test_settings_that_a_later_stage_cannot_use_are_refused_at_once(command, setting, message, arrays, tmp_path):
    lab = Lab.make(tmp_path, tiny_settings(arrays))
    sets = [word for one in setting.split(" and ") for word in ("--set", one)]
    refused = lab.run(*command, *sets)

    assert refused.code == 2, refused.err
    assert message in refused.err
    assert refused.err.count("error:") == 1
    assert not (tmp_path / "data").exists()
    assert not (tmp_path / "runs").exists()


@pytest.mark.parametrize(
    ("value", "reason"), [(np.nan, "NaN"), (np.inf, "finite"), (-1.0, "positive")], ids=["nan", "inf", "negative"]
)
def test_values_that_no_logarithm_takes_leave_nothing_that_a_later_run_would_trust(value, reason, tmp_path):
    fields = np.exp(np.load(write_arrays(tmp_path / "fields.npy")))
    fields[77, 3] = value
    np.save(tmp_path / "fields.npy", fields)
    settings = tiny_settings(tmp_path / "fields.npy")
    settings["fields"]["transform"] = [{"kind": "log10"}, {"kind": "standardise"}]
    lab = Lab.make(tmp_path / "lab", settings)
    refused = lab.run("run", "pipeline")

    assert refused.code == 2
    assert refused.err.count("error:") == 1
    assert reason in refused.err
    assert "Traceback" not in refused.err
    assert not list(lab.folder.glob("runs/*/checkpoints/*.pt"))
    again = lab.run("run", "pipeline")
    assert again.code == 2
    fields[77, 3] = 1
    np.save(tmp_path / "fields.npy", fields)
    lab.do("run", "prepare")
    lab.do("run", "train")


def test_constant_fields_are_refused(tmp_path):
    np.save(tmp_path / "fields.npy", np.ones((60, 32), np.float32))
    lab = Lab.make(tmp_path / "lab", tiny_settings(tmp_path / "fields.npy"))
    refused = lab.run("run", "pipeline")
    assert refused.code == 2
    assert "constant" in refused.err


def test_two_processes_of_a_launcher_tell_a_missing_data_set_without_hanging(arrays, tmp_path):
    lab = Lab.make(tmp_path, tiny_settings(arrays))
    ended = [rank.wait() for rank in lab.start_ranks(2, "run", "train")]
    assert [e.code for e in ended] == [2, 2]
    assert "is not prepared" in ended[0].err
