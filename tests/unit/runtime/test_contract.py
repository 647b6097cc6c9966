"""Whose value a variable has: the user's own before the site profile's before the default."""

from itertools import product

import pytest

from rhodiff.runtime.collective_variables import collective_variables, device_variables
from rhodiff.runtime.contract import (
    NO_SITE,
    SITE_VARIABLES,
    Proposal,
    SiteProposals,
    apply_variables,
    read_site_proposals,
    settle_variables,
    write_site_proposals,
)
from rhodiff.runtime.places import Place
from rhodiff.runtime.probing import probe_environment
from rhodiff.runtime.resolution import Request, resolve


@pytest.mark.parametrize(("by_user", "by_site", "by_us"), list(product((False, True), repeat=3)))
def test_the_first_who_speaks_wins(by_user, by_site, by_us):
    environment = {"A": "user's", "HOME": "/h"} if by_user else {"HOME": "/h"}
    site = SiteProposals("there of 2026", {"A": Proposal("site's", "fabric")} if by_site else {})
    found = settle_variables(environment, site, {"A": Proposal("ours", "anywhere")} if by_us else {})
    if not (by_site or by_us):
        assert found == []
        return
    (variable,) = found
    wanted = "user" if by_user else "profile" if by_site else "default"
    assert (variable.name, variable.origin) == ("A", wanted)
    assert variable.value == {"user": "user's", "profile": "site's", "default": "ours"}[wanted]
    beaten = "site's (site profile there of 2026: fabric)" if by_site else "ours (default: anywhere)"
    reasons = {
        "user": f"in place of {beaten}",
        "profile": "fabric (site profile there of 2026)",
        "default": "anywhere",
    }
    assert variable.reason == reasons[wanted]
    before = dict(environment)
    apply_variables(found, environment)
    assert environment == {**before, "A": variable.value}


def test_what_was_set_for_profile_or_default_counts_as_theirs():
    site, defaults = SiteProposals("there", {"A": Proposal("1", "fabric")}), {"B": Proposal("2", "anywhere")}
    environment = {}
    first = settle_variables(environment, site, defaults)
    apply_variables(first, environment)
    assert environment == {"A": "1", "B": "2"}
    assert settle_variables(environment, site, defaults) == first
    assert [variable.origin for variable in first] == ["profile", "default"]


def test_an_empty_value_of_the_users_is_a_value():
    (variable,) = settle_variables({"A": ""}, NO_SITE, {"A": Proposal("1", "why")})
    assert (variable.value, variable.origin) == ("", "user")


def test_processes_read_what_the_job_wrote():
    site = SiteProposals("there", {"A": Proposal("a;b=c", "why 'so'"), "B": Proposal("", "é")})
    assert read_site_proposals({SITE_VARIABLES: write_site_proposals(site)}) == site
    assert read_site_proposals({}) == NO_SITE


@pytest.mark.parametrize("backend", [None, "gloo", "nccl"])
def test_oneccl_is_told_nothing_where_it_is_not_used(backend):
    assert collective_variables(backend, Place(1, 4, 1, 4), {0, 1}) == {}


@pytest.mark.parametrize("backend", ["xccl", "ccl", "rho_oneccl"])
def test_oneccl_is_told_who_is_where_and_each_reason_is_given(backend):
    found = collective_variables(backend, Place(5, 8, 1, 4), {0, 1, 2, 3})
    assert found["CCL_PROCESS_LAUNCHER"].value == "none"
    assert (found["CCL_LOCAL_RANK"].value, found["CCL_LOCAL_SIZE"].value) == ("1", "4")
    assert found["CCL_ATL_TRANSPORT"].value == "ofi"
    assert ("FI_PROVIDER" in found) == (backend == "rho_oneccl")  # a GPU node's fabric is its site's to name
    assert ("CCL_YIELD" in found) == (backend == "rho_oneccl")  # the training runs on the CPUs, too
    assert "ZE_AFFINITY_MASK" not in {*found, *device_variables()}  # one for each rank can hang
    assert all(proposal.reason for proposal in found.values())


@pytest.mark.parametrize("cpus", [{0, 1, 2, 3, 4, 5, 6, 7}, {40, 41}, {9}])
@pytest.mark.parametrize("size", [1, 2, 4])
def test_the_worker_of_each_process_stays_on_cpus_that_it_may_use(cpus, size):
    chosen = []
    for rank in range(size):
        value = collective_variables("rho_oneccl", Place(rank, size, rank, size), cpus)["CCL_WORKER_AFFINITY"].value
        assert len(value.split(",")) == size  # oneCCL wants an entry for each process of the node
        chosen.append(int(value.split(",")[rank]))
    assert set(chosen) <= cpus
    assert len(set(chosen)) == min(size, len(cpus))


def test_this_machine_is_probed_in_words():
    probes = probe_environment()
    assert probes.gloo.is_there
    for look in (probes.xpu, probes.cuda, probes.gloo, probes.nccl, probes.xccl, probes.ccl, probes.oneccl):
        assert look.words
    assert resolve(Request("cpu", num_processes=2), probes).backend == "gloo"
    if not probes.xccl.is_there:
        assert f"torch {probes.torch} was built without xccl" in probes.xccl.words
