"""What node control needs from whoever keeps the rows: three small protocols.

The database, the command line and `testing.MemoryStore` implement them and pass one shared suite.
All methods are blocking and are called from one thread; each is one short transaction. A method
that cannot reach its store raises; the caller goes on with what it knew.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from typing import Any, Protocol

from playout.supervisor.states import OutputState
from playout.timeline.programme import Programme

MAX_EVENTS = 1000
"""Events of one output that are kept while they cannot be stored; the oldest go first."""


@dataclass(frozen=True, slots=True)
class Lease:
    """The right of one node to publish one output until it expires."""

    output_id: str
    token: int
    """Fencing token: grows by one with each claim, never with a renewal."""


@dataclass(frozen=True, slots=True)
class DesiredOutput:
    """What should be on air at one destination, for a lease this node holds."""

    output_id: str
    token: int
    on: bool
    generation: int
    """Grows with each change; a session of an older generation is replaced or updated."""
    address: str = ""
    """Publishing address without the key, such as `rtmps://host/live2?backup=1`."""
    key: str = field(default="", repr=False)
    """The stream key, opaque and secret: it is published under exactly this name."""
    programme: Programme | None = None
    label: str = ""
    """How people call the stream, for logs."""
    stream_id: str = ""
    """Outputs of one stream are kept together where that helps."""
    fallbacks: tuple[str, ...] = ()
    """Other addresses of the same ingest, for the same key, such as that of its backup host:
    tried in turn when the address fails, never while another of them is published to."""


@dataclass(frozen=True, slots=True)
class OutputEvent:
    """Something that a person may want to know, once."""

    code: str
    """Stable, such as `session.started`, `session.lost`; documented in docs/reference/events.md."""
    at_ns: int
    """UTC nanoseconds."""
    text: str
    data: dict[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Aired:
    """A stretch of one item at one output, in video frames since the programme's epoch."""

    item_id: str
    title: str
    start_frame: int
    """With output and token, it says which row this is."""
    end_frame: int | None
    """None while it is on air."""
    cause: str = ""
    """Code of why it was not, or not wholly, aired as written; empty when it was."""


@dataclass(frozen=True, slots=True)
class OutputReport:
    """What is real at one output; dropped by the store when `token` is old."""

    output_id: str
    token: int
    generation: int
    state: OutputState
    at_ns: int
    session_id: str = ""
    """Changes with each connection to the ingest."""
    connected_at_ns: int = 0
    on_air_since_ns: int = 0
    bytes_sent: int = 0
    bytes_acked: int = 0
    kbps: int = 0
    """Acknowledged media over the last seconds."""
    late_ms: float = 0.0
    reconnects: int = 0
    unsent_bytes: int = 0
    """Given to the connection and not taken by the ingest."""
    joins: int = 0
    """Items that followed another, in all sessions of this output on its pump."""
    jumps: int = 0
    """How often overdue media was left out, likewise."""
    substitutions: int = 0
    """Items that could not be played as written, likewise."""
    cache_horizon_seconds: float | None = None
    """Media on this machine's disk from now on; None where that is not bounded."""
    item_id: str = ""
    """The item on air now, as the programme calls it."""
    item_position_ms: int = 0
    next_item_id: str = ""
    sound_id: str = ""
    """In radio mode, what is heard now; empty in any other."""
    sound_position_ms: int = 0
    next_sound_id: str = ""
    error_code: str = ""
    error_text: str = ""
    """In plain words, with what happens next; never the key."""
    retry_at_ns: int = 0
    events: tuple[OutputEvent, ...] = ()
    as_run: tuple[Aired, ...] = ()
    """Stretches that began or ended since the last report."""

    def after(self, earlier: OutputReport) -> OutputReport:
        """This report in place of an `earlier` one that was not stored, whose events it keeps."""
        return replace(
            self,
            events=(*earlier.events, *self.events)[-MAX_EVENTS:],
            as_run=(*earlier.as_run, *self.as_run)[-MAX_EVENTS:],
        )


class Leases(Protocol):
    """Who may publish what."""

    def claim(self, node: str, limit: int) -> Sequence[Lease]:
        """Take up to `limit` wanted outputs that are free, and add 1 to the token of each."""
        ...

    def renew(self, node: str) -> Sequence[Lease]:
        """Extend all leases of `node` in one statement; return those it still holds."""
        ...

    def peers(self, node: str) -> int:
        """How many other nodes are registered, and so might take over what `node` lets go."""
        ...

    def release(self, node: str, leases: Sequence[Lease]) -> None:
        """Give up leases whose sessions have ended; an old token changes nothing."""
        ...


class DesiredStates(Protocol):
    """What should be on air."""

    def desired(self, node: str, leases: Sequence[Lease]) -> Sequence[DesiredOutput]:
        """What is wished for each of these leases; an output that no longer exists is left out."""
        ...


class Reports(Protocol):
    """What is real."""

    def report(self, node: str, reports: Sequence[OutputReport]) -> None:
        """Store reports whose token is still the current one; drop the others."""
        ...
