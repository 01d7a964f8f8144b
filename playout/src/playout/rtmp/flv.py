"""FLV, the file form of RTMP media (Video File Format Specification 10, annex E)."""

from __future__ import annotations

import enum

TAG_HEADER_BYTES = 11


class TagType(enum.IntEnum):
    """Equal to the RTMP message types of the same content."""

    AUDIO = 8
    VIDEO = 9
    SCRIPT = 18


def file_header(*, has_audio: bool = True, has_video: bool = True) -> bytes:
    """What a file or a live response begins with, the first back pointer included."""
    flags = (0x04 if has_audio else 0) | (0x01 if has_video else 0)
    return b"FLV\x01" + bytes((flags,)) + b"\x00\x00\x00\x09" + bytes(4)


def encode_tag(tag_type: int, timestamp: int, payload: bytes) -> bytes:
    """One tag with its back pointer.

    `timestamp` is in milliseconds, taken modulo 2**32; its top byte goes into the extension.
    Raises `ValueError` for a payload of 16 MiB or more.
    """
    if len(payload) > 0xFFFFFF:
        raise ValueError(f"A tag of {len(payload)} bytes is longer than FLV allows.")
    time = (timestamp & 0xFFFFFFFF).to_bytes(4, "big")
    return b"".join(
        (
            bytes((tag_type,)),
            len(payload).to_bytes(3, "big"),
            time[1:],
            time[:1],
            b"\x00\x00\x00",
            payload,
            (TAG_HEADER_BYTES + len(payload)).to_bytes(4, "big"),
        )
    )


def is_picture(video: bytes) -> bool:
    """True when a video body holds a picture: neither configuration nor the end of a sequence."""
    if len(video) < 2:
        return False
    if video[0] & 0x80:
        # Enhanced RTMP: the low bits are the packet type; 1 and 3 are coded frames.
        return video[0] & 0x0F in (1, 3)
    return video[0] & 0x0F != 7 or video[1] == 1


def is_key_frame(video: bytes) -> bool:
    """True when a video body holds a picture that needs no other."""
    return is_picture(video) and (video[0] >> 4) & 0x07 == 1


def is_video_header(video: bytes) -> bool:
    """True when a video body holds decoder configuration instead of a picture."""
    if not video:
        return False
    if video[0] & 0x80:
        return video[0] & 0x0F == 0  # the start of a sequence
    return video[0] & 0x0F == 7 and len(video) > 1 and video[1] == 0


def is_audio_header(audio: bytes) -> bool:
    """True when an audio body holds decoder configuration instead of sound."""
    if not audio:
        return False
    if audio[0] >> 4 == 9:
        return audio[0] & 0x0F == 0
    return audio[0] >> 4 == 10 and len(audio) > 1 and audio[1] == 0
