"""Time limits: minutes or Slurm's clock, rounded up to minutes."""

import pytest

from rhodiff.errors import ConfigError
from rhodiff.jobs.walltime import describe_walltime, parse_walltime


@pytest.mark.parametrize(
    ("text", "minutes"),
    [("90", 90), ("01:30:00", 90), ("1-12:00:00", 2160), ("00:00:01", 1), ("48:00:00", 2880), ("1:00:30", 61)],
)
def test_limits_are_read(text, minutes):
    assert parse_walltime(text) == minutes


@pytest.mark.parametrize("text", ["", "0", "00:00:00", "-5", "1h", "10:30", "1:60:00", "1.5"])
def test_anything_else_is_refused_with_what_is_allowed(text):
    with pytest.raises(ConfigError, match=r"minutes or \[D-\]HH:MM:SS"):
        parse_walltime(text)


def test_limits_are_told():
    assert [describe_walltime(m) for m in (1, 60, 90, 1440, 2190)] == [
        "1 min",
        "1 h",
        "1 h 30 min",
        "1 d",
        "1 d 12 h 30 min",
    ]
