"""Which blocks are needed, fetched and evicted, for any programme and any cache."""

from __future__ import annotations

from dataclasses import dataclass
from fractions import Fraction

from hypothesis import given, settings
from hypothesis import strategies as st

from playout.cache.plan import (
    GUARANTEED_NS,
    INDEX,
    earliest,
    horizon_seconds,
    needs,
    next_block,
    victims,
)
from playout.timebase import frame_ns
from playout.timeline.programme import Item, Programme, Version
from playout.timeline.resolve import linked_sound, placement_at

VIDEO, AUDIO = Fraction(25), Fraction(44100, 1024)
SECOND = 10**9


@dataclass(frozen=True)
class Shape:
    offsets: tuple[int, ...]
    block_bytes: int = 1000


def even(messages: int, size: int) -> Shape:
    return Shape(tuple(range(0, (messages + 1) * size, size)))


items = st.lists(st.integers(25, 400), min_size=1, max_size=4)


def made(lengths: list[int]) -> tuple[Programme, dict[str, Shape]]:
    listed, shapes = [], {}
    for n, frames in enumerate(lengths):
        listed.append(Item(f"i{n}", f"v{n}", f"a{n}", frames))
        shapes[f"v{n}"] = even(frames, 130)
        shapes[f"a{n}"] = even(int(frames * AUDIO / VIDEO) + 3, 37)
    return Programme(0, VIDEO, AUDIO, (Version(1, 0, tuple(listed)),)), shapes


@settings(max_examples=25, deadline=None)
@given(items, st.integers(0, 5000), st.integers(1, 900))
def test_whatever_is_sent_was_named_and_due_no_later(lengths, begin, frames):
    programme, shapes = made(lengths)
    now, until = frame_ns(begin, VIDEO), frame_ns(begin + frames, VIDEO)
    due = earliest([needs(programme, shapes.get, now_ns=now, until_ns=until)])
    for frame in range(begin, begin + frames):
        placement = placement_at(programme, frame)
        assert placement is not None
        shape = shapes[placement.item.video]
        for at in (frame - placement.start,):
            for byte in (shape.offsets[at], shape.offsets[at + 1] - 1):
                found = due[placement.item.video, byte // shape.block_bytes]
                assert found <= max(now, frame_ns(frame, VIDEO))
        sound = linked_sound(programme, placement)
        aac = min(max(int(frame * AUDIO / VIDEO), sound.begin), sound.end - 1)
        byte = shapes[sound.audio].offsets[aac - sound.start]
        assert (sound.audio, byte // 1000) in due


@settings(max_examples=25, deadline=None)
@given(items, st.integers(0, 5000))
def test_a_track_of_which_nothing_is_known_needs_its_index_first(lengths, begin):
    programme, _ = made(lengths)
    now = frame_ns(begin, VIDEO)
    found = list(needs(programme, lambda _: None, now_ns=now, until_ns=now + 3600 * SECOND))
    assert {need.block for need in found} == {INDEX}
    assert {need.track for need in found} == {f"{k}{n}" for n in range(len(lengths)) for k in "va"}


blocks = st.tuples(st.sampled_from("abc"), st.integers(0, 9))
dues = st.dictionaries(blocks, st.integers(0, 8 * 3600 * SECOND), max_size=25)


@given(dues, st.sets(blocks), st.sets(blocks))
def test_what_is_due_first_is_fetched_first(due, here, waiting):
    chosen = next_block(due, here, waiting)
    open_ = {block: at for block, at in due.items() if block not in here | waiting}
    assert (chosen is None) == (not open_)
    if chosen is not None:
        assert due[chosen] == min(open_.values())


@given(
    st.dictionaries(blocks, st.integers(0, 10)), dues, st.integers(0, 12), st.integers(0, 10**14)
)
def test_nothing_due_within_the_hour_or_sooner_than_the_wanted_block_is_evicted(
    here, due, count, wanted
):
    chosen = victims(here, due, count=count, wanted_ns=wanted, now_ns=0)
    assert len(chosen) == len(set(chosen)) <= count
    for block in chosen:
        assert block in here
        if block in due:
            assert due[block] > GUARANTEED_NS
            assert due[block] > wanted
    idle = [block for block in here if block not in due]
    assert len([block for block in chosen if block not in due]) == min(count, len(idle))


@settings(max_examples=25, deadline=None)
@given(items, st.integers(0, 2000))
def test_the_horizon_ends_at_the_first_block_that_is_missing(lengths, begin):
    programme, shapes = made(lengths)
    now = frame_ns(begin, VIDEO)
    needed = list(needs(programme, shapes.get, now_ns=now, until_ns=now + 3600 * SECOND))
    here = {(need.track, need.block) for need in needed}
    assert horizon_seconds(needed, here, now_ns=now) == 6 * 3600
    last = max(needed, key=lambda need: need.due_ns)
    here.discard((last.track, last.block))
    assert horizon_seconds(needed, here, now_ns=now) == max(0, last.due_ns - now) / SECOND
