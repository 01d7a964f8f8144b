"""The words that every part of the engine speaks: profiles, and what a track is made of."""

from __future__ import annotations

import enum
from dataclasses import dataclass
from fractions import Fraction

from playout.errors import UnknownProfile
from playout.timebase import AAC_FRAME_SAMPLES


class TrackKind(enum.Enum):
    """Video and audio are separate tracks, on separate chunk streams."""

    VIDEO = "video"
    AUDIO = "audio"

    @property
    def chunk_stream_id(self) -> int:
        """The RTMP chunk stream that carries the track."""
        return 6 if self is TrackKind.VIDEO else 4

    @property
    def message_type(self) -> int:
        """The RTMP message type (RTMP 1.0, section 7.1)."""
        return 9 if self is TrackKind.VIDEO else 8


CHUNK_SIZE = 4096
"""Payload bytes of one RTMP chunk in our tracks and on our connections, towards the ingest."""

MAX_MESSAGE_BYTES = 1 << 20
"""Common receivers refuse larger messages, so a key frame must stay below this."""

REORDER_FRAMES = 2
"""Frames between decoding and showing in every video profile, so that joins need no correction."""

GOP_SECONDS = 2


@dataclass(frozen=True, slots=True)
class VideoProfile:
    """A house format of pictures. Items of one programme share one, byte for byte in the header."""

    name: str
    """Base name, such as `1080p30` or `vertical-720p30-economy`."""
    version: int
    width: int
    height: int
    fps: int
    kbps: int
    """Constant bit rate in kbit/s, bound by a VBV of one second."""
    level: str
    """H.264 level, such as `4.0`."""

    @property
    def id(self) -> str:
        """The name with its version, such as `1080p30@1`."""
        return f"{self.name}@{self.version}"

    @property
    def rate(self) -> Fraction:
        """Frames per second, exactly."""
        return Fraction(self.fps)

    @property
    def gop_frames(self) -> int:
        """Frames from one key frame to the next."""
        return GOP_SECONDS * self.fps


@dataclass(frozen=True, slots=True)
class AudioProfile:
    """A house format of sound."""

    name: str
    version: int
    sample_rate: int
    channels: int
    kbps: int

    @property
    def id(self) -> str:
        """The name with its version, such as `aac-44100-stereo@1`."""
        return f"{self.name}@{self.version}"

    @property
    def rate(self) -> Fraction:
        """AAC frames per second, exactly."""
        return Fraction(self.sample_rate, AAC_FRAME_SAMPLES)


HOUSE_AUDIO = AudioProfile("aac-44100-stereo", 1, sample_rate=44_100, channels=2, kbps=128)

_SIZES = {"480p": (854, 480), "720p": (1280, 720), "1080p": (1920, 1080), "1440p": (2560, 1440),
          "2160p": (3840, 2160)}  # fmt: skip

# kbit/s at up to 30 and up to 60 frames a second, and the H.264 levels that hold them.
_RECOMMENDED = {"480p": (2500, 4000), "720p": (4000, 6000), "1080p": (10000, 12000),
                "1440p": (15000, 24000), "2160p": (30000, 35000)}  # fmt: skip
_ECONOMY = {"480p": (1200, 1800), "720p": (2500, 3750), "1080p": (4500, 9000),
            "1440p": (9000, 13500), "2160p": (18000, 27000)}  # fmt: skip
_LEVELS = {"480p": ("3.1", "3.2"), "720p": ("3.1", "3.2"), "1080p": ("4.0", "4.2"),
           "1440p": ("5.0", "5.1"), "2160p": ("5.1", "5.2")}  # fmt: skip

FRAME_RATES = (24, 25, 30, 50, 60)


def _profiles() -> dict[str, VideoProfile]:
    found: dict[str, VideoProfile] = {}
    for size, (width, height) in _SIZES.items():
        for fps in FRAME_RATES:
            fast = int(fps > 30)
            for suffix, ladder in (("", _RECOMMENDED), ("-economy", _ECONOMY)):
                for prefix, (w, h) in (("", (width, height)), ("vertical-", (height, width))):
                    profile = VideoProfile(
                        name=f"{prefix}{size}{fps}{suffix}",
                        version=1,
                        width=w,
                        height=h,
                        fps=fps,
                        kbps=ladder[size][fast],
                        level=_LEVELS[size][fast],
                    )
                    found[profile.name] = profile
    return found


VIDEO_PROFILES = _profiles()
"""All video profiles by name (without the version)."""


def video_profile(name: str) -> VideoProfile:
    """The profile called `name`, with or without its version (`1080p30`, `1080p30@1`).

    Raises `UnknownProfile` and lists near names.
    """
    base, _, version = name.partition("@")
    profile = VIDEO_PROFILES.get(base)
    if profile is None or version not in ("", str(profile.version)):
        common = "480p30, 720p30, 1080p30, 1080p60, vertical-1080p30, 1080p30-economy"
        raise UnknownProfile(
            f"There is no profile called {name!r}.",
            advice=f"Known ones are, among others: {common}.",
        )
    return profile
