"""The first host of the compact node lists that Slurm sets."""

import pytest

from rhodiff.errors import ConfigError
from rhodiff.runtime.node_list import first_host


@pytest.mark.parametrize(
    ("node_list", "host"),
    [
        ("n1", "n1"),
        ("n1,n2", "n1"),
        ("n[1-4]", "n1"),
        ("n[003-005,9],m1", "n003"),
        ("n[9,003]", "n9"),
        ("login-a,n[1-2]", "login-a"),
        ("rack[2-3]n[00-15]", "rack2n00"),
        ("n[1-2].cluster.org,m", "n1.cluster.org"),
    ],
)
def test_the_first_host_of_a_node_list(node_list, host):
    assert first_host(node_list) == host


@pytest.mark.parametrize("node_list", ["", ",", "n[", "n]", "n[a-b]"])
def test_a_node_list_that_makes_no_sense_is_refused(node_list):
    with pytest.raises(ConfigError, match="node list"):
        first_host(node_list)
