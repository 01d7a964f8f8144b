"""What a pump is doing right now, in mapped memory that outlives it.

When a pump dies or hangs, control reads here which output was being served and which tracks were
in hand, so that a track that keeps killing pumps can be found. Serving costs one store; text is
written only when a track is opened or begins to be sent.

    word 0       boot-time nanoseconds of the loop's last beat
    word 1       number of the slot being served, from 1; 0 for none
                 + 2^32 when tracks were opened in its turn
    word 2       version of this layout
    from 2048    tracks being verified ahead of time, one a line
    from 4096    slots of 2048 bytes: output, video lane, audio lane, tracks opened, one a line;
                 a lane's line begins with `=` for a track that has been sent to its end before
"""

from __future__ import annotations

import threading
from collections.abc import Iterable
from pathlib import Path

from playout.media import TrackKind
from playout.node.crash import InHand
from playout.node.deadline import mapped

VERSION = 2
_HEAD_BYTES = 4096
_READING_AT = 2048
_SLOT_BYTES = 2048
_SLOTS = 4096
"""Outputs beyond these are not written down; the file takes eight megabytes."""
_OPENED = 1 << 32
_PROVEN = 4096
"""Tracks that are known to have been sent to their end; the oldest are forgotten."""


class _Slot:
    """What is written of one output."""

    __slots__ = ("lanes", "opened", "output_id")

    def __init__(self, output_id: str) -> None:
        self.output_id = output_id
        self.lanes = {TrackKind.VIDEO: "", TrackKind.AUDIO: ""}
        self.opened: list[str] = []


class Journal:
    """The journal of one pump, mapped by it and by control."""

    def __init__(self, path: Path) -> None:
        """Map `path`, which is made when it is missing."""
        self._map = mapped(path, _HEAD_BYTES + _SLOTS * _SLOT_BYTES)
        self._words = memoryview(self._map)[:24].cast("Q")
        self._free = list(range(_SLOTS, 0, -1))
        self._slots: dict[int, _Slot] = {}
        self._proven: dict[str, None] = {}
        self._reading: list[str] = []
        self._lock = threading.Lock()

    # -- for the pump -----------------------------------------------------------------------

    def begin(self, now_ns: int) -> None:
        """A new pump: nothing is being served yet."""
        self._words[1] = 0
        self._words[2] = VERSION
        self._put(_READING_AT, _HEAD_BYTES - _READING_AT, ())
        self.beat(now_ns)

    def beat(self, now_ns: int) -> None:
        """The loop still turns."""
        self._words[0] = now_ns

    def enter(self, output_id: str) -> int:
        """A slot for `output_id`; 0 when all are taken."""
        if not self._free:
            return 0
        slot = self._free.pop()
        self._slots[slot] = _Slot(output_id)
        self._write(slot)
        return slot

    def leave(self, slot: int) -> None:
        """Give the slot back."""
        if self._slots.pop(slot, None) is not None:
            self._free.append(slot)
        if self.slot == slot:
            self._words[1] = 0

    @property
    def slot(self) -> int:
        """The slot being served."""
        return self._words[1] % _OPENED

    def serve(self, slot: int) -> None:
        """The turn of this output begins: from now on it is the one that is served."""
        self._words[1] = slot

    def open(self, slot: int, directory: str) -> None:
        """The output is about to map a track, or to look into one that is mapped."""
        known = self._slots.get(slot)
        if known is not None:
            if self._words[1] != slot | _OPENED:
                known.opened.clear()
            if directory not in known.opened:
                known.opened.append(directory)
                self._write(slot)
        self._words[1] = slot | _OPENED

    def send(self, slot: int, kind: TrackKind, directory: str) -> None:
        """From now on the output sends this track; an empty name for none."""
        known = self._slots.get(slot)
        if known is None:
            return
        before = known.lanes[kind]
        if before and directory:
            # Back at the end, so that what is sent often is not forgotten.
            self._proven.pop(before, None)
            self._proven[before] = None
            if len(self._proven) > _PROVEN:
                del self._proven[next(iter(self._proven))]
        if before != directory or before in self._proven:
            known.lanes[kind] = directory
            self._write(slot)

    def read(self, directory: str) -> None:
        """A thread begins to verify a track ahead of time; may be called from any thread."""
        with self._lock:
            self._reading.append(directory)
            self._put(_READING_AT, _HEAD_BYTES - _READING_AT, self._reading)

    def done(self, directory: str) -> None:
        """It has verified what it wanted to."""
        with self._lock:
            self._reading.remove(directory)
            self._put(_READING_AT, _HEAD_BYTES - _READING_AT, self._reading)

    def _write(self, slot: int) -> None:
        known = self._slots[slot]
        lanes = [
            f"={directory}" if directory in self._proven else directory
            for directory in known.lanes.values()
        ]
        at = _HEAD_BYTES + (slot - 1) * _SLOT_BYTES
        self._put(at, _SLOT_BYTES, (known.output_id, *lanes, *known.opened))

    def _put(self, at: int, size: int, lines: Iterable[str]) -> None:
        text, room = b"", size - 1
        for line in lines:
            encoded = line.encode("utf-8", "surrogateescape")
            # A path that does not fit is better not named than named by half.
            if len(encoded) < room:
                text += encoded
                room -= len(encoded)
            text += b"\n"
            room -= 1
        self._map[at : at + size] = text[: size - 1].ljust(size, b"\0")

    # -- for control ------------------------------------------------------------------------

    @property
    def beat_ns(self) -> int:
        """Boot-time nanoseconds of the last beat."""
        return self._words[0]

    def in_hand(self) -> InHand:
        """What the pump had in hand when it last wrote; nothing for a pump of another layout."""
        if self._words[2] != VERSION:
            return InHand()
        reading = tuple(line for line in self._get(_READING_AT, _HEAD_BYTES - _READING_AT) if line)
        slot = self.slot
        if not 0 < slot <= _SLOTS:
            return InHand(reading=reading)
        lines = self._get(_HEAD_BYTES + (slot - 1) * _SLOT_BYTES, _SLOT_BYTES)
        output_id, video, audio, *opened = [*lines, "", "", ""][: max(3, len(lines))]
        lanes = [lane for lane in (video, audio) if lane]
        names = tuple(dict.fromkeys(lane.removeprefix("=") for lane in lanes))
        return InHand(
            output_id,
            names,
            frozenset(lane[1:] for lane in lanes if lane.startswith("=")),
            tuple(track for track in opened if track) if self._words[1] & _OPENED else (),
            reading,
        )

    def _get(self, at: int, size: int) -> list[str]:
        text = self._map[at : at + size].rstrip(b"\0").decode("utf-8", "surrogateescape")
        return text.split("\n")
