"""Title cards: encoded from a prepared loop, spliced into it, and seen by a stranger."""

from __future__ import annotations

import asyncio
import subprocess
from pathlib import Path

import pytest
from judges.airing import prepare
from judges.clips import Clip, ClipShelf
from judges.nginx import NginxRtmp
from judges.prepared import flv_of
from judges.tools import ffmpeg

from playout import clock
from playout.errors import SourceCorrupt
from playout.media import HOUSE_AUDIO, TrackKind, video_profile
from playout.prepare.cards import prepare_card
from playout.prepare.plan import PrepareOptions
from playout.publisher.address import parse_address
from playout.publisher.output import Output, OutputOptions
from playout.pump.shelf import Shelf
from playout.testing.quiet import Quiet
from playout.timeline.programme import Card, Item, Programme, Version
from playout.tracks.reader import Track

pytestmark = pytest.mark.integration

PROFILE = video_profile("480p30-economy")
GOP = PROFILE.gop_frames
HOSTILE = "Bob's \"Song\": 100%{n} [x];\\n' , movie=/etc/passwd"


def bottoms(file: Path) -> list[float]:
    """How far the lower third of each picture is from one colour, in the order of showing."""
    command = [ffmpeg(), "-nostdin", "-v", "error", "-i", str(file), "-an", "-fps_mode",
               "passthrough", "-vf", "crop=iw:ih/3:0:ih*2/3,scale=64:16:flags=area,format=gray",
               "-f", "rawvideo", "-"]  # fmt: skip
    raw = subprocess.run(command, capture_output=True, check=True, timeout=120).stdout
    size = 64 * 16
    return [
        float(max(raw[at : at + size]) - min(raw[at : at + size]))
        for at in range(0, len(raw), size)
    ]


async def test_a_card_shows_its_words_during_its_window_only(
    make_clip: ClipShelf, tmp_path: Path, nginx_rtmp: NginxRtmp
) -> None:
    clip = Clip("blue", 440, seconds=6.4)
    loop = prepare(make_clip(clip), clip, tmp_path / "loop")
    prepare_card(
        loop.directory, PROFILE, tmp_path / "card", words=HOSTILE, group=1, frames=2 * GOP,
        options=PrepareOptions(preset="ultrafast"),
    )  # fmt: skip
    card = Track.open(tmp_path / "card", TrackKind.VIDEO)
    under = Track.open(loop.directory, TrackKind.VIDEO)
    assert card.frames == 2 * GOP
    assert list(card.keys) == [0, GOP]
    assert card.description.codec_header == under.description.codec_header
    assert list(card.timestamps) == list(under.timestamps[: 2 * GOP])

    item = Item("loop", str(loop.directory), str(loop.directory), loop.frames)
    plan = Programme(
        clock.utc_ns(), PROFILE.rate, HOUSE_AUDIO.rate, (Version(1, 0, (item,)),),
        cards=(Card(GOP, 3 * GOP, str(tmp_path / "card")),), profile=PROFILE.id,
    )  # fmt: skip
    output = Output(
        parse_address(nginx_rtmp.url("card-key")), plan, Shelf(), Quiet(),
        options=OutputOptions(start_on_connect=True, end_frame=loop.frames),
    )  # fmt: skip
    await asyncio.wait_for(output.run(), 60)
    nginx_rtmp.wait_for_end()
    recording = nginx_rtmp.recording()
    assert set(recording.video_deltas) == {33, 34}
    assert set(recording.presentation_deltas) == {33, 34}
    assert recording.decode_errors == []
    spread = bottoms(recording.path)
    plain = bottoms(flv_of(loop.directory, tmp_path / "loop.flv"))
    assert max(plain) < 20
    with_words = [n for n, value in enumerate(spread) if value > 60]
    assert with_words == list(range(GOP, 3 * GOP))
    assert [s.colour for s in recording.stretches] == ["blue"]


def test_groups_that_are_not_there_are_refused(make_clip: ClipShelf, tmp_path: Path) -> None:
    clip = Clip("blue", 440, seconds=6.4)
    loop = prepare(make_clip(clip), clip, tmp_path / "loop")
    with pytest.raises(SourceCorrupt):
        prepare_card(
            loop.directory, PROFILE, tmp_path / "card", words="x", group=3, frames=2 * GOP
        )  # fmt: skip
    assert not (tmp_path / "card").exists()
