"""A listener of an output for tests that judge what arrives, and not what is said of it."""

from __future__ import annotations

from playout.errors import PlayoutError
from playout.pump.aired import Substitution


class Quiet:
    """Hears everything (`publisher.output.Listener`) and remembers only what was substituted."""

    def __init__(self) -> None:
        self.substitutions: list[Substitution] = []

    def connecting(self) -> None:
        """Nothing."""

    def acknowledged(self) -> None:
        """Nothing."""

    def slow(self) -> None:
        """Nothing."""

    def lost(self, error: PlayoutError, retry_seconds: float) -> None:
        """Nothing."""

    def missing(self, error: PlayoutError) -> None:
        """Nothing."""

    def wrong(self, error: PlayoutError) -> None:
        """Nothing."""

    def ended(self) -> None:
        """Nothing."""

    def substituted(self, substitution: Substitution) -> None:
        """Remember it."""
        self.substitutions.append(substitution)
