"""For tests and simulations that judge what arrives, and not what is said of it."""

from __future__ import annotations

import logging
from collections.abc import Iterator
from contextlib import contextmanager

from playout.publisher.output import Listener
from playout.pump.aired import Substitution


class Quiet(Listener):
    """Hears everything and remembers only what was substituted."""

    def __init__(self) -> None:
        self.substitutions: list[Substitution] = []

    def substituted(self, substitution: Substitution) -> None:
        """Remember it."""
        self.substitutions.append(substitution)


@contextmanager
def unlogged() -> Iterator[None]:
    """Have the engine log nothing meanwhile: faults by the thousand are expected."""
    log = logging.getLogger("playout")
    level = log.level
    log.setLevel(logging.CRITICAL)
    try:
        yield
    finally:
        log.setLevel(level)
