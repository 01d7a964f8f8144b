"""Takes apart what the encoder writes: FLV tags, NAL units, the order of pictures. Pure."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace

from playout.errors import EncoderMismatch
from playout.media import REORDER_FRAMES, VideoProfile

_AUDIO, _VIDEO = 8, 9
_KEPT_NAL_TYPES = frozenset((1, 2, 3, 4, 5))
_IDR = 5


@dataclass(frozen=True, slots=True)
class Tag:
    """One FLV tag (Video File Format Specification 10.1, E.4.1)."""

    kind: int
    time_ms: int
    body: bytes

    @property
    def is_header(self) -> bool:
        """Whether it holds the decoder's configuration."""
        return self.kind in (_AUDIO, _VIDEO) and self.body[1] == 0

    @property
    def is_media(self) -> bool:
        """Whether it holds a picture or a frame of sound."""
        return self.kind in (_AUDIO, _VIDEO) and self.body[1] == 1

    @property
    def is_key(self) -> bool:
        """Whether decoding can begin here (pictures only)."""
        return self.body[0] >> 4 == 1

    @property
    def payload(self) -> bytes:
        """The body without the codec's own bytes."""
        return self.body[5:] if self.kind == _VIDEO else self.body[2:]

    @property
    def shown_ms(self) -> int:
        """When the picture is shown."""
        offset = int.from_bytes(self.body[2:5], "big", signed=True)
        return self.time_ms + offset


class TagReader:
    """Cuts a stream of FLV bytes into tags, however the bytes are split."""

    def __init__(self) -> None:
        self._buffer = bytearray()
        self._header_skipped = False

    def feed(self, data: bytes) -> Iterator[Tag]:
        """The tags that are complete now."""
        self._buffer += data
        at = 0
        if not self._header_skipped:
            if len(self._buffer) < 13:
                return
            if self._buffer[:4] != b"FLV\x01":
                raise EncoderMismatch("The encoder's output is not FLV.")
            self._header_skipped, at = True, 13
        while len(self._buffer) - at >= 11:
            size = int.from_bytes(self._buffer[at + 1 : at + 4], "big")
            end = at + 11 + size + 4
            if len(self._buffer) < end:
                break
            stamp = self._buffer[at + 4 : at + 8]
            time_ms = stamp[3] << 24 | int.from_bytes(stamp[:3], "big")
            body = bytes(self._buffer[at + 11 : end - 4])
            if len(body) >= 2:
                yield Tag(self._buffer[at] & 0x1F, time_ms, body)
            at = end
        del self._buffer[:at]


@dataclass(frozen=True, slots=True)
class Picture:
    """One coded picture, in decoding order."""

    avcc: bytes
    display_index: int
    key: bool


class PictureOrder:
    """Numbers pictures in the order of showing and checks that they keep the house structure."""

    def __init__(self, profile: VideoProfile) -> None:
        self._profile = profile
        self._first_shown: int | None = None
        self._count = 0
        self._highest = -1
        self._gop_bits = 0

    def picture(self, tag: Tag) -> Picture:
        """The next picture. Raises `EncoderMismatch` when it breaks the structure."""
        if self._first_shown is None:
            self._first_shown = tag.shown_ms
        elapsed = tag.shown_ms - self._first_shown
        display = (elapsed * self._profile.fps + 500) // 1000
        gop = self._profile.gop_frames
        due_key = self._count % gop == 0
        avcc = strip_nal_units(tag.payload)
        if due_key != tag.is_key or (due_key and not _has_idr(avcc)):
            raise EncoderMismatch(
                f"Picture {self._count} should {'' if due_key else 'not '}be key."
            )
        if due_key and display != self._count:
            raise EncoderMismatch(f"Key picture {self._count} is shown as number {display}.")
        if not self._count - REORDER_FRAMES <= display <= self._count + REORDER_FRAMES:
            raise EncoderMismatch(f"Picture {self._count} is shown as number {display}.")
        if display // gop != self._count // gop:
            raise EncoderMismatch(f"Picture {self._count} is shown in another group.")
        self._check_rate(len(avcc) * 8, starts_group=due_key)
        self._count += 1
        self._highest = max(self._highest, display)
        return Picture(avcc, display, tag.is_key)

    def finish(self) -> int:
        """The number of pictures. Raises `EncoderMismatch` when some are missing."""
        if self._highest != self._count - 1:
            raise EncoderMismatch(
                f"{self._count} pictures came, the last is number {self._highest}."
            )
        return self._count

    def _check_rate(self, bits: int, *, starts_group: bool) -> None:
        # Of a group, no more than its duration and one second of buffer can pass.
        self._gop_bits = bits if starts_group else self._gop_bits + bits
        seconds = self._profile.gop_frames / self._profile.fps + 1
        if self._gop_bits > 1100 * self._profile.kbps * seconds:
            raise EncoderMismatch(
                f"The pictures take more than {self._profile.kbps} kbit/s near {self._count}."
            )


def repeated(pictures: Sequence[Picture], frames: int, gop: int) -> Iterator[Picture]:
    """`frames` pictures out of the fewer `pictures`, by repeating whole groups two by two.

    For stills, whose groups are all equal: see `plan.still_encode`.
    """
    whole = len(pictures) // gop * gop
    for place in range(frames // gop * gop):
        source = place if place < whole else whole - 2 * gop + (place - whole) % (2 * gop)
        picture = pictures[source]
        yield replace(picture, display_index=picture.display_index + place - source)
    for picture in pictures[whole:]:
        yield replace(picture, display_index=picture.display_index + frames // gop * gop - whole)


def strip_nal_units(avcc: bytes) -> bytes:
    """Only the slices: no delimiters, filler, banners or parameter sets (H.264, table 7-1)."""
    parts = []
    at = 0
    while at + 4 < len(avcc):
        size = int.from_bytes(avcc[at : at + 4], "big")
        if avcc[at + 4] & 0x1F in _KEPT_NAL_TYPES:
            parts.append(avcc[at : at + 4 + size])
        at += 4 + size
    return parts[0] if len(parts) == 1 else b"".join(parts)


def _has_idr(avcc: bytes) -> bool:
    return len(avcc) > 4 and avcc[4] & 0x1F == _IDR
