"""An ingest that writes down what it receives, message by message; bytes in, bytes out.

`RecordingIngest` holds what happened; each connection is an `IngestConnection`, which a server
feeds: `playout.testing.sink` over TCP, `playout.testing.simulated_ingest` over a simulated network.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from dataclasses import dataclass, field

from playout.errors import ProtocolViolation
from playout.rtmp.connection import Receiver
from playout.rtmp.events import (
    Event,
    MessageKind,
    MessageReceived,
    PublishEnded,
    PublishRequested,
)
from playout.rtmp.messages import MessageType

DIGEST_BYTES = 8
_INTER_PICTURE, _KEY_PICTURE = 2, 1
_SEQUENCE_HEADER = 0


def digest_of(payload: bytes) -> bytes:
    """How a message body is named in a record."""
    return hashlib.blake2b(payload, digest_size=DIGEST_BYTES).digest()


@dataclass(frozen=True, slots=True)
class Arrival:
    """One message of media."""

    at_ns: int
    """Monotonic nanoseconds at which its last byte was read."""
    kind: MessageKind
    timestamp: int
    """Milliseconds as sent; 32 bit."""
    size: int
    """Bytes of the message body."""
    digest: bytes
    """Of the body, by `digest_of`."""
    is_header: bool
    """A sequence header, which tells the decoder how to begin."""
    is_key: bool
    """A key frame."""


@dataclass(eq=False, slots=True)
class SessionRecord:
    """One connection that asked to publish."""

    number: int
    """Counts publish requests at this ingest, from 1."""
    app: str
    key: str = field(repr=False)
    asked_ns: int
    """Monotonic nanoseconds, as all instants here."""
    accepted: bool
    ended_ns: int | None = None
    end: str = ""
    """Why it ended: `unpublished`, `closed`, `reset`, `violation: …`, or what the server did."""
    arrivals: list[Arrival] = field(default_factory=list, repr=False)

    def media(self, kind: MessageKind | None = None) -> Iterator[Arrival]:
        """Pictures and sounds without headers and metadata, or only those of `kind`."""
        for arrival in self.arrivals:
            if arrival.kind is MessageKind.METADATA or arrival.is_header:
                continue
            if kind is None or arrival.kind is kind:
                yield arrival

    @property
    def first_media_ns(self) -> int | None:
        """When the first picture or sound came."""
        return next((arrival.at_ns for arrival in self.media()), None)

    @property
    def last_media_ns(self) -> int | None:
        """When the last picture or sound came."""
        found = next(
            (a for a in reversed(self.arrivals)
             if a.kind is not MessageKind.METADATA and not a.is_header), None,
        )  # fmt: skip
        return None if found is None else found.at_ns


@dataclass(slots=True)
class Manners:
    """How the ingest treats publishers; change it while it runs."""

    refused: set[str] = field(default_factory=set)
    """Keys that may not publish."""
    exclusive: bool = False
    """Refuse a key in use, as nginx-rtmp does; else accept both, as YouTube does."""
    acknowledges: bool = True
    """Acknowledge received bytes when asked to; some servers never do."""
    answers: bool = True
    """Say anything at all; else the handshake is left hanging."""
    closes_on_publish: bool = False
    """Close the connection when a key is given, without a word."""
    window_ack_bytes: int = 2_500_000


class _Receiver(Receiver):
    """A receiver that may keep its acknowledgements to itself."""

    def __init__(self, manners: Manners, handshake_random: bytes) -> None:
        super().__init__(
            handshake_random=handshake_random, window_ack_size=manners.window_ack_bytes
        )
        self._manners = manners

    def _queue_control(self, message_type: MessageType, payload: bytes) -> None:
        if message_type is not MessageType.ACKNOWLEDGEMENT or self._manners.acknowledges:
            super()._queue_control(message_type, payload)


class IngestConnection:
    """One client of a `RecordingIngest`."""

    def __init__(self, ingest: RecordingIngest, handshake_random: bytes) -> None:
        self._ingest = ingest
        self._receiver = _Receiver(ingest.manners, handshake_random)
        self.session: SessionRecord | None = None
        self.bytes_received = 0
        self.is_refused = False
        """The server should close the connection once the answer was read."""

    def receive(self, data: bytes, *, now_ns: int) -> bytes:
        """Take bytes that came at monotonic `now_ns`; the bytes to answer with.

        Raises `ProtocolViolation`, and `ConnectionAbortedError` when the manners say to hang up.
        """
        self.bytes_received += len(data)
        try:
            self._take(self._receiver.receive(data), now_ns)
            answer = self._receiver.bytes_to_send()
        except ProtocolViolation as violation:
            self.end(f"violation: {violation.args[0]}", now_ns=now_ns)
            raise
        return answer if self._ingest.manners.answers else b""

    def ping(self, value: int = 1) -> bytes:
        """A ping, to be sent to the client."""
        self._receiver.ping(value)
        return self._receiver.bytes_to_send()

    def end(self, why: str, *, now_ns: int) -> None:
        """The connection is over."""
        if self.session is not None:
            self.session.ended_ns = now_ns
            self.session.end = self.session.end or why
            self.session = None

    def _take(self, events: list[Event], now_ns: int) -> None:
        for event in events:
            if isinstance(event, MessageReceived):
                if self.session is not None:
                    self.session.arrivals.append(_arrival(event, now_ns))
            elif isinstance(event, PublishRequested):
                self._take(self._decide(event, now_ns), now_ns)
            elif isinstance(event, PublishEnded):
                self.end("unpublished", now_ns=now_ns)

    def _decide(self, request: PublishRequested, now_ns: int) -> list[Event]:
        manners = self._ingest.manners
        if manners.closes_on_publish:
            raise ConnectionAbortedError("the ingest hangs up on publishers")
        in_use = manners.exclusive and request.stream_name in self._ingest.publishing
        accepted = request.stream_name not in manners.refused and not in_use
        session = SessionRecord(
            len(self._ingest.sessions) + 1, request.app, request.stream_name, now_ns, accepted
        )
        self._ingest.sessions.append(session)
        if accepted:
            self.session = session
            return self._receiver.accept()
        session.ended_ns, session.end = now_ns, "refused"
        self.is_refused = True
        return self._receiver.reject("NetStream.Publish.BadName", "Not with this key.")


def _arrival(message: MessageReceived, now_ns: int) -> Arrival:
    payload = message.payload
    is_header = is_key = False
    if message.kind is MessageKind.VIDEO and len(payload) > 1:
        is_header = payload[1] == _SEQUENCE_HEADER
        is_key = not is_header and payload[0] >> 4 == _KEY_PICTURE
    elif message.kind is MessageKind.AUDIO and len(payload) > 1:
        is_header = payload[1] == _SEQUENCE_HEADER
    return Arrival(
        now_ns, message.kind, message.timestamp, len(payload), digest_of(payload), is_header, is_key
    )


class RecordingIngest:
    """Everything that was published, in the order of the requests."""

    def __init__(self, manners: Manners | None = None) -> None:
        self.manners = manners or Manners()
        self.sessions: list[SessionRecord] = []

    @property
    def publishing(self) -> dict[str, SessionRecord]:
        """The running session of each key; the newest one where there are several."""
        return {s.key: s for s in self.sessions if s.accepted and s.ended_ns is None}

    def of(self, key: str) -> list[SessionRecord]:
        """The accepted sessions of a key, oldest first."""
        return [session for session in self.sessions if session.key == key and session.accepted]

    def connection(self, handshake_random: bytes) -> IngestConnection:
        """A client has connected; `handshake_random` are 1528 bytes."""
        return IngestConnection(self, handshake_random)
