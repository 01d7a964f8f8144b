"""From messages to figures, from figures to issues."""

from __future__ import annotations

import pytest

from playout.rtmp.events import MessageKind, MessageReceived
from simulator.feed import Feed
from simulator.health import Figures, issues_of, mismatches_of, verdict

GOOD = Figures(
    media_s=60, video_kbps=4500, audio_kbps=128, fps=30, width=1920, height=1080, profile=100,
    key_interval_s=2.0, sample_rate=44100, channels=2,
)  # fmt: skip


def changed(**figures: object) -> Figures:
    return Figures(**{**GOOD.__dict__, **figures})  # type: ignore[arg-type]


def test_a_house_format_is_good() -> None:
    assert issues_of(GOOD) == []
    assert verdict([]) == "good"


@pytest.mark.parametrize(
    ("figures", "kind", "severity"),
    [
        ({"has_audio": False}, "noAudioStream", "bad"),
        ({"has_video": False}, "noVideoStream", "bad"),
        ({"key_interval_s": 3.0}, "gopSizeLong", "ok"),
        ({"key_interval_s": 4.5}, "gopSizeOver", "bad"),
        ({"video_kbps": 900.0}, "bitrateLow", "ok"),
        ({"video_kbps": 60_000.0}, "bitrateHigh", "ok"),
        ({"pace": 0.7}, "videoIngestionStarved", "bad"),
        ({"pace": 1.5}, "videoIngestionFasterThanRealtime", "ok"),
        ({"sample_rate": 22050}, "audioSampleRate", "ok"),
        ({"fps": 100.0}, "frameRateHigh", "bad"),
        ({"video_codec": "vp6"}, "videoCodec", "bad"),
        ({"audio_codec": "unknown"}, "audioCodec", "bad"),
    ],
)
def test_each_fault_has_its_name(figures: dict[str, object], kind: str, severity: str) -> None:
    issues = issues_of(changed(**figures))
    assert [issue.type for issue in issues] == [kind]
    assert verdict(issues) == severity


def test_a_size_that_was_not_set_is_noted() -> None:
    [issue] = issues_of(changed(width=1280, height=720), resolution="1080p")
    assert issue.type == "videoResolutionSuboptimal"
    assert issues_of(changed(width=1080, height=1920), resolution="1080p") == []


def test_a_backup_that_differs_is_noted() -> None:
    found = {i.type for i in mismatches_of(GOOD, changed(width=1280, height=720, channels=1))}
    assert found == {"resolutionMismatch", "audioStereoMismatch"}
    assert mismatches_of(GOOD, GOOD) == []


def test_a_feed_measures_what_it_is_given() -> None:
    feed = Feed()
    header = bytes((0x17, 0, 0, 0, 0, 1, 100, 0, 40))
    feed.take(MessageReceived(MessageKind.VIDEO, 0, header), 0.0)
    feed.take(MessageReceived(MessageKind.AUDIO, 0, bytes((0xAF, 0, 0x12, 0x10))), 0.0)
    for frame in range(241):
        ms = frame * 1000 // 30
        head = 0x17 if frame % 60 == 0 else 0x27
        picture = bytes((head, 1, 0, 0, 0)) + bytes(12_500)
        feed.take(MessageReceived(MessageKind.VIDEO, ms, picture), 100 + ms / 1000)
    figures = feed.figures()
    assert figures.fps == pytest.approx(30, abs=0.2)
    assert figures.video_kbps == pytest.approx(3000, rel=0.02)
    assert figures.key_interval_s == 2.0
    assert figures.pace == pytest.approx(1.0, abs=0.01)
    assert (figures.profile, figures.sample_rate, figures.channels) == (100, 44100, 2)
    assert figures.media_s == 8.0
