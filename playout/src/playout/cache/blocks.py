"""Tracks of an object store in sparse files on local disk, fetched and verified block by block.

A track lies in a directory of its own: `<kind>.index` whole, `<kind>.track` with holes, and
`<kind>.have`, one bit for each block that was verified, the first block in the lowest bit of the
first byte. A block's bit is set after its bytes are on the disk, and cleared before they go.
"""

from __future__ import annotations

import contextlib
import ctypes
import errno
import hashlib
import logging
import os
import random
import shutil
import threading
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path
from typing import Protocol

from playout import clock
from playout.cache.plan import (
    INDEX,
    WANTED_NS,
    Block,
    Need,
    earliest,
    horizon_seconds,
    needs,
    next_block,
    victims,
)
from playout.errors import TrackCorrupt, TrackError
from playout.media import TrackKind
from playout.timeline.programme import Programme
from playout.tracks.format import BLOCK_BYTES, DIGEST_BYTES, decode_layout

log = logging.getLogger(__name__)

RETRY_SECONDS = (1.0, 2.0, 5.0, 10.0, 30.0)
"""After so many failures in a row of one block it waits so long, give or take a half."""
FULL_SECONDS = 30.0
"""A full disk is tried again after this long."""
PART_BYTES = 1 << 20
"""A block comes in parts, so that one that is cut off goes on where it was."""
_PUNCH = 0x01 | 0x02  # FALLOC_FL_KEEP_SIZE | FALLOC_FL_PUNCH_HOLE


class Store(Protocol):
    """Where tracks come from; called from several threads."""

    def read(self, name: str, start: int, end: int | None) -> bytes:
        """Bytes `start` up to but not including `end` (None: to the end) of an object.

        May return fewer when the connection was cut; raises OSError, or what its driver raises.
        """
        ...


@dataclass(frozen=True, slots=True)
class Source:
    """A track in the store, and where it shall lie here."""

    directory: Path
    kind: TrackKind
    data_name: str
    index_name: str


@dataclass(slots=True)
class _Shape:
    offsets: Sequence[int]
    block_bytes: int


@dataclass(slots=True)
class _Held:
    source: Source
    shape: _Shape
    data_bytes: int
    hashes: bytes
    bits: bytearray
    parts: dict[int, bytes] = field(default_factory=dict)

    @property
    def blocks(self) -> int:
        return -(-self.data_bytes // self.shape.block_bytes)

    def has(self, block: int) -> bool:
        return bool(self.bits[block >> 3] >> (block & 7) & 1)


@dataclass(slots=True)
class _Failure:
    times: int
    until_ns: int


class _NoRoom(Exception):
    """Nothing that lies here may go for the block that is wanted."""


class BlockCache:
    """Fetches what programmes need, earliest first, into at most `capacity_bytes` of disk.

    All tracks lie in directories below `root`. `follow` says what is on air and is called from one
    thread; everything else happens in `downloads` threads. `on_change` is called from those, after
    a block has come. What is due within an hour is never evicted; a full disk stops the fetching
    for a while and nothing else.
    """

    def __init__(
        self,
        store: Store,
        root: Path,
        *,
        capacity_bytes: int,
        downloads: int = 2,
        on_change: Callable[[], None] = lambda: None,
        utc_ns: Callable[[], int] = clock.utc_ns,
        monotonic_ns: Callable[[], int] = clock.monotonic_ns,
    ) -> None:
        self._store = store
        self._orphans = _sizes(root)
        """Directories that an earlier run left and nobody has asked for, and their bytes."""
        self._capacity = capacity_bytes
        self._on_change = on_change
        self._utc_ns = utc_ns
        self._monotonic_ns = monotonic_ns
        self._lock = threading.Lock()
        self._sources: dict[str, Source] = {}
        self._held: dict[str, _Held] = {}
        self._due: dict[Block, int] = {}
        self._used: dict[Block, int] = {}
        """When each block that lies here was last needed (UTC ns)."""
        self._programmes: Mapping[str, Programme] = {}
        self._needs: dict[str, tuple[Need, ...]] = {}
        self._busy: set[Block] = set()
        self._failed: dict[Block, _Failure] = {}
        self._full_until_ns = 0
        self._away_until_ns = 0
        self._refusals = 0
        """Failures of the store since it last answered."""
        self._running = 0
        self._workers = downloads
        self._closed = False
        self._pool = ThreadPoolExecutor(max_workers=downloads, thread_name_prefix="fetch")
        self.refused: dict[Block, str] = {}
        """Blocks whose bytes in the store are not what their index says, and why."""

    # -- what is wanted ---------------------------------------------------------------------

    def know(self, track: str, source: Source) -> None:
        """Where a track comes from, and what of it lies here since an earlier run."""
        with self._lock:
            if self._sources.get(track) == source:
                return
            self._sources[track] = source
        with contextlib.suppress(OSError, TrackError):
            self._hold(track, source)

    def forget(self, track: str) -> bool:
        """Know the track no longer; False while something of it lies here or is wanted."""
        with self._lock:
            wanted = any(block[0] == track for block in (*self._due, *self._busy))
            if track in self._held or wanted:
                return False
            self._sources.pop(track, None)
            for block in [block for block in self._failed if block[0] == track]:
                del self._failed[block]
            for block in [block for block in self.refused if block[0] == track]:
                del self.refused[block]
            return True

    def follow(self, programmes: Mapping[str, Programme], *, now_ns: int) -> None:
        """These programmes, by output, are on air or soon will be. Their `video` and `audio` name
        known tracks; those that are not known are left aside."""
        self._programmes = programmes
        until_ns = now_ns + WANTED_NS
        found: dict[int, tuple[Need, ...]] = {}
        by_output = {}
        for output, programme in programmes.items():
            # Outputs of one stream have one programme: the same object.
            if id(programme) not in found:
                found[id(programme)] = tuple(
                    need
                    for need in needs(programme, self._shape_of, now_ns=now_ns, until_ns=until_ns)
                    if need.track in self._sources
                )
            by_output[output] = found[id(programme)]
        due = earliest(found.values())
        with self._lock:
            self._needs, self._due = by_output, due
            for block in due.keys() & self._used.keys():
                self._used[block] = now_ns
        self._work()

    def horizon_seconds(self, output: str, *, now_ns: int) -> float | None:
        """Seconds of media from now on that lie here; None for an output that is not followed."""
        with self._lock:
            wanted = self._needs.get(output)
            if wanted is None:
                return None
            return horizon_seconds(
                (need for need in wanted), self._used.keys() | self._indexes(), now_ns=now_ns
            )

    def is_ready(self, track: str, *, until_ns: int) -> bool:
        """Whether all of a track that is due before UTC `until_ns` lies here."""
        with self._lock:
            return (
                track in self._held
                and (track, INDEX) not in self._due
                and all(
                    block in self._used
                    for block, due_ns in self._due.items()
                    if block[0] == track and block[1] != INDEX and due_ns < until_ns
                )
            )

    def close(self) -> None:
        """Fetch no more; what is under way is left to its thread."""
        with self._lock:
            self._closed = True
        self._pool.shutdown(wait=False, cancel_futures=True)

    def _indexes(self) -> set[Block]:
        return {(track, INDEX) for track in self._held}

    def _shape_of(self, track: str) -> _Shape | None:
        held = self._held.get(track)
        return held.shape if held is not None else None

    # -- fetching ---------------------------------------------------------------------------

    def _work(self) -> None:
        with self._lock:
            while self._running < self._workers and not self._closed:
                block = self._choose()
                if block is None:
                    return
                self._busy.add(block)
                self._running += 1
                self._pool.submit(self._fetch, block)

    def _choose(self) -> Block | None:
        now = self._monotonic_ns()
        if now < max(self._full_until_ns, self._away_until_ns):
            return None
        waiting = self._busy | {b for b, failure in self._failed.items() if now < failure.until_ns}
        return next_block(self._due, self._used.keys() | self._indexes(), waiting)

    def _fetch(self, block: Block) -> None:
        changed = False
        try:
            changed = self._bring(block)
        except _NoRoom:
            # All that lies here is due sooner.
            self._full_until_ns = self._monotonic_ns() + int(FULL_SECONDS * 1e9)
        except OSError as error:
            if error.errno in (errno.ENOSPC, errno.EDQUOT, errno.EROFS, errno.EIO):
                self._disk_failed(error)
            else:
                self._note_failure(block, error)
        except Exception as error:  # noqa: BLE001 - the store's driver may raise anything
            self._note_failure(block, error)
        else:
            self._failed.pop(block, None)
            self._refusals = 0
        finally:
            with self._lock:
                self._busy.discard(block)
                self._running -= 1
        if changed and not self._closed:
            self._on_change()
        self._work()

    def _bring(self, block: Block) -> bool:
        track, number = block
        source = self._sources[track]
        if number == INDEX:
            self._bring_index(track, source)
            # Now that it is known where the frames lie, its blocks can be planned.
            self.follow(self._programmes, now_ns=self._utc_ns())
            return True
        held = self._held[track]
        size = held.shape.block_bytes
        begin = number * size
        end = min(begin + size, held.data_bytes)
        if not self._make_room(block, end - begin):
            raise _NoRoom
        data = held.parts.pop(number, b"")
        try:
            while begin + len(data) < end:
                upto = min(begin + len(data) + PART_BYTES, end)
                part = self._store.read(source.data_name, begin + len(data), upto)
                if not part:
                    raise ConnectionError("the store sent nothing")
                data += part
        except BaseException:
            held.parts[number] = data
            raise
        digest = held.hashes[DIGEST_BYTES * number : DIGEST_BYTES * (number + 1)]
        if len(data) != end - begin or hashlib.sha256(data).digest() != digest:
            self.refused[block] = "it is not what its index says"
            raise TrackCorrupt(f"Block {number} of {source.data_name} is not what its index says.")
        self.refused.pop(block, None)
        with (source.directory / f"{source.kind.value}.track").open("r+b") as file:
            os.pwrite(file.fileno(), data, begin)
            os.fdatasync(file.fileno())
        with self._lock:
            held.bits[number >> 3] |= 1 << (number & 7)
            _write(source.directory / f"{source.kind.value}.have", bytes(held.bits))
            self._used[block] = self._due.get(block, self._utc_ns())
        return True

    def _bring_index(self, track: str, source: Source) -> None:
        data = b""
        # Until the store has no more: a body that was cut short is no end.
        while part := self._store.read(source.index_name, len(data), len(data) + PART_BYTES):
            data += part
        layout = decode_layout(data)
        source.directory.mkdir(parents=True, exist_ok=True, mode=0o700)
        name = source.kind.value
        _write(source.directory / f"{name}.have", bytes(-(-layout.blocks // 8)))
        descriptor = os.open(
            source.directory / f"{name}.track", os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600
        )
        try:
            os.ftruncate(descriptor, layout.data_bytes)
        finally:
            os.close(descriptor)
        # Last: whoever finds an index finds the rest.
        _write(source.directory / f"{name}.index", data)
        self._hold(track, source)

    def _hold(self, track: str, source: Source) -> None:
        name = source.kind.value
        index = (source.directory / f"{name}.index").read_bytes()
        layout = decode_layout(index)
        bits = bytearray((source.directory / f"{name}.have").read_bytes())
        if len(bits) != -(-layout.blocks // 8):
            raise TrackCorrupt("The bitmap does not fit the track.")
        view = memoryview(index)
        held = _Held(
            source=source,
            shape=_Shape(
                view[layout.offsets_at : layout.timestamps_at].cast("Q"), layout.block_bytes
            ),
            data_bytes=layout.data_bytes,
            hashes=bytes(view[layout.hashes_at : layout.hashes_at + DIGEST_BYTES * layout.blocks]),
            bits=bits,
        )
        with self._lock:
            self._held[track] = held
            for number in range(layout.blocks):
                if held.has(number):
                    self._used.setdefault((track, number), 0)

    # -- room -------------------------------------------------------------------------------

    def _make_room(self, block: Block, size: int) -> bool:
        with self._lock:
            known = {source.directory for source in self._sources.values()}
            used = sum(self._size(other) for other in self._used)
            used += sum(n for path, n in self._orphans.items() if path not in known)
            over = used + size - self._capacity
            for path in [path for path in self._orphans if path not in known and over > 0]:
                over -= self._orphans.pop(path)
                shutil.rmtree(path, ignore_errors=True)
            if over <= 0:
                return True
            now = self._utc_ns()
            chosen = victims(
                self._used, self._due, count=-(-over // BLOCK_BYTES) + 1,
                wanted_ns=self._due.get(block, now), now_ns=now,
            )  # fmt: skip
            freed = 0
            for victim in chosen:
                if freed >= over:
                    break
                freed += self._size(victim)
                self._evict(victim)
            return freed >= over

    def _size(self, block: Block) -> int:
        held = self._held[block[0]]
        begin = block[1] * held.shape.block_bytes
        return min(held.shape.block_bytes, held.data_bytes - begin)

    def _evict(self, block: Block) -> None:
        """Say that the block is gone, then let it go."""
        track, number = block
        held = self._held[track]
        source = held.source
        held.bits[number >> 3] &= ~(1 << (number & 7))
        del self._used[block]
        if not any(held.bits) and not any(other[0] == track for other in self._due):
            # Nothing of it is left and nobody needs it.
            del self._held[track]
            shutil.rmtree(source.directory, ignore_errors=True)
            return
        _write(source.directory / f"{source.kind.value}.have", bytes(held.bits))
        begin = number * held.shape.block_bytes
        _punch(source.directory / f"{source.kind.value}.track", begin, self._size(block))

    # -- what goes wrong --------------------------------------------------------------------

    def _note_failure(self, block: Block, error: Exception) -> None:
        failure = self._failed.get(block)
        times = failure.times + 1 if failure is not None else 1
        pause = _pause_seconds(times)
        self._failed[block] = _Failure(times, self._monotonic_ns() + int(pause * 1e9))
        if not isinstance(error, TrackError):
            # It may be the store itself that is away: the other blocks wait as well.
            self._refusals += 1
            pause = _pause_seconds(self._refusals)
            self._away_until_ns = self._monotonic_ns() + int(pause * 1e9)
        if not self._closed:
            again = threading.Timer(pause, self._work)
            again.daemon = True
            again.start()
        # The class alone: messages of drivers hold addresses and sometimes credentials.
        kind = getattr(error, "code", type(error).__name__)
        log.warning(
            "Block %d of track %s did not come (%s); it is tried again.", block[1], block[0], kind
        )

    def _disk_failed(self, error: OSError) -> None:
        self._full_until_ns = self._monotonic_ns() + int(FULL_SECONDS * 1e9)
        log.warning("The disk takes no more blocks (%s): fetching pauses.", error.strerror)
        with self._lock, contextlib.suppress(OSError):
            now = self._utc_ns()
            for victim in victims(self._used, self._due, count=4, wanted_ns=now, now_ns=now):
                if victim not in self._due:
                    self._evict(victim)


def _pause_seconds(times: int) -> float:
    """How long to wait after so many failures in a row, give or take a half."""
    return RETRY_SECONDS[min(times, len(RETRY_SECONDS)) - 1] * (
        0.5 + random.random()  # noqa: S311 - jitter
    )


def _sizes(root: Path) -> dict[Path, int]:
    """Bytes of each directory below `root` that holds a track, the oldest first."""
    found: dict[Path, tuple[float, int]] = {}
    for index in root.glob("**/*.index"):
        with contextlib.suppress(OSError):
            stats = [path.stat() for path in index.parent.iterdir()]
            size = sum(512 * each.st_blocks for each in stats)
            found[index.parent] = (max(each.st_mtime for each in stats), size)
    return {path: size for path, (_, size) in sorted(found.items(), key=lambda each: each[1])}


def _write(path: Path, data: bytes) -> None:
    """Replace a file by `data`, wholly or not at all."""
    draft = path.with_name(f"{path.name}.new")
    try:
        with draft.open("wb") as file:
            file.write(data)
            file.flush()
            os.fsync(file.fileno())
        draft.replace(path)
    except OSError:
        with contextlib.suppress(OSError):
            draft.unlink()
        raise


def _punch(path: Path, begin: int, size: int) -> None:
    """Give the disk space of a stretch back; where a file system cannot, it stays."""
    libc = ctypes.CDLL(None, use_errno=True)
    with path.open("r+b") as file:
        libc.fallocate(
            file.fileno(), ctypes.c_int(_PUNCH), ctypes.c_long(begin), ctypes.c_long(size)
        )
