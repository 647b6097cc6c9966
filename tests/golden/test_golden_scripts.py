"""The exact batch script of each shipped site profile, for an array and for a training.

After a wanted change ``python tests/golden/test_golden_scripts.py`` writes them anew: read the difference before you
commit it.
"""

import sys
from pathlib import Path
from unittest import mock

import pytest

from rhodiff.config.resources import StageResources
from rhodiff.config.shipped import shipped_names
from rhodiff.jobs.planning import Stamp, Target, Work, plan_submission
from rhodiff.jobs.site_files import load_site
from rhodiff.jobs.stage_resources import resources_of_stage
from rhodiff.jobs.submission import SlurmScheduler
from rhodiff.store.layout import RunFolder

HERE = Path(__file__).resolve().parent / "scripts"
RUN = RunFolder(Path("/scratch/me/runs/demo-0123abcd"))
PYTHON = "/home/me/env/bin/python"
STAMP = Stamp("89abcdef", 3, "2026-01-01T00:00:00Z", "me", "login1", "code-0123456789ab.zip")
STAGES = {"prepare": StageResources(throttle=4), "train": StageResources(nodes=2, account="project")}
CASES = [(site, stage) for site in shipped_names("slurm") for stage in STAGES]


def script_of(site, stage):
    """What ``submit`` would hand over with a profile: 8 parts of a preparation, or a training on 2 nodes."""
    profile = load_site(site)
    resources = resources_of_stage(profile, stage, StageResources(), STAGES[stage])
    elements = tuple(range(8)) if stage == "prepare" else (0,)
    on_devices = stage == "train" and profile.devices_per_node > 0
    work = Work(stage, RUN, Path("/scratch/me"), len(elements), elements, PYTHON, on_devices=on_devices)
    plan = plan_submission(work, resources, Target("slurm", "cluster", site, profile), STAMP).plan
    folder = RUN.jobs.submission(plan.cluster, plan.token)
    with mock.patch.object(sys, "executable", PYTHON):
        return SlurmScheduler().script(folder, plan, plan.pieces[0], ["afterok:12"] if stage == "train" else [])


def golden(site, stage):
    return HERE / f"{site}-{stage}.sbatch"


@pytest.mark.parametrize(("site", "stage"), CASES)
def test_the_script_is_the_one_that_was_looked_at(site, stage):
    assert golden(site, stage).exists(), "no golden script: see the top of this file"
    assert script_of(site, stage) == golden(site, stage).read_text()


def test_there_is_no_golden_script_without_a_profile():
    assert {path.name for path in HERE.iterdir()} == {golden(site, stage).name for site, stage in CASES}


if __name__ == "__main__":
    for old in HERE.glob("*.sbatch"):
        old.unlink()
    for case in CASES:
        golden(*case).write_text(script_of(*case))
