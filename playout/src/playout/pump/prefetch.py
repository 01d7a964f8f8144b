"""Reads media ahead of what is sent, in threads: the loop never waits for a disk.

    prefetch = Prefetch()
    ahead = ReadAhead(prefetch)            # one for each session
    ahead.judge(feed)                      # before it begins: done when all is verified
    ahead.look(feed)                       # from the loop, every few seconds

For each range the kernel is told to read it (`posix_fadvise`) far ahead, and it is read in earnest
shortly before it is sent (`sendfile` to nowhere, which copies nothing): advice is followed only up
to a limit of the device, and what was read early may have been dropped meanwhile. The file is
compared with what was mapped, and each block is verified once before it is first sent. A block that
is gone, has changed or cannot be read is put among `track.blocks.missing`, which the feed steps
over.

Each disk has a thread of its own: one that hangs keeps nobody else's media waiting. What is not
urgent is worked off in rounds, since a thread that wakes two hundred times a second takes the
interpreter from the loop as often.
"""

from __future__ import annotations

import contextlib
import errno
import hashlib
import logging
import mmap
import os
import threading
import weakref
from collections import OrderedDict
from collections.abc import Callable, Iterable
from concurrent.futures import Future
from contextlib import AbstractContextManager
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import NamedTuple

from playout import clock
from playout.pump.feed import Feed
from playout.tracks.reader import NONE_MISSING, Track
from playout.tracks.verified import Identity, identity_of, is_verified

log = logging.getLogger(__name__)

WINDOW_BYTES = 15_000_000
"""Read ahead of each stream: the default of STREAM_BUFFER_SIZE."""
LOOK_SECONDS = 5.0
ROUND_SECONDS = 0.5
"""A thread that has done everything rests so long, unless it is called."""
MIN_WINDOW_MS = 14_000
"""At least so much media, whatever the bytes: with the time between two looks, a block is found bad
nine seconds before it would be sent."""
NEAR_MS = 2 * 1000 * LOOK_SECONDS
"""What is sent so soon is read, whatever the kernel has read before."""
PART_BYTES = 1 << 20
"""Read or advised at once. Of more, common disks take only the first 1.25 MiB as advice: see
`force_page_cache_ra` in Linux's mm/readahead.c."""
AGAIN_NS = 4_000_000_000
"""Another session has had a part advised or read since: it need not be done again."""
MAX_DISKS = 8
"""Threads, at most; further disks share the last one."""
MAX_WAITING = 20_000
"""Ranges that wait for one disk; of a disk that hangs, the rest is not asked for."""
KEPT = 2048
"""Directories of which it is known on which disk they lie."""
_NOWHERE = os.open(os.devnull, os.O_WRONLY | os.O_CLOEXEC)
"""Never closed: a thread that still reads would write into whatever came in its place."""
_CANNOT = frozenset({errno.EINVAL, errno.ENOSYS, errno.EOPNOTSUPP})
"""A file system that cannot do it: the advice has to be enough."""
_nobody_looks = contextlib.nullcontext()


_Job = Callable[[], None]


class Range(NamedTuple):
    """Bytes `begin` to `end` of a track's file; those from `fresh` on were not asked for before."""

    track: Track
    begin: int
    end: int
    fresh: int


@dataclass(slots=True)
class _File:
    """What is known of the file behind a track."""

    descriptor: int
    identity: Identity
    good: set[int] = field(default_factory=set)
    bad: frozenset[int] = NONE_MISSING
    doubtful: frozenset[int] = NONE_MISSING
    """They were bad before the file was written to again, and are left out until verified."""
    is_stamped: bool = False
    advised: dict[int, int] = field(default_factory=dict)
    read: dict[int, int] = field(default_factory=dict)
    """When each part was asked for, and when it was read, in monotonic nanoseconds."""

    def __del__(self) -> None:
        # Not before: a thread that still reads would read from whatever came in its place.
        os.close(self.descriptor)


class _Disk:
    """A thread that does one thing after the other with the tracks of one device."""

    def __init__(self, name: str) -> None:
        self._jobs: OrderedDict[object, tuple[_Job, Future[None] | None]] = OrderedDict()
        self._changed = threading.Condition()
        self._is_closed = self._is_called = False
        self._thread = threading.Thread(target=self._run, name=name, daemon=True)
        self._thread.start()

    def put(self, key: object, job: _Job) -> None:
        """Do `job` within about a round, instead of that of `key` which still waits."""
        with self._changed:
            waiting = self._jobs.get(key)
            if waiting is not None:
                self._jobs[key] = job, waiting[1]
            elif self._has_room():
                self._jobs[key] = job, None

    def call(self, key: object, job: _Job) -> Future[None]:
        """The same as soon as it can be; done when it is."""
        with self._changed:
            waiting = self._jobs.get(key)
            done = waiting[1] if waiting is not None else None
            if done is None:
                done = Future[None]()
            if waiting is None and not self._has_room():
                done.set_result(None)
                return done
            self._jobs[key] = job, done
            self._is_called = True
            self._changed.notify()
            return done

    def _has_room(self) -> bool:
        return len(self._jobs) < MAX_WAITING and not self._is_closed

    def close(self) -> None:
        with self._changed:
            self._is_closed = True
            self._jobs.clear()
            self._changed.notify()

    def _run(self) -> None:
        while True:
            with self._changed:
                if not self._jobs and not self._is_closed:
                    self._is_called = False
                    self._changed.wait_for(
                        lambda: self._is_called or self._is_closed, ROUND_SECONDS
                    )
                if self._is_closed:
                    return
                if not self._jobs:
                    continue
                _, (job, done) = self._jobs.popitem(last=False)
            try:
                job()
            except Exception:
                log.exception("Reading ahead failed.")
            # What it has to do with is not kept while there is nothing to do.
            del job
            if done is not None:
                done.set_result(None)


class Prefetch:
    """Reads and verifies ahead for all sessions of a pump.

    A block of a track is read within `reading(track)`, in a thread of a disk.
    """

    def __init__(
        self,
        *,
        window_bytes: int = WINDOW_BYTES,
        reading: Callable[[Track], AbstractContextManager[object]] = lambda track: _nobody_looks,
    ) -> None:
        self.window_bytes = window_bytes
        self._reading = reading
        self.verified_blocks = 0
        """Blocks that were hashed so far."""
        self.bad_blocks = 0
        self._disks: dict[int, _Disk] = {}
        self._disk_of: OrderedDict[str, _Disk] = OrderedDict()
        self._hindrance = ""
        self._files: weakref.WeakKeyDictionary[Track, _File] = weakref.WeakKeyDictionary()
        """Open for as long as somebody has the track: one that is deleted takes room until then."""
        self._lost: weakref.WeakSet[Track] = weakref.WeakSet()
        """All of their blocks are left out, since their files could not be opened."""
        self._lock = threading.Lock()
        self._buffers = threading.local()

    def want(self, track: Track, begin: int, end: int) -> Future[None]:
        """Bytes `begin` to `end` of the file of `track` are sent soon; done when they are judged.

        Returns at once.
        """
        end = min(end, track.layout.data_bytes)
        for judged in self.judge((id(track), begin), [Range(track, begin, end, begin)]):
            return judged
        nobody = Future[None]()
        nobody.set_result(None)
        return nobody

    def judge(self, key: object, ranges: list[Range]) -> list[Future[None]]:
        """The same for several ranges, with one turn of the thread of each disk.

        What the same `key` still waits for is replaced.
        """
        return [
            disk.call(key, partial(self._judge_all, of_disk))
            for disk, of_disk in self._by_disk(ranges).items()
        ]

    def look(self, key: object, ranges: list[Range]) -> None:
        """The same, when nobody waits for it: it is done within about a round."""
        for disk, of_disk in self._by_disk(ranges).items():
            disk.put(key, partial(self._judge_all, of_disk))

    def look_for_deleted(self, tracks: Iterable[Track]) -> None:
        """Find out which of `tracks` are deleted, within about a round: see `Track.is_deleted`."""
        found: dict[_Disk, list[Track]] = {}
        for track in tracks:
            disk = self._disk(track)
            if disk is not None:
                found.setdefault(disk, []).append(track)
        for disk, of_disk in found.items():
            disk.put(_look_for_deleted, partial(_look_for_deleted, of_disk))

    def _by_disk(self, ranges: list[Range]) -> dict[_Disk, list[Range]]:
        found: dict[_Disk, list[Range]] = {}
        for each in ranges:
            disk = self._disk(each.track)
            if disk is not None:
                found.setdefault(disk, []).append(each)
        return found

    def close(self) -> None:
        """End the threads, and forget all files."""
        for disk in set(self._disks.values()):
            disk.close()
        with self._lock:
            self._files.clear()

    def _disk(self, track: Track) -> _Disk | None:
        """The thread for `track`; None while the system has none to give."""
        place = str(track.directory)
        disk = self._disk_of.get(place)
        if disk is None:
            try:
                # The directory is in the kernel's cache, since the track was opened through it.
                device = os.stat(place).st_dev  # noqa: PTH116
            except OSError:
                device = 0
            if device not in self._disks and len(self._disks) >= MAX_DISKS:
                device = next(reversed(self._disks))
            disk = self._disks.get(device)
            if disk is None:
                try:
                    disk = _Disk(f"read ahead {len(self._disks) + 1}")
                except RuntimeError as error:
                    # What is on air must not end of it: it is sent as the kernel has it.
                    if self._hindrance != str(error):
                        log.warning("Nothing is read ahead in %s: %s.", place, error)
                    self._hindrance = str(error)
                    return None
                self._disks[device] = disk
            self._disk_of[place] = disk
            if len(self._disk_of) > KEPT:
                self._disk_of.popitem(last=False)
        return disk

    # -- in a disk's thread -----------------------------------------------------------------

    def _judge_all(self, ranges: list[Range]) -> None:
        for each in ranges:
            self._judge(*each)

    def _judge(self, track: Track, begin: int, end: int, fresh: int) -> None:
        """Advise, compare and verify."""
        if not track.is_intact():
            self._mark(track, frozenset(range(track.layout.blocks)), "has another index by now")
            return
        file = self._file(track)
        if file is None:
            self._lost.add(track)
            self._mark(track, frozenset(range(track.layout.blocks)), "cannot be opened any more")
            return
        if track in self._lost:
            # Its directory was moved away for a while.
            self._lost.discard(track)
            file.doubtful, file.is_stamped = frozenset(range(track.layout.blocks)), False
        now = identity_of(os.fstat(file.descriptor))
        if now != file.identity:
            # Somebody wrote into it: nothing that was verified counts any more.
            file.identity, file.is_stamped = now, False
            file.good.clear()
            file.doubtful |= file.bad
            file.bad = NONE_MISSING
        size = track.layout.block_bytes
        if now.size < track.layout.data_bytes:
            gone = frozenset(range(now.size // size, track.layout.blocks))
            file.bad |= gone
            self._mark(track, file.bad, f"has only {now.size} bytes")
        self._advise(file, begin, end, fresh)
        self._read(track, file, begin, min(end, begin + int(track.bytes_per_ms * NEAR_MS)))
        if not file.is_stamped:
            for block in range(begin // size, min(-(-end // size), track.layout.blocks)):
                if block not in file.good and block not in file.bad:
                    self._verify(track, file, block)
        self._heal(track, file)
        if file.bad - track.blocks.missing:
            self._mark(track, file.bad, "has changed since it was written")

    def _advise(self, file: _File, begin: int, end: int, fresh: int) -> None:
        """Have the kernel read what is fresh, once for all who play the track together."""
        now, last = clock.monotonic_ns(), -(-end // PART_BYTES)
        # Parts are asked for as a whole: of one in whose middle the fresh begins, it has been.
        first = begin // PART_BYTES if fresh == begin else -(-fresh // PART_BYTES)
        for part in range(first, last):
            if now - file.advised.get(part, 0) > AGAIN_NS:
                file.advised[part] = now
                at = part * PART_BYTES
                os.posix_fadvise(file.descriptor, at, PART_BYTES, os.POSIX_FADV_WILLNEED)

    def _read(self, track: Track, file: _File, begin: int, end: int) -> None:
        """Bring it into the page cache, once for all who play the track together."""
        now, size = clock.monotonic_ns(), track.layout.block_bytes
        for part in range(begin // PART_BYTES, -(-end // PART_BYTES)):
            if now - file.read.get(part, 0) <= AGAIN_NS:
                continue
            file.read[part] = now
            at = part * PART_BYTES
            until = min(at + PART_BYTES, track.layout.data_bytes)
            if at // size in track.blocks.missing:
                continue
            try:
                while at < until and (
                    count := os.sendfile(_NOWHERE, file.descriptor, at, until - at)
                ):
                    at += count
            except OSError as error:
                if error.errno not in _CANNOT:
                    file.bad |= {at // size}
                    self._mark(track, file.bad, f"cannot be read ({error.strerror})")

    def _verify(self, track: Track, file: _File, block: int) -> None:
        if block in track.blocks.missing and block not in file.doubtful:
            return  # not here yet: whoever fetches it verifies it
        with self._reading(track):
            is_good = self._is_good(track, file, block)
        self.verified_blocks += 1
        if is_good:
            file.good.add(block)
        else:
            file.bad |= {block}

    def _is_good(self, track: Track, file: _File, block: int) -> bool:
        size = track.layout.block_bytes
        length = min(size, track.layout.data_bytes - block * size)
        buffer = self._buffer(size)
        try:
            got = 0
            while got < length:
                count = os.preadv(file.descriptor, [buffer[got:length]], block * size + got)
                if not count:
                    break
                got += count
        except OSError as error:
            log.warning("Block %d of %s cannot be read: %s.", block, _name(track), error.strerror)
            return False
        return got == length and (
            hashlib.sha256(buffer[:length]).digest() == track.block_hash(block)
        )

    def _heal(self, track: Track, file: _File) -> None:
        """Let blocks be sent again that were bad and are good by now."""
        healed = file.doubtful & file.good
        file.doubtful -= healed | file.bad
        if healed and not track.is_partial:
            track.blocks.missing = (track.blocks.missing - healed) or NONE_MISSING
            log.warning("%s is mended: %d of its blocks are sent again.", _name(track), len(healed))

    def _mark(self, track: Track, bad: frozenset[int], why: str) -> None:
        fresh = bad - track.blocks.missing
        if fresh:
            self.bad_blocks += len(fresh)
            track.blocks.missing = track.blocks.missing | bad
            log.warning("%s %s: %d of its blocks are left out.", _name(track), why, len(fresh))

    def _buffer(self, size: int) -> memoryview:
        found: memoryview | None = getattr(self._buffers, "memory", None)
        if found is None or len(found) < size:
            self._buffers.memory = found = memoryview(mmap.mmap(-1, size))
        return found

    def _file(self, track: Track) -> _File | None:
        with self._lock:
            known = self._files.get(track)
        if known is not None:
            return known
        path = _path(track)
        try:
            descriptor = os.open(path, os.O_RDONLY | os.O_CLOEXEC | os.O_NONBLOCK)
        except OSError:
            return None
        identity = identity_of(os.fstat(descriptor))
        file = _File(descriptor, identity, is_stamped=is_verified(path, identity))
        with self._lock:
            self._files[track] = file
        return file


class ReadAhead:
    """The part of one session: tells `prefetch` what its feed sends next."""

    def __init__(self, prefetch: Prefetch) -> None:
        self._prefetch = prefetch
        self._asked: dict[Track, int] = {}

    def look(self, feed: Feed) -> None:
        """Ask for all that `feed` sends within the window."""
        self._prefetch.look(self, self._ranges(feed))

    def judge(self, feed: Feed) -> list[Future[None]]:
        """The same; done when it is judged."""
        return self._prefetch.judge(self, self._ranges(feed))

    def _ranges(self, feed: Feed) -> list[Range]:
        before = self._asked
        self._asked, ranges = {}, []
        for track, begin, end in feed.upcoming(self._prefetch.window_bytes, MIN_WINDOW_MS):
            asked = before.get(track, begin)
            # A loop that has begun again asks from the beginning.
            fresh = asked if begin <= asked <= end else begin
            self._asked[track] = end
            ranges.append(Range(track, begin, end, fresh))
        return ranges


def _look_for_deleted(tracks: list[Track]) -> None:
    for track in tracks:
        try:
            os.stat(_path(track))  # noqa: PTH116
        except (FileNotFoundError, NotADirectoryError):
            track.is_deleted = True
        except OSError:
            continue


def _path(track: Track) -> Path:
    return track.directory / f"{track.kind.value}.track"


def _name(track: Track) -> str:
    return f"The {track.kind.value} track in {track.directory}"
