"""The pump's shelf: writes down what is opened, and refuses what has brought pumps down."""

from __future__ import annotations

from collections.abc import Callable, Collection

from playout.errors import TrackQuarantined
from playout.media import TrackKind
from playout.pump.shelf import Shelf
from playout.tracks.reader import Track


class WatchedShelf(Shelf):
    """A shelf that tells `on_open` before it touches a track."""

    def __init__(self, on_open: Callable[[str], None]) -> None:
        super().__init__()
        self._on_open = on_open
        self._refused: frozenset[str] = frozenset()

    def refuse(self, directories: Collection[str]) -> None:
        """Open none of these any more; sessions that play one leave it at its end."""
        self._refused = frozenset(directories)

    def track(self, directory: str, kind: TrackKind) -> Track:
        """See `Shelf`; raises `TrackQuarantined` besides."""
        if directory in self._refused:
            raise TrackQuarantined(f"The {kind.value} track in {directory} has crashed pumps.")
        self._on_open(directory)
        return super().track(directory, kind)
