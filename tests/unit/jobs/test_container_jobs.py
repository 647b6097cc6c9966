"""Which container a submission takes, what is doubted about it, and how an attempt gets into it."""

import hashlib
from dataclasses import replace
from pathlib import Path

import pytest
from plans import plan

from rhodiff import __version__
from rhodiff.config.containers import ContainerSettings
from rhodiff.config.loading import parse_experiment
from rhodiff.errors import ConfigError, EnvironmentLacksError
from rhodiff.jobs import container_entry
from rhodiff.jobs.container_choice import choose_container, describe_image, doubts_about
from rhodiff.jobs.container_entry import enter_container
from rhodiff.jobs.submission_plan import SubmissionPlan
from rhodiff.runtime.containers import EngineProbe, read_container_record
from rhodiff.stages.workspace import Workspace

NO_SITE = ContainerSettings()


@pytest.fixture
def image(tmp_path):
    path = tmp_path / "rhodiff.sif"
    path.write_bytes(b"an image")
    return path


@pytest.fixture
def choose(tmp_path, harmonics, observer):
    def choose(of_site=NO_SITE, **own):
        experiment = parse_experiment({**harmonics, "jobs": {"container": own}}, "test")
        return choose_container(Workspace(experiment, tmp_path, observer), of_site)

    return choose


def test_the_experiments_image_goes_before_that_of_the_site_and_binds_of_both_apply(choose, image, tmp_path):
    of_site = ContainerSettings(image="/nowhere/site.sif", binds=("/scratch",), options=("--nv",))
    found = choose(of_site, image="rhodiff.sif", binds=["/data:/data:ro"])
    assert found.image == str(image)
    assert found.sha256 == hashlib.sha256(b"an image").hexdigest()
    assert found.binds == (str(tmp_path), "/scratch", "/data:/data:ro")
    assert found.options == ("--nv",)
    assert choose(ContainerSettings(image=str(image))).image == str(image)
    assert choose() is None


def test_what_cannot_have_an_effect_is_refused(choose):
    with pytest.raises(ConfigError, match=r"jobs\.container: binds and options have no effect"):
        choose(binds=["/data"])
    with pytest.raises(ConfigError, match="site profile: binds and options"):
        choose(ContainerSettings(options=("--nv",)))
    with pytest.raises(ConfigError, match="absolute path"):
        choose(ContainerSettings(image="site.sif"))
    with pytest.raises(ConfigError, match=r"cannot read the container image .*gone\.sif"):
        choose(image="gone.sif")


def test_a_plan_is_read_as_it_was_written(image):
    written = plan(container=describe_image(image, binds=("/a",), options=("--nv",)))
    assert SubmissionPlan.from_plain(written.to_plain()) == written
    old = {name: value for name, value in plan().to_plain().items() if name != "container"}
    assert SubmissionPlan.from_plain(old).container is None


def test_an_image_without_labels_or_with_other_versions_is_doubted(image):
    found = describe_image(image)
    torch = __import__("torch").__version__
    fitting = {
        "rhodiff.version": __version__,
        "rhodiff.torch": torch.partition("+")[0] + "+xpu",
        "rhodiff.mpi": "none",
    }
    assert doubts_about(found, None, needs_mpi=True) == []
    assert doubts_about(found, fitting, needs_mpi=False) == []
    assert "no label" in doubts_about(found, {}, needs_mpi=False)[0]
    (other,) = doubts_about(found, {**fitting, "rhodiff.torch": "1.0"}, needs_mpi=False)
    assert "torch 1.0" in other
    with pytest.raises(EnvironmentLacksError, match=r"rhodiff\.sif has none"):
        doubts_about(found, fitting, needs_mpi=True)


@pytest.fixture
def enter(monkeypatch, tmp_path):
    """Enters a container; returns words, environment and log."""
    engine = EngineProbe("/usr/bin/apptainer", "1.4.5", can_run=True)
    monkeypatch.setattr(container_entry, "require_engine", lambda: engine)

    def enter(container, **variables):
        log = []
        words, inside = enter_container(
            container, ["python", "-m", "x"], variables, str(tmp_path), "/run/code.zip", log.append
        )
        return words, inside, log

    return enter


def test_an_attempt_runs_inside_with_the_pinned_code_and_the_nodes_scratch(enter, image, tmp_path):
    words, inside, log = enter(describe_image(image), TMPDIR=str(tmp_path), SCRATCH="/not/there", PMI_FD="3")
    assert words[-4:] == [str(image), "python", "-m", "x"]
    assert "/not/there" not in words
    assert (inside["APPTAINERENV_PYTHONPATH"], inside["PMI_FD"]) == ("/run/code.zip", "3")
    record = read_container_record(inside)
    assert (record.image, record.engine) == (str(image), "apptainer 1.4.5")
    assert record.sha256 == hashlib.sha256(b"an image").hexdigest()
    assert not any("warning" in line for line in log)


def test_an_image_that_changed_since_the_submission_is_told_and_recorded_as_it_is(enter, image):
    before = describe_image(image)
    image.write_bytes(b"another image")
    _, inside, log = enter(before)
    assert read_container_record(inside).sha256 == hashlib.sha256(b"another image").hexdigest()
    assert any("was changed after the submission" in line for line in log)


def test_an_image_that_was_only_touched_or_copied_again_is_the_same(enter, image):
    found = describe_image(image)
    _, _, log = enter(replace(found, modified_ns=found.modified_ns - 1))
    assert not any("warning" in line for line in log)


def test_an_image_that_a_node_does_not_see_is_named(enter, image):
    found = describe_image(image)
    Path(found.image).unlink()
    with pytest.raises(EnvironmentLacksError, match=r"cannot be read on .*compute nodes see"):
        enter(found)
