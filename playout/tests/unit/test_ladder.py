"""Never black: what a feed does when tracks, or parts of them, cannot be sent."""

from __future__ import annotations

import os
import shutil
from dataclasses import replace
from itertools import pairwise
from pathlib import Path

import pytest

from playout.errors import TrackCorrupt, TrackIncomplete, TrackNotFound
from playout.media import HOUSE_AUDIO, TrackKind
from playout.pump.aired import Rung
from playout.pump.feed import Feed
from playout.pump.shelf import Shelf
from playout.testing.tracks import PROFILE, write_item
from playout.timeline.programme import Card, Item, Programme, Sound, SoundVersion, Version
from playout.tracks import format as track_format
from playout.tracks import writer
from playout.tracks.packetiser import message_body

GOP = 30
BLOCK = 1 << 14


class Sent:
    """What a receiver makes of the bytes."""

    def __init__(self, feed: Feed) -> None:
        self.feed = feed
        self.now = {9: feed.opening_ms(TrackKind.VIDEO), 8: feed.opening_ms(TrackKind.AUDIO)}
        self.times: dict[int, list[int]] = {9: [], 8: []}
        self.contents: dict[int, list[str]] = {9: [], 8: []}

    def play(self, until_ms: int) -> None:
        while self.feed.sent_until_ms < until_ms:
            buffers: list = []
            self.feed.take(self.feed.sent_until_ms + 250, buffers)
            data, at = b"".join(buffers), 0
            while at < len(data):
                length, kind = int.from_bytes(data[at + 4 : at + 7], "big"), data[at + 7]
                self.now[kind] += int.from_bytes(data[at + 1 : at + 4], "big")
                size = 8 + length + max(0, length - 1) // 4096
                body = message_body(data[at : at + size])
                text = body[5 if kind == 9 else 2 :].decode().rstrip(".")
                self.times[kind].append(self.now[kind])
                self.contents[kind].append(text)
                at += size

    def check_cadence(self) -> None:
        assert {b - a for a, b in pairwise(self.times[9])} <= {33, 34}
        assert {b - a for a, b in pairwise(self.times[8])} <= {23, 24}


def runs(contents: list[str]) -> list[tuple[str, int, int]]:
    """(name, first frame, frames) of what follows without a step."""
    found: list[tuple[str, int, int]] = []
    for content in contents:
        name, _, number = content.partition(":")
        if found and found[-1][0] == name and found[-1][1] + found[-1][2] == int(number):
            found[-1] = (name, found[-1][1], found[-1][2] + 1)
        else:
            found.append((name, int(number), 1))
    return found


def programme(*items: Item, **values) -> Programme:
    version = Version(1, 0, items)
    return Programme(
        0, PROFILE.rate, HOUSE_AUDIO.rate, (version,), profile=PROFILE.id, **values
    )  # fmt: skip


def have(directory: str, bits: str, kind: str = "video") -> None:
    """Write which blocks are here, as a cache does: `1101` lacks the third."""
    number = sum(1 << place for place, bit in enumerate(bits) if bit == "1")
    part = Path(directory) / f".{kind}.have.part"
    part.write_bytes(number.to_bytes(-(-len(bits) // 8), "little"))
    part.rename(Path(directory) / f"{kind}.have")


@pytest.fixture
def make(tmp_path, monkeypatch):
    """Items with blocks of 16 KiB, which is about a second of 30 pictures."""
    for module in (writer, track_format):
        monkeypatch.setattr(module, "BLOCK_BYTES", BLOCK)

    def write(name: str, frames: int) -> Item:
        return write_item(tmp_path, name, frames, gop=GOP, picture_bytes=540)

    return write


@pytest.fixture
def heard():
    return {"told": [], "aired": []}


def feed_of(plan: Programme, heard: dict) -> Sent:
    feed = Feed(plan, Shelf(), on_substitute=heard["told"].append, on_aired=heard["aired"].append)
    feed.open(0)
    return Sent(feed)


def test_the_ladder_is_next_then_filler_then_last_then_slate(make, heard):
    a, f, s = make("a", 60), make("f", 90), make("s", 60)
    gone, away = (Item(n, f"/none/{n}", f"/none/{n}", 60) for n in ("gone", "away"))
    rungs = []
    for values in (
        {"items": (a, gone, a), "filler": (f,), "slate": s},
        {"items": (a, gone, away), "filler": (f,), "slate": s},
        {"items": (a, gone, away), "slate": s},
        {"items": (gone, away), "slate": s},
    ):
        items = values.pop("items")
        sent = feed_of(programme(*items, **values), heard)
        sent.play(8000)
        sent.check_cadence()
        rungs.append(heard["told"][0].rung)
        heard["told"].clear()
    assert rungs == [Rung.NEXT, Rung.FILLER, Rung.LAST, Rung.SLATE]


def test_an_absent_block_is_stepped_over_by_the_clock(make, heard):
    a, b, f = make("a", 60), make("b", 300), make("f", 90)
    have(b.video, "1110011111111111")
    sent = feed_of(programme(a, b, filler=(f,)), heard)
    sent.play(12_000)
    sent.check_cadence()
    shown = sent.contents[9]
    for frame in range(60, 360):
        name, _, number = shown[frame].partition(":")
        if name == "b":
            assert int(number) == frame - 60
    back = [n for n in range(61, 360) if shown[n].startswith("b") and shown[n - 1][0] != "b"]
    assert len(back) == 1
    assert (back[0] - 60) % GOP == 0
    assert [(type(t.error), t.item_id) for t in heard["told"]] == [(TrackIncomplete, "b")]
    assert "Block 3 of the video track" in str(heard["told"][0].error)
    assert heard["told"][0].end == back[0]
    sent.feed.close()
    aired = [(r.begin, r.end, r.rung) for r in heard["aired"] if r.kind is TrackKind.VIDEO][:4]
    hole = heard["told"][0].begin
    assert aired == [
        (0, 60, None), (60, hole, None), (hole, back[0], Rung.NEXT), (back[0], 360, None),
    ]  # fmt: skip


def test_an_item_is_joined_as_soon_as_its_blocks_are_here(make, heard):
    a, b = make("a", 60), make("b", 300)
    have(b.video, "1" + "0" * 20)
    sent = feed_of(programme(a, b), heard)
    sent.play(5000)
    assert runs(sent.contents[9])[-1][0] == "a"
    have(b.video, "1" * 21)
    at = len(sent.contents[9])
    sent.play(10_000)
    sent.check_cadence()
    joined = next(n for n in range(at, len(sent.contents[9])) if sent.contents[9][n][0] == "b")
    assert joined - at <= 3 * GOP
    assert sent.contents[9][joined] == f"b:{joined - 60}"


def test_blocks_that_go_while_they_play_are_left_in_time(make, heard):
    b, f = make("b", 600), make("f", 90)
    have(b.video, "1" * 30)
    sent = feed_of(programme(b, filler=(f,)), heard)
    sent.play(3000)
    have(b.video, "1" * 6 + "0" * 24)
    sent.play(15_000)
    sent.check_cadence()
    numbers = [int(c[2:]) for c in sent.contents[9][90:] if c[0] == "b"]
    track = Shelf().track(b.video, TrackKind.VIDEO)
    assert track.offsets[max(numbers) + 1] <= 6 * BLOCK
    assert runs(sent.contents[9])[-1][0] == "f"


def test_a_damaged_block_of_sound_is_filled_and_the_sound_comes_back(make, heard):
    a, f = make("a", 600), make("f", 600)
    have(a.audio, "101", kind="audio")
    track = Shelf().track(a.audio, TrackKind.AUDIO)
    ends = track.offsets
    hole = [n for n in range(track.frames) if ends[n + 1] > BLOCK and ends[n] < 2 * BLOCK]
    sent = feed_of(programme(a, filler=(f,)), heard)
    sent.play(19_000)
    sent.check_cadence()
    other = [n for n, content in enumerate(sent.contents[8]) if content[0] != "a"]
    assert other == [n for n in hole if n < len(sent.contents[8])]
    assert sent.contents[9][:500] == [f"a:{n}" for n in range(500)]
    assert {t.rung for t in heard["told"]} <= {Rung.FILLER}


def test_a_directory_that_is_deleted_stays_on_air_to_the_end_of_its_item(make, heard):
    a, b = make("a", 90), make("b", 90)
    sent = feed_of(programme(a, b), heard)
    sent.play(1000)
    shutil.rmtree(a.video)
    sent.play(14_000)
    sent.check_cadence()
    assert runs(sent.contents[9])[:3] == [("a", 0, 90), ("b", 0, 90), ("b", 0, 90)]
    assert [type(t.error) for t in heard["told"]][:1] == [TrackNotFound]


def test_when_all_is_deleted_what_is_mapped_goes_on(make, heard):
    a, b = make("a", 90), make("b", 90)
    sent = feed_of(programme(a, b), heard)
    sent.play(1000)
    for item in (a, b):
        shutil.rmtree(item.video)
    sent.play(14_000)
    assert {b - a for a, b in pairwise(sent.times[9])} <= {33, 34}
    assert {name for name, _, _ in runs(sent.contents[9])} == {"a"}


@pytest.mark.parametrize("at_ms", [1000, 1250, 1500, 1750])
@pytest.mark.parametrize("kind", ["video", "audio"])
def test_an_index_that_is_cut_short_ends_neither_the_process_nor_the_session(
    make, heard, kind, at_ms
):
    a, b = make("a", 300), make("b", 300)
    sent = feed_of(programme(a, b), heard)
    sent.play(at_ms)
    os.truncate(Path(a.video) / f"{kind}.index", 0)
    sent.play(25_000)
    sent.check_cadence()
    assert type(heard["told"][0].error) in (TrackCorrupt, TrackNotFound)
    assert sent.contents[9][300:310] == [f"b:{n}" for n in range(10)]


@pytest.mark.parametrize("frames", [90, 300, 900])
def test_files_that_are_written_over_are_opened_anew_and_not_read_through_the_old_index(
    make, heard, frames
):
    a, b, other = make("a", 300), make("b", 300), make("other", frames)
    sent = feed_of(programme(a, b), heard)
    sent.play(1250)
    for file in sorted(Path(other.video).iterdir()):
        # Into the same file, which is what `cp` does; a shorter one ends before what is mapped.
        shutil.copyfile(file, Path(a.video) / file.name)
    sent.play(9_000)
    sent.check_cadence()
    shown = runs(sent.contents[9])
    taken = shown[0][2]
    key = -(-taken // GOP) * GOP
    if frames < 300:
        assert shown[1:] == [("b", 0, len(sent.contents[9]) - taken)]
        assert heard["told"][0].error.code == "track.disagree"
    else:
        assert shown[1:3] == [("b", 0, key - taken), ("other", key, len(sent.contents[9]) - key)]


@pytest.mark.parametrize("kept", [0.0, 0.1, 0.25])
def test_of_a_file_that_is_cut_short_no_zeros_are_sent(make, heard, kept):
    a, b = make("a", 300), make("b", 300)
    sent = feed_of(programme(a, b), heard)
    sent.play(1000)
    file = Path(a.video) / "video.track"
    os.truncate(file, int(file.stat().st_size * kept) + 100)
    sent.play(9_000)
    sent.check_cadence()
    taken = runs(sent.contents[9])[0][2]
    assert runs(sent.contents[9])[1][:2] == ("b", 0)
    assert taken == 30
    assert heard["told"][0].error.code == "track.corrupt"


def test_whatever_asks_about_a_track_whose_index_is_gone_is_answered(make, heard):
    a, b = make("a", 300), make("b", 300)
    plan = programme(a, b)
    sent = feed_of(plan, heard)
    sent.play(8_000)
    feed = sent.feed
    assert len(feed.upcoming(1 << 20, 10_000)) == 4
    for kind in TrackKind:
        os.truncate(Path(a.video) / f"{kind.value}.index", 0)
        os.truncate(Path(b.video) / f"{kind.value}.index", 0)
    assert feed.upcoming(1 << 20, 10_000) == []
    assert feed.next_key == 300
    assert feed.sent_before(1000) <= feed.opening_frame
    feed.end_at(290)
    feed.replace_programme(replace(plan, versions=(*plan.versions, Version(2, 270, (b,)))))


def test_a_track_that_is_prepared_again_is_taken_when_it_comes_round(make, heard, tmp_path):
    a = make("a", 90)
    sent = feed_of(programme(a), heard)
    sent.play(1000)
    shutil.rmtree(a.video)
    make("new", 90)
    (tmp_path / "new").rename(a.video)
    sent.play(8000)
    sent.check_cadence()
    assert runs(sent.contents[9])[:2] == [("a", 0, 90), ("new", 0, 90)]
    assert heard["told"] == []


def test_missing_sound_of_radio_mode_is_filled_and_the_next_song_begins_on_time(make, heard):
    a, b, c = make("a", 60), make("b", 600), make("c", 600)
    sounds = (
        Sound("b", b.audio, 200), Sound("gone", "/none/gone", 300), Sound("c", c.audio, 100),
    )  # fmt: skip
    plan = programme(a, sound_versions=(SoundVersion(1, 0, sounds),))
    sent = feed_of(plan, heard)
    sent.play(14_500)
    sent.check_cadence()
    assert sent.contents[8][200:500] == [f"c:{n}" for n in range(300)]
    assert sent.contents[8][500:510] == [f"c:{n}" for n in range(10)]
    assert [(t.kind, t.item_id, t.rung) for t in heard["told"]] == [
        (TrackKind.AUDIO, "gone", Rung.NEXT)
    ]


def test_songs_that_have_ended_leave_no_silence(make, heard):
    a, s = make("a", 60), make("s", 90)
    sounds = (SoundVersion(1, 0, (Sound("a", a.audio, 80),), loop=False),)
    sent = feed_of(programme(a, slate=s, sound_versions=sounds), heard)
    sent.play(9000)
    sent.check_cadence()
    assert sent.contents[8][80:82] == ["a:0", "a:1"]
    plan = programme(a, filler=(s,), sound_versions=sounds)
    sent = feed_of(plan, heard)
    sent.play(9000)
    sent.check_cadence()
    assert {content[0] for content in sent.contents[8][80:]} == {"s"}


def test_a_card_covers_its_groups_and_the_loop_goes_on_under_it(make, heard):
    loop, card = make("a", 210), make("t", 120)
    cards = (Card(60, 120, card.video, 0, "One"), Card(270, 330, card.video, 60, "Two"))
    sent = feed_of(programme(loop, cards=cards), heard)
    sent.play(14_000)
    sent.check_cadence()
    assert runs(sent.contents[9])[:6] == [
        ("a", 0, 60), ("t", 0, 60), ("a", 120, 90), ("a", 0, 60), ("t", 60, 60), ("a", 120, 90),
    ]  # fmt: skip
    assert {content[0] for content in sent.contents[8]} == {"a"}
    assert heard["told"] == []
    sent.feed.close()
    titles = [row.card for row in heard["aired"] if row.kind is TrackKind.VIDEO]
    assert titles[:6] == ["", "One", "", "", "Two", ""]


@pytest.mark.parametrize(
    "wrong",
    [
        {"video": "/none"},
        {"begin": 45},
        {"end": 100},
        {"at": 7},
        {"at": 90},
    ],
)
def test_a_card_that_does_not_fit_is_not_shown(make, heard, wrong):
    loop, card = make("a", 210), make("t", 120)
    cards = (replace(Card(60, 120, card.video), **wrong),)
    sent = feed_of(programme(loop, cards=cards), heard)
    sent.play(9000)
    sent.check_cadence()
    assert runs(sent.contents[9])[0] == ("a", 0, 210)
    assert heard["told"] == []


def test_a_complete_track_never_asks_for_its_blocks(make):
    a = make("a", 300)
    track = Shelf().track(a.video, TrackKind.VIDEO)
    assert not track.blocks.missing
    assert track.ready_until(0) == 300
    assert track.next_ready_key(31) == 60


def test_ready_messages_are_those_whose_every_byte_is_here(make):
    a = make("a", 300)
    shelf = Shelf()
    blocks = shelf.track(a.video, TrackKind.VIDEO).layout.blocks
    for hole in range(blocks):
        have(a.video, "".join("0" if n == hole else "1" for n in range(blocks)))
        track = shelf.track(a.video, TrackKind.VIDEO)
        bad = {
            n for n in range(300)
            if track.offsets[n] < (hole + 1) * BLOCK and track.offsets[n + 1] > hole * BLOCK
        }  # fmt: skip
        for n in range(0, 300, 7):
            assert track.ready_until(n) == min([m for m in bad if m >= n], default=300)
            assert track.next_ready(n) == next((m for m in range(n, 300) if m not in bad), None)
            assert track.next_ready_key(n) == next(
                (
                    k
                    for k in range(-(-n // GOP) * GOP, 300, GOP)
                    if not bad & set(range(k, k + GOP))
                ),
                None,
            )
