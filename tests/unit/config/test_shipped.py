"""Shipped experiments and workflows: there are some, they load, and a wrong name says which there are."""

import pytest

from rhodiff.config.loading import parse_experiment, read_yaml
from rhodiff.config.shipped import read_shipped, shipped_folder, shipped_names
from rhodiff.errors import ConfigError

CONFIGS = shipped_names("configs")


def test_there_are_configurations_and_workflows():
    assert "demo" in CONFIGS
    assert "pipeline" in shipped_names("workflows")


@pytest.mark.parametrize("name", CONFIGS)
def test_a_shipped_configuration_loads_and_starts_with_a_headline(name):
    text = read_shipped("configs", name)
    parse_experiment(read_yaml(text, name), name)
    assert text.startswith("# ")
    assert len(text.splitlines()[0]) > 10


def test_shipped_configurations_have_names_of_their_own():
    names = [read_yaml(read_shipped("configs", name), name)["name"] for name in CONFIGS]
    assert len(set(names)) == len(names)


def test_an_unknown_name_lists_what_there_is():
    with pytest.raises(ConfigError, match=r"'nothing'.*demo"):
        read_shipped("configs", "nothing")


@pytest.mark.parametrize("name", ["../pyproject", "/etc/passwd", ""])
def test_names_do_not_lead_out_of_the_folder(name):
    with pytest.raises(ConfigError, match="no shipped"):
        read_shipped("configs", name)


def test_an_installation_without_files_says_so():
    with pytest.raises(ConfigError, match="lacks its folder"):
        shipped_folder("nothing")
