"""Site profiles: the shipped ones load and say where they are from; drafts and checks against a cluster."""

import pytest
import yaml
from printed_cluster import printed_cluster

from rhodiff.config.resources import StageResources
from rhodiff.errors import ConfigError
from rhodiff.jobs.site_check import check_site
from rhodiff.jobs.site_files import list_sites, load_site, read_site_text
from rhodiff.jobs.site_probe import draft_profile
from rhodiff.jobs.sites import SiteLimits, SiteProfile
from rhodiff.jobs.stage_resources import allocate, resources_of_stage
from rhodiff.jobs.surroundings import Surroundings, parse_mpi_types

SITES = list_sites()
HERE = Surroundings(frozenset({"srun"}), frozenset({"none", "pmi2"}))
MINIMUM = {"description": "x", "updated": "2026-11-22", "source": "y", "verified": True}


@pytest.fixture
def write(tmp_path):
    def write_profile(**settings):
        path = tmp_path / "own.yaml"
        path.write_text(yaml.safe_dump(MINIMUM | settings))
        return str(path)

    return write_profile


def profile(**settings):
    return SiteProfile(**MINIMUM | settings)


def test_the_sites_of_the_issue_are_there():
    assert {"generic", "testbed", "dawn", "stampede3", "supermuc_ng2"} <= set(SITES)


@pytest.mark.parametrize("name", SITES)
def test_a_shipped_profile_says_what_it_is_and_from_where(name):
    assert read_site_text(name).startswith("# ")
    assert SITES[name].source
    assert int(SITES[name].updated[:4]) >= 2024
    assert all(variable.reason for variable in SITES[name].environment.values())


@pytest.mark.parametrize("name", ["dawn", "stampede3", "supermuc_ng2"])
def test_sites_where_nobody_ran_it_are_not_called_verified(name):
    assert not SITES[name].verified
    assert "Not verified on the site" in read_site_text(name)


@pytest.mark.parametrize("name", ["dawn", "stampede3", "supermuc_ng2"])
def test_a_training_has_a_process_a_tile(name):
    resources = resources_of_stage(SITES[name], "train", StageResources(), StageResources())
    job = allocate("train", resources, SITES[name], on_devices=True)
    assert job.tasks_per_node == SITES[name].devices_per_node == 8


def test_the_generic_profile_shows_every_key_with_its_default():
    shown = yaml.safe_load(read_site_text("generic"))
    assert set(shown) == set(SiteProfile.model_fields)
    assert set(shown["limits"]) == set(SiteLimits.model_fields)
    kept = {name: shown[name] for name in MINIMUM}
    assert SITES["generic"] == SiteProfile(**kept)


def test_dawn_asks_for_gpus_and_starts_a_process_a_tile():
    resources = resources_of_stage(SITES["dawn"], "train", StageResources(), StageResources(gpus_per_node=2))
    job = allocate("train", resources, SITES["dawn"], on_devices=True)
    assert (job.gres, job.tasks_per_node) == ("gpu:2", 4)


def test_stampede_asks_for_nothing_that_it_does_not_support():
    resources = resources_of_stage(SITES["stampede3"], "train", StageResources(), StageResources())
    job = allocate("train", resources, SITES["stampede3"], on_devices=True)
    assert (job.gres, job.gpus_per_node, job.memory_gb) == (None, 0, None)
    assert (SITES["stampede3"].limits.max_running_jobs, SITES["stampede3"].limits.max_submitted_jobs) == (2, 4)


def test_a_profile_of_ones_own_is_named_by_its_file(write):
    assert load_site(write(launcher="mpiexec")).launcher == "mpiexec"


def test_an_unknown_name_lists_what_there_is():
    with pytest.raises(ConfigError, match=r"no site profile 'dwan'.*dawn, generic.*site probe --write"):
        load_site("dwan")
    with pytest.raises(ConfigError, match=r"no site profile nothing\.yaml"):
        load_site("nothing.yaml")


def test_every_wrong_key_is_named(write):
    path = write(lancher="srun", stages={"train": {"partion": "a"}}, limits={"max_submitted_jobs": 0})
    with pytest.raises(ConfigError) as error:
        load_site(path)
    text = str(error.value)
    assert "lancher: unknown key; did you mean 'launcher'?" in text
    assert "stages.train.partion: unknown key; did you mean 'partition'?" in text
    assert "limits.max_submitted_jobs: got 0" in text


@pytest.mark.parametrize("gres", ["gpu", "gpu:4", "gpu:{number}", "gpu:{"])
def test_gres_without_a_place_for_the_number_is_refused(write, gres):
    with pytest.raises(ConfigError, match=r"gres: got .*'\{count\}'"):
        load_site(write(gres=gres))


def test_a_draft_loads_and_fits_the_cluster_that_it_is_from(tmp_path):
    path = tmp_path / "draft.yaml"
    path.write_text(draft_profile(printed_cluster(), HERE, host="login1", date="2026-11-22"))
    draft = load_site(str(path))
    assert (draft.cluster, draft.resources.partition, draft.resources.account) == ("quay", "main", "root")
    assert (draft.gres, draft.devices_per_node, draft.launcher) == ("gpu:max:{count}", 8, "srun")
    assert [finding.where for finding in check_site(draft, printed_cluster(), HERE)] == ["verified"]


def test_a_draft_takes_the_launcher_that_is_there():
    text = draft_profile(printed_cluster(), Surroundings(frozenset({"ibrun"})), host="login1", date="2026-11-22")
    assert yaml.safe_load(text)["launcher"] == "ibrun"


def test_a_draft_of_a_cluster_with_odd_names_is_still_yaml():
    text = draft_profile(printed_cluster(name="no", associations=None), HERE, host="a: b #c", date="2026-11-22")
    assert yaml.safe_load(text)["cluster"] == "no"
    assert yaml.safe_load(text)["source"] == "site probe on a: b #c, Slurm 22.05.8"


@pytest.mark.parametrize(
    ("settings", "where", "word"),
    [
        ({"cluster": "rho"}, "cluster", "this cluster is 'quay'"),
        ({"mpi": "pmix"}, "mpi", "there are none, pmi2"),
        ({"limits": {"max_array_size": 1001}}, "limits.max_array_size", "over the cluster's 20"),
        ({"resources": {"partition": "mian"}}, "resources", "did you mean 'main'?"),
        ({"stages": {"train": {"gpus_per_node": 16}}}, "stages.train", "at most 8"),
        ({"test": {"partition": "debug"}}, "test", "no partition 'debug'"),
    ],
)
def test_what_does_not_fit_is_found_where_it_is(settings, where, word):
    problems = [f for f in check_site(profile(**settings), printed_cluster(), HERE) if f.is_problem]
    assert where in {finding.where for finding in problems}
    assert any(word in finding.text for finding in problems)


def test_a_problem_of_all_stages_is_told_once():
    problems = check_site(profile(resources={"partition": "closed"}), printed_cluster(), HERE)
    assert [finding.where for finding in problems] == ["resources"]


def test_types_of_mpi_as_slurm_lists_them():
    listed = "MPI plugin types are...\n\tpmix\n\tnone\n\tpmi2\nspecific pmix plugin versions available: pmix_v4\n"
    assert parse_mpi_types(listed) == {"pmix", "none", "pmi2"}
    assert parse_mpi_types("srun: MPI types are...\nsrun: pmi2\nsrun: none\n") == {"pmi2", "none"}
    assert parse_mpi_types("") is None
