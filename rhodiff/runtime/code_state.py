"""Which state of rhodiff's code runs: that of the checkout, or the one recorded when the package was pinned."""

import json
import subprocess
from importlib.resources import files
from pathlib import Path
from typing import Any

__all__ = ["PINNED_RECORD", "describe_code", "pinned_record"]

PINNED_RECORD = "_pinned.json"
"""File within a pinned package that says what it was made from."""


def pinned_record() -> dict[str, Any] | None:
    """What the running package was pinned from; None where it is no pinned one."""
    record = files("rhodiff") / PINNED_RECORD
    if not record.is_file():
        return None
    content = json.loads(record.read_text(encoding="utf-8"))
    assert isinstance(content, dict), f"{record} holds no mapping"
    return content


def describe_code() -> str:
    """Commit of the checkout that the package runs, or was pinned, from, or why there is none."""
    record = pinned_record()
    if record is not None:
        return str(record["git"])
    package = files("rhodiff")
    folder = package.parent if isinstance(package, Path) else None
    if folder is None or not (folder / ".git").exists():
        return "installed package, no checkout"
    try:
        command = ["git", "-C", str(folder), "describe", "--always", "--dirty", "--abbrev=12"]
        result = subprocess.run(command, capture_output=True, text=True, timeout=10, check=False)
    except (OSError, subprocess.TimeoutExpired) as error:
        return f"unknown ({error})"
    return result.stdout.strip() or f"unknown ({result.stderr.strip()})"
