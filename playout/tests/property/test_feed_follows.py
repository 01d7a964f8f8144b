"""Whatever is edited, missing or damaged on air: every frame once, on the grid, as resolved."""

from __future__ import annotations

from dataclasses import replace
from itertools import pairwise
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from playout.media import HOUSE_AUDIO, TrackKind
from playout.pump.feed import Feed
from playout.pump.shelf import Shelf
from playout.testing.tracks import PROFILE, write_item
from playout.timebase import frame_ms
from playout.timeline import edits
from playout.timeline.programme import (
    Card,
    Item,
    Programme,
    Sound,
    SoundVersion,
    Version,
)
from playout.timeline.resolve import audio_boundary, card_at, placement_at, sound_at
from playout.tracks.packetiser import message_body

RATE, AAC = PROFILE.rate, HOUSE_AUDIO.rate
GOP = PROFILE.gop_frames
LENGTHS = {"a": 300, "b": 241, "c": 450, "d": 95, "x": 130, "y": 60}
NAMES = "abcdxy"


@pytest.fixture(scope="module")
def items(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Item]:
    root = tmp_path_factory.mktemp("tracks")
    return {name: write_item(root, name, n, gop=GOP) for name, n in LENGTHS.items()}


class Sent:
    """What a receiver makes of the bytes, from the deltas alone."""

    def __init__(self, feed: Feed) -> None:
        self.now = {9: feed.opening_ms(TrackKind.VIDEO), 8: feed.opening_ms(TrackKind.AUDIO)}
        self.pictures: list[tuple[int, str]] = []
        self.sounds: list[tuple[int, str]] = []

    def read(self, buffers) -> None:
        data, at = b"".join(buffers), 0
        while at < len(data):
            length, kind = int.from_bytes(data[at + 4 : at + 7], "big"), data[at + 7]
            self.now[kind] += int.from_bytes(data[at + 1 : at + 4], "big")
            size = 8 + length + max(0, length - 1) // 4096
            body = message_body(data[at : at + size])
            if kind == 9:
                self.pictures.append((self.now[9], body[5:].decode()))
            else:
                self.sounds.append((self.now[8], body[2:].decode()))
            at += size


def wanted_picture(programme: Programme, frame: int) -> tuple[str, int, int]:
    """The picture that resolve says, and the first key frame of its stretch from `frame` back."""
    card = card_at(programme, frame)
    if card is not None:
        within = frame - card.begin + card.at
        return f"{Path(card.video).name}:{within}", card.begin, within
    placement = placement_at(programme, frame)
    within = frame - placement.start
    return f"{placement.item.id}:{within}", placement.begin, within


def wanted_sound(programme: Programme, aac_frame: int) -> str:
    sound = sound_at(programme, aac_frame)
    return f"{Path(sound.audio).name}:{aac_frame - sound.start}"


def check_grid(sent: Sent, first: int) -> None:
    times = [time for time, _ in sent.pictures]
    assert {b - a for a, b in pairwise(times)} <= {33, 34}
    assert all(abs(t - frame_ms(first + n, RATE)) <= 1 for n, t in enumerate(times))
    times = [time for time, _ in sent.sounds]
    assert {b - a for a, b in pairwise(times)} <= {23, 24}
    reorder = frame_ms(2, RATE)
    begin = audio_boundary(Programme(0, RATE, AAC, (Version(1, 0, (X,)),)), first)
    assert all(abs(t - reorder - frame_ms(begin + n, AAC)) <= 1 for n, t in enumerate(times))


X = Item("x", "/x", "/x", 60)

EDITS = st.lists(
    st.tuples(
        st.sampled_from(["skip", "jump", "next", "swap", "swap-key", "follow", "shuffle", "card"]),
        st.integers(1, 12),  # ticks until then
        st.integers(-60, 200),  # frames ahead of what is sent; less than 0 is too late
        st.lists(st.sampled_from(NAMES), min_size=1, max_size=4, unique=True),
    ),
    max_size=10,
)
SLOW = settings(
    max_examples=60,
    deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)


def edited(programme: Programme, kind: str, at: int, new: list[Item]) -> Programme:
    at = max(at, 0)
    match kind:
        case "skip":
            versions = edits.skip(programme, at_frame=at)
        case "jump":
            versions = edits.jump(programme, at_frame=at, entry=0)
        case "next":
            versions = edits.play_next(programme, at_frame=at, item=new[0])
        case "swap" | "swap-key":
            cut = "key" if kind == "swap-key" else "item"
            versions = edits.swap(programme, at_frame=at, items=new, at=cut)
        case "follow":
            versions = edits.follow(programme, at_frame=at, items=new)
        case "shuffle":
            versions = edits.follow(programme, at_frame=at, items=new, seed=at)
        case _:
            placement = placement_at(programme, at)
            begin = placement.start + -(-(at - placement.start) // GOP) * GOP
            if programme.cards and begin < programme.cards[-1].end:
                return programme
            card = Card(begin, begin + GOP, new[0].video)
            return replace(programme, cards=(*programme.cards, card))
    return edits.appended(programme, versions)


class Judge:
    """Follows a feed frame by frame and knows what it owes."""

    def __init__(self, feed: Feed, first: int) -> None:
        self.feed, self.sent, self.frame = feed, Sent(feed), first
        self.aac = audio_boundary(feed.programme, first)
        self.since = first
        self.substituted = 0

    def take(self, ms: int = 250) -> None:
        buffers: list = []
        pictures, sounds = len(self.sent.pictures), len(self.sent.sounds)
        self.feed.take(self.feed.sent_until_ms + ms, buffers)
        self.sent.read(buffers)
        programme = self.feed.programme
        for _, content in self.sent.pictures[pictures:]:
            self.judge_picture(programme, content)
            self.frame += 1
        for _, content in self.sent.sounds[sounds:]:
            if programme.is_radio:
                assert content == wanted_sound(programme, self.aac)
            self.aac += 1

    def judge_picture(self, programme: Programme, content: str) -> None:
        wanted, begin, within = wanted_picture(programme, self.frame)
        if content == wanted:
            return
        if card_at(programme, self.frame) is not None:
            # A card that an edit has left without key frames under its edges is not shown.
            self.judge_picture(replace(programme, cards=()), content)
            return
        # Only an item whose beginning had passed when we heard of it may be joined late, and not
        # later than at its first key frame.
        self.substituted += 1
        known = max(begin, self.since)
        assert known > begin, f"frame {self.frame}: {content} instead of {wanted}"
        assert within // GOP * GOP + self.frame - within < known, (
            f"frame {self.frame}: {content}, though {wanted} had a key frame since {known}"
        )

    def replace(self, programme: Programme) -> None:
        self.feed.replace_programme(programme)
        self.since = self.frame


@SLOW
@given(st.lists(st.sampled_from(NAMES), min_size=1, max_size=4, unique=True), EDITS)
def test_edits_are_followed_frame_for_frame(items, names, wanted):
    programme = Programme(
        0, RATE, AAC, (Version(1, 0, tuple(items[n] for n in names)),), profile=PROFILE.id
    )
    feed = Feed(programme, Shelf())
    feed.open(0)
    judge = Judge(feed, 0)
    for kind, ticks, ahead, new in wanted:
        for _ in range(ticks):
            judge.take()
        programme = edited(programme, kind, judge.frame + ahead, [items[n] for n in new])
        judge.replace(programme)
    for _ in range(40):
        judge.take()
    check_grid(judge.sent, 0)
    if all(ahead >= 0 for _, _, ahead, _ in wanted):
        assert judge.substituted == 0


@SLOW
@given(
    st.lists(st.integers(30, 90), min_size=1, max_size=3),
    st.lists(
        st.tuples(
            st.sampled_from(["skip", "jump", "next", "swap", "follow"]),
            st.integers(1, 9), st.integers(-40, 200),
            st.lists(st.integers(1, 90), min_size=1, max_size=3),
        ),
        max_size=8,
    ),
)  # fmt: skip
def test_sounds_of_radio_mode_are_edited_frame_for_frame(items, lengths, wanted):
    def sounds(frames):
        return tuple(
            Sound(f"{n}", items[name].audio, length)
            for n, (name, length) in enumerate(zip("abc", frames, strict=False))
        )

    programme = Programme(
        0, RATE, AAC, (Version(1, 0, (items["y"],)),), (SoundVersion(1, 0, sounds(lengths)),),
        profile=PROFILE.id,
    )  # fmt: skip
    feed = Feed(programme, Shelf())
    feed.open(0)
    judge = Judge(feed, 0)
    for kind, ticks, ahead, frames in wanted:
        for _ in range(ticks):
            judge.take()
        at, new = max(0, judge.aac + ahead), sounds(frames)
        match kind:
            case "skip":
                versions = edits.skip_sound(programme, at_frame=at)
            case "jump":
                versions = edits.jump_sound(programme, at_frame=at, entry=0)
            case "next":
                versions = edits.play_sound_next(programme, at_frame=at, sound=new[0])
            case "swap":
                versions = edits.swap_sounds(programme, at_frame=at, sounds=new, at="key")
            case _:
                versions = edits.follow_sounds(programme, at_frame=at, sounds=new)
        programme = edits.appended(programme, sound_versions=versions)
        judge.replace(programme)
    for _ in range(30):
        judge.take()
    check_grid(judge.sent, 0)


@SLOW
@given(st.lists(st.tuples(st.booleans(), st.integers(1, 12)), min_size=1, max_size=8))
def test_sound_becomes_a_programme_of_its_own_and_back_without_a_gap(items, turns):
    linked = Programme(0, RATE, AAC, (Version(1, 0, (items["d"], items["x"])),))
    sounds = (Sound("a", items["a"].audio, 77), Sound("b", items["b"].audio, 51))
    radio = replace(linked, sound_versions=(SoundVersion(1, 0, sounds),))
    feed = Feed(linked, Shelf())
    feed.open(0)
    judge = Judge(feed, 0)
    for is_radio, ticks in turns:
        judge.replace(radio if is_radio else linked)
        for _ in range(ticks):
            judge.take()
    check_grid(judge.sent, 0)


@SLOW
@given(
    st.permutations("abcdx"), st.sets(st.sampled_from("abcdx")), st.booleans(), st.booleans(),
    st.integers(0, 1000),
)  # fmt: skip
def test_whatever_is_missing_pictures_and_sound_go_on_and_the_clock_with_them(
    items, order, gone, filler, slate, opened
):
    def item(name):
        directory = items[name].video + ("-gone" if name in gone else "")
        return replace(items[name], video=directory, audio=directory)

    programme = Programme(
        0, RATE, AAC, (Version(1, 0, tuple(item(name) for name in order)),),
        filler=(items["y"],) if filler else (), slate=replace(items["y"], id="slate"),
        profile=PROFILE.id,
    )  # fmt: skip
    if not slate and len(gone) < 5:
        programme = replace(programme, slate=None)
    told, aired = [], []
    feed = Feed(programme, Shelf(), on_substitute=told.append, on_aired=aired.append)
    feed.open(opened)
    first = feed.opening_frame
    judge = Judge(feed, first)
    judge.judge_picture = lambda programme, content: None
    for _ in range(200):
        judge.take()
    feed.close()
    check_grid(judge.sent, first)
    for n, (_, content) in enumerate(judge.sent.pictures):
        placement = placement_at(programme, first + n)
        if placement.item.id not in gone:
            assert content == f"{placement.item.id}:{first + n - placement.start}"
    for n, (_, content) in enumerate(judge.sent.sounds):
        placement = placement_at(programme, first)
        sound = sound_at(programme, audio_boundary(programme, first) + n)
        if sound.item_id not in gone:
            assert content.startswith(f"{sound.item_id}:"), (n, content, placement)
    # Each deviation is told once a visit, and as-run covers every frame once.
    visits = {}
    for substitution in told:
        key = (substitution.kind, substitution.begin)
        assert key not in visits
        visits[key] = substitution
        assert substitution.item_id in gone
    for kind, count in (
        (TrackKind.VIDEO, first),
        (TrackKind.AUDIO, audio_boundary(programme, first)),
    ):
        rows = [row for row in aired if row.kind is kind]
        assert rows[0].begin == count
        assert all(a.end == b.begin for a, b in pairwise(rows))
        for row in rows:
            assert (row.rung is not None) == (row.item_id in gone)
    assert rows[-1].end >= judge.aac
