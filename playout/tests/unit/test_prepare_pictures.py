"""What comes out of the encoder's pipe, and what must not."""

from __future__ import annotations

import itertools
from collections.abc import Iterator

import pytest

from playout.errors import EncoderMismatch
from playout.media import VIDEO_PROFILES
from playout.prepare.pictures import (
    Picture,
    PictureOrder,
    Tag,
    TagReader,
    repeated,
    strip_nal_units,
)

PROFILE = VIDEO_PROFILES["480p30-economy"]


def nal(kind: int, size: int = 20) -> bytes:
    return size.to_bytes(4, "big") + bytes([kind]) + bytes(size - 1)


def tag(decoded: int, shown: int, *, key: bool = False, payload: bytes | None = None) -> Tag:
    """A tag as ffmpeg writes it: the first decoding time is 0, one frame before showing."""
    at = (1000 * decoded + 15) // 30
    offset = (1000 * (shown + 1) + 15) // 30 - at
    kept = nal(5 if key else 1) if payload is None else payload
    head = bytes([0x17 if key else 0x27, 1]) + offset.to_bytes(3, "big", signed=True)
    return Tag(9, at, head + kept)


def house_order(frames: int) -> Iterator[tuple[int, bool]]:
    """Display indices in decoding order: I P B B P B B, each group closed."""
    for first in range(0, frames, 60):
        size = min(60, frames - first)
        yield first, True
        shown = 1
        while shown < size:
            group = min(3, size - shown)
            yield first + shown + group - 1, False
            for place in range(group - 1):
                yield first + shown + place, False
            shown += group


def test_it_numbers_pictures_in_the_order_of_showing() -> None:
    order = PictureOrder(PROFILE)
    wanted = list(house_order(130))

    pictures = [order.picture(tag(n, shown, key=key)) for n, (shown, key) in enumerate(wanted)]

    assert [(p.display_index, p.key) for p in pictures] == wanted
    assert order.finish() == 130


def test_it_refuses_pictures_that_break_the_structure() -> None:
    def feed(*tags: Tag) -> None:
        order = PictureOrder(PROFILE)
        for each in tags:
            order.picture(each)
        order.finish()

    key = tag(0, 0, key=True)
    feed(key)
    with pytest.raises(EncoderMismatch, match="should be key"):
        feed(tag(0, 0))
    with pytest.raises(EncoderMismatch, match="not be key"):
        feed(key, tag(1, 1, key=True))
    with pytest.raises(EncoderMismatch, match="should be key"):
        feed(tag(0, 0, key=True, payload=nal(1)))  # A key picture that is no IDR.
    with pytest.raises(EncoderMismatch, match="number 4"):
        feed(key, tag(1, 4))
    with pytest.raises(EncoderMismatch, match="the last is number 2"):
        feed(key, tag(1, 2))
    with pytest.raises(EncoderMismatch, match="another group"):
        full = [tag(n, shown, key=k) for n, (shown, k) in enumerate(house_order(60))]
        feed(*full[:-1], tag(59, 60))
    with pytest.raises(EncoderMismatch, match="kbit/s"):
        feed(tag(0, 0, key=True, payload=nal(5, 600_000)))


def test_only_slices_are_kept() -> None:
    banner, delimiter, filler, parameters = nal(6), nal(9), nal(12), nal(7) + nal(8)

    assert strip_nal_units(parameters + banner + delimiter + nal(5) + filler) == nal(5)
    assert strip_nal_units(nal(1) + nal(1, 30)) == nal(1) + nal(1, 30)
    assert strip_nal_units(b"") == b""


def test_it_refuses_what_is_not_flv() -> None:
    with pytest.raises(EncoderMismatch):
        list(TagReader().feed(b"not an FLV file"))


def stills(groups: int, rest: int, gop: int) -> list[Picture]:
    made = []
    for group in range(groups + bool(rest)):
        size = gop if group < groups else rest
        made += [Picture(bytes([group % 2, n]), group * gop + n, key=n == 0) for n in range(size)]
    return made


@pytest.mark.parametrize(("frames", "encoded"), [(5, 5), (24, 8), (25, 9), (31, 15), (403, 11)])
def test_repeated_groups_alternate_to_the_end(frames: int, encoded: int) -> None:
    gop = 4
    source = stills(encoded // gop, encoded % gop, gop)

    made = list(repeated(source, frames, gop))

    assert [picture.display_index for picture in made] == list(range(frames))
    assert [n for n, picture in enumerate(made) if picture.key] == list(range(0, frames, gop))
    numbers = [picture.avcc[0] for picture in made[::gop]]
    assert all(a != b for a, b in itertools.pairwise(numbers))
