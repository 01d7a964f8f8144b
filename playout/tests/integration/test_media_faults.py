"""Media that goes bad under a running `playout air`: the session stays, and nothing bad is sent."""

from __future__ import annotations

import asyncio
import os
import shutil
from collections.abc import Callable
from itertools import pairwise
from pathlib import Path

import pytest
from judges.airing import Air, Track
from judges.clips import Clip

from playout.media import TrackKind
from playout.rtmp.events import MessageKind
from playout.testing.recording import digest_of
from playout.testing.sink import RecordingSink
from playout.testing.tracks import write_item
from playout.tracks.reader import Track as Opened

pytestmark = pytest.mark.integration

KEY = "media-faults-4b7d"
SECONDS = 60
PICTURE_BYTES = 16_000
"""At 30 a second, so that a block of 4 MiB lasts nine seconds."""


def make(place: Path, name: str, seconds: int) -> Track:
    write_item(place, name, 30 * seconds, gop=30, picture_bytes=PICTURE_BYTES)
    return Track(place / name, Clip(seconds=seconds), 30 * seconds)


@pytest.fixture
def tracks(tmp_path: Path) -> list[Track]:
    return [make(tmp_path, "first", SECONDS), make(tmp_path, "second", 5)]


def flip(track: Track) -> None:
    """Change a byte twelve seconds in, with time enough to find it."""
    with (track.directory / "video.track").open("r+b") as file:
        file.seek(12 * 30 * PICTURE_BYTES)
        value = file.read(1)[0]
        file.seek(-1, os.SEEK_CUR)
        file.write(bytes([value ^ 0x20]))


def cut(track: Track) -> None:
    """Cut off all but the first half second: what is sent next cannot be read any more."""
    os.truncate(track.directory / "video.track", 15 * PICTURE_BYTES)


def delete(track: Track) -> None:
    shutil.rmtree(track.directory)


def replace(track: Track) -> None:
    """Another file of the same length in the place of the one that is mapped."""
    file = track.directory / "video.track"
    other = file.with_name("other")
    other.write_bytes(b"\xff" * file.stat().st_size)
    other.rename(file)


def digests(tracks: list[Track]) -> dict[bytes, str]:
    """What every message of the tracks should be, before anything happens to them."""
    found = {}
    for track in tracks:
        for kind in TrackKind:
            opened = Opened.open(track.directory, kind)
            for n in range(opened.frames):
                found[digest_of(opened.body(n))] = f"{track.directory.name} {kind.value} {n}"
    return found


@pytest.mark.parametrize(
    ("how", "seconds"),
    [
        pytest.param(flip, 16, marks=pytest.mark.slow),
        (cut, 7),
        pytest.param(delete, 7, marks=pytest.mark.slow),
        pytest.param(replace, 7, marks=pytest.mark.slow),
    ],
)
async def test_the_session_stays_and_no_damaged_byte_is_sent(
    how: Callable[[Track], None], seconds: int, tracks: list[Track]
) -> None:
    known = digests(tracks)
    async with RecordingSink() as sink:
        air = Air(sink.url(KEY), tracks, "--loop", "--seconds", f"{seconds}")
        try:
            while not air.events("on_air"):
                await asyncio.sleep(0.1)
            how(tracks[0])
            async with asyncio.timeout(40):
                while air.is_running:
                    await asyncio.sleep(0.1)
        finally:
            air.close()
        assert not air.events("lost"), air.text
        (session,) = sink.of(KEY)
        media = list(session.media())
        shown = [known[arrival.digest] for arrival in media]
    assert air.events("ended")[0]["was_on_air"]
    pictures = [a for a in media if a.kind is MessageKind.VIDEO]
    steps = [b.timestamp - a.timestamp for a, b in pairwise(pictures)]
    assert set(steps) <= {33, 34}, "no gap"
    assert len(pictures) >= 30 * (seconds - 2)
    if how in (flip, cut):
        (told, *_) = air.events("substituted")
        assert told["code"] in ("track.incomplete", "track.corrupt")
        assert any(name.startswith("second video") for name in shown)
    else:
        # What was mapped is still there, whatever its name leads to by now.
        assert not any(name.startswith("second") for name in shown)


async def test_what_an_edit_brings_is_verified_before_it_is_sent(
    tracks: list[Track], tmp_path: Path
) -> None:
    damaged = make(tmp_path, "damaged", 5)
    known = digests([*tracks, damaged])
    with (damaged.directory / "video.track").open("r+b") as file:
        file.seek(20 * PICTURE_BYTES)
        file.write(b"\0" * 100)
    plan = tmp_path / "plan.toml"

    def write(*items: Track) -> None:
        paths = [item.directory for item in items]
        plan.write_text("loop = true\n" + "".join(f"[[items]]\npath = '{p}'\n" for p in paths))

    write(tracks[0])
    async with RecordingSink() as sink:
        air = Air(sink.url(KEY), [], "--programme", f"{plan}", "--at", "key", "--seconds", "10")
        try:
            while not air.events("on_air"):
                await asyncio.sleep(0.1)
            # Just after a look ahead, and long before the next one.
            await asyncio.sleep(1.5)
            write(damaged, tracks[1])
            async with asyncio.timeout(30):
                while air.is_running:
                    await asyncio.sleep(0.1)
        finally:
            air.close()
        (session,) = sink.of(KEY)
        shown = [known.get(arrival.digest, "damaged bytes") for arrival in session.media()]
    assert air.events("edited"), air.text
    assert not any(name.startswith("damaged") and "audio" not in name for name in shown)
    assert any(name.startswith("second video") for name in shown), air.text
