"""Pictures and sound frames to RTMP chunks with delta timestamps, and to FLV message bodies.

Sources: RTMP 1.0, section 5.3.1 (chunk headers); FLV 10.1, annex E.4 (tag bodies).
"""

from __future__ import annotations

from fractions import Fraction

from playout.media import CHUNK_SIZE, TrackKind
from playout.timebase import frame_ms

PATCH_BYTES = 4
"""Bytes at the head of a message that carry its chunk type, chunk stream and delta."""

COMPOSITION_AT = PATCH_BYTES + 4 + 2
"""Where the composition time of a picture lies in its message: 3 bytes (FLV 10.1, E.4.3.1)."""

_KEY_PICTURE, _INTER_PICTURE = 0x17, 0x27
_AAC_44K_STEREO = 0xAF


def delta_head(kind: TrackKind, delta_ms: int) -> bytes:
    """The first `PATCH_BYTES` of a message that follows `delta_ms` after the one before it.

    A type 1 header: absolute time never appears, so the rest of the message fits any join.
    """
    if not 0 <= delta_ms < 0xFFFFFF:
        raise ValueError(f"a delta of {delta_ms} ms does not fit a chunk header")
    return bytes(((1 << 6) | kind.chunk_stream_id,)) + delta_ms.to_bytes(3, "big")


def chunks(kind: TrackKind, delta_ms: int, body: bytes) -> bytes:
    """One message as chunks of `CHUNK_SIZE`, the continuations with a type 3 header."""
    head = delta_head(kind, delta_ms) + len(body).to_bytes(3, "big") + bytes((kind.message_type,))
    if len(body) <= CHUNK_SIZE:
        return head + body
    again = bytes(((3 << 6) | kind.chunk_stream_id,))
    parts = [head, body[:CHUNK_SIZE]]
    for at in range(CHUNK_SIZE, len(body), CHUNK_SIZE):
        parts.append(again)
        parts.append(body[at : at + CHUNK_SIZE])
    return b"".join(parts)


def message_body(message: bytes | memoryview) -> bytes:
    """The body of one message that `chunks` wrote."""
    parts = []
    at, left = PATCH_BYTES + 4, int.from_bytes(message[PATCH_BYTES : PATCH_BYTES + 3], "big")
    while left:
        size = min(left, CHUNK_SIZE)
        parts.append(bytes(message[at : at + size]))
        at += size + 1
        left -= size
    return b"".join(parts)


def video_body(
    avcc: bytes, *, decode_index: int, display_index: int, rate: Fraction, key: bool, reorder: int
) -> bytes:
    """The body of a picture that is decoded as number `decode_index` and shown as `display_index`.

    The composition time is taken from the rounded presentation time, so that presentation steps
    stay as even as the clock allows.
    """
    composition = frame_ms(display_index + reorder, rate) - frame_ms(decode_index, rate)
    if not 0 <= composition < 1 << 23:
        raise ValueError(
            f"picture {decode_index} would be shown {-composition} ms before it is decoded"
        )
    head = _KEY_PICTURE if key else _INTER_PICTURE
    return bytes((head, 1)) + composition.to_bytes(3, "big") + avcc


def audio_body(raw_aac: bytes) -> bytes:
    """The body of one AAC frame (without ADTS header)."""
    return bytes((_AAC_44K_STEREO, 1)) + raw_aac


def sequence_header(kind: TrackKind, codec_header: bytes) -> bytes:
    """The body of the message that tells the decoder how to begin."""
    if kind is TrackKind.VIDEO:
        return bytes((_KEY_PICTURE, 0, 0, 0, 0)) + codec_header
    return bytes((_AAC_44K_STEREO, 0)) + codec_header
