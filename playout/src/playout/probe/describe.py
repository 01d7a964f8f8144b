"""Says in plain words what a source is and what preparing it for a profile would change. Pure."""

from __future__ import annotations

from dataclasses import dataclass
from fractions import Fraction
from typing import Any

from playout.media import HOUSE_AUDIO, AudioProfile, VideoProfile
from playout.probe.parse import AudioInfo, MediaInfo, Turn, VideoInfo, spoken_duration


@dataclass(frozen=True, slots=True)
class Fit:
    """Where the picture lies inside the frame of a profile."""

    width: int
    height: int
    left: int
    top: int


def fit_picture(aspect: Fraction, width: int, height: int) -> Fit:
    """The largest even-sized picture of `aspect` that fits; centred on even offsets."""
    fitted_width = max(2, min(width, 2 * round(min(Fraction(width), height * aspect) / 2)))
    fitted_height = max(2, min(height, 2 * round(min(Fraction(height), width / aspect) / 2)))
    return Fit(
        width=fitted_width,
        height=fitted_height,
        left=(width - fitted_width) // 4 * 2,
        top=(height - fitted_height) // 4 * 2,
    )


@dataclass(frozen=True, slots=True)
class Report:
    """What a person reads about a source file."""

    summary: str
    """What the file is, in one sentence."""
    changes: tuple[str, ...]
    """What preparing would do, one clause each; empty when the file conforms."""
    conforms: bool
    """Whether the pictures and the sound already have the house format's shape."""
    profile: str | None = None

    @property
    def text(self) -> str:
        """Summary and changes as sentences."""
        if self.profile is None:
            return self.summary
        if self.conforms:
            return f"{self.summary} It already has the shape of {self.profile}."
        return f"{self.summary} Preparing for {self.profile} will {_joined(self.changes)}."

    def to_json(self) -> dict[str, Any]:
        """The same in types that JSON knows."""
        return {
            "summary": self.summary,
            "profile": self.profile,
            "conforms": self.conforms,
            "changes": list(self.changes),
            "text": self.text,
        }


def describe(
    info: MediaInfo, profile: VideoProfile | None = None, audio: AudioProfile = HOUSE_AUDIO
) -> Report:
    """What the source is and, given a `profile`, what preparing would do to it."""
    if info.is_still:
        return _describe_still(info, profile)
    parts = [_video_words(info), _audio_words(info.audio)]
    if info.cover_index is not None:
        parts.append("with a cover picture")
    if info.other_tracks:
        parts.append(f"{info.other_tracks} other tracks, not used")
    length = f", {spoken_duration(info.duration)} long" if info.duration else ""
    summary = f"{info.container.title}: {', '.join(part for part in parts if part)}{length}."
    if profile is None:
        return Report(summary, (), conforms=False)
    changes = (*_picture_changes(info, profile), *_sound_changes(info.audio, audio))
    return Report(summary, changes, conforms=not changes, profile=profile.name)


def _describe_still(info: MediaInfo, profile: VideoProfile | None) -> Report:
    video = info.video
    if video is None:
        raise ValueError("a still picture has pixels")
    summary = f"{info.container.title}: {video.width}x{video.height} pixels"
    if video.turn is not Turn.NONE:
        summary += f", {_turn_words(video.turn)}"
    if profile is None:
        return Report(f"{summary}.", (), conforms=False)
    turned = ("turn the picture upright",) if video.turn is not Turn.NONE else ()
    changes = (*turned, *_size_changes(video, profile), "make a silent loop of it")
    return Report(f"{summary}.", changes, conforms=False, profile=profile.name)


def _video_words(info: MediaInfo) -> str:
    video = info.video
    if video is None:
        return "no pictures"
    words = [f"{video.width}x{video.height} {_codec(video.codec)} video"]
    if video.sample_aspect != 1:
        words.append(
            f"with {video.sample_aspect.numerator}:{video.sample_aspect.denominator} pixels"
        )
    if video.bit_depth > 8:
        words.append(f"in {video.bit_depth} bits")
    if video.is_hdr:
        words.append("HDR")
    if video.interlaced:
        words.append("interlaced")
    text = " ".join(words)
    if video.turn is not Turn.NONE:
        text += f", {_turn_words(video.turn)}"
    if video.frame_rate is not None:
        rate = f"{float(video.frame_rate):.3f}".rstrip("0").rstrip(".")
        about = "variable frame rate about " if video.variable_rate else ""
        text += f", {about}{rate} frames a second"
    return text


def _turn_words(turn: Turn) -> str:
    mirrored = turn not in (Turn.CLOCKWISE, Turn.COUNTER_CLOCKWISE, Turn.HALF)
    if turn.degrees == 0:
        return "mirrored"
    return f"rotated by {turn.degrees}°" + (" and mirrored" if mirrored else "")


def _audio_words(audio: AudioInfo | None) -> str:
    if audio is None:
        return "no sound"
    channels = {1: "mono", 2: "stereo", 6: "5.1"}.get(audio.channels, f"{audio.channels}-channel")
    rate = f"{audio.sample_rate / 1000:.3f}".rstrip("0").rstrip(".")
    return f"{channels} {_codec(audio.codec)} sound at {rate} kHz"


def _codec(name: str) -> str:
    known = {
        "h264": "H.264", "hevc": "HEVC", "av1": "AV1", "libdav1d": "AV1", "vp9": "VP9",
        "vp8": "VP8", "mpeg2video": "MPEG-2", "mpeg4": "MPEG-4", "aac": "AAC", "mp3": "MP3",
        "mp3float": "MP3", "opus": "Opus", "vorbis": "Vorbis", "flac": "FLAC", "ac3": "AC-3",
        "eac3": "E-AC-3", "prores": "ProRes", "mjpeg": "Motion JPEG", "dvvideo": "DV",
    }  # fmt: skip
    return known.get(name, "PCM" if name.startswith("pcm_") else name)


def _picture_changes(info: MediaInfo, profile: VideoProfile) -> tuple[str, ...]:
    video = info.video
    if video is None:
        return ("show the cover picture",) if info.cover_index is not None else ("add black",)
    changes = []
    if video.turn is not Turn.NONE:
        changes.append("turn the picture upright")
    if video.interlaced:
        changes.append("remove the interlacing")
    if video.is_hdr:
        changes.append("map the high dynamic range to normal range")
    changes += _size_changes(video, profile)
    if video.variable_rate or video.frame_rate != profile.rate:
        changes.append(f"make it exactly {profile.fps} frames a second")
    if video.codec != "h264" or video.bit_depth > 8 or video.pixel_format != "yuv420p":
        changes.append("encode it as 8-bit H.264")
    return tuple(changes)


def _size_changes(video: VideoInfo, profile: VideoProfile) -> list[str]:
    fit = fit_picture(video.display_aspect, profile.width, profile.height)
    sides = (video.height, video.width) if video.turn.swaps_sides else (video.width, video.height)
    changes = []
    if sides != (fit.width, fit.height):
        larger = fit.width * fit.height > video.width * video.height
        changes.append(f"{'enlarge' if larger else 'scale'} it to {fit.width}x{fit.height}")
    if fit.left:
        changes.append("add black bars left and right")
    if fit.top:
        changes.append("add black bars above and below")
    return changes


def _sound_changes(audio: AudioInfo | None, wanted: AudioProfile) -> tuple[str, ...]:
    if audio is None:
        return ("add silence",)
    changes = []
    if audio.channels > wanted.channels:
        changes.append("mix the sound down to stereo")
    elif audio.channels < wanted.channels:
        changes.append("play the sound on both sides")
    if audio.sample_rate != wanted.sample_rate:
        changes.append(f"resample the sound to {wanted.sample_rate / 1000:g} kHz")
    if audio.codec != "aac":
        changes.append("encode the sound as AAC")
    return tuple(changes)


def _joined(clauses: tuple[str, ...]) -> str:
    if len(clauses) < 2:
        return "".join(clauses)
    return f"{', '.join(clauses[:-1])} and {clauses[-1]}"
