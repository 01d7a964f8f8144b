"""Reads the headers of still pictures: their size, before anything decodes them. Pure."""

from __future__ import annotations

import struct
from collections.abc import Callable, Iterator
from dataclasses import dataclass

from playout.errors import SourceIsImage, SourceTooLarge, SourceTruncated

SUFFIXES = frozenset((".png", ".jpg", ".jpeg", ".jpe", ".webp"))
"""Names of files that are meant to be pictures; what a file is, its content says."""

ReadAt = Callable[[int, int], bytes]
"""`read_at(offset, count)`: fewer bytes at the end of the file."""

_MAX_PARTS = 20_000
_SEARCHED_BYTES = 1 << 20


@dataclass(frozen=True, slots=True)
class StillLimits:
    """How large a picture may be; a small file can hold one that no memory can."""

    side: int = 16_384
    pixels: int = 64_000_000
    file_bytes: int = 64 << 20


def check_still(demuxer: str, size: int, read_at: ReadAt, limits: StillLimits) -> None:
    """Judge a picture by its headers alone: its dimensions, and whether its end is there.

    `demuxer` is the value of its `Container`, `size` the length of the file. Raises
    `SourceTooLarge`, `SourceTruncated`, or `SourceIsImage` for a picture that cannot be used.
    """
    if size > limits.file_bytes:
        raise SourceTooLarge(
            f"The picture is a file of {size >> 20} MB; {limits.file_bytes >> 20} MB are allowed."
        )
    look = {"png_pipe": _png, "jpeg_pipe": _jpeg, "webp_pipe": _webp}[demuxer]
    width, height = look(size, read_at)
    if not width or not height:
        raise SourceIsImage("The picture says that it is 0 pixels wide or high.")
    if max(width, height) > limits.side or width * height > limits.pixels:
        raise SourceTooLarge(f"The picture is {width}x{height}, larger than we accept.")


def orientation(demuxer: str, read_at: ReadAt) -> int:
    """How a picture that passed `check_still` has to be turned, as its Exif part says: 1 to 8.

    1 is upright, as is a picture that does not say (Exif 2.32, 4.6.5.1.6).
    """
    for name, offset, length in _parts(demuxer, read_at):
        if name in (b"\xff\xe1", b"eXIf", b"EXIF"):
            data = read_at(offset, min(length, _EXIF_BYTES))
            found = _orientation_in(data.removeprefix(b"Exif\0\0"))
            if found:
                return found
    return 1


_EXIF_BYTES = 64 << 10


def _parts(demuxer: str, read_at: ReadAt) -> Iterator[tuple[bytes, int, int]]:
    """Name, place and length of what lies in front of, or beside, the pixels."""
    offset = {"png_pipe": 8, "jpeg_pipe": 2, "webp_pipe": 12}[demuxer]
    for _ in range(_MAX_PARTS):
        head = read_at(offset, 8)
        if len(head) < 8:
            return
        if demuxer == "png_pipe":
            length, name = struct.unpack(">I4s", head)
            yield name, offset + 8, length
            offset += 12 + length
        elif demuxer == "webp_pipe":
            name, length = struct.unpack("<4sI", head)
            yield name, offset + 8, length
            offset += 8 + length + length % 2
        else:
            length = int.from_bytes(head[2:4], "big")
            if head[:1] != b"\xff" or head[1] == 0xDA or length < 2:
                return
            yield head[:2], offset + 4, length - 2
            offset += 2 + length


def _orientation_in(exif: bytes) -> int:
    """The value of tag 0x0112 in the first directory of a TIFF header; 0 when there is none."""
    order = {b"II*\0": "<", b"MM\0*": ">"}.get(exif[:4])
    if order is None or len(exif) < 8:
        return 0
    begin = struct.unpack(f"{order}I", exif[4:8])[0]
    if begin + 2 > len(exif):
        return 0
    count = struct.unpack_from(f"{order}H", exif, begin)[0]
    for at in range(begin + 2, min(begin + 2 + 12 * count, len(exif) - 11), 12):
        tag, kind, _count, value = struct.unpack_from(f"{order}HHIH", exif, at)
        if tag == 0x0112 and kind == 3:
            return value if 1 <= value <= 8 else 0
    return 0


def _unreadable() -> SourceIsImage:
    return SourceIsImage("The header of the picture cannot be read.")


def _png(size: int, read_at: ReadAt) -> tuple[int, int]:
    """ISO/IEC 15948, 5.3 and 11.2.2."""
    head = read_at(0, 33)
    if len(head) < 33 or head[8:16] != b"\0\0\0\rIHDR":
        raise _unreadable()
    width, height = struct.unpack(">II", head[16:24])
    offset = 8
    for _ in range(_MAX_PARTS):
        part = read_at(offset, 8)
        if len(part) < 8:
            break
        length, kind = struct.unpack(">I4s", part)
        offset += 12 + length
        if kind == b"IEND" or offset > size:
            break
    else:
        raise SourceIsImage("The picture is cut into too many parts.")
    if offset > size or kind != b"IEND":
        raise SourceTruncated("The end of the picture is missing.")
    return width, height


_FRAMES = frozenset(range(0xC0, 0xD0)) - {0xC4, 0xC8, 0xCC}
_ALONE = frozenset((0x01, *range(0xD0, 0xD9)))


def _jpeg(size: int, read_at: ReadAt) -> tuple[int, int]:
    """ITU-T T.81, annex B: markers up to the scan, and the end of the picture behind it."""
    offset, found = 2, (0, 0)
    for _ in range(_MAX_PARTS):
        head = read_at(offset, 9)
        if len(head) < 4:
            raise SourceTruncated("The end of the picture is missing.")
        if head[0] != 0xFF:
            raise _unreadable()
        marker = head[1]
        if marker == 0xFF or marker in _ALONE:
            offset += 1 if marker == 0xFF else 2
            continue
        if marker in _FRAMES and len(head) == 9:
            height, width = struct.unpack(">HH", head[5:9])
            found = width, height
        length = int.from_bytes(head[2:4], "big")
        if length < 2:
            raise _unreadable()
        offset += 2 + length
        if marker == 0xDA:
            _require_end(offset, size, read_at)
            return found
    raise SourceIsImage("The picture is cut into too many parts.")


def _require_end(offset: int, size: int, read_at: ReadAt) -> None:
    # In the scan 0xFF is always followed by 0, so that this is the marker and nothing else.
    while offset < size:
        piece = read_at(offset, _SEARCHED_BYTES)
        if b"\xff\xd9" in piece:
            return
        if len(piece) < 2:
            break
        offset += len(piece) - 1
    raise SourceTruncated("The end of the picture is missing.")


def _webp(size: int, read_at: ReadAt) -> tuple[int, int]:
    """RFC 9649, 2.4 to 2.7."""
    head = read_at(0, 30)
    if len(head) < 30:
        raise _unreadable()
    length = struct.unpack("<I", head[4:8])[0]
    if 8 + length > size + 1:
        raise SourceTruncated(f"The end of the picture is missing: {8 + length - size} bytes.")
    kind = head[12:16]
    if kind == b"VP8X":
        if head[20] & 0x02:
            raise SourceIsImage(
                "The picture moves.", advice="Save it as a video, such as MP4 or WebM."
            )
        width = 1 + int.from_bytes(head[24:27], "little")
        return width, 1 + int.from_bytes(head[27:30], "little")
    if kind == b"VP8L" and head[20] == 0x2F:
        bits = int.from_bytes(head[21:25], "little")
        return 1 + (bits & 0x3FFF), 1 + (bits >> 14 & 0x3FFF)
    if kind == b"VP8 " and head[23:26] == b"\x9d\x01\x2a":
        width, height = struct.unpack("<HH", head[26:30])
        return width & 0x3FFF, height & 0x3FFF
    raise _unreadable()
