"""Shuffled cycles: complete, spread out, never repeating over an edge, the same everywhere."""

import json
import subprocess
import sys
import time
from collections import Counter
from fractions import Fraction
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from playout.timeline.order import Orders, mixed, shuffled
from playout.timeline.programme import Item, Programme, Version
from playout.timeline.resolve import placement_at

RATE, AAC = Fraction(30), Fraction(44100, 1024)
SEEDS = st.integers(-(2**63), 2**64)
CYCLES = st.integers(0, 10**9)
WEIGHTS = st.lists(st.integers(1, 6), min_size=1, max_size=40)


@given(WEIGHTS, SEEDS, CYCLES)
def test_each_cycle_holds_every_entry_as_often_as_its_weight_says(weights, seed, cycle):
    counted = Counter(shuffled(weights, seed=seed, cycle=cycle))
    assert [counted[entry] for entry in range(len(weights))] == weights


@given(st.lists(st.integers(1, 6), min_size=3, max_size=40), SEEDS, CYCLES)
def test_what_ends_a_cycle_does_not_begin_the_next(weights, seed, cycle):
    edge = max(1, len(weights) // 3)
    before = shuffled(weights, seed=seed, cycle=cycle)
    after = shuffled(weights, seed=seed, cycle=cycle + 1)
    assert not set(before[-edge:]) & set(after[:edge])


@given(SEEDS, CYCLES)
def test_two_entries_alternate(seed, cycle):
    row = [entry for c in (cycle, cycle + 1) for entry in shuffled([1, 1], seed=seed, cycle=c)]
    assert all(a != b for a, b in pairwise(row))
    assert shuffled([1], seed=seed, cycle=cycle) == [0]


@given(st.lists(st.integers(1, 5), min_size=4, max_size=30), SEEDS, st.integers(0, 1000))
def test_an_entry_follows_itself_only_where_nothing_else_is_left(weights, seed, cycle):
    row = shuffled(weights, seed=seed, cycle=cycle)
    heaviest, total = max(weights), sum(weights)
    repeats = [a for a, b in pairwise(row) if a == b]
    if heaviest * 3 <= total:
        assert len(repeats) <= 1, row


@pytest.mark.parametrize("entries", [5, 12, 40])
def test_cycles_differ_and_every_entry_gets_everywhere(entries):
    rows = [tuple(shuffled([1] * entries, seed=9, cycle=c)) for c in range(400)]
    assert len(set(rows)) > (100 if entries == 5 else 395)
    for place in range(entries):
        assert {row[place] for row in rows} == set(range(entries))


def test_the_order_is_pinned_for_all_releases_to_come():
    assert mixed(1234567) == 6457827717110365317
    assert mixed(1234567 + 0x9E3779B97F4A7C15) == 3203168211198807973
    assert shuffled([1, 1, 1, 1, 1, 1, 1], seed=42, cycle=3) == [4, 6, 2, 1, 3, 5, 0]
    assert shuffled([3, 1, 2, 1], seed=42, cycle=0) == [0, 1, 3, 0, 2, 0, 2]


def test_another_process_finds_the_same_order_whatever_its_hashes():
    script = (
        "import json; from playout.timeline.order import shuffled; "
        "print(json.dumps([shuffled([1, 2, 3] * 30, seed=-7, cycle=c) for c in range(5)]))"
    )
    answers = {
        subprocess.run(
            [sys.executable, "-c", script], env={"PYTHONHASHSEED": seed},
            capture_output=True, text=True, check=True,
        ).stdout
        for seed in ("1", "2")
    }  # fmt: skip
    here = [shuffled([1, 2, 3] * 30, seed=-7, cycle=c) for c in range(5)]
    assert [json.loads(answer) for answer in answers] == [here]


ENTRIES = st.lists(
    st.tuples(st.integers(1, 200), st.integers(1, 4)), min_size=1, max_size=12
)  # fmt: skip


@given(ENTRIES, st.none() | SEEDS, st.integers(0, 10**12), st.integers(0, 3), st.data())
def test_a_placement_covers_its_frames_and_its_neighbours_touch_it(entries, seed, at, cycle, data):
    items = tuple(
        Item(f"{n}", "/v", "/a", frames, weight=weight)
        for n, (frames, weight) in enumerate(entries)
    )
    plays = len(items) if seed is None else sum(item.weight for item in items)
    entry = data.draw(st.integers(0, plays - 1))
    programme = Programme(
        0, RATE, AAC, (Version(1, 100, items, entry=entry, seed=seed, cycle=cycle),)
    )
    assert placement_at(programme, 99) is None
    here = placement_at(programme, 100 + at)
    assert here is not None
    assert here.start <= here.begin <= 100 + at < here.end
    assert here.end - here.start == here.item.frames
    following = placement_at(programme, here.end)
    assert following is not None
    assert following.begin == following.start == here.end
    if here.begin > 100:
        before = placement_at(programme, here.begin - 1)
        assert before is not None
        assert before.end == here.begin
    orders = programme.versions[0].orders
    assert items[orders.index(here.cycle, here.place)] == here.item


@given(ENTRIES, SEEDS)
def test_walking_the_line_plays_the_orders_one_after_the_other(entries, seed):
    items = tuple(Item(f"{n}", "/v", "/a", f, weight=w) for n, (f, w) in enumerate(entries))
    weights = [item.weight for item in items]
    programme = Programme(0, RATE, AAC, (Version(1, 0, items, seed=seed),))
    walked, frame = list[str](), 0
    for _ in range(3 * sum(weights)):
        placement = placement_at(programme, frame)
        walked.append(placement.item.id)
        frame = placement.end
    assert walked == [f"{n}" for c in range(3) for n in shuffled(weights, seed=seed, cycle=c)]


def test_looking_up_stays_cheap_for_ten_thousand_items_after_years():
    items = tuple(Item(f"{n}", "/v", "/a", 3000 + n % 977) for n in range(10_000))
    programme = Programme(0, RATE, AAC, (Version(1, 0, items, seed=3),))
    late = 20 * 365 * 86400 * 30
    placement_at(programme, late)
    begun = time.process_time()
    frame = late
    for _ in range(1000):
        frame = placement_at(programme, frame).end
    assert time.process_time() - begun < 0.5


def test_orders_of_a_plain_list_need_no_chance():
    orders = Orders([10, 20], [7, 9])
    assert (orders.plays, orders.cycle_frames, orders.order(5)) == (2, 30, (0, 1))
