"""Makes the pictures and the sound of the slate again, for every profile; takes minutes.

Needs Pillow besides what the engine needs. Exit status 1 when a header is not the golden one.
"""

from __future__ import annotations

import json
import lzma
import struct
import subprocess
import sys
import tempfile
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from PIL import Image, ImageDraw, ImageFont

from playout.media import HOUSE_AUDIO, VIDEO_PROFILES, VideoProfile
from playout.prepare import headers
from playout.prepare.encoder import Encoder, ffmpeg_path
from playout.prepare.pictures import Picture, PictureOrder, TagReader
from playout.prepare.plan import PRESETS, PrepareOptions, encoder_arguments, pipe_arguments
from playout.tracks.slate import DATA_FILE, GROUPS, key_of

WORDS = "We will be right back"
GROUND, INK = (28, 38, 48), (206, 214, 220)
SECONDS = 4
_QUALITY = "24"
_AT_ONCE = 4


def main() -> int:
    """Encode two groups of pictures for each size and rate, and one swell of sound for all."""
    sound = _sound()
    needed = {key_of(profile): profile for profile in VIDEO_PROFILES.values()}
    with tempfile.TemporaryDirectory() as scratch, ThreadPoolExecutor(_AT_ONCE) as workers:
        made = workers.map(lambda profile: _pictures(profile, Path(scratch)), needed.values())
        parts = dict(zip(needed, made, strict=True))
    parts["sound"] = sound
    index = {name: len(part) for name, part in parts.items()}
    head = json.dumps(index, separators=(",", ":")).encode()
    filters = [{"id": lzma.FILTER_LZMA2, "preset": 9 | lzma.PRESET_EXTREME, "dict_size": 1 << 25}]
    raw = struct.pack("<I", len(head)) + head + b"".join(parts.values())
    DATA_FILE.write_bytes(lzma.compress(raw, format=lzma.FORMAT_XZ, filters=filters))
    sys.stderr.write(f"{DATA_FILE.name}: {DATA_FILE.stat().st_size} bytes\n")
    return 0


def draw(size: tuple[int, int]) -> Image.Image:
    """The flat picture with its words, as large as fits."""
    width, height = size
    image = Image.new("RGB", size, GROUND)
    brush = ImageDraw.Draw(image)
    font = ImageFont.load_default(size=round(min(height * 0.07, width * 0.075)))
    brush.text((width / 2, height / 2), WORDS, INK, font=font, anchor="mm")
    return image


def _pictures(profile: VideoProfile, scratch: Path) -> bytes:
    still = scratch / f"{key_of(profile)}.png"
    draw((profile.width, profile.height)).save(still)
    options = PrepareOptions(preset=PRESETS[0])
    arguments = encoder_arguments(profile, options)
    # Constant quality, so that pictures of one size are equal at every rate; `stitchable` keeps
    # the headers what they are with a bit rate.
    for name in ("-b:v", "-maxrate", "-bufsize"):
        at = arguments.index(name)
        del arguments[at : at + 2]
    arguments[-1] += ":stitchable=1"
    count = GROUPS * profile.gop_frames
    reader, order, found = TagReader(), PictureOrder(profile), list[Picture]()

    def take(data: bytes) -> None:
        for tag in reader.feed(data):
            if tag.is_header and tag.payload != headers.video_header(profile):
                raise SystemExit(f"{profile.id}: the header is {tag.payload.hex()}")
            if tag.is_media:
                found.append(order.picture(tag))

    Encoder(wall_seconds=600).run(
        lambda pipes: [
            "-i", str(still), "-vf",
            ("scale=out_color_matrix=bt709:out_range=tv,format=yuv420p,setsar=1,"
            f"loop=loop=-1:size=1:start=0,setpts=N/{profile.fps}/TB,fps={profile.fps}"),
            "-frames:v", str(count), *arguments, "-crf", _QUALITY, *pipe_arguments(pipes[0]),
        ],
        [take],
    )  # fmt: skip
    if order.finish() != count:
        raise SystemExit(f"{profile.id}: the encoder made {len(found)} pictures, not {count}")
    sys.stderr.write(f"{key_of(profile)}: {sum(len(each.avcc) for each in found)} bytes\n")
    packed = [struct.pack("<H", len(headers.video_header(profile)))]
    packed.append(headers.video_header(profile))
    for picture in found:
        packed.append(struct.pack("<II?", len(picture.avcc), picture.display_index, picture.key))
        packed.append(picture.avcc)
    return b"".join(packed)


def _sound() -> bytes:
    """A low, slow swell of three notes, from silence to silence."""
    notes = "+".join(f"{level}*sin(2*PI*{hz}*t)" for hz, level in
                     ((110.0, 0.05), (164.75, 0.035), (220.0, 0.02)))  # fmt: skip
    swell = f"({notes})*sin(PI*t/{SECONDS})*sin(PI*t/{SECONDS})"
    command = [
        ffmpeg_path(), "-nostdin", "-v", "error", "-f", "lavfi",
        "-i", f"aevalsrc={swell}|{swell}:s={HOUSE_AUDIO.sample_rate}:d={SECONDS}",
        "-af", "apad=pad_dur=0.2", "-c:a", "aac", "-profile:a", "aac_low", "-b:a", "96k",
        "-flags:a", "+bitexact", "-f", "flv", "pipe:1",
    ]  # fmt: skip
    done = subprocess.run(command, capture_output=True, check=True)
    tags = [tag for tag in TagReader().feed(done.stdout) if tag.is_media]
    # The first one holds nothing but the encoder's run-up.
    return b"".join(struct.pack("<H", len(tag.payload)) + tag.payload for tag in tags[1:])


if __name__ == "__main__":
    sys.exit(main())
