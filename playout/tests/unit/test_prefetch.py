"""Media is compared and verified before it is sent, and what is bad is left out."""

from __future__ import annotations

import errno
import os
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from playout.media import TrackKind
from playout.pump.feed import Feed
from playout.pump.prefetch import Prefetch, Range, ReadAhead
from playout.pump.shelf import Shelf
from playout.testing.tracks import programme_of, write_item
from playout.timeline.programme import Item
from playout.tracks.reader import Track
from playout.tracks.verified import stamp, stamp_path

FRAMES = 900
PICTURE_BYTES = 16_000


@pytest.fixture
def prefetch() -> Iterator[Prefetch]:
    reading = Prefetch()
    yield reading
    reading.close()


@pytest.fixture
def place(tmp_path: Path) -> Path:
    """A track of four blocks, the last one shorter."""
    return Path(write_item(tmp_path, "a", FRAMES, picture_bytes=PICTURE_BYTES).video)


def judge(prefetch: Prefetch, track: Track, begin: int = 0, end: int = 1 << 40) -> frozenset[int]:
    prefetch.want(track, begin, end).result(60)
    return track.blocks.missing


def flip(file: Path, at: int) -> None:
    with file.open("r+b") as opened:
        opened.seek(at)
        value = opened.read(1)[0]
        opened.seek(at)
        opened.write(bytes([value ^ 1]))


def test_what_its_writer_has_stamped_is_not_verified_again(place: Path, prefetch) -> None:
    track = Track.open(place, TrackKind.VIDEO)
    assert track.layout.blocks == 4
    assert judge(prefetch, track) == frozenset()
    assert prefetch.verified_blocks == 0


def test_without_a_stamp_each_block_is_verified_once(place: Path, prefetch) -> None:
    stamp_path(place / "video.track").unlink()
    track = Track.open(place, TrackKind.VIDEO)
    for _ in range(3):
        assert judge(prefetch, track, 5 << 20, 6 << 20) == frozenset()
    assert prefetch.verified_blocks == 1
    judge(prefetch, track)
    assert prefetch.verified_blocks == 4


def test_a_changed_byte_is_found_although_there_is_a_stamp(place: Path, prefetch) -> None:
    track = Track.open(place, TrackKind.VIDEO)
    assert judge(prefetch, track) == frozenset()
    flip(place / "video.track", (4 << 20) + 77)
    assert judge(prefetch, track) == {1}
    assert prefetch.bad_blocks == 1


def test_a_block_that_is_mended_in_place_is_sent_again(place: Path, prefetch) -> None:
    track = Track.open(place, TrackKind.VIDEO)
    file, first, third = place / "video.track", 77, (8 << 20) + 77
    flip(file, first)
    flip(file, third)
    assert judge(prefetch, track) == {0, 2}
    flip(file, first)
    assert judge(prefetch, track, 5 << 20, 6 << 20) == {0, 2}, "not before it is verified"
    assert judge(prefetch, track) == {2}
    flip(file, third)
    assert judge(prefetch, track) == frozenset()


def test_a_file_that_is_its_old_self_again_after_a_cut_is_sent_again(place: Path, prefetch) -> None:
    track = Track.open(place, TrackKind.VIDEO)
    file = place / "video.track"
    content = file.read_bytes()
    os.truncate(file, 5 << 20)
    assert judge(prefetch, track, 0, 1000) == {1, 2, 3}
    file.write_bytes(content)
    assert judge(prefetch, track) == frozenset()


def test_a_directory_that_is_moved_away_before_it_was_looked_at_and_back_is_sent_again(
    place: Path, prefetch
) -> None:
    track = Track.open(place, TrackKind.VIDEO)
    away = place.rename(place.with_name("away"))
    assert judge(prefetch, track) == frozenset(range(4))
    away.rename(place)
    assert judge(prefetch, track) == frozenset()


def test_a_mended_block_that_is_not_here_stays_left_out(place: Path, prefetch) -> None:
    track = Track.open(place, TrackKind.VIDEO)
    track.is_partial, track.blocks.missing = True, frozenset({1})
    flip(place / "video.track", 77)
    assert judge(prefetch, track) == {0, 1}
    flip(place / "video.track", 77)
    # Whoever keeps the list of blocks says when it is complete.
    assert judge(prefetch, track) == {0, 1}


def test_a_track_whose_index_was_written_over_is_left_out(place: Path, prefetch) -> None:
    track = Track.open(place, TrackKind.VIDEO)
    (place / "video.index").write_bytes(b"")
    assert judge(prefetch, track) == frozenset(range(4))


def test_only_what_is_sent_soon_is_read(place: Path, prefetch) -> None:
    stamp_path(place / "video.track").unlink()
    flip(place / "video.track", 13 << 20)
    track = Track.open(place, TrackKind.VIDEO)
    assert judge(prefetch, track, 0, 8 << 20) == frozenset()
    assert judge(prefetch, track, 8 << 20, 13 << 20) == {3}


def test_a_file_that_was_cut_short_has_lost_its_end(place: Path, prefetch) -> None:
    track = Track.open(place, TrackKind.VIDEO)
    assert judge(prefetch, track) == frozenset()
    os.truncate(place / "video.track", (5 << 20))
    assert judge(prefetch, track, 0, 1000) == {1, 2, 3}


def test_a_file_that_was_deleted_or_replaced_is_still_what_was_mapped(
    place: Path, prefetch
) -> None:
    track = Track.open(place, TrackKind.VIDEO)
    assert judge(prefetch, track) == frozenset()
    other = place / "other"
    other.write_bytes(b"x" * track.layout.data_bytes)
    other.rename(place / "video.track")
    assert judge(prefetch, track) == frozenset()
    (place / "video.track").unlink()
    assert judge(prefetch, track) == frozenset()


def test_blocks_that_others_left_out_stay_left_out(place: Path, prefetch) -> None:
    stamp_path(place / "video.track").unlink()
    track = Track.open(place, TrackKind.VIDEO)
    track.blocks.missing = frozenset({2})
    assert judge(prefetch, track) == {2}
    assert prefetch.verified_blocks == 3


def test_a_stamp_of_another_state_of_the_file_says_nothing(place: Path, prefetch) -> None:
    stamp(place / "video.track")
    os.utime(place / "video.track", ns=(1, 1))
    judge(prefetch, Track.open(place, TrackKind.VIDEO))
    assert prefetch.verified_blocks == 4


def test_it_returns_at_once_while_the_disk_hangs(place: Path, prefetch, monkeypatch) -> None:
    hanging, go_on = threading.Event(), threading.Event()
    fstat = os.fstat

    def hang(descriptor: int) -> os.stat_result:
        hanging.set()
        go_on.wait(60)
        return fstat(descriptor)

    monkeypatch.setattr("playout.pump.prefetch.os.fstat", hang)
    track = Track.open(place, TrackKind.VIDEO)
    waiting = [prefetch.want(track, 0, 1000) for _ in range(100)]
    assert hanging.wait(60)
    assert not any(each.done() for each in waiting)
    assert len(set(map(id, waiting))) <= 2, "one at work, and one that stands for all that wait"
    go_on.set()
    for each in waiting:
        each.result(60)


def test_without_a_thread_to_be_had_nothing_is_read_and_it_is_asked_for_again(
    place: Path, prefetch, monkeypatch
) -> None:
    def none_left(thread: threading.Thread) -> None:
        raise RuntimeError("can't start new thread")

    flip(place / "video.track", 1000)
    track = Track.open(place, TrackKind.VIDEO)
    with monkeypatch.context() as patched:
        patched.setattr(threading.Thread, "start", none_left)
        ranges = [Range(track, 0, track.layout.data_bytes, 0)]
        assert prefetch.judge("a session", ranges) == []
        assert judge(prefetch, track) == frozenset()
        prefetch.look("a session", ranges)
    assert judge(prefetch, track) == {0}


def test_a_feed_steps_over_what_was_found_bad_ahead_of_it(tmp_path: Path, prefetch) -> None:
    items = [
        write_item(tmp_path, name, FRAMES, gop=30, picture_bytes=PICTURE_BYTES) for name in "ab"
    ]
    shelf, substituted = Shelf(), []
    feed = Feed(programme_of(*items), shelf, on_substitute=substituted.append)
    feed.open(0)
    flip(Path(items[0].video) / "video.track", (4 << 20) + 5)
    for until in range(250, 40_000, 250):
        for judged in ReadAhead(prefetch).judge(feed):
            judged.result(60)
        feed.take(until, [])
    assert [(s.item_id, s.error.code) for s in substituted] == [("a", "track.incomplete")]


def test_a_look_for_which_nobody_waits_is_taken_in_the_next_round(place: Path, prefetch) -> None:
    stamp_path(place / "video.track").unlink()
    feed = Feed(programme_of(Item("a", str(place), str(place), FRAMES)), Shelf())
    feed.open(0)
    ahead = ReadAhead(prefetch)
    for _ in range(3):
        ahead.look(feed)
    deadline = time.monotonic() + 60
    while prefetch.verified_blocks < 4 and time.monotonic() < deadline:
        time.sleep(0.01)
    # Four of pictures; the sound was stamped.
    assert prefetch.verified_blocks == 4


def is_cached(file: int, at: int) -> bool:
    try:
        return os.preadv(file, [bytearray(1)], at, os.RWF_NOWAIT) == 1
    except BlockingIOError:
        return False


def test_what_is_due_is_in_the_page_cache_also_when_the_kernel_had_dropped_it(
    place: Path, prefetch, monkeypatch
) -> None:
    # As if the time between two looks went by.
    monkeypatch.setattr("playout.pump.prefetch.AGAIN_NS", 0)
    feed = Feed(programme_of(Item("a", str(place), str(place), FRAMES)), Shelf())
    feed.open(0)
    ahead, file = ReadAhead(prefetch), os.open(place / "video.track", os.O_RDONLY)
    try:
        os.fsync(file)
        for _ in range(2):
            # What the kernel is just reading ahead it does not drop.
            while is_cached(file, 30 * PICTURE_BYTES):
                os.posix_fadvise(file, 0, 0, os.POSIX_FADV_DONTNEED)
                time.sleep(0.01)
            for each in ahead.judge(feed):
                each.result(60)
            for at in range(0, 9 * 30 * PICTURE_BYTES, 4096):
                assert is_cached(file, at), at
    finally:
        os.close(file)


def test_what_two_sessions_play_is_asked_of_the_kernel_once(
    place: Path, prefetch, monkeypatch
) -> None:
    asked: list[tuple[int, int]] = []
    monkeypatch.setattr(
        "playout.pump.prefetch.os.posix_fadvise",
        lambda file, at, count, advice: asked.append((at, count)),
    )
    shelf = Shelf()
    for opening in (0, 40):
        feed = Feed(programme_of(Item("a", str(place), str(place / "none"), FRAMES)), shelf)
        feed.open(opening)
        ahead = ReadAhead(prefetch)
        for _ in range(2):
            for each in ahead.judge(feed):
                each.result(60)
    assert len(set(asked)) == len(asked)
    assert sum(count for _, count in asked) >= Track.open(place, TrackKind.VIDEO).layout.data_bytes


def test_a_block_that_the_disk_cannot_read_is_left_out_before_it_is_due(
    place: Path, prefetch, monkeypatch, caplog
) -> None:
    sendfile = os.sendfile

    def meet_a_bad_sector(nowhere: int, file: int, at: int, count: int) -> int:
        bad = 5_500_000
        if at == bad:
            raise OSError(errno.EIO, os.strerror(errno.EIO))
        # What lies before it is read, as the kernel does.
        return sendfile(nowhere, file, at, bad - at if at < bad < at + count else count)

    monkeypatch.setattr("playout.pump.prefetch.os.sendfile", meet_a_bad_sector)
    shelf = Shelf()
    feed = Feed(programme_of(Item("a", str(place), str(place), FRAMES)), shelf)
    feed.open(300)
    for each in ReadAhead(prefetch).judge(feed):
        each.result(60)
    assert shelf.track(str(place), TrackKind.VIDEO).blocks.missing == {1}
    assert "cannot be read (Input/output error): 1 of its blocks" in caplog.text


def test_a_file_system_that_cannot_read_to_nowhere_is_advised_only(
    place: Path, prefetch, monkeypatch
) -> None:
    def refuse(*_: object) -> int:
        raise OSError(errno.EINVAL, os.strerror(errno.EINVAL))

    monkeypatch.setattr("playout.pump.prefetch.os.sendfile", refuse)
    assert judge(prefetch, Track.open(place, TrackKind.VIDEO)) == frozenset()


def test_reading_ahead_reaches_into_the_next_item(tmp_path: Path) -> None:
    items = [write_item(tmp_path, name, 90, picture_bytes=1000) for name in "ab"]
    feed = Feed(programme_of(*items), Shelf())
    feed.open(0)
    found = {
        (track.directory.name, track.kind): (begin, end)
        for track, begin, end in feed.upcoming(0, 5000)
    }
    assert set(found) == {(name, kind) for name in "ab" for kind in TrackKind}
    assert found["a", TrackKind.VIDEO][0] == 0
    assert 60_000 < found["b", TrackKind.VIDEO][1] < 80_000
