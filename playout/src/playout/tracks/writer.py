"""Writes tracks: under a temporary name first, complete and on disk before they get their own."""

from __future__ import annotations

import contextlib
import errno
import hashlib
import os
import sys
from array import array
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from types import TracebackType
from typing import Self

from playout.errors import (
    PrepareLimitExceeded,
    PrepareOutOfSpace,
    PrepareOutUnusable,
    SourceCorrupt,
)
from playout.lines import printable
from playout.media import (
    MAX_MESSAGE_BYTES,
    REORDER_FRAMES,
    AudioProfile,
    TrackKind,
    VideoProfile,
)
from playout.timebase import frame_ms
from playout.tracks import packetiser
from playout.tracks.format import BLOCK_BYTES, Description, encode_index
from playout.tracks.verified import stamp

_WRITE_BYTES = 1 << 20


class TrackWriter:
    """Writes one track into a directory.

    Use it as a context manager: a block that is left without `finish` leaves nothing behind.
    Raises `PrepareOutOfSpace` when the disk is full, `PrepareOutUnusable` when the directory cannot
    be written for another reason, and `PrepareLimitExceeded` past `max_bytes`.
    """

    def __init__(
        self, directory: Path, description: Description, *, max_bytes: int | None = None
    ) -> None:
        self._description = description
        self._max_bytes = max_bytes
        self._kind = description.kind
        self._directory = directory
        self._part = directory / f".{self._kind.value}.track.part"
        self._index_part = directory / f".{self._kind.value}.index.part"
        self._offsets = array("Q", [0])
        self._timestamps = array("I")
        self._keys = array("I")
        self._hashes: list[bytes] = []
        self._block = hashlib.sha256()
        self._block_left = BLOCK_BYTES
        self._pending = bytearray()
        self._written = 0
        self._finished = False
        with _disk_errors(self._part):
            directory.mkdir(parents=True, exist_ok=True)
            self._file = self._part.open("wb", buffering=0)

    @classmethod
    def video(
        cls, directory: Path, profile: VideoProfile, header: bytes, *, max_bytes: int | None = None
    ) -> TrackWriter:
        """A writer of pictures; `header` is the AVCDecoderConfigurationRecord."""
        description = Description(
            kind=TrackKind.VIDEO,
            profile=profile.id,
            codec_header=header,
            rate=profile.rate,
            content_frames=0,
            reorder_frames=REORDER_FRAMES,
            width=profile.width,
            height=profile.height,
            kbps=profile.kbps,
        )
        return cls(directory, description, max_bytes=max_bytes)

    @classmethod
    def audio(
        cls, directory: Path, profile: AudioProfile, header: bytes, *, max_bytes: int | None = None
    ) -> TrackWriter:
        """A writer of sound; `header` is the AudioSpecificConfig."""
        description = Description(
            kind=TrackKind.AUDIO,
            profile=profile.id,
            codec_header=header,
            rate=profile.rate,
            content_frames=0,
            kbps=profile.kbps,
        )
        return cls(directory, description, max_bytes=max_bytes)

    @property
    def frames(self) -> int:
        """Messages added so far."""
        return len(self._timestamps)

    @property
    def bytes_written(self) -> int:
        """Bytes of the track so far."""
        return self._written

    def add_picture(self, avcc: bytes, display_index: int, key: bool) -> None:
        """Add the next picture in decoding order, as NAL units with 4-byte lengths."""
        body = packetiser.video_body(
            avcc,
            decode_index=self.frames,
            display_index=display_index,
            rate=self._description.rate,
            key=key,
            reorder=self._description.reorder_frames,
        )
        if key:
            self._keys.append(self.frames)
        self._add(body)

    def add_frame(self, raw_aac: bytes) -> None:
        """Add the next AAC frame, without ADTS header."""
        self._add(packetiser.audio_body(raw_aac))

    def _add(self, body: bytes) -> None:
        if len(body) > MAX_MESSAGE_BYTES:
            raise SourceCorrupt(
                f"{self._kind.value.capitalize()} frame {self.frames} takes {len(body)} bytes, "
                f"more than receivers accept ({MAX_MESSAGE_BYTES})."
            )
        now = frame_ms(self.frames, self._description.rate)
        delta = now - self._timestamps[-1] if self._timestamps else 0
        message = packetiser.chunks(self._kind, delta, body)
        self._timestamps.append(now)
        self._written += len(message)
        if self._max_bytes is not None and self._written > self._max_bytes:
            raise PrepareLimitExceeded(
                f"The prepared {self._kind.value} would take more than {self._max_bytes} bytes."
            )
        self._offsets.append(self._written)
        self._pending += message
        if len(self._pending) >= _WRITE_BYTES:
            self._flush()

    def _flush(self) -> None:
        view = memoryview(self._pending)
        with _disk_errors(self._part):
            at = 0
            while at < len(view):
                at += self._file.write(view[at:]) or 0
        at = 0
        while at < len(view):
            part = view[at : at + self._block_left]
            self._block.update(part)
            self._block_left -= len(part)
            at += len(part)
            if self._block_left == 0:
                self._end_block()
        self._pending = bytearray()

    def _end_block(self) -> None:
        self._hashes.append(self._block.digest())
        self._block = hashlib.sha256()
        self._block_left = BLOCK_BYTES

    def finish(self, content_frames: int | None = None) -> None:
        """Hash, index, sync and rename; the track exists from here on.

        `content_frames` counts the frames before the padding; all of them when it is left out.
        Raises `SourceCorrupt` when nothing was added.
        """
        if not self._timestamps:
            raise SourceCorrupt(f"The source gave not a single {self._kind.value} frame.")
        self._flush()
        if self._block_left < BLOCK_BYTES:
            self._end_block()
        content = self.frames if content_frames is None else content_frames
        index = encode_index(
            replace(self._description, content_frames=content),
            offsets=_little_endian(self._offsets),
            timestamps=_little_endian(self._timestamps),
            keys=_little_endian(self._keys),
            block_hashes=self._hashes,
            data_bytes=self._written,
        )
        with _disk_errors(self._part):
            os.fsync(self._file.fileno())
            self._file.close()
            with self._index_part.open("wb") as file:
                file.write(index)
                file.flush()
                os.fsync(file.fileno())
            # The index is renamed last: a track without one does not exist.
            self._part.rename(self._directory / f"{self._kind.value}.track")
            self._index_part.rename(self._directory / f"{self._kind.value}.index")
            _sync_directory(self._directory)
        # What was hashed is what was written.
        stamp(self._directory / f"{self._kind.value}.track")
        self._finished = True

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        exc_type: type[BaseException] | None,
        exc: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        if not self._finished:
            self._file.close()
            self._part.unlink(missing_ok=True)
            self._index_part.unlink(missing_ok=True)


def _little_endian(values: array[int]) -> bytes:
    if sys.byteorder == "big":
        values = array(values.typecode, values)
        values.byteswap()
    return values.tobytes()


def _sync_directory(directory: Path) -> None:
    descriptor = os.open(directory, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


@contextlib.contextmanager
def _disk_errors(path: Path) -> Iterator[None]:
    try:
        yield
    except OSError as error:
        if error.errno in (errno.ENOSPC, errno.EDQUOT, errno.EFBIG):
            raise PrepareOutOfSpace(f"There is no space left to write {path.name}.") from error
        raise PrepareOutUnusable(
            f"{printable(str(path))} cannot be written: {error.strerror}."
        ) from error
