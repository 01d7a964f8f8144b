"""Golden codec headers: the bytes that every item of a profile has in common.

`golden.json` holds them; `python -m playout.prepare.headers` makes it again. Changing bytes there
means a new version of the profile, since items with other headers cannot be joined.
"""

from __future__ import annotations

import functools
import json
from pathlib import Path
from typing import Any

from playout.errors import EncoderMismatch
from playout.media import AudioProfile, VideoProfile

GOLDEN_FILE = Path(__file__).with_name("golden.json")


@functools.cache
def _golden() -> dict[str, Any]:
    values: dict[str, Any] = json.loads(GOLDEN_FILE.read_text())
    return values


def video_header(profile: VideoProfile) -> bytes:
    """The AVCDecoderConfigurationRecord of the profile. Raises `EncoderMismatch` without one."""
    found = _golden()["video"].get(profile.id)
    if found is None:
        raise EncoderMismatch(f"This release has no header for the profile {profile.id}.")
    return bytes.fromhex(found)


def silent_frame(profile: AudioProfile) -> bytes:
    """One AAC frame of silence as the encoder makes it. Raises `EncoderMismatch` without one."""
    found = _golden()["silence"].get(profile.id)
    if found is None:
        raise EncoderMismatch(f"This release has no silence for the profile {profile.id}.")
    return bytes.fromhex(found)
