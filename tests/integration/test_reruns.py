"""What a changed setting or input makes again, what it leaves alone, and what is refused."""

import shutil
from pathlib import Path

import pytest
from experiments import Lab, differing_weights, snapshot, tiny_settings, write_arrays


@pytest.fixture(scope="module")
def finished(arrays, tmp_path_factory) -> Lab:
    """A whole pipeline, run once."""
    folder = tmp_path_factory.mktemp("finished")
    shutil.copy(arrays, folder / "fields.npy")
    lab = Lab.make(folder, tiny_settings(Path("fields.npy")))
    lab.do("run", "pipeline")
    return lab


@pytest.fixture
def done(finished, tmp_path) -> Lab:
    """Its own copy of all of it."""
    return Lab(Path(shutil.copytree(finished.folder, tmp_path / "done")))


def test_same_command_again_does_nothing(done):
    before = snapshot(done.folder / "data") | snapshot(done.run_folder())
    (ranking,) = done.run_folder().glob("statistics/selection-*.json")
    ranked = ranking.read_bytes()
    again = done.do("run", "pipeline")
    after = snapshot(done.folder / "data") | snapshot(done.run_folder())

    assert again.err.count("done before") == 4
    assert before.keys() <= after.keys()
    changed = {path for path in after if before.get(path) != after[path]}
    new = {path for path in changed if path not in before}
    assert {path.partition("/")[0] for path in new} == {"journal"}, "it is noted that a report was written"
    assert "report/report.html" in changed
    for path in changed - new:
        assert path.startswith("report/") or path == f"statistics/{ranking.name}", path
    assert ranking.read_bytes() == ranked, "the report ranks again, and comes to the same"


def test_changed_statistics_setting_repeats_the_statistics_alone(done):
    done.do("run", "pipeline", "--set", "evaluation.bootstrap=150")
    before = snapshot(done.folder)
    again = done.do("run", "pipeline", "--set", "evaluation.bootstrap=200")
    after = snapshot(done.folder)

    run = done.run_folder().relative_to(done.folder)
    new = {path for path in after if before.get(path) != after[path]}
    assert again.err.count("done before") == 3
    assert before.keys() <= after.keys()
    made = ("statistics/", "markers/statistics-", "report/", "journal/")
    for path in new:
        assert path.startswith(("command-", *(f"{run}/{one}" for one in made))), path


def test_changed_seed_trains_anew_on_the_same_data(done):
    before = snapshot(done.folder / "data") | snapshot(done.run_folder())
    first = done.run_folder()
    done.do("run", "train", "--set", "seed=1")

    assert len(list((done.folder / "runs").iterdir())) == 2
    assert snapshot(done.folder / "data") | snapshot(first) == before


def test_more_iterations_go_on_from_before_the_rate_fell_and_end_like_a_training_that_was_long_from_the_start(
    lab, tmp_path
):
    lab.do("run", "train")
    longer = lab.do("run", "train", "--set", "training.iterations=60")
    fresh = lab.sibling(tmp_path / "fresh", "training.iterations=60")
    fresh.do("run", "train")

    assert "going on from step-00000030" in longer.err
    assert differing_weights(lab.final(), fresh.final()) == []
    assert lab.losses() == fresh.losses()
    back = lab.do("run", "train")
    assert "step-00000040-of-00000040, done before" in back.err


def test_another_input_file_at_the_same_path_is_noticed_and_told(tmp_path):
    lab = Lab.make(tmp_path, tiny_settings(write_arrays(tmp_path / "fields.npy")))
    lab.do("run", "prepare")
    first = lab.data_folder()
    before = snapshot(first)
    write_arrays(tmp_path / "fields.npy", seed=1)
    again = lab.do("run", "prepare")

    assert len(list((tmp_path / "data").iterdir())) == 2
    assert snapshot(first) == before
    assert f"the input files have changed since {first.name} was prepared" in again.err


def test_touched_input_file_with_the_same_content_changes_nothing(done):
    (done.folder / "fields.npy").touch()
    again = done.do("run", "prepare")
    assert "done before" in again.err
    assert len(list((done.folder / "data").iterdir())) == 1


def test_data_set_of_another_experiment_in_place_is_refused(done):
    data = done.data_folder()
    done.do("run", "prepare", "--set", "data.split.seed=5")
    (other,) = set((done.folder / "data").iterdir()) - {data}
    shutil.rmtree(data)
    shutil.copytree(other, data)
    refused = done.run("run", "train", "--set", "seed=9")

    assert refused.code == 2
    assert f"holds the data set {other.name.partition('-')[2]}" in refused.err
    assert "Remove it" in refused.err
    assert len(list((done.folder / "runs").iterdir())) == 1, "nothing is written for a training that cannot begin"


@pytest.mark.parametrize("stage", ["train", "sample"])
def test_checkpoint_of_another_experiment_in_place_is_refused(stage, done):
    run = done.run_folder()
    done.do("run", "train", "--set", "seed=1")
    (other,) = set((done.folder / "runs").iterdir()) - {run}
    shutil.rmtree(other / "checkpoints")
    shutil.copytree(run / "checkpoints", other / "checkpoints")
    refused = done.run("run", stage, "--set", "seed=1")

    assert refused.code == 2
    assert f"belongs to the training {run.name.partition('-')[2]}" in refused.err
    assert "Remove it" in refused.err


def test_damaged_last_checkpoint_is_made_again_from_the_one_before(lab, undisturbed):
    lab.do("run", "train")
    last = sorted((lab.run_folder() / "checkpoints").glob("*.pt"))[-1]
    content = bytearray(last.read_bytes())
    content[len(content) // 2] ^= 1
    last.write_bytes(content)
    again = lab.do("run", "train")

    assert "is damaged" in again.err
    assert "going on from step-00000030" in again.err
    assert differing_weights(lab.final(), undisturbed.final()) == []


def test_training_without_data_writes_nothing(arrays, tmp_path):
    lab = Lab.make(tmp_path, tiny_settings(arrays))
    refused = lab.run("run", "train")
    assert refused.code == 2
    assert "run 'rhodiff-hpc run prepare'" in refused.err
    assert not (tmp_path / "runs").exists()
