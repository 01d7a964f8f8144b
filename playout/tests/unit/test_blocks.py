"""Blocks come in order, are verified, survive a restart, and make room for each other."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from fractions import Fraction
from pathlib import Path

import pytest

from playout.cache import blocks
from playout.cache.blocks import BlockCache, Source
from playout.media import HOUSE_AUDIO, TrackKind, video_profile
from playout.timeline.programme import Item, Programme, Version
from playout.tracks.format import BLOCK_BYTES, Description, encode_index
from playout.tracks.reader import Track

VIDEO = video_profile("720p25")
SECOND = 10**9
NOW = 1_795_000_000 * SECOND
BLOCKS = 3
FRAMES = 90


def write_track(directory: Path, kind: TrackKind, *, seed: int) -> None:
    """A track of three blocks whose frames are of equal size; its bytes mean nothing."""
    import hashlib

    size = BLOCK_BYTES * BLOCKS // FRAMES
    data = bytes((n * seed) & 0xFF for n in range(4096)) * (size * FRAMES // 4096 + 1)
    data = data[: size * FRAMES]
    parts = [data[n : n + BLOCK_BYTES] for n in range(0, len(data), BLOCK_BYTES)]
    rate = VIDEO.rate if kind is TrackKind.VIDEO else HOUSE_AUDIO.rate
    index = encode_index(
        Description(kind, "x", b"", Fraction(rate), FRAMES),
        offsets=b"".join((size * n).to_bytes(8, "little") for n in range(FRAMES + 1)),
        timestamps=b"".join((40 * n).to_bytes(4, "little") for n in range(FRAMES)),
        keys=(0).to_bytes(4, "little"),
        block_hashes=[hashlib.sha256(part).digest() for part in parts],
        data_bytes=len(data),
    )
    directory.mkdir(parents=True)
    (directory / f"{kind.value}.track").write_bytes(data)
    (directory / f"{kind.value}.index").write_bytes(index)


class Folder:
    """A store that is a folder, with a say in each answer."""

    def __init__(self, root: Path) -> None:
        self.root = root
        self.asked: list[tuple[str, int]] = []
        self.answer: Callable[[str, int, bytes], bytes] = lambda name, start, data: data

    def read(self, name: str, start: int, end: int | None) -> bytes:
        self.asked.append((name, start))
        with (self.root / name).open("rb") as file:
            file.seek(start)
            return self.answer(name, start, file.read(-1 if end is None else end - start))


class Scene:
    def __init__(self, root: Path, *, capacity: int = 1 << 30, tracks: int = 2) -> None:
        self.root, self.capacity = root, capacity
        self.store = Folder(root / "store")
        self.changed = threading.Event()
        for n in range(tracks):
            write_track(root / "store" / f"v{n}", TrackKind.VIDEO, seed=2 * n + 1)
            write_track(root / "store" / f"a{n}", TrackKind.AUDIO, seed=2 * n + 2)
        self.tracks = tracks
        self.start()

    def start(self) -> None:
        self.cache = BlockCache(
            self.store, self.root / "cache", capacity_bytes=self.capacity, downloads=1,
            on_change=self.changed.set, utc_ns=lambda: NOW,
        )  # fmt: skip
        for n in range(self.tracks):
            for name, kind in ((f"v{n}", TrackKind.VIDEO), (f"a{n}", TrackKind.AUDIO)):
                self.cache.know(name, Source(
                    self.root / "cache" / name, kind, f"{name}/{kind.value}.track",
                    f"{name}/{kind.value}.index",
                ))  # fmt: skip

    def programme(self, *tracks: int, loop: bool = True) -> Programme:
        listed = tuple(Item(f"i{n}", f"v{n}", f"a{n}", 50) for n in tracks)
        return Programme(NOW, VIDEO.rate, HOUSE_AUDIO.rate, (Version(1, 0, listed, loop=loop),))

    def follow(self, *tracks: int, now_ns: int = NOW, loop: bool = True) -> None:
        self.cache.follow({"o": self.programme(*tracks, loop=loop)}, now_ns=now_ns)

    def wait(self, is_so: Callable[[], object], *, seconds: float = 10) -> None:
        give_up = time.monotonic() + seconds
        while not is_so():
            assert time.monotonic() < give_up, self.store.asked
            self.follow(*self.followed)
            time.sleep(0.02)

    followed: tuple[int, ...] = (0, 1)

    def horizon(self) -> float:
        found = self.cache.horizon_seconds("o", now_ns=NOW)
        assert found is not None
        return found

    def bits(self, name: str) -> bytes:
        return next((self.root / "cache" / name).glob("*.have")).read_bytes()


@pytest.fixture
def scene(tmp_path: Path):
    made = Scene(tmp_path)
    yield made
    made.cache.close()


@pytest.fixture(autouse=True)
def _impatient(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(blocks, "RETRY_SECONDS", (0.02, 0.05))
    monkeypatch.setattr(blocks, "FULL_SECONDS", 0.2)


def test_what_airs_first_comes_first_and_only_what_airs(scene):
    scene.follow(0, 1)
    scene.wait(lambda: scene.horizon() > 3600)
    data = [name for name, _ in scene.store.asked if name.endswith(".track")]
    assert data.index("v0/video.track") < data.index("v1/video.track")
    # Fifty of ninety frames are in the first two of three blocks.
    assert scene.bits("v0") == bytes([0b011])
    mapped = Track.open(scene.root / "cache" / "v0", TrackKind.VIDEO)
    original = Track.open(scene.root / "store" / "v0", TrackKind.VIDEO)
    assert mapped.data[: 2 * BLOCK_BYTES] == original.data[: 2 * BLOCK_BYTES]
    assert scene.cache.is_ready("v0", until_ns=NOW + 3600 * SECOND)


def test_after_a_restart_nothing_is_fetched_again(scene):
    scene.follow(0, 1)
    scene.wait(lambda: scene.horizon() > 3600)
    scene.cache.close()
    scene.store.asked.clear()
    scene.start()
    scene.follow(0, 1)
    assert scene.horizon() > 3600
    time.sleep(0.2)
    assert scene.store.asked == []


def test_a_flipped_byte_never_gets_a_bit_and_the_right_ones_are_fetched_in_the_end(scene):
    spoilt: list[int] = []

    def flip(name: str, start: int, data: bytes) -> bytes:
        if name == "v0/video.track" and start == 0 and len(spoilt) < 2:
            spoilt.append(start)
            return data[:7] + bytes([data[7] ^ 1]) + data[8:]
        return data

    scene.store.answer = flip
    scene.follow(0, 1)
    scene.wait(lambda: len(spoilt) == 2)
    scene.wait(lambda: scene.horizon() > 3600)
    Track.open(scene.root / "cache" / "v0", TrackKind.VIDEO)
    assert scene.cache.refused == {}


def test_a_body_that_is_cut_goes_on_where_it_was(scene):
    scene.store.answer = lambda name, start, data: data[: max(1, len(data) * 9 // 10)]
    scene.follow(0)
    scene.followed = (0,)
    scene.wait(lambda: scene.horizon() > 3600)
    starts = [start for name, start in scene.store.asked if name == "v0/video.track"]
    assert len(starts) == len(set(starts)), "no byte is fetched twice"


def test_a_store_that_is_away_costs_nothing_but_time(scene):
    away = True

    def refuse(name: str, start: int, data: bytes) -> bytes:
        if away:
            raise ConnectionError("503")
        return data

    scene.store.answer = refuse
    scene.follow(0, 1)
    time.sleep(0.3)
    assert scene.horizon() == 0
    assert len(scene.store.asked) < 40, "it does not hammer"
    away = False
    scene.wait(lambda: scene.horizon() > 3600)


def test_room_is_made_by_what_nobody_needs_and_never_by_what_is_due(tmp_path):
    scene = Scene(tmp_path, capacity=10 * BLOCK_BYTES, tracks=4)
    try:
        scene.follow(0, 1)
        scene.wait(lambda: scene.horizon() > 3600)
        assert scene.bits("v0") == scene.bits("v1") == bytes([0b011])
        assert scene.bits("a0") == scene.bits("a1") == bytes([0b111])
        scene.followed = (1, 2)
        scene.follow(1, 2)
        scene.wait(lambda: scene.horizon() > 3600)
        assert not (tmp_path / "cache" / "v0").exists()
        assert scene.bits("v1") == bytes([0b011])
        # Three items do not fit: none of the two that are due is given up for the third.
        scene.followed = (1, 2, 3)
        scene.follow(1, 2, 3)
        time.sleep(0.5)
        assert scene.bits("v1") == scene.bits("v2") == bytes([0b011])
        assert 0 < scene.horizon() <= 4
    finally:
        scene.cache.close()


def test_what_an_earlier_run_left_and_nobody_knows_makes_room_first(tmp_path):
    write_track(tmp_path / "cache" / "old", TrackKind.VIDEO, seed=9)
    scene = Scene(tmp_path, capacity=11 * BLOCK_BYTES)
    try:
        scene.follow(0, 1)
        scene.wait(lambda: scene.horizon() > 3600)
        assert not (tmp_path / "cache" / "old").exists()
    finally:
        scene.cache.close()


def test_a_full_disk_pauses_the_fetching_and_breaks_nothing(scene, monkeypatch):
    full = True
    written = blocks.os.pwrite

    def pwrite(descriptor: int, data: bytes, at: int) -> int:
        if full:
            raise OSError(28, "No space left on device")
        return written(descriptor, data, at)

    monkeypatch.setattr(blocks.os, "pwrite", pwrite)
    scene.follow(0, 1)
    time.sleep(0.3)
    assert scene.horizon() == 0
    assert all(have.read_bytes() == b"\0" for have in scene.root.glob("cache/*/*.have"))
    full = False
    scene.wait(lambda: scene.horizon() > 3600)


@pytest.mark.parametrize("damage", [b"", b"\xff" * 9, None])
def test_a_bitmap_that_cannot_be_believed_means_fetching_again(scene, damage):
    scene.follow(0, 1)
    scene.wait(lambda: scene.horizon() > 3600)
    scene.cache.close()
    have = scene.root / "cache" / "v0" / "video.have"
    if damage is None:
        have.unlink()
    else:
        have.write_bytes(damage)
    scene.start()
    scene.follow(0, 1)
    scene.wait(lambda: scene.horizon() > 3600)
    assert have.read_bytes() == bytes([0b011])


def test_only_what_neither_lies_here_nor_is_wanted_is_forgotten(tmp_path):
    scene = Scene(tmp_path, tracks=3)
    try:
        scene.follow(0, 1)
        assert not scene.cache.forget("v1")
        scene.wait(lambda: scene.horizon() > 3600)
        scene.cache.follow({}, now_ns=NOW)
        assert not scene.cache.forget("v1")
        assert scene.cache.forget("v2")
        # Once it is asked for again it has to be made known again.
        scene.follow(2)
        time.sleep(0.2)
        assert "v2/video.index" not in [name for name, _ in scene.store.asked]
    finally:
        scene.cache.close()
