"""One real Slurm cluster for all tests of this folder, brought up once, and whole again before each of them."""

import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest
from slurm_cluster import Cluster, new_cluster, why_not_here

from rhodiff.jobs.limits import forget_limits

HERE = Path(__file__).resolve().parent


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """These tests come last: they take longest, and the cluster is up only while they run."""
    items.sort(key=lambda item: HERE in item.path.parents)


@pytest.fixture(scope="session")
def cluster() -> Iterator[Cluster]:
    """The cluster; SLURM_CONF points to it."""
    if reason := why_not_here():
        pytest.skip(reason)
    cluster = new_cluster(Path(tempfile.mkdtemp(prefix="rho-slurm-")))
    with cluster.running():
        yield cluster


@pytest.fixture(autouse=True)
def _whole_cluster(request) -> None:
    """Whatever the test before left behind is gone."""
    if "cluster" in request.fixturenames:
        request.getfixturevalue("cluster").reset()
        forget_limits()


@pytest.hookimpl(hookwrapper=True)
def pytest_runtest_makereport(item: pytest.Item):
    """A test that fails shows what the daemons said."""
    outcome = yield
    report = outcome.get_result()
    cluster = getattr(item, "funcargs", {}).get("cluster")
    if report.failed and cluster is not None:
        report.sections.append(("Slurm's daemons", cluster.log_tails()))
