"""What is fuzzed: each target takes any bytes, and lets only documented errors escape."""

from __future__ import annotations

import hashlib
import struct
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory

from playout.errors import (
    NodeProtocolError,
    ProtocolViolation,
    SourceError,
    TrackError,
)
from playout.media import TrackKind
from playout.node.messages import (
    decode,
    desired_from_json,
    desired_to_json,
    encode,
    report_from_json,
    report_to_json,
)
from playout.probe import parse, stills
from playout.rtmp import amf0, chunks
from playout.rtmp.chunks import ChunkReader
from playout.rtmp.connection import Publisher, Receiver
from playout.rtmp.events import PublishRequested, PublishStarted
from playout.supervisor.ports import DesiredOutput, OutputEvent, OutputReport
from playout.supervisor.states import OutputState
from playout.testing.tracks import programme_of, write_item
from playout.timeline.programme import Item
from playout.tracks.format import DIGEST_BYTES
from playout.tracks.reader import Track

MAX_MESSAGE_BYTES = 1 << 16
RANDOM = bytes(1528)
_FAST = "/dev/shm" if Path("/dev/shm").is_dir() else None


@dataclass(frozen=True)
class Target:
    """A parser under attack."""

    name: str
    take: Callable[[bytes], object]
    allowed: tuple[type[Exception], ...]
    seeds: Callable[[], list[bytes]]
    """Valid inputs, to mutate."""


def _portions(data: bytes) -> list[bytes]:
    """The same bytes in uneven portions; the first byte decides how uneven."""
    size = 1 + (data[0] if data else 0)
    return [data[at : at + size] for at in range(0, len(data), size)]


# -- chunks, AMF0, connections --------------------------------------------------------------------


def _take_chunks(data: bytes) -> None:
    whole, split = [], []
    reader = ChunkReader(max_message_bytes=MAX_MESSAGE_BYTES)
    error = other = None
    try:
        whole.extend(reader.receive(data))
    except ProtocolViolation as violation:
        error = violation
    reader = ChunkReader(max_message_bytes=MAX_MESSAGE_BYTES)
    try:
        for portion in _portions(data):
            split.extend(reader.receive(portion))
    except ProtocolViolation as violation:
        other = violation
    assert (len(split), str(error)) == (len(whole), str(other)), "portions change the meaning"
    if error is not None:
        raise error


def _chunk_seeds() -> list[bytes]:
    size = (300).to_bytes(4, "big")
    return [
        chunks.encode_message(3, 20, 0, 0, bytes(200), 128),
        chunks.encode_control(chunks.MessageType.SET_CHUNK_SIZE, size, 128)
        + chunks.encode_message(6, 9, 1, 0xFFFFFF, bytes(700), 300)
        + chunks.encode_delta_message(6, 9, 33, bytes(900), 300)
        + chunks.encode_message(400, 8, 1, 1 << 31, bytes(20), 300),
        chunks.encode_message(70, 22, 1, 5, bytes(600), 128)
        + chunks.encode_control(chunks.MessageType.ABORT, (70).to_bytes(4, "big"), 128),
    ]


def _take_amf0(data: bytes) -> None:
    for value in amf0.decode(data):
        amf0.encode(value)


def _amf0_seeds() -> list[bytes]:
    return [
        amf0.encode("connect", 1.0, {"app": "live", "tcUrl": "rtmp://h/live", "x": None}),
        amf0.encode("@setDataFrame", "onMetaData", amf0.EcmaArray({"width": 1280.0, "s": True})),
        amf0.encode("a", [1.0, "b", {"c": [2.0, {}]}], amf0.UNDEFINED, "x" * 300),
    ]


def _publisher() -> Publisher:
    return Publisher(
        app="live", tc_url="rtmp://h/live", stream_name="key", handshake_random=RANDOM,
        max_message_bytes=MAX_MESSAGE_BYTES,
    )  # fmt: skip


def _take_as_publisher(data: bytes) -> None:
    connection = _publisher()
    for portion in _portions(data):
        connection.receive(portion)
        assert len(connection.bytes_to_send()) < 1 << 20


def _take_as_receiver(data: bytes) -> None:
    connection = Receiver(handshake_random=RANDOM, max_message_bytes=MAX_MESSAGE_BYTES)
    for portion in _portions(data):
        events = connection.receive(portion)
        if events and isinstance(events[-1], PublishRequested):
            connection.accept()
        assert len(connection.bytes_to_send()) < 1 << 20


def _conversation() -> tuple[bytes, bytes]:
    """What a publisher and a receiver say to each other until media flows."""
    publisher = _publisher()
    receiver = Receiver(handshake_random=RANDOM)
    up = down = b""
    for _ in range(8):
        out = publisher.bytes_to_send()
        up += out
        events = receiver.receive(out) if out else []
        if events and isinstance(events[-1], PublishRequested):
            receiver.accept()
        back = receiver.bytes_to_send()
        down += back
        for event in publisher.receive(back) if back else []:
            if isinstance(event, PublishStarted):
                publisher.queue_metadata({"width": 1.0})
    for n in range(4):
        up += chunks.encode_message(6, 9, 1, n * 33, bytes(300), 4096)
    return up, down


# -- tracks ---------------------------------------------------------------------------------------


def _signed(data: bytes) -> bytes:
    """With a matching digest, or nothing behind it would ever be reached."""
    body = data[:-DIGEST_BYTES]
    return body + hashlib.sha256(body).digest()


def _take_index(data: bytes) -> None:
    signed = _signed(data)
    claimed = int.from_bytes(data[24:32], "little")
    with TemporaryDirectory(dir=_FAST) as name:
        directory = Path(name)
        (directory / "video.index").write_bytes(signed)
        (directory / "video.track").write_bytes(bytes(min(max(1, claimed), 1 << 16)))
        track = Track.open(directory, TrackKind.VIDEO)
        for frame in (0, track.frames // 2, track.frames - 1):
            track.body(frame)
            track.key_at_or_before(frame)
            track.key_at_or_after(frame)
        for block in range(min(track.layout.blocks, 3)):
            track.block_hash(block)


def _index_seeds() -> list[bytes]:
    with TemporaryDirectory() as name:
        found = []
        for frames in (3, 61):
            item = write_item(Path(name), f"i{frames}", frames, picture_bytes=50)
            found.append((Path(item.video) / "video.index").read_bytes())
        return found


# -- sources --------------------------------------------------------------------------------------


def _take_source(data: bytes) -> None:
    container = parse.sniff(data[: parse.HEAD_BYTES], stills=True)

    def read_at(at: int, count: int) -> bytes:
        return data[at : at + count]

    parse.check_whole(container, len(data), read_at)
    if container.is_still:
        assert 1 <= stills.orientation(container.value, read_at) <= 8


def _box(kind: bytes, body: bytes) -> bytes:
    return struct.pack(">I", 8 + len(body)) + kind + body


def _source_seeds() -> list[bytes]:
    ftyp = _box(b"ftyp", b"isom\0\0\2\0isomiso2mp41")
    exif = b"II*\0\x08\0\0\0\1\0\x12\1\3\0\1\0\0\0\6\0\0\0" + bytes(4)
    ebml = b"\x1a\x45\xdf\xa3\xa3\x42\x86\x81\x01\x42\xf7\x81\x01\x42\x82\x88matroska"
    return [
        ftyp + _box(b"moov", _box(b"mvhd", bytes(100))) + _box(b"mdat", bytes(64)),
        ftyp + struct.pack(">I4sQ", 1, b"mdat", 80) + bytes(64) + _box(b"moov", bytes(30)),
        b"RIFF" + struct.pack("<I", 40) + b"WAVEfmt " + struct.pack("<I", 16) + bytes(16)
        + b"data" + struct.pack("<I", 4) + bytes(4),
        ebml + b"\x18\x53\x80\x67\x01\0\0\0\0\0\0\x20" + bytes(32),
        b"ID3\4\0\0\0\0\0\x0a" + bytes(10) + b"\xff\xfb\x90\x64" + bytes(413) + b"\xff\xfb\x90\x64",
        b"".join(b"\x47\x40\0\x10" + bytes(184) for _ in range(5)),
        b"fLaC\0\0\0\x22" + bytes(40), b"OggS\0\2" + bytes(60), b"\xff\xf1\x50\x80\x02\x1f\xfc" * 9,
        b"#EXTM3U\nfile:///etc/hostname\n",
        b"\x89PNG\r\n\x1a\n\0\0\0\rIHDR\0\0\0\2\0\0\0\2\x08\2" + bytes(7) + b"\0\0\0\x1aeXIf" + exif
        + bytes(4) + b"\0\0\0\0IEND" + bytes(4),
        b"\xff\xd8\xff\xe1\0\x22Exif\0\0" + exif + b"\xff\xc0\0\x11\x08\0\2\0\2\3" + bytes(9)
        + b"\xff\xda\0\x0c" + bytes(20) + b"\xff\xd9",
        b"RIFF" + struct.pack("<I", 26 + 34) + b"WEBPVP8X\x0a\0\0\0\x08\0\0\0\1\0\0\1\0\0EXIF"
        + struct.pack("<I", 26) + exif,
    ]  # fmt: skip


# -- node messages --------------------------------------------------------------------------------


def _take_message(data: bytes) -> None:
    message = decode(data)
    if message["type"] == "set":
        desired_from_json(message.get("output"))  # type: ignore[arg-type]
    outputs = message.get("outputs")
    for values in outputs if isinstance(outputs, list) else ():
        report_from_json(values)


def _message_seeds() -> list[bytes]:
    items = Item("a", "/v", "/a", 100, "Ä"), Item("b", "/v", "/a", 50)
    wish = DesiredOutput("o", 7, True, 3, "rtmps://h/app", "k", programme_of(*items), "Lo-fi")
    events = (OutputEvent("c", 1, "t", {"a": "b"}),)
    report = OutputReport("o", 7, 3, OutputState.ON_AIR, 5, events=events)
    return [
        encode("set", output=desired_to_json(wish)),
        encode("report", outputs=[report_to_json(report)], late_ms={"p50": 1.0}),
        encode("drop", output_id="o", graceful=True),
    ]


TARGETS = (
    Target("chunks", _take_chunks, (ProtocolViolation,), _chunk_seeds),
    Target("amf0", _take_amf0, (ProtocolViolation,), _amf0_seeds),
    Target("publisher", _take_as_publisher, (ProtocolViolation,), lambda: [_conversation()[1]]),
    Target("receiver", _take_as_receiver, (ProtocolViolation,), lambda: [_conversation()[0]]),
    Target("index", _take_index, (TrackError,), _index_seeds),
    Target("source", _take_source, (SourceError,), _source_seeds),
    Target("messages", _take_message, (NodeProtocolError,), _message_seeds),
)
