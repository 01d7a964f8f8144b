"""What a receiver recorded, as ffprobe and ffmpeg see it; our own parser has no say here."""

from __future__ import annotations

import array
import cmath
import itertools
import json
import math
import operator
import subprocess
from collections import Counter
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

from judges.clips import BEEP_HZ, COLOURS, WHITE
from judges.tools import ffmpeg, ffprobe

_AAC_FRAME = 1024
_TONE_RATE = 11_025
_TONE_SAMPLES = 1024


@dataclass(frozen=True)
class Packet:
    """One packet of a recorded stream; times in milliseconds."""

    pts: int
    dts: int
    size: int
    key: bool


@dataclass(frozen=True)
class Picture:
    """One decoded picture: when it is shown, and the mean colour of its middle."""

    at_ms: int
    rgb: tuple[float, float, float]

    @property
    def colour(self) -> str:
        """The nearest of the clip colours, `white`, or `?` when none is near."""
        known = {**COLOURS, "white": WHITE}
        name = min(known, key=lambda each: math.dist(known[each], self.rgb))
        return name if math.dist(known[name], self.rgb) < 60 else "?"


@dataclass(frozen=True)
class Stretch:
    """Pictures of one colour in a row, the flashes among them counted in."""

    colour: str
    start_ms: int
    frames: int


@dataclass(frozen=True)
class Offset:
    """How much later (positive) than its flash a beep is heard, in ms; inf when it is missing."""

    colour: str
    at_ms: int
    error_ms: float


class Recording:
    """A recorded file and its judges. Everything is found out once, when first asked for."""

    def __init__(self, path: Path) -> None:
        self.path = path

    # -- packets --------------------------------------------------------------------------------

    @cached_property
    def _packets(self) -> dict[str, list[Packet]]:
        wanted = "packet=codec_type,pts,dts,size,flags"
        command = [ffprobe(), "-v", "error", "-of", "json", "-show_entries", wanted, str(self.path)]
        found = subprocess.run(command, capture_output=True, check=True, timeout=120)
        packets: dict[str, list[Packet]] = {"video": [], "audio": []}
        for row in json.loads(found.stdout)["packets"]:
            if row["codec_type"] in packets:
                packets[row["codec_type"]].append(
                    Packet(row["pts"], row["dts"], int(row["size"]), "K" in row["flags"])
                )
        return packets

    @property
    def video(self) -> list[Packet]:
        """Video packets in the order of arrival."""
        return self._packets["video"]

    @property
    def audio(self) -> list[Packet]:
        """Audio packets in the order of arrival."""
        return self._packets["audio"]

    @property
    def video_deltas(self) -> Counter[int]:
        """How often each step between decoding times of video occurs."""
        return _deltas(self.video)

    @property
    def audio_deltas(self) -> Counter[int]:
        """How often each step between times of audio occurs."""
        return _deltas(self.audio)

    @property
    def presentation_deltas(self) -> Counter[int]:
        """How often each step between times of showing occurs, in the order of showing."""
        times = sorted(packet.pts for packet in self.video)
        return Counter(later - earlier for earlier, later in itertools.pairwise(times))

    @property
    def negative_times(self) -> list[Packet]:
        """Packets with a decoding or showing time below zero."""
        return [p for p in [*self.video, *self.audio] if p.dts < 0 or p.pts < 0]

    @cached_property
    def streams(self) -> dict[str, dict[str, object]]:
        """What ffprobe says about the video and the audio stream."""
        command = [ffprobe(), "-v", "error", "-of", "json", "-show_streams", str(self.path)]
        found = subprocess.run(command, capture_output=True, check=True, timeout=60)
        return {row["codec_type"]: row for row in json.loads(found.stdout)["streams"]}

    def payload_md5(self, kind: str) -> list[str]:
        """The MD5 of each packet's payload of `video` or `audio`, in the order of arrival."""
        return payload_md5(self.path, kind)

    # -- decoding -------------------------------------------------------------------------------

    @cached_property
    def decode_errors(self) -> list[str]:
        """Every line that ffmpeg complains with while decoding all of it."""
        command = [ffmpeg(), "-nostdin", "-v", "error", "-threads", "2", "-i", str(self.path),
                   "-fps_mode", "passthrough", "-f", "null", "-"]  # fmt: skip
        found = subprocess.run(command, capture_output=True, text=True, timeout=240)
        status = [] if found.returncode == 0 else [f"ffmpeg ended with {found.returncode}"]
        return [line for line in found.stderr.splitlines() if line.strip()] + status

    @cached_property
    def pictures(self) -> list[Picture]:
        """Every picture in the order of showing."""
        side = 4
        command = [ffmpeg(), "-nostdin", "-v", "error", "-threads", "2", "-i", str(self.path),
                   "-an", "-fps_mode", "passthrough",
                   "-vf", f"crop=iw/4:ih/4,scale={side}:{side}:flags=area,format=rgb24",
                   "-f", "rawvideo", "-"]  # fmt: skip
        raw = subprocess.run(command, capture_output=True, check=True, timeout=240).stdout
        size = 3 * side * side
        times = sorted(packet.pts for packet in self.video)
        assert len(raw) == size * len(times), (
            f"{len(times)} video packets decode to {len(raw) / size} pictures"
        )
        found = []
        for index, at_ms in enumerate(times):
            pixels = raw[index * size : (index + 1) * size]
            red, green, blue = (sum(pixels[c::3]) / side / side for c in range(3))
            found.append(Picture(at_ms, (red, green, blue)))
        return found

    @cached_property
    def stretches(self) -> list[Stretch]:
        """Which colour was on air when, in order; a flash belongs to the colour around it."""
        found: list[Stretch] = []
        for picture in self.pictures:
            colour = picture.colour
            last = found[-1] if found else None
            if last and colour in ("white", last.colour):
                found[-1] = Stretch(last.colour, last.start_ms, last.frames + 1)
            elif last and last.colour == "white":
                # A session may open within a flash: its key frame is that of a whole second.
                found[-1] = Stretch(colour, last.start_ms, last.frames + 1)
            else:
                found.append(Stretch(colour, picture.at_ms, 1))
        return found

    # -- sound ----------------------------------------------------------------------------------

    @cached_property
    def sample_rate(self) -> int:
        """Samples a second, as ffprobe says."""
        return int(str(self.streams["audio"]["sample_rate"]))

    @cached_property
    def _pcm(self) -> array.array[int]:
        pcm = _decode_sound(self.path)
        assert len(pcm) == _AAC_FRAME * len(self.audio), (
            f"{len(self.audio)} audio packets decode to {len(pcm) / _AAC_FRAME} frames"
        )
        return pcm

    @cached_property
    def _slow_pcm(self) -> array.array[int]:
        return _decode_sound(self.path, _TONE_RATE)

    def tone_hz(self, at_ms: float) -> float:
        """The strongest frequency in the 93 ms of sound from `at_ms` on; 0 in silence."""
        begin = round((at_ms - self.audio[0].pts) * _TONE_RATE / 1000)
        window = self._slow_pcm[max(0, begin) : max(0, begin) + _TONE_SAMPLES]
        assert len(window) == _TONE_SAMPLES, f"the sound ends before {at_ms} ms"
        if max(map(abs, window)) < 100:
            return 0.0
        hann = [
            sample * (0.5 - 0.5 * math.cos(2 * math.pi * n / _TONE_SAMPLES))
            for n, sample in enumerate(window)
        ]
        power = [abs(value) for value in _fourier([complex(v) for v in hann])[: _TONE_SAMPLES // 2]]
        return power.index(max(power)) * _TONE_RATE / _TONE_SAMPLES

    def _beep_ms(self, near_ms: int) -> float:
        """When the beep around `near_ms` begins: half of its height, found in steps of 0.5 ms."""
        rate = self.sample_rate
        span, step = rate // 500, rate // 2000
        angle = [2 * math.pi * BEEP_HZ * n / rate for n in range(span)]
        cosine, sine = [math.cos(a) for a in angle], [math.sin(a) for a in angle]
        starts = [packet.pts for packet in self.audio]
        times, heights = [], []
        for n in range(self._frame_at(starts, near_ms - 130) * _AAC_FRAME,
                       len(self._pcm) - span, step):  # fmt: skip
            at = starts[n // _AAC_FRAME] + (n % _AAC_FRAME + span / 2) * 1000 / rate
            if at > near_ms + 180:
                break
            window = self._pcm[n : n + span]
            heights.append(math.hypot(sum(map(operator.mul, window, cosine)),
                                      sum(map(operator.mul, window, sine))) / span)  # fmt: skip
            times.append(at)
        if not heights or max(heights) < 200:
            return math.inf
        half = max(heights) / 2
        return next(at for at, height in zip(times, heights, strict=True) if height >= half)

    @staticmethod
    def _frame_at(starts: list[int], at_ms: float) -> int:
        return max(0, sum(1 for start in starts if start <= at_ms) - 1)

    def offsets(self) -> list[Offset]:
        """How far each flash and its beep are apart, in the order of showing."""
        found = []
        pictures = self.pictures
        for before, now in itertools.pairwise(pictures):
            if now.colour == "white" and before.colour != "white":
                beep = self._beep_ms(now.at_ms)
                found.append(Offset(before.colour, now.at_ms, beep - now.at_ms))
        return found


def payload_md5(path: Path, kind: str) -> list[str]:
    """The MD5 of each packet's payload of the `video` or `audio` stream of any file."""
    command = [ffmpeg(), "-nostdin", "-v", "error", "-i", str(path), "-map", f"0:{kind[0]}:0",
               "-c", "copy", "-f", "framemd5", "-"]  # fmt: skip
    found = subprocess.run(command, capture_output=True, text=True, check=True, timeout=120)
    rows = [row for row in found.stdout.splitlines() if not row.startswith("#")]
    # stream, dts, pts, duration, size, hash; hashes of side data may follow, which is no payload.
    return [row.split(",")[5].strip() for row in rows]


def _deltas(packets: list[Packet]) -> Counter[int]:
    return Counter(later.dts - earlier.dts for earlier, later in itertools.pairwise(packets))


def _decode_sound(path: Path, rate: int | None = None) -> array.array[int]:
    command = [ffmpeg(), "-nostdin", "-v", "error", "-i", str(path), "-vn", "-ac", "1"]
    command += [] if rate is None else ["-ar", str(rate)]
    raw = subprocess.run(
        [*command, "-f", "s16le", "-"], capture_output=True, check=True, timeout=120
    ).stdout
    return array.array("h", raw)


def _fourier(values: list[complex]) -> list[complex]:
    """The discrete Fourier transform of a power of two of values."""
    count = len(values)
    if count == 1:
        return values
    even, odd = _fourier(values[0::2]), _fourier(values[1::2])
    turned = [cmath.exp(-2j * math.pi * k / count) * odd[k] for k in range(count // 2)]
    return [e + t for e, t in zip(even, turned, strict=True)] + [
        e - t for e, t in zip(even, turned, strict=True)
    ]
