"""Stages inside a real Apptainer image on real nodes: the same numbers as outside, whatever happens to the nodes.

Inside and outside have the same versions of all packages, and Python 3.11 or the tests' own, which computes nothing:
so weights, samples and statistics must agree bit for bit.
"""

import hashlib
import json
import os
import subprocess
import sys

import pytest
from container_image import make_image
from experiments import Lab, differing_weights, last_checkpoint, tiny_settings, write_arrays
from sampled_runs import SETTINGS, SampledRun
from slurm_cluster import wait_until, why_not_here

from rhodiff.jobs.attempts import read_attempts
from rhodiff.jobs.registry import known_jobs
from rhodiff.store.layout import RunFolder

EVERY = 10

pytestmark = pytest.mark.timeout(1200)  # the first of them makes the image: Debian, and 300 MB of wheels


@pytest.fixture(scope="module")
def image(tmp_path_factory):
    if reason := why_not_here():
        pytest.skip(reason)
    return make_image(tmp_path_factory.mktemp("image"))


@pytest.fixture
def lab(cluster, image, tmp_path):
    """An experiment whose jobs run inside, with its data."""
    settings = tiny_settings(write_arrays(tmp_path / "fields.npy", num_fields=160))
    settings["data"]["split"] = {"train": 0.5, "validation": 0.1, "test": 0.4}
    settings["training"] |= {"iterations": 600, "checkpoint_every": EVERY}
    settings["sampling"] |= {"num_samples": 24}
    settings["evaluation"] = SETTINGS
    settings["jobs"] = {"site": "testbed", "container": {"image": str(image)}}
    settings["jobs"]["train"] = {"nodes": 2, "stop_margin_s": 30, "max_attempts": 8}
    lab = Lab.make(tmp_path / "inside", settings)
    lab.do("run", "prepare")
    return lab


class Training:
    """A training in the queue."""

    def __init__(self, cluster, lab):
        self.cluster, self.run = cluster, RunFolder(lab.run_folder())
        (self.folder,) = self.run.jobs.submissions()
        ((_, known),) = known_jobs(self.folder)
        self.job = known.job_id

    def saved(self):
        return len(list(self.run.checkpoints.glob("step-*.json")))

    def last_step(self):
        return max((int(path.name[5:13]) for path in self.run.checkpoints.glob("step-*.json")), default=0)

    def ends(self):
        return [attempt.verdict for attempt in read_attempts(self.folder.attempts(0))]

    def wait_for_more_than(self, step):
        wait_until(lambda: self.last_step() > step, f"a checkpoint after {step}")

    def power_cut(self):
        names = self.cluster.command("scontrol", "show", "hostnames", self.cluster.job(self.job)["NodeList"]).split()
        node = self.cluster.nodes.index(names[0]) + 1
        self.cluster.power_cut(node)
        wait_until(lambda: self.cluster.job(self.job)["JobState"] != "RUNNING", "a node that is noticed")
        self.cluster.power_on(node)


def inside(image, folder, *words):
    """Run a command inside, in a folder where no checkout of rhodiff is found first."""
    command = [sys.executable, "-m", "rhodiff.cli", "container", "exec", str(image), "--", *words]
    return subprocess.run(command, cwd=folder, capture_output=True, text=True, check=False)


@pytest.mark.slow
def test_an_image_says_what_it_is_and_runs_commands_with_their_exit_code(image, tmp_path):
    digest = hashlib.sha256(image.read_bytes()).hexdigest()
    assert image.with_name(f"{image.name}.sha256").read_text() == f"{digest}  {image.name}\n"
    told = inside(image, tmp_path, "rhodiff-hpc", "--version")
    assert (told.returncode, told.stdout.split()[0]) == (0, "rhodiff"), told.stderr
    where = "import os, sys, rhodiff; print(rhodiff.__file__, sys.prefix, os.environ['RHODIFF_CONTAINER'])"
    package, prefix, record = inside(image, tmp_path, "python", "-c", where).stdout.split(maxsplit=2)
    assert package.startswith("/opt/rhodiff/code")
    assert prefix == "/opt/rhodiff/env"
    assert json.loads(record)["sha256"] == digest
    assert inside(image, tmp_path, "sh", "-c", "exit 7").returncode == 7


@pytest.mark.slow
def test_stages_inside_give_the_numbers_of_those_outside_through_a_requeue_and_a_power_cut(
    cluster, lab, image, tmp_path
):
    environment = {"SLURM_CONF": os.environ["SLURM_CONF"]}
    lab.do("submit", "train", environment=environment)
    training = Training(cluster, lab)
    training.wait_for_more_than(EVERY)
    cluster.command("scancel", "--signal=USR1", training.job)
    wait_until(lambda: training.ends()[:1] == ["stopped"], "a training that saved and left")
    training.wait_for_more_than(training.last_step())
    training.power_cut()
    outside = lab.sibling(tmp_path / "outside", f"paths.data={lab.folder / 'data'}")
    outside.do("run", "train", "--procs", "2")
    wait_until(lambda: training.last_step() == 600, "the end of the training")
    wait_until(lambda: training.ends()[-1] == "done", "the end of the job")
    assert len(training.ends()) >= 3
    assert differing_weights(last_checkpoint(lab.run_folder()), last_checkpoint(outside.run_folder())) == []
    record = json.loads((lab.run_folder() / "environment.json").read_text())["container"]
    assert record["image"] == str(image)
    assert json.loads((outside.run_folder() / "environment.json").read_text())["container"] is None

    lab.do("submit", "sample", "--parts", "1", "--wait", environment=environment)
    lab.do("submit", "evaluate", "--nodes", "2", "--tasks-per-node", "2", "--wait", environment=environment)
    outside.do("run", "sample")
    outside.do("run", "evaluate")
    assert SampledRun(lab).numbers() == SampledRun(outside).numbers()
    logs = "".join(path.read_text() for path in lab.folder.glob("runs/*/jobs/*/logs/*.log"))
    assert logs.count("rhodiff: inside") == len(training.ends()) + 2
