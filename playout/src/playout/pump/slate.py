"""The slate as an item of a programme."""

from __future__ import annotations

from pathlib import Path

from playout.media import VideoProfile
from playout.timeline.programme import Item
from playout.tracks import slate

SLATE_ID = "slate"


def slate_item(profile: VideoProfile, root: Path) -> Item:
    """The slate of `profile`, unpacked below `root` when it is not there yet.

    Raises `PlayoutError` or `OSError` when it cannot be had; a programme does without it then.
    """
    directory = str(slate.unpack(profile, root))
    return Item(SLATE_ID, directory, directory, slate.frames(profile), "Slate")
