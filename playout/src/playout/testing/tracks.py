"""Tiny tracks, written in a moment: every message says which item and frame it is."""

from __future__ import annotations

from pathlib import Path

from playout.media import HOUSE_AUDIO, VideoProfile, video_profile
from playout.timebase import convert_frames
from playout.timeline.programme import Item, Programme, Version
from playout.tracks.writer import TrackWriter

PROFILE = video_profile("480p30")


def write_item(
    directory: Path,
    name: str,
    frames: int,
    *,
    gop: int = 30,
    picture_bytes: int = 0,
    header: bytes = b"golden",
    profile: VideoProfile = PROFILE,
) -> Item:
    """An item of `frames` pictures, each at least `picture_bytes` long, and its sound."""
    out = directory / name
    with TrackWriter.video(out, profile, header) as video:
        for n in range(frames):
            video.add_picture(f"{name}:{n}".encode().ljust(picture_bytes, b"."), n, n % gop == 0)
        video.finish()
    with TrackWriter.audio(out, HOUSE_AUDIO, b"\x12\x10") as audio:
        for n in range(convert_frames(frames, profile.rate, HOUSE_AUDIO.rate) + 4):
            audio.add_frame(f"{name}:{n}".encode())
        audio.finish()
    return Item(name, str(out), str(out), frames)


def programme_of(*items: Item, epoch_ns: int = 0, loop: bool = True) -> Programme:
    """The items in order, from `epoch_ns` on."""
    version = Version(n=1, effective_from=0, items=items, loop=loop)
    return Programme(
        epoch_ns=epoch_ns,
        video_rate=PROFILE.rate,
        audio_rate=HOUSE_AUDIO.rate,
        versions=(version,),
        profile=PROFILE.id,
    )
