"""Makes source clips that can be recognised again: a colour, a tone, and flashes with beeps.

At each whole second (but not at 0) the picture turns white and the sound beeps, both for 200 ms, so
that a recording shows how far picture and sound have moved apart. The picture is otherwise of one
colour and the sound one tone, so that a recording shows which clip was on air when.
"""

from __future__ import annotations

import hashlib
import subprocess
from dataclasses import astuple, dataclass
from fractions import Fraction
from pathlib import Path

from judges.tools import ffmpeg

COLOURS = {
    "red": (200, 30, 30),
    "green": (30, 150, 50),
    "blue": (40, 60, 200),
    "yellow": (200, 180, 40),
    "magenta": (180, 50, 170),
    "cyan": (40, 170, 180),
}
WHITE = (235, 235, 235)
BEEP_HZ = 3000
FLASH_MS = 200


@dataclass(frozen=True)
class Clip:
    """What a source clip is like; `audio` is a channel layout of ffmpeg, or None for silence."""

    colour: str = "red"
    tone_hz: int = 440
    size: tuple[int, int] = (320, 180)
    fps: str = "30"
    seconds: int = 3
    audio: str | None = "stereo"
    sample_rate: int = 44_100
    suffix: str = ".mp4"

    @property
    def rate(self) -> Fraction:
        return Fraction(self.fps)

    @property
    def frames(self) -> int:
        """Pictures in the source."""
        return int(self.seconds * self.rate)


def make_clip(path: Path, clip: Clip) -> Path:
    """Write `clip` to `path` with ffmpeg; the container is what the suffix says."""
    width, height = clip.size
    red, green, blue = COLOURS[clip.colour]
    flash = "gte(t+0.0005,1)*lt(mod(t+0.0005,1),0.2)"
    video = (
        f"color=c=0x{red:02x}{green:02x}{blue:02x}:s={width}x{height}:r={clip.fps}"
        f",format=yuv444p,drawbox=t=fill:color=0xebebeb:enable='{flash}',format=yuv420p"
    )
    command = [ffmpeg(), "-nostdin", "-v", "error", "-y", "-f", "lavfi", "-i", video]
    if clip.audio:
        sound = (
            f"0.1*sin(2*PI*{clip.tone_hz}*t)"
            f"+0.5*sin(2*PI*{BEEP_HZ}*t)*gte(t+0.00001\\,1)*lt(mod(t+0.00001\\,1)\\,0.2)"
        )
        source = f"aevalsrc={sound}:s={clip.sample_rate}:d={clip.seconds}"
        command += ["-f", "lavfi", "-i", f"{source},aformat=channel_layouts={clip.audio}"]
    frames = ["-frames:v", str(clip.frames)]
    if clip.suffix == ".webm":
        codecs = ["-c:v", "libvpx", "-deadline", "realtime", "-cpu-used", "8", "-b:v", "500k"]
        codecs += ["-c:a", "libopus"] if clip.audio else []
    else:
        codecs = ["-c:v", "libx264", "-preset", "ultrafast", "-threads", "1"]
        codecs += ["-c:a", "aac", "-b:a", "128k"] if clip.audio else []
    part = path.with_name(f"part-{path.name}")
    subprocess.run([*command, *frames, *codecs, str(part)], check=True, timeout=120)
    part.rename(path)
    return path


class ClipShelf:
    """Clips made once for each test session."""

    def __init__(self, directory: Path) -> None:
        self._directory = directory

    def __call__(self, clip: Clip) -> Path:
        """The file of `clip`, made now if nobody asked for it before."""
        name = hashlib.sha256(repr(astuple(clip)).encode()).hexdigest()[:12]
        path = self._directory / f"{clip.colour}-{name}{clip.suffix}"
        return path if path.exists() else make_clip(path, clip)
