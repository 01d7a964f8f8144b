"""The media that all engines of a measurement send: one clip, as tracks and as a file."""

from __future__ import annotations

import os
import shutil
import subprocess
from array import array
from collections.abc import Callable
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path

import av
import imageio_ffmpeg

from playout.errors import PlayoutError
from playout.media import (
    GOP_SECONDS,
    HOUSE_AUDIO,
    VideoProfile,
    video_profile,
)
from playout.pump.feed import Feed
from playout.pump.lane import Buffer
from playout.pump.shelf import Shelf
from playout.timebase import round_half_up
from playout.timeline.programme import Item, Programme, Version
from playout.tracks.verified import stamp
from playout.tracks.writer import TrackWriter

PROFILE = "1080p30-economy"
CLIP_SECONDS = 20

Say = Callable[[str], None]


@dataclass(frozen=True, slots=True)
class Media:
    """One clip of the house format: `file` for ffmpeg, `tracks` (equal copies) for the pump."""

    file: Path
    tracks: tuple[Path, ...]
    frames: int
    profile: VideoProfile
    mbps: float
    """What each stream should send."""

    def programme(self, number: int, streams: int | None = None, *, epoch_ns: int) -> Programme:
        """What stream `number` of `streams` loops from `epoch_ns` (UTC) on.

        It is its own share of the copies, one after the other; where there are fewer copies than
        streams, several streams loop the same one.
        """
        share = 1 if streams is None else max(1, len(self.tracks) // streams)
        first = number * share
        items = tuple(
            Item(id=f"clip-{n}", video=str(place), audio=str(place), frames=self.frames)
            for n, place in (
                (n, self.tracks[n % len(self.tracks)]) for n in range(first, first + share)
            )
        )
        return Programme(
            epoch_ns=epoch_ns,
            video_rate=self.profile.rate,
            audio_rate=HOUSE_AUDIO.rate,
            versions=(Version(n=1, effective_from=0, items=items),),
            profile=self.profile.id,
        )

    @property
    def unique_seconds(self) -> int:
        """Media of all copies together, which no stream has read before."""
        return len(self.tracks) * CLIP_SECONDS

    def evict(self) -> None:
        """Let the kernel forget the tracks, so that they are read from the disk again."""
        for place in self.tracks:
            for part in place.glob("*.track"):
                with part.open("rb") as file:
                    os.posix_fadvise(file.fileno(), 0, 0, os.POSIX_FADV_DONTNEED)


def ffmpeg_program() -> str:
    """The ffmpeg of the machine, or else the one this package brings."""
    return shutil.which("ffmpeg") or imageio_ffmpeg.get_ffmpeg_exe()


def make_media(directory: Path, say: Say, *, unique_bytes: int = 0) -> Media:
    """Encode the clip into `directory` and pack it into tracks.

    With `unique_bytes` there are as many copies of the tracks as it takes to reach that size.
    Raises `PlayoutError` when ffmpeg fails, or the disk has not so much room.
    """
    free = shutil.disk_usage(directory).free
    if unique_bytes > 0.9 * free:
        raise PlayoutError(
            f"{unique_bytes / 1e9:.1f} GB of media do not fit into the {free / 1e9:.1f} GB that "
            f"are free at {directory}.",
            advice="Ask for less, or set TMPDIR to a disk with more room.",
        )
    profile = video_profile(PROFILE)
    file = directory / "clip.mp4"
    say(f"encoding {CLIP_SECONDS} s of {profile.id} at {profile.kbps} kbit/s")
    _encode(file, profile)
    first = directory / "tracks-0"
    frames = _pack(file, first, profile)
    size = sum(part.stat().st_size for part in first.glob("*.track"))
    copies = max(1, -(-unique_bytes // size))
    tracks = [first]
    for number in range(1, copies):
        tracks.append(directory / f"tracks-{number}")
        shutil.copytree(first, tracks[-1])
        for part in tracks[-1].iterdir():
            _settle(part)
        for part in tracks[-1].glob("*.track"):
            # A copy is another file, which nobody has verified; this one was written just now.
            stamp(part)
    mbps = size * 8 / CLIP_SECONDS / 1e6
    say(f"{copies} x {size / 1e6:.1f} MB of media, {mbps:.2f} Mbit/s")
    return Media(file, tuple(tracks), frames, profile, mbps)


def _encode(file: Path, profile: VideoProfile) -> None:
    size, rate = f"{profile.width}x{profile.height}", profile.fps
    gop = GOP_SECONDS * rate
    noise = f"testsrc2=s={size}:r={rate},noise=c0s=24:c0f=t,format=yuv420p"
    x264 = f"keyint={gop}:min-keyint={gop}:scenecut=0:open-gop=0:b-pyramid=none:b-adapt=0:bframes=2"
    command = [
        ffmpeg_program(), "-nostdin", "-v", "error", "-y",
        "-t", str(CLIP_SECONDS), "-f", "lavfi", "-i", noise,
        # Sound must reach beyond the last picture, as that of prepared media does.
        "-t", str(CLIP_SECONDS + 1), "-f", "lavfi",
        "-i", f"sine=f=440:r={HOUSE_AUDIO.sample_rate}", "-map", "0:v", "-map", "1:a",
        "-c:v", "libx264", "-preset", "ultrafast",
        "-profile:v", "high", "-level", profile.level, "-x264-params", f"{x264}:nal-hrd=cbr",
        "-b:v", f"{profile.kbps}k", "-minrate", f"{profile.kbps}k", "-maxrate", f"{profile.kbps}k",
        "-bufsize", f"{profile.kbps}k", "-c:a", "aac", "-ac", "2", "-b:a", f"{HOUSE_AUDIO.kbps}k",
        str(file),
    ]  # fmt: skip
    try:
        done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=600)
    except OSError as error:
        raise PlayoutError("ffmpeg cannot be started to make the test clip.") from error
    if done.returncode != 0:
        last = done.stderr.strip().splitlines()[-1:] or ["no reason given"]
        raise PlayoutError(f"ffmpeg could not make the test clip: {last[0]}.")


def _pack(file: Path, directory: Path, profile: VideoProfile) -> int:
    """Write the tracks of the encoded clip; the number of pictures in them."""
    with av.open(str(file)) as container:
        pictures, sound = container.streams.video[0], container.streams.audio[0]
        header = pictures.codec_context.extradata or b""
        audio_header = sound.codec_context.extradata or b""
        with (
            TrackWriter.video(directory, profile, header) as video,
            TrackWriter.audio(directory, HOUSE_AUDIO, audio_header) as audio,
        ):
            for packet in container.demux(pictures, sound):
                if packet.pts is None or packet.time_base is None:
                    continue
                if packet.stream is sound:
                    # A packet before zero is the encoder's priming, which RTMP cannot mark.
                    if packet.pts >= 0:
                        audio.add_frame(bytes(packet))
                    continue
                shown = round_half_up(Fraction(packet.pts) * packet.time_base * profile.rate)
                video.add_picture(bytes(packet), shown, packet.is_keyframe)
            video.finish()
            audio.finish()
            return video.frames


def write_wire(media: Media, directory: Path, *, tick_ms: int) -> tuple[Path, Path]:
    """Files for the bare sender: one pass of what the pump sends, and where each tick ends."""
    programme = media.programme(0, epoch_ns=0)
    feed = Feed(programme, Shelf())
    feed.open(0)
    wire, schedule = directory / "wire", directory / "schedule"
    ends = array("Q")
    written = 0
    with wire.open("wb") as file:
        for until_ms in range(tick_ms, CLIP_SECONDS * 1000 + 1, tick_ms):
            buffers: list[Buffer] = []
            feed.take(until_ms, buffers)
            for buffer in buffers:
                written += file.write(buffer)
            ends.append(written)
    schedule.write_bytes(ends.tobytes())
    _settle(wire)
    return wire, schedule


def _settle(file: Path) -> None:
    """Write `file` out: mapped pages that still wait for the disk count as private memory."""
    with file.open("rb") as opened:
        os.fsync(opened.fileno())
