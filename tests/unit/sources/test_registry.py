"""The registry: every kind has a class, plug-ins are found, and what is missing is named."""

from importlib.metadata import EntryPoint, EntryPoints
from typing import get_args

import numpy as np
import pytest

from rhodiff.config.sources import CamelsSource, HarmonicsSource, PluginSource, SourceSettings
from rhodiff.errors import ConfigError, EnvironmentLacksError
from rhodiff.runtime import plugins as plugin_lookup
from rhodiff.runtime.plugins import PLUGIN_GROUP
from rhodiff.sources import registry
from rhodiff.sources.harmonics import Harmonics
from rhodiff.sources.registry import build_source


class PluggedIn(Harmonics):
    """A source from elsewhere."""


def build_plugged_in(options, folder):
    return PluggedIn(HarmonicsSource(**options), folder)


def build_something_else(options, folder):
    return np.zeros(3)


@pytest.fixture
def plugins(monkeypatch):
    points = EntryPoints(
        EntryPoint(name, f"{__name__}:{value}", PLUGIN_GROUP)
        for name, value in {"mine": "build_plugged_in", "other": "build_something_else"}.items()
    )
    monkeypatch.setattr(plugin_lookup, "entry_points", lambda group: points.select(group=group))


def test_a_kind_builds_its_class(tmp_path):
    assert isinstance(build_source(HarmonicsSource(size=8), tmp_path), Harmonics)


def test_every_kind_of_the_settings_is_in_the_table():
    sections = get_args(get_args(SourceSettings)[0])
    kinds = {section.model_fields["kind"].default for section in sections} - {"plugin"}
    assert set(registry._CLASSES) == kinds
    assert {"arrays", "cosmic_web", "dust", "harmonics", "mergers"} <= kinds


def test_a_plugin_builds_its_source_from_its_options(plugins, tmp_path):
    source = build_source(PluginSource(name="mine", options={"size": 8, "max_degree": 1}), tmp_path)
    assert isinstance(source, PluggedIn) and source.num_fields == 4


def test_an_unknown_plugin_lists_what_is_installed(plugins, tmp_path):
    with pytest.raises(ConfigError, match=r"data\.source\.name.*'absent'.*installed: mine, other"):
        build_source(PluginSource(name="absent"), tmp_path)


def test_without_plugins_it_says_none(monkeypatch, tmp_path):
    monkeypatch.setattr(plugin_lookup, "entry_points", lambda group: EntryPoints())
    with pytest.raises(ConfigError, match="installed: none"):
        build_source(PluginSource(name="absent"), tmp_path)


def test_a_plugin_that_makes_no_source_is_refused(plugins, tmp_path):
    with pytest.raises(ConfigError, match="made a ndarray"):
        build_source(PluginSource(name="other"), tmp_path)


def test_a_missing_package_is_named(monkeypatch, tmp_path):
    monkeypatch.setitem(registry._CLASSES, "camels", ("package_that_is_not_there", "X"))
    with pytest.raises(EnvironmentLacksError, match="'camels' needs the package 'package_that_is_not_there'"):
        build_source(CamelsSource(fields="a.npy", parameters="b.txt"), tmp_path)
