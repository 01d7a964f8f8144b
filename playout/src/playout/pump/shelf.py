"""Tracks that are open: one mapping each, however many sessions play it."""

from __future__ import annotations

import os
from collections import OrderedDict
from dataclasses import dataclass
from pathlib import Path

from playout.media import TrackKind
from playout.tracks.reader import Track

KEPT = 1024
"""Mappings kept for the next join; each costs four of the kernel's map entries at most."""


@dataclass(frozen=True, slots=True)
class _Open:
    track: Track
    identity: tuple[int, int, int]


class Shelf:
    """Opens tracks and keeps those used last, since most items come round again.

    A session that still plays a track keeps its mapping alive by itself.
    """

    def __init__(self, kept: int = KEPT) -> None:
        self._kept = kept
        self._open: OrderedDict[tuple[str, TrackKind], _Open] = OrderedDict()

    def track(self, directory: str, kind: TrackKind) -> Track:
        """The mapped track; raises `TrackError` when it cannot be used.

        One that was prepared again is opened anew, and one that was deleted is gone.
        """
        key = (directory, kind)
        identity = _identity(directory, kind)
        found = self._open.get(key)
        if found is None or found.identity != identity:
            self._open.pop(key, None)
            found = _Open(Track.open(Path(directory), kind), identity)
            self._open[key] = found
            if len(self._open) > self._kept:
                self._open.popitem(last=False)
        self._open.move_to_end(key)
        return found.track

    def forget(self, track: Track) -> None:
        """Open `track` anew when it is wanted again, since its file is not what was mapped."""
        for key, opened in list(self._open.items()):
            if opened.track is track:
                del self._open[key]


def _identity(directory: str, kind: TrackKind) -> tuple[int, int, int]:
    try:
        status = os.stat(f"{directory}/{kind.value}.index")  # noqa: PTH116 - at every join
    except OSError:
        return (0, 0, 0)
    return (status.st_dev, status.st_ino, status.st_mtime_ns)
