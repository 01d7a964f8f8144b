"""Reads tracks by mapping them: what is sent comes straight from the page cache."""

from __future__ import annotations

import hashlib
import mmap
import os
import sys
from bisect import bisect_left, bisect_right
from pathlib import Path

from playout.errors import TrackCorrupt, TrackNotFound, TrackVersionUnsupported
from playout.lines import printable
from playout.media import TrackKind
from playout.tracks import packetiser
from playout.tracks.format import DIGEST_BYTES, Description, Layout, decode_layout

NONE_MISSING: frozenset[int] = frozenset()


class Blocks:
    """Which blocks of a track may not be sent: not here yet, evicted, or corrupt.

    `missing` is replaced as a whole, never changed in place, so that any thread may do it while
    sessions look; they compare by identity and look again only when it is another set.
    """

    __slots__ = ("missing",)

    def __init__(self, missing: frozenset[int] = NONE_MISSING) -> None:
        self.missing = missing


class Track:
    """One mapped track. Cheap to keep open, shared by all sessions that play it.

    `offsets`, `timestamps` and `keys` are views of the index: byte offset and milliseconds of
    each message (offsets has one more, the end), and the numbers of the key frames.
    """

    def __init__(self, directory: Path, layout: Layout, index: mmap.mmap, data: mmap.mmap) -> None:
        self.directory = directory
        self.description: Description = layout.description
        self.layout = layout
        self.data = memoryview(data)
        view = memoryview(index)
        self.offsets = view[layout.offsets_at : layout.timestamps_at].cast("Q")
        self.timestamps = view[layout.timestamps_at : layout.keys_at].cast("I")
        self.keys = view[layout.keys_at : layout.hashes_at].cast("I")
        self._hashes = view[layout.hashes_at : layout.hashes_at + DIGEST_BYTES * layout.blocks]
        self.blocks = Blocks()
        self.messages_per_ms = float(layout.description.rate) / 1000
        self.bytes_per_ms = self.messages_per_ms * layout.data_bytes / max(1, layout.messages)
        self._data_size, self._data_bytes = data.size, len(data)
        self.is_partial = False
        """Blocks of it may come and go while it plays."""
        self.is_deleted = False
        """Its file was gone when somebody last looked: kept open, it takes room all the same."""
        self._index_size, self._index_bytes = index.size, len(index)
        # A quarter of the digest, as one number: it is compared at each turn.
        self._digest_now = view[-8:].cast("Q")
        self._digest = self._digest_now[0]

    @classmethod
    def open(cls, directory: Path, kind: TrackKind) -> Track:
        """Map the track of `kind` in `directory`.

        Raises `TrackNotFound`, `TrackCorrupt` or `TrackVersionUnsupported`. The blocks are not
        read: see `verify`.
        """
        shown = printable(str(directory))
        if sys.byteorder != "little":
            raise TrackVersionUnsupported("Tracks are mapped as they are, in little-endian order.")
        try:
            index = _map(directory / f"{kind.value}.index")
            data = _map(directory / f"{kind.value}.track")
        except FileNotFoundError as error:
            raise TrackNotFound(f"There is no {kind.value} track in {shown}.") from error
        except NotADirectoryError as error:
            raise TrackNotFound(
                f"{shown} leads to a file, not to a folder of tracks.",
                advice="Prepare it into a folder, and name that one.",
            ) from error
        except (OSError, ValueError) as error:
            reason = error.strerror if isinstance(error, OSError) else "it is empty"
            raise TrackCorrupt(
                f"The {kind.value} track in {shown} cannot be opened: {reason}."
            ) from error
        try:
            layout = decode_layout(memoryview(index))
        except TrackCorrupt as error:
            raise TrackCorrupt(f"{error.args[0]} It is in {shown}.") from error
        if len(data) != layout.data_bytes:
            raise TrackCorrupt(
                f"The {kind.value} track in {shown} has {len(data)} bytes "
                f"instead of {layout.data_bytes}."
            )
        if layout.description.kind is not kind:
            raise TrackCorrupt(f"The {kind.value} track in {shown} holds something else.")
        return cls(directory, layout, index, data)

    @property
    def kind(self) -> TrackKind:
        """Pictures or sound."""
        return self.description.kind

    @property
    def frames(self) -> int:
        """Number of messages."""
        return self.layout.messages

    def is_intact(self) -> bool:
        """Whether the index is still the one that was mapped; ask before anything is looked up.

        One that was cut short ends the process that reads on, and one that was written over leads
        to other bytes of the track than there are messages.
        """
        return self._index_size() >= self._index_bytes and self._digest_now[0] == self._digest

    def reaches(self, message: int) -> bool:
        """Whether the file is still long enough for all that comes before `message`.

        One that was cut short reads as zeros up to the end of a page, before it fails.
        """
        return self._data_size() >= self.offsets[min(message, self.layout.messages)]

    def slice(self, first: int, end: int) -> memoryview:
        """The bytes of messages `first` up to but not including `end`."""
        return self.data[self.offsets[first] : self.offsets[end]]

    def body(self, message: int) -> bytes:
        """The FLV tag body of one message."""
        return packetiser.message_body(self.slice(message, message + 1))

    def composition_ms(self, message: int) -> int | None:
        """Milliseconds from decoding a picture to showing it; None when its bytes are not here."""
        if self._data_size() < self._data_bytes or self.ready_until(message) <= message:
            return None
        at = self.offsets[message] + packetiser.COMPOSITION_AT
        return int.from_bytes(self.data[at : at + 3], "big")

    def retimed_head(self, message: int, composition_ms: int) -> bytes:
        """The bytes at the head of a picture, up to and including another composition time.

        Ask only for a picture whose `composition_ms` is known.
        """
        begin = self.offsets[message]
        head = bytes(self.data[begin : begin + packetiser.COMPOSITION_AT])
        return head + composition_ms.to_bytes(3, "big")

    def key_at_or_before(self, frame: int) -> int:
        """The number of the last key frame not after `frame`."""
        return self.keys[max(0, bisect_right(self.keys, frame) - 1)]

    def key_at_or_after(self, frame: int) -> int | None:
        """The number of the first key frame not before `frame`."""
        found = bisect_left(self.keys, frame)
        return self.keys[found] if found < len(self.keys) else None

    def is_key(self, frame: int) -> bool:
        """Whether decoding can begin at picture `frame`."""
        found = bisect_left(self.keys, frame)
        return found < len(self.keys) and self.keys[found] == frame

    # -- what may be sent -------------------------------------------------------------------

    def block_of(self, message: int) -> int:
        """The block in which a message begins."""
        return self.offsets[message] // self.layout.block_bytes

    def ready_until(self, message: int) -> int:
        """The first message from `message` on that may not be sent; `frames` when all may."""
        missing = self.blocks.missing
        if not missing or message >= self.frames:
            return self.frames
        here = self.block_of(message)
        ahead = [block for block in missing if block >= here]
        if not ahead:
            return self.frames
        first = min(ahead) * self.layout.block_bytes
        return max(message, bisect_right(self.offsets, first, 0, self.frames) - 1)

    def next_ready(self, message: int) -> int | None:
        """The first message from `message` on that may be sent."""
        while message < self.frames:
            if self.ready_until(message) > message:
                return message
            message = self._behind_hole(message)
        return None

    def next_ready_key(self, message: int) -> int | None:
        """The first key frame from `message` on that may be sent, its whole group included."""
        key = self.key_at_or_after(message)
        while key is not None:
            following = self.key_at_or_after(key + 1)
            ready = self.ready_until(key)
            if ready >= (self.frames if following is None else following):
                return key
            key = self.key_at_or_after(max(key + 1, self._behind_hole(ready)))
        return None

    def _behind_hole(self, message: int) -> int:
        """The first message that begins behind the missing blocks that `message` touches."""
        missing, size = self.blocks.missing, self.layout.block_bytes
        block = self.block_of(message)
        if block not in missing:
            # It begins before the hole and reaches into it.
            block += 1
        while block in missing:
            block += 1
        return max(message + 1, bisect_left(self.offsets, block * size, 0, self.frames))

    def block_hash(self, block: int) -> bytes:
        """The SHA-256 that block `block` of the track file must have."""
        return bytes(self._hashes[DIGEST_BYTES * block : DIGEST_BYTES * (block + 1)])

    def verify(self) -> None:
        """Read every block and compare its hash; raises `TrackCorrupt` naming the first bad one."""
        size = self.layout.block_bytes
        for block in range(self.layout.blocks):
            part = self.data[block * size : (block + 1) * size]
            if hashlib.sha256(part).digest() != self.block_hash(block):
                raise TrackCorrupt(
                    f"Block {block} of the {self.kind.value} track in {self.directory} has changed."
                )


def _map(path: Path) -> mmap.mmap:
    # Where something else than a file lies there, such as a pipe, opening must not wait for it.
    descriptor = os.open(path, os.O_RDONLY | os.O_CLOEXEC | os.O_NONBLOCK)
    try:
        return mmap.mmap(descriptor, 0, prot=mmap.PROT_READ, flags=mmap.MAP_SHARED)
    finally:
        os.close(descriptor)
