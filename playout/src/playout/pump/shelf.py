"""Tracks that are open: one mapping each, however many sessions play it."""

from __future__ import annotations

import weakref
from pathlib import Path

from playout.media import TrackKind
from playout.tracks.reader import Track


class Shelf:
    """Opens tracks, and forgets them when the last session has moved on."""

    def __init__(self) -> None:
        self._open: weakref.WeakValueDictionary[tuple[str, TrackKind], Track] = (
            weakref.WeakValueDictionary()
        )

    def track(self, directory: str, kind: TrackKind) -> Track:
        """The mapped track; raises `TrackError` when it cannot be used."""
        track = self._open.get((directory, kind))
        if track is None:
            track = Track.open(Path(directory), kind)
            self._open[directory, kind] = track
        return track
