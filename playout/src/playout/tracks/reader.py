"""Reads tracks by mapping them: what is sent comes straight from the page cache."""

from __future__ import annotations

import hashlib
import mmap
import os
import sys
from bisect import bisect_left, bisect_right
from pathlib import Path

from playout.errors import TrackCorrupt, TrackNotFound, TrackVersionUnsupported
from playout.media import TrackKind
from playout.tracks import packetiser
from playout.tracks.format import DIGEST_BYTES, Description, Layout, decode_layout


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

    @classmethod
    def open(cls, directory: Path, kind: TrackKind) -> Track:
        """Map the track of `kind` in `directory`.

        Raises `TrackNotFound`, `TrackCorrupt` or `TrackVersionUnsupported`. The blocks are not
        read: see `verify`.
        """
        if sys.byteorder != "little":
            raise TrackVersionUnsupported("Tracks are mapped as they are, in little-endian order.")
        try:
            index = _map(directory / f"{kind.value}.index")
            data = _map(directory / f"{kind.value}.track")
        except FileNotFoundError as error:
            raise TrackNotFound(f"There is no {kind.value} track in {directory}.") from error
        except (OSError, ValueError) as error:
            raise TrackCorrupt(
                f"The {kind.value} track in {directory} cannot be opened: {error}."
            ) from error
        try:
            layout = decode_layout(memoryview(index))
        except TrackCorrupt as error:
            raise TrackCorrupt(f"{error.args[0]} It is in {directory}.") from error
        if len(data) != layout.data_bytes:
            raise TrackCorrupt(
                f"The {kind.value} track in {directory} has {len(data)} bytes "
                f"instead of {layout.data_bytes}."
            )
        if layout.description.kind is not kind:
            raise TrackCorrupt(f"The {kind.value} track in {directory} holds something else.")
        return cls(directory, layout, index, data)

    @property
    def kind(self) -> TrackKind:
        """Pictures or sound."""
        return self.description.kind

    @property
    def frames(self) -> int:
        """Number of messages."""
        return self.layout.messages

    def slice(self, first: int, end: int) -> memoryview:
        """The bytes of messages `first` up to but not including `end`."""
        return self.data[self.offsets[first] : self.offsets[end]]

    def body(self, message: int) -> bytes:
        """The FLV tag body of one message."""
        return packetiser.message_body(self.slice(message, message + 1))

    def key_at_or_before(self, frame: int) -> int:
        """The number of the last key frame not after `frame`."""
        return self.keys[max(0, bisect_right(self.keys, frame) - 1)]

    def key_at_or_after(self, frame: int) -> int | None:
        """The number of the first key frame not before `frame`."""
        found = bisect_left(self.keys, frame)
        return self.keys[found] if found < len(self.keys) else None

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
    descriptor = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
    try:
        return mmap.mmap(descriptor, 0, prot=mmap.PROT_READ, flags=mmap.MAP_SHARED)
    finally:
        os.close(descriptor)
