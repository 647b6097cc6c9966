"""How the library tells its caller what happens: it never prints; the command line does."""

from typing import Protocol

__all__ = ["Observer", "Silent"]


class Observer(Protocol):
    """Receives what a stage has to say."""

    def progress(self, done: int, total: int, text: str) -> None:
        """``done`` of ``total`` steps are made; ``text`` has rate, time left, loss."""

    def note(self, text: str) -> None:
        """Something worth a line, e.g. that a stage was done already."""

    def warn(self, text: str) -> None:
        """Something the user should act on."""


class Silent:
    """An observer that keeps quiet."""

    def progress(self, done: int, total: int, text: str) -> None:
        """Ignore."""

    def note(self, text: str) -> None:
        """Ignore."""

    def warn(self, text: str) -> None:
        """Ignore."""
