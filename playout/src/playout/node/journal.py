"""What a pump is doing right now, in mapped memory that outlives it.

When a pump dies or hangs, control reads here which output was being served and from which tracks,
so that a track that keeps killing pumps can be found. Serving costs one store; text is written
only when a track is opened.

    word 0       boot-time nanoseconds of the loop's last beat
    word 1       number of the slot being served, from 1; 0 for none
    from 4096    slots of 1024 bytes: output, video directory, audio directory, one a line
"""

from __future__ import annotations

import mmap
import os
from dataclasses import dataclass
from pathlib import Path

from playout.media import TrackKind

_HEAD_BYTES = 4096
_SLOT_BYTES = 1024
_SLOTS = 4096
"""Outputs beyond these are not written down; the file is sparse."""


@dataclass(frozen=True, slots=True)
class Serving:
    """The output a pump was serving, and the directories of the tracks it sent."""

    output_id: str
    tracks: tuple[str, ...]


class Journal:
    """The journal of one pump, mapped by it and by control."""

    def __init__(self, path: Path) -> None:
        """Map `path`, which is made when it is missing."""
        descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        try:
            size = _HEAD_BYTES + _SLOTS * _SLOT_BYTES
            if os.fstat(descriptor).st_size < size:
                os.ftruncate(descriptor, size)
            self._map = mmap.mmap(descriptor, size)
        finally:
            os.close(descriptor)
        self._words = memoryview(self._map)[:16].cast("Q")
        self._free = list(range(_SLOTS, 0, -1))
        self._tracks: dict[int, tuple[str, dict[TrackKind, str]]] = {}

    # -- for the pump -----------------------------------------------------------------------

    def begin(self, now_ns: int) -> None:
        """A new pump: nothing is being served yet."""
        self._words[1] = 0
        self.beat(now_ns)

    def beat(self, now_ns: int) -> None:
        """The loop still turns."""
        self._words[0] = now_ns

    def enter(self, output_id: str) -> int:
        """A slot for `output_id`; 0 when all are taken."""
        if not self._free:
            return 0
        slot = self._free.pop()
        self._tracks[slot] = (output_id, {})
        self._write(slot)
        return slot

    def leave(self, slot: int) -> None:
        """Give the slot back."""
        if self._tracks.pop(slot, None) is not None:
            self._free.append(slot)
        if self._words[1] == slot:
            self._words[1] = 0

    @property
    def slot(self) -> int:
        """The slot being served."""
        return self._words[1]

    def serve(self, slot: int) -> None:
        """From now on it is this output that is being served."""
        self._words[1] = slot

    def open(self, slot: int, kind: TrackKind, directory: str) -> None:
        """The output begins to read a track."""
        self._words[1] = slot
        known = self._tracks.get(slot)
        if known is not None and known[1].get(kind) != directory:
            known[1][kind] = directory
            self._write(slot)

    def _write(self, slot: int) -> None:
        output_id, tracks = self._tracks[slot]
        lines = [output_id, tracks.get(TrackKind.VIDEO, ""), tracks.get(TrackKind.AUDIO, "")]
        text = "\n".join(lines).encode("utf-8", "surrogateescape")
        if len(text) >= _SLOT_BYTES:
            # A path that does not fit is better not named than named by half.
            text = output_id.encode()
        at = _HEAD_BYTES + (slot - 1) * _SLOT_BYTES
        self._map[at : at + _SLOT_BYTES] = text[:_SLOT_BYTES].ljust(_SLOT_BYTES, b"\0")

    # -- for control ------------------------------------------------------------------------

    @property
    def beat_ns(self) -> int:
        """Boot-time nanoseconds of the last beat."""
        return self._words[0]

    def serving(self) -> Serving | None:
        """What the pump was serving last; None when it was nothing that was written down."""
        slot = self._words[1]
        if not 0 < slot <= _SLOTS:
            return None
        at = _HEAD_BYTES + (slot - 1) * _SLOT_BYTES
        text = self._map[at : at + _SLOT_BYTES].rstrip(b"\0").decode("utf-8", "surrogateescape")
        output_id, *tracks = text.split("\n")
        return Serving(output_id, tuple(dict.fromkeys(t for t in tracks if t)))
