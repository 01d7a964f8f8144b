"""Sources of all kinds become the house format; ffprobe and ffmpeg judge the result."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest
from judges.clips import Clip
from judges.prepared import flv_of
from judges.recording import Recording

from playout.media import VIDEO_PROFILES, TrackKind, VideoProfile
from playout.prepare.plan import PrepareOptions
from playout.prepare.run import Prepared, prepare
from playout.tracks.reader import Track

pytestmark = pytest.mark.integration

SMALL = VIDEO_PROFILES["480p30-economy"]
FAST = PrepareOptions(preset="ultrafast")


def prepared(
    source: Path,
    out: Path,
    profile: VideoProfile = SMALL,
    options: PrepareOptions = FAST,
) -> tuple[Prepared, Recording]:
    result = prepare(source, profile, out, options=options)
    return result, Recording(flv_of(out, out / "judged.flv"))


@pytest.mark.parametrize(
    "clip",
    [
        Clip("red", 440),
        Clip("green", 600, size=(640, 360), fps="25", audio="mono", sample_rate=22_050),
        Clip("blue", 800, size=(322, 242), fps="30000/1001", audio="5.1", sample_rate=48_000),
        Clip("yellow", 500, fps="50", suffix=".webm", sample_rate=48_000),
    ],
    ids=lambda clip: f"{clip.colour}-{clip.fps}-{clip.audio}",
)
def test_it_makes_the_house_format(
    clip: Clip, make_clip: Callable[[Clip], Path], tmp_path: Path
) -> None:
    result, judged = prepared(make_clip(clip), tmp_path)

    video, audio = judged.streams["video"], judged.streams["audio"]
    assert (video["codec_name"], video["profile"], video["level"]) == ("h264", "High", 31)
    assert (video["width"], video["height"], video["pix_fmt"]) == (854, 480, "yuv420p")
    assert (video["sample_aspect_ratio"], video["field_order"]) == ("1:1", "progressive")
    colours = {video[f"color_{name}"] for name in ("space", "primaries", "transfer")}
    assert colours == {"bt709"}
    assert video["color_range"] == "tv"
    assert (audio["codec_name"], audio["profile"]) == ("aac", "LC")
    assert (audio["sample_rate"], audio["channels"]) == ("44100", 2)

    wanted = round(clip.frames / clip.rate * SMALL.fps)
    assert result.frames == len(judged.video) == wanted
    assert set(judged.video_deltas) == {33, 34}
    assert set(judged.presentation_deltas) == {33, 34}
    assert set(judged.audio_deltas) <= {23, 24}
    assert [i for i, packet in enumerate(judged.video) if packet.key] == [0, 60]
    assert not judged.decode_errors
    assert [s.colour for s in judged.stretches] == [clip.colour]
    assert abs(judged.tone_hz(500) - clip.tone_hz) < 15
    offsets = judged.offsets()
    assert len(offsets) == 2
    assert max(abs(offset.error_ms) for offset in offsets) < 23.3


def test_a_source_without_sound_gets_silence(
    make_clip: Callable[[Clip], Path], tmp_path: Path
) -> None:
    result, judged = prepared(make_clip(Clip("cyan", audio=None)), tmp_path)

    assert result.frames == 90
    assert judged.tone_hz(500) == judged.tone_hz(2000) == 0
    assert not judged.decode_errors


def test_the_sound_reaches_beyond_the_pictures(
    make_clip: Callable[[Clip], Path], tmp_path: Path
) -> None:
    result, _ = prepared(make_clip(Clip()), tmp_path)

    track = Track.open(tmp_path, TrackKind.AUDIO)
    assert track.frames == result.audio_frames
    assert track.frames / float(track.description.rate) >= result.seconds + 1024 / 44100
    assert 126 <= track.description.content_frames <= 130
    assert track.description.content_frames == result.heard_frames
