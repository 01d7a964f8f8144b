"""The slate: a calm picture with a few words and a soft sound, for when nothing else can be played.

`slate.xz` holds it ready encoded for every house format, so that showing it needs no encoder:
unpacking only packetises. `python -m playout.prepare.slate` makes it again. Uncompressed it is:

    4 bytes    length of the index
    index      JSON object, bytes of each part by name, in order: sizes and rates, then `sound`
    pictures   2-byte length and AVCDecoderConfigurationRecord; then for each picture its length,
               number of showing (4 bytes each) and whether it is key (1), and the picture
    sound      2-byte length and frame, for each AAC frame

All integers are little-endian.
"""

from __future__ import annotations

import functools
import json
import lzma
import shutil
import struct
import tempfile
from pathlib import Path

from playout.errors import TrackError, TrackNotFound
from playout.media import HOUSE_AUDIO, TrackKind, VideoProfile
from playout.tracks.reader import Track
from playout.tracks.writer import TrackWriter

DATA_FILE = Path(__file__).with_name("slate.xz")
GROUPS = 2
"""Groups of pictures in the slate; whoever shows it longer begins it again."""

_PICTURE = struct.Struct("<II?")
_ASC = bytes.fromhex("1210")
"""AudioSpecificConfig of `HOUSE_AUDIO`: AAC-LC, 44.1 kHz, stereo (ISO/IEC 14496-3, 1.6.2.1)."""


def key_of(profile: VideoProfile) -> str:
    """What the pictures depend on: profiles that differ in bit rate only share them."""
    return f"{profile.width}x{profile.height}@{profile.fps}"


def unpack(profile: VideoProfile, root: Path) -> Path:
    """The directory below `root` with the slate's two tracks for `profile`, made when needed.

    Raises `TrackNotFound` when this release has no slate for the profile, and `OSError` or
    `PrepareOutOfSpace` when it cannot be written.
    """
    directory = root / f"slate-{profile.id}"
    if _is_whole(directory):
        return directory
    parts = _parts()
    if key_of(profile) not in parts:
        raise TrackNotFound(f"This release has no slate for the profile {profile.id}.")
    root.mkdir(parents=True, exist_ok=True)
    scratch = Path(tempfile.mkdtemp(prefix=".slate-", dir=root))
    try:
        _write(profile, parts, scratch)
        try:
            scratch.rename(directory)
        except OSError:
            # Another process was faster, or left something broken.
            if not _is_whole(directory):
                shutil.rmtree(directory, ignore_errors=True)
                scratch.rename(directory)
    finally:
        shutil.rmtree(scratch, ignore_errors=True)
    return directory


def frames(profile: VideoProfile) -> int:
    """Pictures of the slate."""
    return GROUPS * profile.gop_frames


def _is_whole(directory: Path) -> bool:
    try:
        for kind in TrackKind:
            Track.open(directory, kind)
    except TrackError:
        return False
    return True


@functools.lru_cache(maxsize=1)
def _parts() -> dict[str, bytes]:
    raw = lzma.decompress(DATA_FILE.read_bytes())
    (length,) = struct.unpack_from("<I", raw)
    at, found = 4 + length, dict[str, bytes]()
    for name, size in json.loads(raw[4:at]).items():
        found[name] = raw[at : at + size]
        at += size
    return found


def _write(profile: VideoProfile, parts: dict[str, bytes], directory: Path) -> None:
    data = parts[key_of(profile)]
    (length,) = struct.unpack_from("<H", data)
    at = 2 + length
    with TrackWriter.video(directory, profile, data[2:at]) as video:
        while at < len(data):
            size, shown, key = _PICTURE.unpack_from(data, at)
            at += _PICTURE.size
            video.add_picture(data[at : at + size], shown, key)
            at += size
        video.finish()
    data, at = parts["sound"], 0
    with TrackWriter.audio(directory, HOUSE_AUDIO, _ASC) as audio:
        while at < len(data):
            (size,) = struct.unpack_from("<H", data, at)
            audio.add_frame(data[at + 2 : at + 2 + size])
            at += 2 + size
        audio.finish()
