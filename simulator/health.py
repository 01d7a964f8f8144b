"""What the ingest finds wrong with what it receives; figures in, issues out."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

JUDGED_AFTER_S = 4.0
"""Media, before which rates and intervals say nothing."""

_LOWEST_KBPS = (
    # Picture height, frames a second up to, kbit/s.
    (240, 30, 200), (360, 30, 300), (480, 30, 400), (720, 30, 1000), (720, 60, 1500),
    (1080, 30, 2000), (1080, 60, 3000), (1440, 30, 4000), (1440, 60, 6000),
    (2160, 30, 9000), (2160, 60, 14000),
)  # fmt: skip
_HIGHEST_KBPS = 51_000
_HEIGHTS = {
    "240p": 240, "360p": 360, "480p": 480, "720p": 720, "1080p": 1080, "1440p": 1440,
    "2160p": 2160,
}  # fmt: skip
_GOP_RECOMMENDED_S = 2.2
_GOP_LIMIT_S = 4.1
_GOP_SHORT_S = 0.4
_RATES = (44_100, 48_000)


@dataclass(frozen=True)
class Figures:
    """What one connection has sent lately."""

    media_s: float = 0.0
    """Of media received since the connection began."""
    has_video: bool = True
    has_audio: bool = True
    video_codec: str = "h264"
    audio_codec: str = "aac"
    video_kbps: float = 0.0
    audio_kbps: float = 0.0
    fps: float = 0.0
    width: int = 0
    height: int = 0
    profile: int = 0
    """`profile_idc` of H.264."""
    key_interval_s: float = 0.0
    """The longest lately; 0 is unknown."""
    sample_rate: int = 0
    channels: int = 0
    pace: float = 1.0
    """Seconds of media that came in a second, lately."""


@dataclass(frozen=True)
class Issue:
    """One entry of `configurationIssues`."""

    type: str
    severity: str
    """info, warning or error."""
    reason: str
    description: str

    def resource(self) -> dict[str, Any]:
        """As the API shows it."""
        return {
            "type": self.type,
            "severity": self.severity,
            "reason": self.reason,
            "description": self.description,
        }


def issues_of(figures: Figures, *, resolution: str = "variable") -> list[Issue]:
    """What is wrong with one connection, against the stream's declared `resolution`."""
    found: list[Issue] = []

    def note(kind: str, severity: str, reason: str, description: str) -> None:
        found.append(Issue(kind, severity, reason, description))

    if not figures.has_video:
        note("noVideoStream", "error", "No picture", "Nothing but sound arrives.")
    elif figures.video_codec not in ("h264", "hevc", "av1", "vp9"):
        note("videoCodec", "error", "Unknown video codec", "Send H.264, HEVC or AV1.")
    if not figures.has_audio:
        note("noAudioStream", "error", "No sound", "Send a sound track, if need be of silence.")
    elif figures.audio_codec not in ("aac", "mp3"):
        note("audioCodec", "error", "Unknown audio codec", "Send AAC or MP3.")
    elif figures.sample_rate and figures.sample_rate not in _RATES:
        note(
            "audioSampleRate", "warning", "Sampling rate",
            f"{figures.sample_rate} Hz arrives; send 44100 or 48000 Hz.",
        )  # fmt: skip
    if figures.channels > 6:
        note("audioTooManyChannels", "error", "Channels", "Send mono, stereo or 5.1.")
    if figures.media_s < JUDGED_AFTER_S:
        return found
    if figures.pace < 0.9:
        note(
            "videoIngestionStarved", "error", "Data arrives too slowly",
            f"{figures.pace:.2f} s of media arrive in a second; viewers will see it buffer.",
        )  # fmt: skip
    elif figures.pace > 1.15:
        note(
            "videoIngestionFasterThanRealtime", "warning", "Data arrives too fast",
            f"{figures.pace:.2f} s of media arrive in a second.",
        )  # fmt: skip
    if figures.has_video:
        found += _picture_issues(figures, resolution)
    if figures.has_audio and 0 < figures.audio_kbps < 30:
        note(
            "audioBitrateLow", "warning", "Sound has few bits",
            f"{figures.audio_kbps:.0f} kbit/s arrive; 128 are recommended.",
        )  # fmt: skip
    return found


def _picture_issues(figures: Figures, resolution: str) -> list[Issue]:
    found: list[Issue] = []
    if figures.key_interval_s > _GOP_LIMIT_S:
        found.append(
            Issue(
                "gopSizeOver", "error", "Key frames too rare",
                f"{figures.key_interval_s:.1f} s lie between key frames; 4 s are the limit.",
            )
        )  # fmt: skip
    elif figures.key_interval_s > _GOP_RECOMMENDED_S:
        found.append(
            Issue(
                "gopSizeLong", "warning", "Key frames are rare",
                f"{figures.key_interval_s:.1f} s lie between key frames; 2 s are recommended.",
            )
        )  # fmt: skip
    elif 0 < figures.key_interval_s < _GOP_SHORT_S:
        found.append(
            Issue(
                "gopSizeShort", "info", "Key frames are frequent",
                f"{figures.key_interval_s:.1f} s lie between key frames; bits are wasted.",
            )
        )  # fmt: skip
    if figures.fps > 61:
        found.append(
            Issue(
                "frameRateHigh", "error", "Too many frames", f"{figures.fps:.0f} a second arrive."
            )
        )
    lines = min(figures.width, figures.height)
    lowest = _lowest_kbps(lines, figures.fps)
    if 0 < figures.video_kbps < lowest:
        found.append(
            Issue(
                "bitrateLow", "warning", "The picture has few bits",
                f"{figures.video_kbps:.0f} kbit/s arrive for {figures.width}x{figures.height};"
                f" send at least {lowest}.",
            )
        )  # fmt: skip
    elif figures.video_kbps > _HIGHEST_KBPS:
        found.append(
            Issue(
                "bitrateHigh", "warning", "The picture has too many bits",
                f"{figures.video_kbps:.0f} kbit/s arrive.",
            )
        )  # fmt: skip
    declared = _HEIGHTS.get(resolution)
    if declared and lines and lines != declared:
        found.append(
            Issue(
                "videoResolutionSuboptimal", "warning", "Another size than was set",
                f"{figures.width}x{figures.height} arrives where {resolution} was set.",
            )
        )  # fmt: skip
    return found


def _lowest_kbps(lines: int, fps: float) -> int:
    lowest = 0
    for height, rate, kbps in _LOWEST_KBPS:
        if height <= lines and (fps > 35) >= (rate > 30):
            lowest = max(lowest, kbps)
    return lowest


def mismatches_of(primary: Figures, backup: Figures) -> list[Issue]:
    """Where the backup connection differs from the primary."""
    pairs = (
        ("resolutionMismatch", (primary.width, primary.height), (backup.width, backup.height)),
        ("framerateMismatch", round(primary.fps), round(backup.fps)),
        ("videoCodecMismatch", primary.video_codec, backup.video_codec),
        ("videoProfileMismatch", primary.profile, backup.profile),
        ("audioCodecMismatch", primary.audio_codec, backup.audio_codec),
        ("audioSampleRateMismatch", primary.sample_rate, backup.sample_rate),
        ("audioStereoMismatch", primary.channels, backup.channels),
        ("gopMismatch", round(primary.key_interval_s, 1), round(backup.key_interval_s, 1)),
    )
    return [
        Issue(kind, "warning", "Backup differs", f"Primary sends {ours}, backup {theirs}.")
        for kind, ours, theirs in pairs
        if ours != theirs
    ]


def verdict(issues: list[Issue]) -> str:
    """`healthStatus.status` of a stream that gets data."""
    severities = {issue.severity for issue in issues}
    if "error" in severities:
        return "bad"
    return "ok" if "warning" in severities else "good"
