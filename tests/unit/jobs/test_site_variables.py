"""What processes are told of a site profile's variables: in a job of ours, and in one that somebody made by hand."""

import pytest
from plans import plan

from rhodiff.errors import ConfigError
from rhodiff.jobs.launch import ElementStart, child_environment
from rhodiff.jobs.site_files import list_sites, load_site
from rhodiff.jobs.site_variables import proposals_of, tell_site_variables
from rhodiff.jobs.submission_plan import SubmissionPlan
from rhodiff.jobs.this_job import ThisJob
from rhodiff.runtime.contract import SITE_VARIABLES, read_site_proposals, write_site_proposals

JOB = ThisJob("7", "9", 2, True, 1, "n[1-2]", "n1")


@pytest.mark.parametrize("name", sorted(list_sites()))
def test_every_variable_of_a_shipped_profile_has_a_reason_and_the_profile_a_date(name):
    profile = load_site(name)
    found = proposals_of(name, profile)
    assert found.site.startswith(f"{name} of {profile.updated}")
    assert ("not verified on the site" in found.site) == (not profile.verified)
    assert all(proposal.reason.strip() for proposal in found.variables.values())
    assert "ZE_AFFINITY_MASK" not in found.variables
    if profile.devices_per_gpu > 1:
        assert found.variables["ZE_FLAT_DEVICE_HIERARCHY"].value == "FLAT"
        assert found.variables["CCL_ATL_TRANSPORT"].value in {"ofi", "mpi"}


def test_a_job_tells_its_processes_what_its_plan_says():
    told = write_site_proposals(proposals_of("dawn", load_site("dawn")))
    start = ElementStart("beat", "lineage")
    found = child_environment(plan(site_variables=told), JOB, start, {SITE_VARIABLES: "an outer job's"})
    assert read_site_proposals(found).variables["FI_PROVIDER"].value == "verbs"
    assert SITE_VARIABLES not in child_environment(plan(), JOB, start, {SITE_VARIABLES: "an outer job's"})
    again = SubmissionPlan.from_plain(plan(site_variables=told).to_plain())
    assert again.site_variables == told


def test_by_hand_the_profile_counts_within_a_job_of_the_cluster_only():
    environment = {"RHODIFF_SITE": "dawn"}
    tell_site_variables(None, environment)
    assert SITE_VARIABLES not in environment
    environment["SLURM_JOB_ID"] = "12"
    tell_site_variables(None, environment)
    assert read_site_proposals(environment).site == "dawn of 2026-01-16, not verified on the site"
    tell_site_variables("stampede3", environment)  # a job of ours has told already
    assert read_site_proposals(environment).site.startswith("dawn")
    in_our_job = {"SLURM_JOB_ID": "12", "RHODIFF_LAUNCHER": "none"}
    tell_site_variables("dawn", in_our_job)
    assert SITE_VARIABLES not in in_our_job
    with pytest.raises(ConfigError, match="no site profile 'nowhere'"):
        tell_site_variables("nowhere", {"SLURM_JOB_ID": "12"})
