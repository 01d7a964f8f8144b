"""A listener of an output for tests that judge what arrives, and not what is said of it."""

from __future__ import annotations

from playout.publisher.output import Listener
from playout.pump.aired import Substitution


class Quiet(Listener):
    """Hears everything and remembers only what was substituted."""

    def __init__(self) -> None:
        self.substitutions: list[Substitution] = []

    def substituted(self, substitution: Substitution) -> None:
        """Remember it."""
        self.substitutions.append(substitution)
