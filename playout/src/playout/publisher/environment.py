"""What an output takes from the world: clocks, chance and connections.

The defaults are the real ones. A simulation brings its own, and then runs the very code that is on
air: everything else comes from the running event loop (`time`, `call_at`, `add_reader`,
`add_writer`).
"""

from __future__ import annotations

import os
import random
import ssl
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Protocol

from playout import clock
from playout.publisher.address import Address
from playout.publisher.transport import AddressCheck, Connector, Limits, Transport

_COMPARISONS = 3


class Connect(Protocol):
    """Opens the connection of one session, as `playout.publisher.transport.Connector` does."""

    async def __call__(
        self,
        address: Address,
        *,
        context: ssl.SSLContext | None = None,
        limits: Limits | None = None,
        allowed: AddressCheck | None = None,
    ) -> Transport:
        """Connect to `address`; raises an `IngestError` that says which step failed."""
        ...


@dataclass(frozen=True, slots=True)
class Environment:
    """Sources of time, chance and connections; the same for all outputs of a pump."""

    monotonic_ns: Callable[[], int] = clock.boottime_ns
    """Paces media, and goes on while the machine sleeps: what is on air is a matter of the instant,
    not of who slept."""
    utc_ns: Callable[[], int] = clock.utc_ns
    """Says when a programme's epoch was; may jump."""
    random: Callable[[], float] = random.random
    """In [0, 1); the jitter of retries, not a secret."""
    random_bytes: Callable[[int], bytes] = os.urandom
    """So many bytes; the handshake's."""
    connect: Connect = field(default_factory=Connector)
    """Remembers addresses, so outputs that share an environment share them."""

    def monotonic_at(self, utc_ns: int) -> int:
        """What `monotonic_ns` says at the instant `utc_ns`, by the wall clock as it is set now."""
        # One clock is read after the other, and a process may be held in between, for as long as a
        # machine takes to move: of several readings the quickest counts.
        _, ahead_ns = min(self._compare() for _ in range(_COMPARISONS))
        return utc_ns + ahead_ns

    def _compare(self) -> tuple[int, int]:
        """How long it took, and how far the monotonic clock is ahead of the wall clock."""
        begun_ns, utc_ns, done_ns = self.monotonic_ns(), self.utc_ns(), self.monotonic_ns()
        return done_ns - begun_ns, done_ns - utc_ns
