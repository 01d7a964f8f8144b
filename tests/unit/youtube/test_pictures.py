"""Pictures for broadcasts: told by what is in them, drawn anew, and nothing else kept."""

import struct
import zlib
from io import BytesIO

import pytest
from PIL import Image

from apps.youtube.pictures import MAX_BYTES, PictureRefused, drawn_anew

SCRIPT = b"<html><script>alert(1)</script>"


def made(kind="JPEG", size=(1280, 720), mode="RGB", colour="navy", **how):
    file = BytesIO()
    Image.new(mode, size, colour).save(file, kind, **how)
    return file.getvalue()


def seen(content):
    picture = Image.open(BytesIO(content))
    picture.load()
    return picture


def chunk(kind, data):
    return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))


def png(width, height, data):
    head = struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0)
    body = chunk(b"IHDR", head) + chunk(b"IDAT", data) + chunk(b"IEND", b"")
    return b"\x89PNG\r\n\x1a\n" + body


@pytest.mark.parametrize("kind", ["JPEG", "PNG"])
@pytest.mark.parametrize("size", [(1280, 720), (1920, 1080), (640, 480)])
def test_what_is_right_comes_out_as_a_jpeg_that_youtube_takes(kind, size):
    picture = seen(drawn_anew(made(kind, size)))
    assert picture.format == "JPEG"
    assert picture.mode == "RGB"
    assert picture.width <= 1280
    assert picture.height <= 720
    assert picture.width / picture.height == pytest.approx(size[0] / size[1], abs=0.01)


def test_noise_of_the_largest_size_stays_below_the_limit():
    noise = Image.merge("RGB", [Image.effect_noise((1280, 720), 200) for _ in range(3)])
    file = BytesIO()
    noise.save(file, "JPEG", quality=95)
    assert len(drawn_anew(file.getvalue())) < MAX_BYTES


def test_transparency_is_shown_on_black():
    picture = seen(drawn_anew(made("PNG", mode="RGBA", colour=(255, 255, 255, 0))))
    assert max(picture.getpixel((640, 360))) < 4


def test_a_picture_of_a_phone_stands_upright():
    sideways = Image.Exif()
    sideways[0x0112] = 6
    assert seen(drawn_anew(made(size=(720, 1280), exif=sideways))).size == (1280, 720)


def test_nothing_that_hides_in_a_picture_comes_out_of_it():
    secret = Image.Exif()
    secret[0x010E] = SCRIPT.decode()
    hostile = [
        made(comment=SCRIPT) + SCRIPT,
        made(exif=secret),
        made("PNG") + SCRIPT,
    ]
    for content in hostile:
        assert SCRIPT in content
        drawn = drawn_anew(content)
        assert b"script" not in drawn
        assert b"Exif" not in drawn


@pytest.mark.parametrize(
    ("content", "why"),
    [
        (b"", "neither"),
        (SCRIPT, "neither"),
        (b"<svg xmlns='http://www.w3.org/2000/svg'/>", "neither"),
        (made("GIF"), "neither"),
        (made("WEBP"), "neither"),
        (made("BMP", (640, 360)), "neither"),
        (b"\x00\x00\x00\x18ftypmp42" + bytes(100), "neither"),
        (b"GIF89a/*" + made(), "neither"),
        (b"\xff\xd8\xff" + b"picture" * 100, "neither|damaged"),
        (b"\x89PNG\r\n\x1a\n" + bytes(100), "neither|damaged"),
        (made()[:2000], "damaged"),
        (made("PNG")[:200], "damaged"),
        (png(1280, 720, b"no zlib"), "damaged"),
        (png(100_000, 100_000, zlib.compress(bytes(1000))), "too many pixels"),
        (png(4097, 3073, zlib.compress(bytes(1000))), "too many pixels"),
        (made(size=(639, 360)), "640"),
        (made() + bytes(MAX_BYTES), "2 MB"),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_what_is_no_fit_picture_is_refused_with_the_reason(content, why):
    with pytest.raises(PictureRefused, match=why):
        drawn_anew(content)
