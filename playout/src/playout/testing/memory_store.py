"""A store of wishes, leases and reports in memory: the ports without a database."""

from __future__ import annotations

import threading
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

from playout import clock
from playout.supervisor.ports import DesiredOutput, Lease, OutputEvent, OutputReport

TTL_SECONDS = 20.0
GRACE_SECONDS = 5.0


@dataclass(slots=True)
class _Row:
    wish: DesiredOutput
    node: str = ""
    token: int = 0
    expires_ns: int = 0
    report: OutputReport | None = None


class MemoryStore:
    """Implements `Leases`, `DesiredStates` and `Reports`; safe to share between threads.

    Tests wish with `want` and `stop`, cut the store off with `reachable = False`, and read
    `report_of`, `events_of` and `holder_of`.
    """

    def __init__(
        self, *, clock_ns: Callable[[], int] = clock.boottime_ns, ttl_seconds: float = TTL_SECONDS
    ) -> None:
        self.reachable = True
        self.other_nodes = 0
        self._clock_ns = clock_ns
        self._ttl_ns = int(ttl_seconds * 1e9)
        self._grace_ns = int(GRACE_SECONDS * 1e9 * ttl_seconds / TTL_SECONDS)
        self._lock = threading.Lock()
        self._rows: dict[str, _Row] = {}
        self._events: dict[str, list[OutputEvent]] = {}

    # -- wishes -----------------------------------------------------------------------------

    def want(self, wish: DesiredOutput) -> None:
        """Put the output on the list, or change what is wished of it."""
        with self._lock:
            row = self._rows.setdefault(wish.output_id, _Row(wish))
            row.wish = replace(wish, generation=row.wish.generation + 1)

    def stop(self, output_id: str) -> None:
        """Wish the output off."""
        with self._lock:
            row = self._rows[output_id]
            row.wish = replace(row.wish, on=False, generation=row.wish.generation + 1)

    def forget(self, output_id: str) -> None:
        """Delete the output, lease and all."""
        with self._lock:
            del self._rows[output_id]

    def wish_of(self, output_id: str) -> DesiredOutput:
        """What is wished for the output now."""
        with self._lock:
            return self._rows[output_id].wish

    # -- what happened ----------------------------------------------------------------------

    def report_of(self, output_id: str) -> OutputReport | None:
        """The newest report."""
        with self._lock:
            return self._rows[output_id].report

    def events_of(self, output_id: str) -> list[OutputEvent]:
        """All events so far."""
        with self._lock:
            return list(self._events.get(output_id, ()))

    def holder_of(self, output_id: str) -> tuple[str, int]:
        """Node and token of the lease; an empty node when nobody holds it."""
        with self._lock:
            row = self._rows[output_id]
            return row.node, row.token

    # -- ports ------------------------------------------------------------------------------

    def _check(self) -> None:
        if not self.reachable:
            raise ConnectionError("the store is cut off")

    def claim(self, node: str, limit: int) -> Sequence[Lease]:
        """See `Leases`."""
        self._check()
        with self._lock:
            now = self._clock_ns()
            won: list[Lease] = []
            for output_id, row in self._rows.items():
                free = not row.node or row.expires_ns + self._grace_ns < now
                if len(won) < limit and row.wish.on and free:
                    row.node, row.token = node, row.token + 1
                    row.expires_ns = now + self._ttl_ns
                    won.append(Lease(output_id, row.token))
            return won

    def renew(self, node: str) -> Sequence[Lease]:
        """See `Leases`."""
        self._check()
        with self._lock:
            held = []
            for output_id, row in self._rows.items():
                if row.node == node:
                    row.expires_ns = self._clock_ns() + self._ttl_ns
                    held.append(Lease(output_id, row.token))
            return held

    def peers(self, node: str) -> int:
        """See `Leases`; as many as `other_nodes` says."""
        self._check()
        return self.other_nodes

    def release(self, node: str, leases: Sequence[Lease]) -> None:
        """See `Leases`."""
        self._check()
        with self._lock:
            for lease in leases:
                row = self._rows.get(lease.output_id)
                if row is not None and (row.node, row.token) == (node, lease.token):
                    row.node, row.expires_ns = "", 0

    def desired(self, node: str, leases: Sequence[Lease]) -> Sequence[DesiredOutput]:
        """See `DesiredStates`."""
        self._check()
        with self._lock:
            return [
                replace(self._rows[lease.output_id].wish, token=lease.token)
                for lease in leases
                if lease.output_id in self._rows and self._rows[lease.output_id].node == node
            ]

    def report(self, node: str, reports: Sequence[OutputReport]) -> None:
        """See `Reports`."""
        self._check()
        with self._lock:
            for report in reports:
                row = self._rows.get(report.output_id)
                if row is not None and row.token == report.token:
                    row.report = report
                    self._events.setdefault(report.output_id, []).extend(report.events)
