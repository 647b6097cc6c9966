"""Small grids of mergers, and engines that are told which of their simulations to spoil."""

import sys
from pathlib import Path

from rhodiff.config.loading import parse_section
from rhodiff.config.mergers import MergersSource
from rhodiff.sources.mergers import Mergers

STAND_IN = Path(__file__).parent.parent / "unit" / "simulation" / "bonsai_stand_in.py"
SOURCE = {
    "kind": "mergers",
    "grid": {"mass_ratio": [0.5, 1.0], "size_ratio": 0.75, "separation_kpc": 40, "pericentre_kpc": 4, "seed": [1, 2]},
    "images": {
        "times_myr": [0, 12, 25],
        "cameras": [3, {"polar_deg": 90, "azimuth_deg": 45, "roll_deg": 10}],
        "size": 16,
        "width_kpc": 80,
        "channels": ["stars", "dark"],
    },
    "particles": 150,
    "engine": {"max_energy_error": 0.05, "max_drift_kpc": 1.0},
}


def settings(**changes):
    """Settings of the source; sections that are named are changed, not replaced."""
    merged = {
        name: {**value, **changes.get(name, {})} if isinstance(value, dict) else changes.get(name, value)
        for name, value in (SOURCE | {name: changes[name] for name in changes.keys() - SOURCE.keys()}).items()
    }
    return parse_section(MergersSource, merged, "data.source")


def mergers(folder, **changes):
    return Mergers(settings(**changes), folder)


def make_all(source):
    """All fields, and the keys of the simulations that an engine was started for."""
    told = []
    source.accompany(told.append)
    batch = source.make(0, source.num_fields)
    started = [text.split()[1].rstrip(",") for text in told if ": 0 of " in text and "attempt 1" in text]
    return batch, started


def spoilt_stand_in(folder):
    """An executable as Bonsai is one; runs whose key is in $SPOILT write nothing and end with 0."""
    executable = folder / "bonsai2_slowdust"
    executable.write_text(
        '#!/bin/sh\nif [ -n "$SPOILT" ]; then case "$*" in *"$SPOILT"*) exit 0;; esac; fi\n'
        f'exec {sys.executable} {STAND_IN} "$@"\n'
    )
    executable.chmod(0o755)
    return executable
