"""Tracks and programmes written in a moment, for tests that no decoder has to judge."""

from __future__ import annotations

from pathlib import Path

from playout.media import HOUSE_AUDIO, video_profile
from playout.timeline.programme import Item, Programme, Version
from playout.tracks.writer import TrackWriter

PROFILE = video_profile("480p30")


def write_item(
    directory: Path, name: str, frames: int, *, gop: int = 30, picture_bytes: int = 0
) -> Item:
    """An item of `frames` pictures, each at least `picture_bytes` long and saying which it is."""
    out = directory / name
    with TrackWriter.video(out, PROFILE, b"golden") as video:
        for n in range(frames):
            video.add_picture(f"{name}:{n}".encode().ljust(picture_bytes, b"."), n, n % gop == 0)
        video.finish()
    with TrackWriter.audio(out, HOUSE_AUDIO, b"\x12\x10") as audio:
        for n in range(int(frames / 30 * 44100 / 1024) + 4):
            audio.add_frame(f"{name}:{n}".encode())
        audio.finish()
    return Item(name, str(out), str(out), frames)


def programme_of(*items: Item, epoch_ns: int = 0, loop: bool = True) -> Programme:
    """The items in order, from `epoch_ns` on."""
    version = Version(n=1, effective_from=0, items=items, loop=loop)
    return Programme(
        epoch_ns=epoch_ns, video_rate=PROFILE.rate, audio_rate=HOUSE_AUDIO.rate,
        versions=(version,), profile=PROFILE.id,
    )  # fmt: skip
