from datetime import UTC, datetime, timedelta

from hypothesis import given
from hypothesis import strategies as st

from apps.youtube import audience
from apps.youtube.audience import Audience

NINE = datetime(2026, 11, 25, 9, tzinfo=UTC)
TEN = NINE + timedelta(hours=1)


def at(minutes: float) -> datetime:
    return NINE + timedelta(minutes=minutes)


def test_an_item_has_the_average_and_the_most_of_its_minutes():
    hours = {NINE: [10, 20, 30, *[None] * 57]}
    assert audience.between(hours, at(0), at(3)) == Audience(20, 30)
    assert audience.between(hours, at(1), at(2)) == Audience(20, 20)


def test_a_minute_counts_by_how_much_of_it_the_item_had():
    hours = {NINE: [0, 100]}
    assert audience.between(hours, at(0.5), at(1.25)) == Audience(33, 100)


def test_an_item_over_the_hour_and_one_shorter_than_a_minute():
    hours = {NINE: [None] * 59 + [5], TEN: [15]}
    assert audience.between(hours, at(59), at(61)) == Audience(10, 15)
    assert audience.between(hours, at(60.2), at(60.4)) == Audience(15, 15)


def test_what_nobody_asked_about_is_not_nobody():
    assert audience.between({NINE: [None] * 60}, at(0), at(60)) is None
    assert audience.between({}, at(0), at(60)) is None
    assert audience.between({NINE: [None, 8]}, at(0), at(60)) == Audience(8, 8)


minutes = st.lists(st.none() | st.integers(0, 10**6), max_size=60)


@given(minutes, st.integers(0, 59), st.integers(0, 10**6))
def test_noting_a_number_keeps_the_others(known, minute, viewers):
    moment = NINE + timedelta(minutes=minute, seconds=30)
    found = audience.noted(known, moment, viewers)
    padded = [*known, *[None] * 60][:60]
    assert len(found) == 60
    assert [n for n in range(60) if found[n] != padded[n]] in ([], [minute])
    assert found[minute] is not None
    assert found[minute] >= viewers


@given(minutes, st.floats(0, 59), st.floats(0.1, 60))
def test_the_average_lies_within_what_was_told(known, start, length):
    found = audience.between({NINE: known}, at(start), at(start + length))
    if found is not None:
        numbers = [number for number in known if number is not None]
        assert min(numbers) <= found.average <= found.peak <= max(numbers)
