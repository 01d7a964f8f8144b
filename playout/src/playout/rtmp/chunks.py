"""Messages to chunks and back (RTMP 1.0, section 5.3).

Writing: a message begins with a full header (absolute time) or a delta header, and goes on in
header-less chunks. Where a time does not fit in 24 bits, the extended form follows the header and
every continuation, with the same value: SRS, nginx-rtmp and FFmpeg all read that.

Reading: all four header forms, interleaved chunk streams, both readings of extended time on
continuations, and limits on what an unfinished message may hold in memory.
"""

from __future__ import annotations

from collections.abc import Iterator

from playout.errors import ProtocolViolation
from playout.rtmp.messages import CONTROL_CSID, Message, MessageType

DEFAULT_CHUNK_SIZE = 128
"""What each side uses until it says otherwise."""
MAX_CHUNK_SIZE = 0xFFFFFF
"""No message is longer, so no chunk needs to be."""
MAX_MESSAGE_BYTES = 16 << 20
MAX_CHUNK_STREAMS = 64
MAX_CSID = 65599

_EXTENDED = 0xFFFFFF
_TIME_MASK = 0xFFFFFFFF
_HEADER_SIZES = (11, 7, 3, 0)


def basic_header(fmt: int, csid: int) -> bytes:
    """The first bytes of a chunk (section 5.3.1.1). Raises `ValueError` for an impossible csid."""
    if 2 <= csid < 64:
        return bytes((fmt << 6 | csid,))
    if 64 <= csid < 320:
        return bytes((fmt << 6, csid - 64))
    if 320 <= csid <= MAX_CSID:
        return bytes((fmt << 6 | 1,)) + (csid - 64).to_bytes(2, "little")
    raise ValueError(f"Chunk stream {csid} is not between 2 and {MAX_CSID}.")


def encode_message(
    csid: int, message_type: int, stream_id: int, timestamp: int, payload: bytes, chunk_size: int
) -> bytes:
    """The message with a full header at an absolute time.

    `timestamp` counts milliseconds and is taken modulo 2**32. Raises `ValueError` for a csid,
    chunk size or payload that the format cannot express.
    """
    absolute = timestamp & _TIME_MASK
    header = (
        basic_header(0, csid)
        + min(absolute, _EXTENDED).to_bytes(3, "big")
        + _checked_length(payload)
        + bytes((message_type,))
        + stream_id.to_bytes(4, "little")
    )
    return _chunked(header, csid, absolute, payload, chunk_size)


def encode_delta_message(
    csid: int, message_type: int, delta: int, payload: bytes, chunk_size: int
) -> bytes:
    """The message with a header that counts from the previous message of the same chunk stream.

    `delta` is in milliseconds, 0 to 2**32 - 1. A full message must have opened the chunk stream:
    the message stream id is inherited from it. Raises `ValueError` as `encode_message` does.
    """
    if not 0 <= delta <= _TIME_MASK:
        raise ValueError(f"A delta of {delta} ms cannot be written; send a full header instead.")
    header = (
        basic_header(1, csid)
        + min(delta, _EXTENDED).to_bytes(3, "big")
        + _checked_length(payload)
        + bytes((message_type,))
    )
    return _chunked(header, csid, delta, payload, chunk_size)


def _checked_length(payload: bytes) -> bytes:
    if len(payload) > MAX_CHUNK_SIZE:
        raise ValueError(f"A message of {len(payload)} bytes is longer than RTMP allows.")
    return len(payload).to_bytes(3, "big")


def _chunked(header: bytes, csid: int, time: int, payload: bytes, chunk_size: int) -> bytes:
    if chunk_size < 1:
        raise ValueError("A chunk must hold at least one byte.")
    extension = time.to_bytes(4, "big") if time >= _EXTENDED else b""
    parts = [header, extension, payload[:chunk_size]]
    continuation = basic_header(3, csid) + extension
    for start in range(chunk_size, len(payload), chunk_size):
        parts.append(continuation)
        parts.append(payload[start : start + chunk_size])
    return b"".join(parts)


class _ChunkStream:
    """What a chunk stream remembers from chunk to chunk."""

    __slots__ = (
        "extended",
        "length",
        "message_type",
        "missing",
        "payload",
        "stream_id",
        "time_field",
        "timestamp",
    )

    def __init__(self) -> None:
        self.timestamp = 0
        self.time_field = 0
        """The time of the last header as written: absolute after a full one, else a delta."""
        self.extended = False
        self.length = 0
        self.message_type = 0
        self.stream_id = 0
        self.payload = bytearray()
        self.missing = 0
        """Bytes of the message in progress that have not come yet; 0 between messages."""


class ChunkReader:
    """Puts messages together from bytes that arrive in any portions.

    Obeys the peer's set chunk size and abort by itself and yields them too. Never holds more than
    `max_message_bytes` of unfinished messages, whatever lengths the peer announces.
    """

    def __init__(
        self,
        *,
        chunk_size: int = DEFAULT_CHUNK_SIZE,
        max_message_bytes: int = MAX_MESSAGE_BYTES,
        max_chunk_streams: int = MAX_CHUNK_STREAMS,
    ) -> None:
        self.chunk_size = chunk_size
        self.max_message_bytes = max_message_bytes
        self.max_chunk_streams = max_chunk_streams
        self._streams: dict[int, _ChunkStream] = {}
        self._rest = b""
        """The beginning of a chunk header, at most 17 bytes."""
        self._csid = 0
        self._current: _ChunkStream | None = None
        self._chunk_missing = 0
        self._held = 0
        """Bytes of unfinished messages in memory."""

    def receive(self, data: bytes) -> Iterator[Message]:
        """The messages that `data` completes. Exhaust the iterator before the next call.

        Raises `ProtocolViolation` from the iterator; the reader is of no use afterwards.
        """
        buffer = self._rest + data if self._rest else bytes(data)
        self._rest = b""
        view = memoryview(buffer)
        position, end = 0, len(buffer)
        while True:
            stream = self._current
            if stream is None:
                begun = self._begin_chunk(buffer, position)
                if begun is None:
                    self._rest = buffer[position:]
                    return
                position = begun
                stream = self._current
                assert stream is not None  # noqa: S101  what _begin_chunk promises
            size = min(self._chunk_missing, end - position)
            stream.payload += view[position : position + size]
            position += size
            stream.missing -= size
            self._chunk_missing -= size
            self._held += size
            if self._chunk_missing:
                return
            self._current = None
            if stream.missing == 0:
                message = Message(
                    stream.message_type,
                    stream.timestamp,
                    stream.stream_id,
                    bytes(stream.payload),
                    self._csid,
                )
                self._discard(stream)
                self._obey(message)
                yield message

    def _begin_chunk(self, buffer: bytes, position: int) -> int | None:
        """Read one chunk header; the position behind it, or None when bytes are missing.

        Changes nothing unless the header is complete.
        """
        end = len(buffer)
        if position >= end:
            return None
        fmt, csid = buffer[position] >> 6, buffer[position] & 63
        position += 1
        if csid < 2:
            size = csid + 1
            if position + size > end:
                return None
            csid = 64 + int.from_bytes(buffer[position : position + size], "little")
            position += size
        header = buffer[position : position + _HEADER_SIZES[fmt]]
        position += _HEADER_SIZES[fmt]
        if position > end:
            return None

        stream = self._streams.get(csid)
        if fmt == 3:
            if stream is None:
                raise ProtocolViolation(f"Chunk stream {csid} begins without a header.")
            if stream.extended:
                # Some writers leave the extended time out of these chunks: it is there only if
                # it repeats the value (the reading of SRS, which accepts both kinds of writer).
                repeated = stream.time_field.to_bytes(4, "big")
                found = buffer[position : position + 4]
                if found == repeated:
                    position += 4
                elif repeated.startswith(found):
                    return None
            if not stream.missing:
                # A new message that repeats the last header, its time field included (5.3.1.2.4).
                stream.timestamp = (stream.timestamp + stream.time_field) & _TIME_MASK
                stream.missing = stream.length
        else:
            if stream is not None and stream.missing:
                raise ProtocolViolation(
                    f"Chunk stream {csid} begins a message while {stream.missing} bytes of the "
                    "one before are missing."
                )
            time_field = int.from_bytes(header[:3], "big")
            extended = time_field == _EXTENDED
            if extended:
                if position + 4 > end:
                    return None
                time_field = int.from_bytes(buffer[position : position + 4], "big")
                position += 4
            if stream is None:
                stream = self._open(csid, fmt)
            stream.extended = extended
            stream.time_field = time_field
            if fmt < 2:
                stream.length = int.from_bytes(header[3:6], "big")
                stream.message_type = header[6]
            if fmt == 0:
                stream.timestamp = time_field
                stream.stream_id = int.from_bytes(header[7:11], "little")
            else:
                stream.timestamp = (stream.timestamp + time_field) & _TIME_MASK
            stream.missing = stream.length

        if stream.length > self.max_message_bytes:
            raise ProtocolViolation(
                f"A message of {stream.length} bytes is announced; the limit is "
                f"{self.max_message_bytes}."
            )
        self._chunk_missing = min(stream.missing, self.chunk_size)
        if self._held + self._chunk_missing > self.max_message_bytes:
            raise ProtocolViolation(
                f"Unfinished messages hold more than {self.max_message_bytes} bytes."
            )
        self._csid = csid
        self._current = stream
        return position

    def _open(self, csid: int, fmt: int) -> _ChunkStream:
        # Some clients open the control stream with a delta header; it says all but the stream id.
        if fmt == 2:
            raise ProtocolViolation(f"Chunk stream {csid} begins without a length.")
        if len(self._streams) >= self.max_chunk_streams:
            raise ProtocolViolation(f"More than {self.max_chunk_streams} chunk streams are in use.")
        return self._streams.setdefault(csid, _ChunkStream())

    def _discard(self, stream: _ChunkStream) -> None:
        self._held -= len(stream.payload)
        stream.payload.clear()
        stream.missing = 0

    def _obey(self, message: Message) -> None:
        if message.type not in (MessageType.SET_CHUNK_SIZE, MessageType.ABORT):
            return
        if len(message.payload) < 4:
            raise ProtocolViolation(
                f"A control message of type {message.type} holds {len(message.payload)} bytes."
            )
        number = int.from_bytes(message.payload[:4], "big")
        if message.type == MessageType.ABORT:
            stream = self._streams.get(number)
            if stream is not None:
                self._discard(stream)
        elif 1 <= number <= 0x7FFFFFFF:
            self.chunk_size = number
        else:
            raise ProtocolViolation(f"A chunk size of {number} is not possible.")


def encode_control(message_type: MessageType, payload: bytes, chunk_size: int) -> bytes:
    """A protocol control message: chunk stream 2, message stream 0, time 0 (section 5.4)."""
    return encode_message(CONTROL_CSID, message_type, 0, 0, payload, chunk_size)
