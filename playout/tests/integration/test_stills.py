"""Still pictures become silent loops: upright, in proportion, in their colours."""

from __future__ import annotations

import io
import struct
import subprocess
import zlib
from pathlib import Path

import pytest
from judges.prepared import flv_of
from judges.recording import Recording
from judges.tools import ffmpeg
from PIL import Image

from playout.errors import SourceCorrupt, SourceError, SourceIsImage
from playout.media import VIDEO_PROFILES, TrackKind
from playout.prepare.plan import PrepareOptions
from playout.prepare.run import prepare
from playout.prepare.thumbnail import thumbnail
from playout.probe.run import probe
from playout.probe.stills import StillLimits
from playout.tracks.reader import Track

pytestmark = pytest.mark.integration

SMALL = VIDEO_PROFILES["480p30-economy"]
FAST = PrepareOptions(preset="ultrafast")
RED, BLUE, GREEN = (200, 30, 30), (40, 60, 200), (30, 150, 50)


def two_coloured(path: Path, *, mode: str = "RGB", **options: object) -> Path:
    """Red, with a blue stripe over its top quarter."""
    image = Image.new("RGB", (400, 400), RED)
    image.paste(BLUE, (0, 0, 400, 100))
    # Without the colours of a palette that is not its own.
    converted = image.quantize(8) if mode == "P" else image.convert(mode)
    converted.save(path, **options)
    return path


def near(one: tuple[int, ...], other: tuple[int, ...]) -> bool:
    return all(abs(a - b) <= 12 for a, b in zip(one, other, strict=True))


def look_at(directory: Path, frame: int) -> Image.Image:
    command = [ffmpeg(), "-nostdin", "-v", "error", "-i", str(flv_of(directory, directory / "f")),
               "-vf", f"select=eq(n\\,{frame})", "-frames:v", "1",
               "-f", "image2pipe", "-c:v", "png", "-"]  # fmt: skip
    raw = subprocess.run(command, capture_output=True, check=True, timeout=60).stdout
    return Image.open(io.BytesIO(raw)).convert("RGB")


def test_a_photograph_becomes_ten_silent_seconds(tmp_path: Path) -> None:
    exif = Image.Exif()
    exif[0x0112] = 6
    photo = two_coloured(tmp_path / "photo.jpg", exif=exif, quality=95)
    made = prepare(photo, SMALL, tmp_path / "loop", options=FAST, stills=True)

    assert (made.frames, made.mode, made.seconds) == (300, "encode", 10.0)
    video = Track.open(tmp_path / "loop", TrackKind.VIDEO)
    assert list(video.keys) == list(range(0, 300, 60))
    judged = Recording(flv_of(tmp_path / "loop", tmp_path / "loop.flv"))
    assert judged.decode_errors == []
    assert set(judged.video_deltas) == {33, 34}
    for frame in (0, 299):
        # Turned clockwise: the stripe lies on the right.
        shown = look_at(tmp_path / "loop", frame)
        assert shown.size == (854, 480)
        assert near(shown.getpixel((610, 240)), BLUE), frame
        assert near(shown.getpixel((300, 240)), RED), frame
        assert near(shown.getpixel((60, 240)), (0, 0, 0)), frame


@pytest.mark.parametrize(
    ("name", "mode", "options"),
    [
        ("b.webp", "RGB", {"lossless": True}),
        ("c.png", "P", {}),
        ("d.jpg", "CMYK", {"quality": 95}),
    ],
)
def test_its_colours_stay(tmp_path: Path, name: str, mode: str, options: dict[str, object]) -> None:
    source = two_coloured(tmp_path / name, mode=mode, **options)
    assert thumbnail(source, tmp_path / "out.jpg", 3.0)
    shown = Image.open(tmp_path / "out.jpg").convert("RGB")
    assert near(shown.getpixel((320, 40)), BLUE)
    assert near(shown.getpixel((320, 250)), RED)


@pytest.mark.parametrize("name", ["a.png", "b.webp"])
def test_what_is_transparent_becomes_black(tmp_path: Path, name: str) -> None:
    image = Image.new("RGBA", (400, 400), (*RED, 0))
    image.paste((*GREEN, 255), (100, 100, 300, 300))
    image.save(tmp_path / name)
    assert thumbnail(tmp_path / name, tmp_path / "out.jpg", 0.0)
    shown = Image.open(tmp_path / "out.jpg").convert("RGB")
    assert near(shown.getpixel((320, 180)), GREEN)
    assert near(shown.getpixel((160, 20)), (0, 0, 0))


def png(width: int, height: int, pixels: bytes) -> bytes:
    def part(kind: bytes, body: bytes) -> bytes:
        check = struct.pack(">I", zlib.crc32(kind + body))
        return struct.pack(">I", len(body)) + kind + body + check

    head = struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0)
    return (
        b"\x89PNG\r\n\x1a\n"
        + part(b"IHDR", head)
        + part(b"IDAT", pixels)
        + part(b"IEND", b"")
    )  # fmt: skip


def test_hostile_pictures_are_refused_with_a_reason(tmp_path: Path) -> None:
    limits = StillLimits()
    hostile = {
        "bomb.png": png(limits.side, limits.side, zlib.compress(bytes(100))),
        "noise.png": png(100, 100, bytes(range(256)) * 20),
        "script.jpg": b"\xff\xd8\xff\xe0\0\x10JFIF<script>alert(1)</script>" + bytes(200),
        "svg.png": b"<svg xmlns='http://www.w3.org/2000/svg'/>",
    }
    for name, data in hostile.items():
        (tmp_path / name).write_bytes(data)
        with pytest.raises(SourceError) as caught:
            prepare(tmp_path / name, SMALL, tmp_path / "out", options=FAST, stills=True)
        assert caught.value.advice
        assert not (tmp_path / "out").exists()
    with pytest.raises(SourceCorrupt, match="picture"):
        probe(tmp_path / "noise.png", stills=True)


def test_a_picture_where_a_film_is_wanted_is_still_refused(tmp_path: Path) -> None:
    with pytest.raises(SourceIsImage):
        prepare(two_coloured(tmp_path / "a.png"), SMALL, tmp_path / "out", options=FAST)
