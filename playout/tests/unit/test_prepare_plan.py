"""What is decided before ffmpeg runs."""

from __future__ import annotations

import json
from dataclasses import replace
from fractions import Fraction
from pathlib import Path

import pytest

from playout.errors import EncoderMismatch
from playout.media import HOUSE_AUDIO, MAX_MESSAGE_BYTES, VIDEO_PROFILES
from playout.prepare import headers
from playout.prepare.plan import (
    MAX_BOOST_DB,
    PRESETS,
    Loudness,
    PrepareOptions,
    audio_filters,
    audio_frames_needed,
    audio_header,
    encoder_arguments,
    gain_for,
    held_seconds,
    input_arguments,
    make_plan,
    parse_loudness,
    still_encode,
    still_frames,
    vbv_kbit,
    video_arguments,
    video_filters,
)
from playout.probe.describe import describe
from playout.probe.parse import AudioInfo, Container, MediaInfo, Turn, VideoInfo

PROFILE = VIDEO_PROFILES["1080p30"]
GOLDEN = headers.video_header(PROFILE)
VIDEO = VideoInfo(
    index=0, codec="h264", profile="High", width=1920, height=1080, sample_aspect=Fraction(1),
    turn=Turn.NONE, frame_rate=Fraction(30), variable_rate=False, pixel_format="yuv420p",
    bit_depth=8, interlaced=False, matrix="bt709", transfer="bt709", primaries="bt709",
    full_range=False, duration=10.0, start=0.0, gop_seconds=2.0, header_hex=GOLDEN.hex(),
)  # fmt: skip
AUDIO = AudioInfo(
    index=1, codec="aac", profile="LC", channels=2, layout="stereo", sample_rate=44100,
    duration=10.0, start=0.0, header_hex="1210",
)  # fmt: skip
FILM = MediaInfo(
    container=Container.MP4, size_bytes=1000, duration=10.0, video=VIDEO, audio=AUDIO,
    cover_index=None, other_tracks=0,
)  # fmt: skip


def plan_for(video: VideoInfo | None = VIDEO, audio: AudioInfo | None = AUDIO):
    info = replace(FILM, video=video, audio=audio)
    return make_plan(info, PROFILE, HOUSE_AUDIO, PrepareOptions(), golden_header=GOLDEN)


def test_our_own_pictures_are_copied() -> None:
    assert plan_for().mode == "remux"
    assert "copy" in video_arguments(plan_for(), 7)


@pytest.mark.parametrize(
    "change",
    [
        {"header_hex": GOLDEN.hex()[:-2] + "01"},
        {"turn": Turn.HALF},
        {"variable_rate": True},
        {"frame_rate": Fraction(25)},
        {"frame_rate": None},
        {"start": 0.5},
        {"duration": 5.0},
    ],
)
def test_other_pictures_are_encoded(change: dict[str, object]) -> None:
    assert plan_for(replace(VIDEO, **change)).mode == "encode"


def test_the_source_is_opened_as_what_it_is_and_nothing_else() -> None:
    arguments = input_arguments(FILM, 9, PrepareOptions())

    assert arguments[arguments.index("-f") + 1] == "mov"
    assert arguments[arguments.index("-protocol_whitelist") + 1] == "fd"
    assert arguments[-4:] == ["-fd", "9", "-i", "fd:"]
    assert arguments[arguments.index("-enable_drefs") + 1] == "0"


def test_every_profile_has_golden_headers() -> None:
    for profile in VIDEO_PROFILES.values():
        header = headers.video_header(profile)
        major, minor = profile.level.split(".")
        assert header[0] == 1
        assert header[1] == 100
        assert header[3] == int(major) * 10 + int(minor)
    with pytest.raises(EncoderMismatch, match="1080p30@9"):
        headers.video_header(replace(PROFILE, version=9))
    with pytest.raises(EncoderMismatch):
        headers.silent_frame(replace(HOUSE_AUDIO, version=9))


def test_ladders_share_headers_and_nothing_else_does() -> None:
    golden = json.loads(Path(headers.GOLDEN_FILE).read_text())["video"]
    by_header: dict[str, set[str]] = {}
    for name, header in golden.items():
        by_header.setdefault(header, set()).add(name.replace("-economy", ""))
    assert all(len(names) == 1 for names in by_header.values())


def test_no_picture_can_pass_a_message() -> None:
    for profile in VIDEO_PROFILES.values():
        assert vbv_kbit(profile) <= profile.kbps
        assert vbv_kbit(profile) * 1000 / 8 < 0.95 * MAX_MESSAGE_BYTES


def test_every_preset_is_pinned_alike() -> None:
    for preset in PRESETS:
        arguments = encoder_arguments(PROFILE, PrepareOptions(preset=preset))
        settings = arguments[arguments.index("-x264-params") + 1]
        assert "ref=3:" in settings
        assert "keyint=60:min-keyint=60:scenecut=0:open-gop=0" in settings
    with pytest.raises(ValueError, match="preset"):
        PrepareOptions(preset="placebo")


def test_only_what_is_needed_is_done_to_the_picture() -> None:
    chain = video_filters(VIDEO, PROFILE)

    assert "transpose" not in chain
    assert "bwdif" not in chain
    assert "tonemap" not in chain
    assert "bwdif=mode=send_frame" in video_filters(replace(VIDEO, interlaced=True), PROFILE)
    fields = replace(VIDEO, interlaced=True, frame_rate=Fraction(25))
    assert "bwdif=mode=send_field" in video_filters(fields, VIDEO_PROFILES["1080p50"])


def test_pictures_are_dropped_before_and_doubled_after_scaling() -> None:
    fast = video_filters(replace(VIDEO, frame_rate=Fraction(60)), PROFILE)
    slow = video_filters(replace(VIDEO, frame_rate=Fraction(15)), PROFILE)

    assert fast.index("fps=") < fast.index("scale=")
    assert slow.index("fps=") > slow.index("scale=")


def test_the_last_picture_is_held_for_a_long_rest_of_sound_only() -> None:
    assert held_seconds(FILM) == 0
    assert held_seconds(replace(FILM, audio=replace(AUDIO, duration=10.9))) == 0
    assert held_seconds(replace(FILM, audio=replace(AUDIO, duration=14.0))) == 4
    assert held_seconds(replace(FILM, audio=replace(AUDIO, duration=12.0, start=2.0))) == 4
    assert held_seconds(replace(FILM, audio=None)) == 0
    longer = plan_for(audio=replace(AUDIO, duration=14.0))
    assert longer.expected_frames == 420


def test_channels_without_names_are_taken_as_left_and_right() -> None:
    assert audio_filters(
        replace(AUDIO, layout="4 channels", channels=4), HOUSE_AUDIO, 0
    ).startswith("pan=stereo|c0=c0|c1=c1,")
    assert "pan" not in audio_filters(AUDIO, HOUSE_AUDIO, 0)


def test_only_louder_sound_needs_a_limiter() -> None:
    assert "alimiter" in audio_filters(AUDIO, HOUSE_AUDIO, 3.0)
    assert "alimiter" not in audio_filters(AUDIO, HOUSE_AUDIO, -3.0)
    assert "volume" not in audio_filters(AUDIO, HOUSE_AUDIO, 0.0)


SUMMARY = """
[Parsed_ebur128_2 @ 0x1] Summary:

  Integrated loudness:
    I:         -23.1 LUFS
    Threshold: -33.3 LUFS

  Loudness range:
    LRA:         3.4 LU

  True peak:
    Peak:       -6.2 dBFS
"""


def test_it_reads_a_measurement() -> None:
    assert parse_loudness(SUMMARY) == Loudness(-23.1, -6.2)
    assert parse_loudness("title : Summary: I: 5 LUFS\n" + SUMMARY) == Loudness(-23.1, -6.2)
    assert parse_loudness(SUMMARY.replace("-23.1", "-70.0")) is None
    assert parse_loudness(SUMMARY.replace("-23.1", "-inf")) is None
    assert parse_loudness(SUMMARY.replace("-23.1", "nan")) is None
    assert parse_loudness("") is None


def test_the_gain_reaches_the_target_within_bounds() -> None:
    assert gain_for(None) == 0
    assert gain_for(Loudness(-23.0, -10.0)) == 9.0
    assert gain_for(Loudness(-8.0, 1.0)) == -6.0
    assert gain_for(Loudness(-14.05, -3.0)) == 0
    assert gain_for(Loudness(-60.0, -50.0)) == MAX_BOOST_DB
    assert gain_for(Loudness(-24.0, -1.5)) == 6.0  # No more than the limiter may press down.
    assert gain_for(Loudness(-24.0, 9.0)) == 0


@pytest.mark.parametrize("fps", [24, 25, 30, 50, 60])
@pytest.mark.parametrize("frames", [1, 2, 59, 60, 61, 1000, 107_892])
def test_the_sound_is_always_longer_than_the_pictures(fps: int, frames: int) -> None:
    profile = VIDEO_PROFILES[f"720p{fps}"]

    needed = audio_frames_needed(frames, HOUSE_AUDIO, profile)

    assert needed / HOUSE_AUDIO.rate >= frames / profile.rate + 1 / HOUSE_AUDIO.rate


def test_stills_last_as_long_as_their_sound() -> None:
    assert still_frames(0, HOUSE_AUDIO, PROFILE) == 1
    assert still_frames(431, HOUSE_AUDIO, PROFILE) == 300


def test_few_groups_are_encoded_for_many_stills() -> None:
    assert still_encode(7, PROFILE) == 7
    assert still_encode(239, PROFILE) == 239
    assert still_encode(4 * 60 + 7, PROFILE) == 127
    assert still_encode(5 * 60 + 7, PROFILE) == 187
    assert still_encode(100_000, PROFILE) == 120 + 40


def test_the_config_of_the_sound_is_that_of_the_standard() -> None:
    assert audio_header(HOUSE_AUDIO) == b"\x12\x10"
    assert audio_header(replace(HOUSE_AUDIO, sample_rate=48_000)) == b"\x11\x90"


def test_the_report_says_what_will_be_done() -> None:
    assert describe(FILM, PROFILE).conforms
    assert "already" in describe(FILM, PROFILE).text
    phone = replace(VIDEO, turn=Turn.CLOCKWISE, variable_rate=True, frame_rate=Fraction(298, 10))
    report = describe(replace(FILM, video=phone, audio=None, other_tracks=2), PROFILE)
    assert report.summary == (
        "MP4 or QuickTime: 1920x1080 H.264 video, rotated by 90°, variable frame rate about 29.8 "
        "frames a second, no sound, 2 other tracks, not used, 10 s long."
    )
    assert report.changes == (
        "turn the picture upright",
        "scale it to 608x1080",
        "add black bars left and right",
        "make it exactly 30 frames a second",
        "add silence",
    )
    song = replace(FILM, video=None, cover_index=0, audio=replace(AUDIO, channels=1))
    assert describe(song, PROFILE).changes == (
        "show the cover picture",
        "play the sound on both sides",
    )
