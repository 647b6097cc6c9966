"""What the command line shows: notes and progress on stderr, results on stdout, one JSON value with ``--json``."""

import json
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from rhodiff.runtime.heartbeat import Heartbeat

__all__ = ["JSON_SCHEMA_VERSION", "Console"]

JSON_SCHEMA_VERSION = 1
REDRAW_S = 0.2


class Console:
    """An observer that prints.

    Progress is redrawn in place on a terminal and printed as a line now and then elsewhere.

    Args:
        quiet: warnings and results only.
        as_json: results are one JSON value on stdout.
        heartbeat: told about progress too, however quiet the console is.
    """

    def __init__(self, *, quiet: bool = False, as_json: bool = False, heartbeat: "Heartbeat | None" = None) -> None:
        self.quiet, self.as_json, self._heartbeat = quiet, as_json, heartbeat
        self.warnings: list[str] = []
        self._on_terminal = sys.stderr.isatty()
        self._interval_s = REDRAW_S if self._on_terminal else 15.0
        self._last_shown = -float("inf")
        self._line_open = False
        self._stage = ""

    def begin(self, stage: str) -> None:
        """Name the stage that the next progress belongs to."""
        self._stage, self._last_shown = stage, -float("inf")

    @contextmanager
    def hushed(self) -> Iterator[None]:
        """Warnings and results only, for the length of the block."""
        before, self.quiet = self.quiet, True
        try:
            yield
        finally:
            self.quiet = before

    def progress(self, done: int, total: int, text: str) -> None:
        """Show how far a stage is."""
        if self._heartbeat is not None:
            self._heartbeat.beat(done, total, text)
        now = time.monotonic()
        if self.quiet or (done < total and now - self._last_shown < self._interval_s):
            return
        self._last_shown = now
        line = f"{self._stage:<9} {done:>{len(str(total))}}/{total}  {text}"
        if self._on_terminal:
            sys.stderr.write(f"\r\x1b[2K{line}")
            self._line_open = True
            if done == total:
                self._end_line()
        else:
            sys.stderr.write(line + "\n")
        sys.stderr.flush()

    def note(self, text: str) -> None:
        """Show a line."""
        if not self.quiet:
            self._write(text)

    def warn(self, text: str) -> None:
        """Show a warning, once, and keep it for the JSON result."""
        if text in self.warnings:
            return
        self.warnings.append(text)
        self._write(f"warning: {text}")

    def error(self, text: str) -> None:
        """Show why a command failed."""
        self._write(f"error: {text}")

    def result(self, text: str, value: dict[str, Any]) -> None:
        """Show what a command was for: ``text`` to people, ``value`` to programs."""
        self._end_line()
        if self.as_json:
            document = {"schema": JSON_SCHEMA_VERSION, **value, "warnings": self.warnings}
            sys.stdout.write(json.dumps(document, indent=1) + "\n")
        else:
            sys.stdout.write(text + "\n")
        sys.stdout.flush()

    def _write(self, text: str) -> None:
        self._end_line()
        sys.stderr.write(text + "\n")
        sys.stderr.flush()

    def _end_line(self) -> None:
        if self._line_open:
            sys.stderr.write("\n")
            self._line_open = False
