"""Track format, version 1: an index that describes a file of RTMP chunk-stream bytes.

A track is two files. `video.track` holds nothing but RTMP chunks: one message per picture, each
with a type 1 header whose timestamp is the distance to the message before. `video.index` describes
it. All integers of the index are little-endian:

    offset  size   what
         0     8   magic, "PLAYTRK" and a zero byte
         8     4   format version
        12     4   length of the JSON description
        16     8   number of messages, n
        24     8   bytes of the track file
        32     4   bytes of one block
        36     4   number of blocks, b
        40     4   number of key frames, k
        44     4   zero
        48     .   JSON description, padded with spaces to a multiple of 8
         .  8(n+1)  offset of each message, and the end of the last one
         .   4n    timestamp of each message: ms after the first
         .   4k    numbers of the messages that are key frames
         .  32b    SHA-256 of each block of the track file
         .    32   SHA-256 of everything before

Blocks are the unit of fetching, verifying and caching; the last one may be shorter.
"""

from __future__ import annotations

import hashlib
import json
import struct
from dataclasses import dataclass
from fractions import Fraction
from typing import Any

from playout.errors import TrackCorrupt, TrackVersionUnsupported
from playout.media import TrackKind

MAGIC = b"PLAYTRK\0"
VERSION = 1
BLOCK_BYTES = 4 << 20
DIGEST_BYTES = 32

_HEAD = struct.Struct("<8sIIQQIIII")


@dataclass(frozen=True, slots=True)
class Description:
    """What a track is, apart from where its messages are."""

    kind: TrackKind
    profile: str
    """Identity of the profile with its version, such as `1080p30@1`."""
    codec_header: bytes
    """AVCDecoderConfigurationRecord or AudioSpecificConfig."""
    rate: Fraction
    """Messages per second, exactly."""
    content_frames: int
    """Messages of real content; a sound track ends with some frames of padding after them."""
    reorder_frames: int = 0
    """Pictures between decoding and showing; 0 for sound."""
    width: int = 0
    height: int = 0
    kbps: int = 0

    def to_json(self) -> dict[str, Any]:
        """Plain values, as they stand in the index."""
        return {
            "kind": self.kind.value,
            "profile": self.profile,
            "codec_header": self.codec_header.hex(),
            "rate": [self.rate.numerator, self.rate.denominator],
            "content_frames": self.content_frames,
            "reorder_frames": self.reorder_frames,
            "width": self.width,
            "height": self.height,
            "kbps": self.kbps,
        }

    @classmethod
    def from_json(cls, values: dict[str, Any]) -> Description:
        """The description that `to_json` gave; raises KeyError, TypeError or ValueError."""
        return cls(
            kind=TrackKind(values["kind"]),
            profile=str(values["profile"]),
            codec_header=bytes.fromhex(values["codec_header"]),
            rate=Fraction(*values["rate"]),
            content_frames=int(values["content_frames"]),
            reorder_frames=int(values["reorder_frames"]),
            width=int(values["width"]),
            height=int(values["height"]),
            kbps=int(values["kbps"]),
        )


@dataclass(frozen=True, slots=True)
class Layout:
    """Where the parts of an index lie."""

    description: Description
    messages: int
    data_bytes: int
    block_bytes: int
    blocks: int
    keys: int
    offsets_at: int
    timestamps_at: int
    keys_at: int
    hashes_at: int


def encode_index(
    description: Description,
    *,
    offsets: bytes,
    timestamps: bytes,
    keys: bytes,
    block_hashes: list[bytes],
    data_bytes: int,
) -> bytes:
    """The index file of a track; the three tables come as little-endian bytes."""
    text = json.dumps(description.to_json(), separators=(",", ":"), sort_keys=True).encode()
    text += b" " * (-(_HEAD.size + len(text)) % 8)
    head = _HEAD.pack(
        MAGIC,
        VERSION,
        len(text),
        len(timestamps) // 4,
        data_bytes,
        BLOCK_BYTES,
        len(block_hashes),
        len(keys) // 4,
        0,
    )
    body = b"".join([head, text, offsets, timestamps, keys, *block_hashes])
    return body + hashlib.sha256(body).digest()


def decode_layout(index: bytes | memoryview) -> Layout:
    """Check an index and say where its parts lie.

    Raises `TrackCorrupt` for anything but a complete index, and `TrackVersionUnsupported` for one
    of another version.
    """
    if len(index) < _HEAD.size + DIGEST_BYTES or bytes(index[:8]) != MAGIC:
        raise TrackCorrupt("The track index is not one.")
    _, version, text_bytes, messages, data_bytes, block_bytes, blocks, keys, _ = _HEAD.unpack_from(
        index
    )
    if version != VERSION:
        raise TrackVersionUnsupported(f"The track has format {version}, this release {VERSION}.")
    offsets_at = _HEAD.size + text_bytes
    timestamps_at = offsets_at + 8 * (messages + 1)
    keys_at = timestamps_at + 4 * messages
    hashes_at = keys_at + 4 * keys
    end = hashes_at + DIGEST_BYTES * blocks
    if len(index) != end + DIGEST_BYTES or messages == 0 or block_bytes == 0:
        raise TrackCorrupt("The track index is incomplete.")
    if hashlib.sha256(index[:end]).digest() != bytes(index[end:]):
        raise TrackCorrupt("The track index has changed since it was written.")
    if blocks != -(-data_bytes // block_bytes):
        raise TrackCorrupt("The track index does not cover its track.")
    try:
        values = json.loads(bytes(index[_HEAD.size : offsets_at]))
        description = Description.from_json(values)
    except (KeyError, TypeError, ValueError, ZeroDivisionError) as error:
        raise TrackCorrupt("The track index describes no track.") from error
    return Layout(
        description=description,
        messages=messages,
        data_bytes=data_bytes,
        block_bytes=block_bytes,
        blocks=blocks,
        keys=keys,
        offsets_at=offsets_at,
        timestamps_at=timestamps_at,
        keys_at=keys_at,
        hashes_at=hashes_at,
    )
