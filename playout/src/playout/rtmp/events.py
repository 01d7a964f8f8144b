"""What a connection tells its owner."""

from __future__ import annotations

import enum
from dataclasses import dataclass, field
from typing import TypeAlias

# -- both roles ---------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class HandshakeCompleted:
    """The far end speaks RTMP."""


@dataclass(frozen=True, slots=True)
class Acknowledged:
    """The peer has received our bytes: the only proof that they arrived."""

    total_bytes: int
    """Since the handshake, growing beyond 32 bits; an estimate within a window or two, since
    servers start counting, and start again, at different points."""


@dataclass(frozen=True, slots=True)
class Pinged:
    """The peer asked whether we are alive; the answer is queued."""


@dataclass(frozen=True, slots=True)
class PongReceived:
    """The peer answered our ping."""

    value: int


# -- publisher ----------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Connected:
    """The server accepted the application."""


@dataclass(frozen=True, slots=True)
class PublishStarted:
    """The server accepted the stream name: media may follow."""

    stream_id: int
    """Goes into the full header that opens each chunk stream."""


@dataclass(frozen=True, slots=True)
class Rejected:
    """The server refused, or ended, the session with an error; the connection is of no more use."""

    code: str
    """Such as `NetStream.Publish.BadName`; empty where the server gave none."""
    level: str
    description: str
    """The server's words, without the stream name."""


@dataclass(frozen=True, slots=True)
class StatusReceived:
    """The server said something that is no error."""

    code: str
    level: str
    description: str


@dataclass(frozen=True, slots=True)
class Unpublished:
    """The server confirmed the end of publishing."""


@dataclass(frozen=True, slots=True)
class ReconnectRequested:
    """The server will go away: open a new connection, then close this one."""

    tc_url: str
    """Where to; empty means the same address. Judge it by the destination policy before use."""
    description: str


# -- receiver -----------------------------------------------------------------------------------


class MessageKind(enum.Enum):
    """What a media message carries."""

    AUDIO = "audio"
    VIDEO = "video"
    METADATA = "metadata"


@dataclass(frozen=True, slots=True)
class ConnectRequested:
    """A client asks for an application; only told when the receiver was made to ask."""

    app: str
    tc_url: str


@dataclass(frozen=True, slots=True)
class PublishRequested:
    """A client asks to publish; answer with `accept()` or `reject()`."""

    app: str
    stream_name: str = field(repr=False)
    """The stream key: a secret."""


@dataclass(frozen=True, slots=True)
class MessageReceived:
    """A message of an accepted publisher."""

    kind: MessageKind
    timestamp: int
    """Milliseconds; 32 bit, wraps after 49.7 days."""
    payload: bytes
    """The body of an FLV tag of this kind."""


@dataclass(frozen=True, slots=True)
class PublishEnded:
    """The client ended its stream in good order."""


Event: TypeAlias = (
    HandshakeCompleted
    | Acknowledged
    | Pinged
    | PongReceived
    | Connected
    | PublishStarted
    | Rejected
    | StatusReceived
    | Unpublished
    | ReconnectRequested
    | ConnectRequested
    | PublishRequested
    | MessageReceived
    | PublishEnded
)
