"""Turns tracks into an FLV file, so that ffprobe and ffmpeg can judge what was prepared."""

from __future__ import annotations

from fractions import Fraction
from pathlib import Path

from playout.media import REORDER_FRAMES, TrackKind
from playout.timebase import frame_ms, round_half_up
from playout.tracks.reader import Track


def flv_of(directory: Path, path: Path) -> Path:
    """Write the two tracks in `directory` as they would go on air, from time 0, into `path`.

    The sound is cut where the pictures end, and begins when picture 0 is shown.
    """
    video = Track.open(directory, TrackKind.VIDEO)
    audio = Track.open(directory, TrackKind.AUDIO)
    rate = video.description.rate
    begin_ms = frame_ms(REORDER_FRAMES, rate)
    messages = [(-1, 9, b"\x17\0\0\0\0" + video.description.codec_header),
                (-1, 8, b"\xaf\0" + audio.description.codec_header)]  # fmt: skip
    messages += [(video.timestamps[i], 9, video.body(i)) for i in range(video.frames)]
    heard = round_half_up(Fraction(video.frames) / rate * audio.description.rate)
    messages += [(begin_ms + audio.timestamps[i], 8, audio.body(i)) for i in range(heard)]
    messages.sort(key=lambda message: message[0])
    with path.open("wb") as file:
        file.write(b"FLV\x01\x05\0\0\0\x09\0\0\0\0")
        for at_ms, kind, body in messages:
            stamp = max(0, at_ms).to_bytes(4, "big")
            head = bytes([kind]) + len(body).to_bytes(3, "big") + stamp[1:] + stamp[:1] + b"\0\0\0"
            file.write(head + body + (11 + len(body)).to_bytes(4, "big"))
    return path
