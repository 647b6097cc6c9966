"""Names in the experiment file become statistics, plug-ins of other packages included."""

import sys
from importlib.metadata import EntryPoint, EntryPoints
from types import ModuleType

import numpy as np
import pytest

from rhodiff.config.evaluation import Evaluation, PluginStatistic
from rhodiff.errors import ConfigError
from rhodiff.statistics import Measurement, SpectrumStatistic, Statistic, ValueDensity, build_statistic


class PeakCount(Statistic):
    def __init__(self, threshold=1.0):
        if threshold < 0:
            raise ValueError("threshold must not be negative")
        self.threshold = threshold

    def measure(self, fields, spec):
        counts = (fields.reshape(len(fields), -1) > self.threshold).sum(axis=1, keepdims=True)
        labels = dict.fromkeys(("axis_name", "axis_unit", "value_name", "value_unit"), "")
        return Measurement("peaks", **labels, axis=np.zeros(1), edges=np.arange(2.0), values=counts, counts=counts[0])


@pytest.fixture
def plugins(monkeypatch):
    module = ModuleType("a_plugin")
    module.PeakCount = PeakCount
    module.not_a_statistic = dict
    monkeypatch.setitem(sys.modules, "a_plugin", module)
    targets = {"peaks": "PeakCount", "wrong": "not_a_statistic", "gone": "no_such_name"}
    entries = [EntryPoint(name, f"a_plugin:{target}", "rhodiff.plugins") for name, target in targets.items()]
    entries.append(EntryPoint("missing", "no_such_package:x", "rhodiff.plugins"))
    monkeypatch.setattr("rhodiff.runtime.plugins.entry_points", lambda group: EntryPoints(entries))


def test_the_default_evaluation_is_built():
    spectrum, density = (build_statistic(settings) for settings in Evaluation().statistics)
    assert isinstance(spectrum, SpectrumStatistic)
    assert isinstance(density, ValueDensity)


@pytest.mark.usefixtures("plugins")
def test_a_plugin_is_built_with_its_options():
    statistic = build_statistic(PluginStatistic(name="peaks", options={"threshold": 2.0}))
    assert statistic.threshold == 2.0
    assert statistic.fit(np.zeros((1, 2)), None) is statistic


@pytest.mark.usefixtures("plugins")
@pytest.mark.parametrize(
    ("name", "options", "told"),
    [
        ("peak", {}, "not installed .* gone, missing, peaks, wrong"),
        ("peaks", {"level": 1}, "refuses its options"),
        ("peaks", {"threshold": -1}, "must not be negative"),
        ("wrong", {}, "made a dict"),
        ("gone", {}, "does not load"),
        ("missing", {}, "does not load"),
    ],
)
def test_plugins_that_fail_say_why(name, options, told):
    with pytest.raises(ConfigError, match=told):
        build_statistic(PluginStatistic(name=name, options=options))


def test_without_plugins_the_list_says_none(monkeypatch):
    monkeypatch.setattr("rhodiff.runtime.plugins.entry_points", lambda group: EntryPoints())
    with pytest.raises(ConfigError, match="installed: none"):
        build_statistic(PluginStatistic(name="peaks"))
