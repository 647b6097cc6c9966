"""Commands that answer as they are told: faults that a real cluster does not show when it is asked to."""

import os
from pathlib import Path


class FakeCommands:
    """A folder that comes first on the PATH.

    Args:
        folder: where the commands are put.
    """

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def add(self, name: str, script: str) -> None:
        """Put a shell script there."""
        path = self.folder / name
        path.write_text(f"#!/bin/sh\n{script}\n")
        path.chmod(0o755)

    def path(self) -> str:
        return f"{self.folder}{os.pathsep}{os.environ['PATH']}"
