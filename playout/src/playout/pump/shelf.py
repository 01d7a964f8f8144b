"""Tracks that are open: one mapping each, however many sessions play it."""

from __future__ import annotations

import os
from collections import OrderedDict
from dataclasses import dataclass
from pathlib import Path

from playout.media import TrackKind
from playout.tracks.reader import NONE_MISSING, Track

KEPT = 1024
"""Mappings kept for the next join; each costs four of the kernel's map entries at most."""


@dataclass(slots=True)
class _Open:
    track: Track
    identity: tuple[int, int, int]
    data: tuple[int, int, int]
    have: tuple[int, int, int] = (0, 0, 0)
    """The map of blocks as it was when last read."""


class Shelf:
    """Opens tracks and keeps those used last, since most items come round again.

    A session that still plays a track keeps its mapping alive by itself. Beside a track that is not
    here in full lies `<kind>.have`: one bit for each block that may be sent, the first block in
    the lowest bit of the first byte. Whoever fetches blocks replaces that file as a whole.
    """

    def __init__(self, kept: int = KEPT) -> None:
        self._kept = kept
        self._open: OrderedDict[tuple[str, TrackKind], _Open] = OrderedDict()

    def track(self, directory: str, kind: TrackKind) -> Track:
        """The mapped track; raises `TrackError` when it cannot be used.

        One that was prepared again is opened anew, and one that was deleted is gone. Which of its
        blocks may be sent is in its `blocks`.
        """
        key = (directory, kind)
        identity = _identity(directory, f"{kind.value}.index")
        found = self._open.get(key)
        if found is None or found.identity != identity or _is_mended(found):
            self._open.pop(key, None)
            data = _identity(directory, f"{kind.value}.track")
            found = _Open(Track.open(Path(directory), kind), identity, data)
            self._open[key] = found
            if len(self._open) > self._kept:
                self._open.popitem(last=False)
        self._open.move_to_end(key)
        self._look(found)
        return found.track

    def refresh(self, track: Track) -> None:
        """Look again which blocks of an open track may be sent."""
        found = self._open.get((str(track.directory), track.kind))
        if found is not None and found.track is track:
            self._look(found)

    def forget(self, track: Track) -> None:
        """Open `track` anew when it is wanted again, since its file is not what was mapped."""
        for key, opened in list(self._open.items()):
            if opened.track is track:
                del self._open[key]

    @property
    def tracks(self) -> list[Track]:
        """All that are open here."""
        return [opened.track for opened in self._open.values()]

    def let_go_of_deleted(self) -> None:
        """Keep nothing open that is deleted: the disk has its room again when nobody plays it."""
        for track in self.tracks:
            if track.is_deleted:
                self.forget(track)

    def _look(self, opened: _Open) -> None:
        track = opened.track
        have = _identity(str(track.directory), f"{track.kind.value}.have")
        if have == opened.have:
            return
        track.is_partial = have != _NOWHERE
        missing = NONE_MISSING
        if track.is_partial:
            try:
                bits = (track.directory / f"{track.kind.value}.have").read_bytes()
            except OSError:
                return
            missing = frozenset(
                block
                for block in range(track.layout.blocks)
                if block >> 3 >= len(bits) or not bits[block >> 3] >> (block & 7) & 1
            )
        opened.have = have
        if missing != track.blocks.missing:
            track.blocks.missing = missing or NONE_MISSING


_NOWHERE = (0, 0, 0)


def _is_mended(opened: _Open) -> bool:
    """Whether another file has come in the place of one of which blocks were found bad."""
    track = opened.track
    if not track.blocks.missing or track.is_partial:
        return False
    now = _identity(str(track.directory), f"{track.kind.value}.track")
    return now != _NOWHERE and now[:2] != opened.data[:2]


def _identity(directory: str, name: str) -> tuple[int, int, int]:
    try:
        status = os.stat(f"{directory}/{name}")  # noqa: PTH116 - at every join
    except OSError:
        return _NOWHERE
    return (status.st_dev, status.st_ino, status.st_mtime_ns)
