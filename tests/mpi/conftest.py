"""One sampled experiment, and its evaluation by a single process, for all tests of this folder."""

import pytest
from sampled_runs import SampledRun


@pytest.fixture(scope="session")
def sampled(tmp_path_factory) -> SampledRun:
    return SampledRun.make(tmp_path_factory.mktemp("sampled") / "run")


@pytest.fixture(scope="session")
def alone(sampled, tmp_path_factory) -> dict[str, bytes | str]:
    """The numbers of an evaluation by one process."""
    run = sampled.copy(tmp_path_factory.mktemp("alone") / "run")
    run.lab.do("run", "evaluate")
    return run.numbers()


@pytest.fixture
def run(sampled, tmp_path) -> SampledRun:
    return sampled.copy(tmp_path / "run")
