"""RTMP messages and what is inside them (RTMP 1.0, sections 5.4, 6 and 7)."""

from __future__ import annotations

import enum
from collections.abc import Iterator
from dataclasses import dataclass
from typing import NamedTuple

from playout.errors import ProtocolViolation
from playout.rtmp import amf0


class MessageType(enum.IntEnum):
    """The message types that mean something to us; others are passed over."""

    SET_CHUNK_SIZE = 1
    ABORT = 2
    ACKNOWLEDGEMENT = 3
    USER_CONTROL = 4
    WINDOW_ACK_SIZE = 5
    SET_PEER_BANDWIDTH = 6
    AUDIO = 8
    VIDEO = 9
    AMF3_DATA = 15
    AMF3_COMMAND = 17
    AMF0_DATA = 18
    AMF0_COMMAND = 20
    AGGREGATE = 22


class UserControl(enum.IntEnum):
    """Events of a user control message (section 7.1.7)."""

    STREAM_BEGIN = 0
    STREAM_EOF = 1
    STREAM_DRY = 2
    SET_BUFFER_LENGTH = 3
    STREAM_IS_RECORDED = 4
    PING_REQUEST = 6
    PING_RESPONSE = 7


CONTROL_CSID = 2
COMMAND_CSID = 3
METADATA_CSID = 5
"""Not the audio's: a full header there later would reset the clock of the audio."""
STATUS_CSID = 5
PUBLISH_CSID = 8


class Message(NamedTuple):
    """One whole message, put together from its chunks."""

    type: int
    timestamp: int
    """Milliseconds; 32 bit, wraps after 49.7 days."""
    stream_id: int
    payload: bytes
    csid: int = 0


@dataclass(frozen=True, slots=True)
class Command:
    """A remote call or its answer: name, transaction and arguments."""

    name: str
    transaction_id: float
    arguments: tuple[amf0.Value, ...] = ()
    """Without name and transaction; the first is the command object, often null."""

    def encode(self) -> bytes:
        """The payload of an AMF0 command message."""
        return amf0.encode(self.name, self.transaction_id, *self.arguments)

    def argument(self, index: int) -> amf0.Value:
        """The argument at `index`, or None where the peer left it out."""
        return self.arguments[index] if index < len(self.arguments) else None

    def text(self, index: int) -> str:
        """The argument at `index` if it is text, else the empty string."""
        value = self.argument(index)
        return value if isinstance(value, str) else ""

    def info(self) -> dict[str, amf0.Value]:
        """The last argument that is an object: where servers put level, code and description."""
        for value in reversed(self.arguments):
            if isinstance(value, dict):
                return value
        return {}


def text_of(info: dict[str, amf0.Value], key: str) -> str:
    """The member `key` if it is text, else the empty string."""
    value = info.get(key)
    return value if isinstance(value, str) else ""


def parse_command(message: Message, *, is_from_server: bool = False) -> Command:
    """The command in a message of type 17 or 20. Raises `ProtocolViolation`.

    One from a server ends at the first argument that cannot be read: servers tell their clients
    many things that are not for a publisher, in types that no publisher needs.
    """
    payload = message.payload
    if message.type == MessageType.AMF3_COMMAND:
        # Such a message starts with a format byte; 0 means that AMF0 follows.
        payload = payload[1:]
    values = (amf0.decode_readable if is_from_server else amf0.decode)(payload)
    if not values or not isinstance(values[0], str):
        raise ProtocolViolation("A command does not begin with its name.")
    transaction = values[1] if len(values) > 1 and values[1] is not None else 0.0
    if isinstance(transaction, bool) or not isinstance(transaction, int | float):
        raise ProtocolViolation("A command has no transaction number.")
    return Command(values[0], float(transaction), tuple(values[2:]))


def u32_of(message: Message) -> int:
    """The number that a protocol control message carries. Raises `ProtocolViolation`."""
    if len(message.payload) < 4:
        raise ProtocolViolation(
            f"A control message of type {message.type} holds {len(message.payload)} bytes, not 4."
        )
    return int.from_bytes(message.payload[:4], "big")


def user_control(event: UserControl, data: bytes) -> bytes:
    """The payload of a user control message."""
    return event.to_bytes(2, "big") + data


def set_peer_bandwidth(window_bytes: int, limit_type: int = 2) -> bytes:
    """The payload of a set peer bandwidth message; limit 0 is hard, 1 soft, 2 dynamic."""
    return window_bytes.to_bytes(4, "big") + bytes((limit_type,))


def split_aggregate(message: Message) -> Iterator[Message]:
    """The messages inside an aggregate, moved to its time (section 7.1.6).

    Raises `ProtocolViolation` when the parts do not fill the aggregate exactly.
    """
    payload = message.payload
    position = 0
    offset: int | None = None
    while position < len(payload):
        header = payload[position : position + 11]
        size = int.from_bytes(header[1:4], "big")
        body = position + 11
        position = body + size + 4
        if len(header) < 11 or position > len(payload):
            raise ProtocolViolation("An aggregate message is cut off.")
        timestamp = int.from_bytes(header[7:8] + header[4:7], "big")
        if offset is None:
            offset = message.timestamp - timestamp
        yield Message(
            header[0],
            (timestamp + offset) & 0xFFFFFFFF,
            message.stream_id,
            payload[body : body + size],
            message.csid,
        )
