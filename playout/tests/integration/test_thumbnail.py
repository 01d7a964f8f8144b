"""One picture out of a real file, judged by ffprobe."""

from __future__ import annotations

import json
import subprocess
from pathlib import Path

import pytest

from playout.errors import PrepareCancelled, SourceNotMedia
from playout.prepare.thumbnail import thumbnail

pytestmark = pytest.mark.integration


def make(path: Path, *arguments: str) -> Path:
    subprocess.run(["ffmpeg", "-v", "error", "-y", *arguments, str(path)], check=True, timeout=60)
    return path


def shape(path: Path) -> tuple[str, int, int]:
    said = subprocess.run(
        ["ffprobe", "-v", "error", "-of", "json", "-show_streams", str(path)],
        capture_output=True, check=True,
    )  # fmt: skip
    stream = json.loads(said.stdout)["streams"][0]
    return stream["codec_name"], stream["width"], stream["height"]


def grey_at(path: Path, x: int, y: int) -> int:
    said = subprocess.run(
        ["ffmpeg", "-v", "error", "-i", str(path), "-vf", f"crop=2:2:{x}:{y},format=gray",
         "-f", "rawvideo", "-"],
        capture_output=True, check=True,
    )  # fmt: skip
    return said.stdout[0]


@pytest.fixture
def film(tmp_path: Path) -> Path:
    """A black second, then a white one; upright phone format."""
    return make(
        tmp_path / "film.mp4",
        *("-f", "lavfi", "-i", "color=black:s=90x160:d=1:r=25"),
        *("-f", "lavfi", "-i", "color=white:s=90x160:d=1:r=25"),
        *("-filter_complex", "concat=n=2", "-pix_fmt", "yuv420p"),
    )


def test_it_takes_the_picture_of_the_moment_and_never_stretches_it(film, tmp_path):
    out = tmp_path / "picture.jpg"
    assert thumbnail(film, out, 1.2)
    assert shape(out) == ("mjpeg", 640, 360)
    assert grey_at(out, 320, 180) > 240
    assert grey_at(out, 20, 180) < 16  # bars beside a narrow picture
    assert thumbnail(film, out, 0.0)
    assert grey_at(out, 320, 180) < 16


def test_a_moment_behind_the_end_gives_the_first_pictures(film, tmp_path):
    out = tmp_path / "picture.jpg"
    assert thumbnail(film, out, 1000.0)
    assert shape(out)[0] == "mjpeg"


def test_sound_alone_has_no_picture(tmp_path):
    tone = make(tmp_path / "tone.mp3", "-f", "lavfi", "-i", "sine=d=1")
    assert not thumbnail(tone, tmp_path / "picture.jpg", 0.5)
    assert not (tmp_path / "picture.jpg").exists()


def test_a_file_that_is_no_media_is_refused(tmp_path):
    (tmp_path / "film.mp4").write_text("text")
    with pytest.raises(SourceNotMedia):
        thumbnail(tmp_path / "film.mp4", tmp_path / "picture.jpg", 0.0)
    assert not (tmp_path / "picture.jpg").exists()


def test_it_stops_when_asked(film, tmp_path):
    with pytest.raises(PrepareCancelled):
        thumbnail(film, tmp_path / "picture.jpg", 0.0, cancelled=lambda: True)
