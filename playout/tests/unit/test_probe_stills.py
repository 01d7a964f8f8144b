"""Still pictures are judged by their headers before anything decodes them."""

from __future__ import annotations

import io
import struct

import pytest
from PIL import Image

from playout.errors import PlayoutError, SourceIsImage, SourceTooLarge, SourceTruncated
from playout.probe.parse import Container, sniff
from playout.probe.stills import StillLimits, check_still, orientation

SIZE = (120, 80)


def picture(kind: str, *, size: tuple[int, int] = SIZE, **options: object) -> bytes:
    out = io.BytesIO()
    Image.effect_noise(size, 60).convert("RGB").save(out, kind, **options)
    return out.getvalue()


def judge(data: bytes, **limits: int) -> None:
    demuxer = sniff(data, stills=True).value
    check_still(demuxer, len(data), lambda at, n: data[at : at + n], StillLimits(**limits))


def turned(data: bytes) -> int:
    return orientation(sniff(data, stills=True).value, lambda at, n: data[at : at + n])


KINDS = {
    "png": picture("PNG"),
    "jpeg": picture("JPEG"),
    "progressive": picture("JPEG", progressive=True),
    "webp": picture("WEBP"),
    "lossless": picture("WEBP", lossless=True),
    "extended": picture("WEBP", exif=Image.Exif().tobytes(), icc_profile=b"x" * 99),
}


@pytest.mark.parametrize("kind", KINDS)
def test_it_accepts_whole_pictures_and_reads_their_size(kind: str) -> None:
    judge(KINDS[kind])
    with pytest.raises(SourceTooLarge, match="120x80"):
        judge(KINDS[kind], side=100)
    with pytest.raises(SourceTooLarge, match="120x80"):
        judge(KINDS[kind], pixels=9599)
    with pytest.raises(SourceTooLarge, match="MB"):
        judge(KINDS[kind], file_bytes=10)


@pytest.mark.parametrize("kind", KINDS)
def test_it_sees_at_every_place_that_the_end_is_missing(kind: str) -> None:
    data = KINDS[kind]
    for kept in range(40, len(data) - 1, 97):
        with pytest.raises(SourceTruncated):
            judge(data[:kept])


def test_rubbish_behind_a_picture_is_ignored() -> None:
    for data in KINDS.values():
        judge(data + b"\0not a picture any more")


@pytest.mark.parametrize(
    "data",
    [
        b"\x89PNG\r\n\x1a\n" + bytes(99),
        b"\xff\xd8\xff\xe0\0\x01" + bytes(99),
        b"\xff\xd8\xff\xe0\0\x10JFIF" + bytes(99),
        b"RIFF\x10\0\0\0WEBPVP8 " + bytes(99),
        b"RIFF\x10\0\0\0WEBPALPH" + bytes(99),
    ],
)
def test_a_header_without_sense_is_refused(data: bytes) -> None:
    with pytest.raises(SourceIsImage):
        judge(data)


def test_a_picture_without_pixels_is_refused() -> None:
    data = bytearray(KINDS["png"])
    data[16:20] = bytes(4)
    with pytest.raises(SourceIsImage, match="0 pixels"):
        judge(bytes(data))


def test_pictures_that_move_are_refused() -> None:
    first, second = (Image.new("RGB", SIZE, colour) for colour in ("red", "blue"))
    out = io.BytesIO()
    first.save(out, "WEBP", save_all=True, append_images=[second])
    with pytest.raises(SourceIsImage, match="moves") as caught:
        judge(out.getvalue())
    assert "video" in caught.value.advice


def test_a_header_cannot_keep_us_busy() -> None:
    parts = struct.pack(">I4sI", 0, b"tEXt", 0) * 30_000
    with pytest.raises(PlayoutError, match="too many parts"):
        judge(KINDS["png"][:33] + parts + KINDS["png"][33:])


@pytest.mark.parametrize("kind", ["JPEG", "PNG", "WEBP"])
@pytest.mark.parametrize("value", range(1, 9))
def test_it_reads_how_a_photograph_was_held(kind: str, value: int) -> None:
    exif = Image.Exif()
    exif[0x010F] = "A camera"
    exif[0x0112] = value
    assert turned(picture(kind, exif=exif)) == value


def test_a_photograph_that_does_not_say_stands_upright() -> None:
    exif = Image.Exif()
    exif[0x0112] = 77
    for data in (*KINDS.values(), picture("JPEG", exif=exif)):
        assert turned(data) == 1
    broken = bytearray(picture("JPEG", exif=exif))
    at = broken.index(b"Exif\0\0") + 6
    broken[at + 4 : at + 8] = b"\xff" * 4
    assert turned(bytes(broken)) == 1


def test_a_picture_is_no_film_unless_one_is_asked_for() -> None:
    for data in KINDS.values():
        with pytest.raises(SourceIsImage):
            sniff(data)
    assert sniff(KINDS["webp"], stills=True) is Container.WEBP
