"""Minutes out of reports."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

from hypothesis import given
from hypothesis import strategies as st

from apps.streaming.samples import (
    Counters,
    Minute,
    Running,
    follow,
    hour_of,
    minutes_between,
    noted,
    numbers,
)

START = datetime(2026, 3, 14, 21, 59, 0, tzinfo=UTC)


def told(second: float, acked: int, *, session: str = "a", unsent: int = 0) -> Counters:
    return Counters(START + timedelta(seconds=second), session, acked, unsent)


def minutes_of(reports: list[Counters]) -> list[Minute]:
    running: Running | None = None
    found = []
    for report in reports:
        running, over = follow(running, report)
        found += [over] if over else []
    return found


def test_a_minute_is_what_was_acknowledged_in_it():
    steady = [told(n, 500_000 * n) for n in range(62)]
    assert minutes_of(steady) == [Minute(START, 4000, 0)]


def test_bytes_that_were_only_sent_are_not_in_it():
    stuck = [told(n, 500_000 * min(n, 30), unsent=1000 * max(0, n - 30)) for n in range(62)]
    (minute,) = minutes_of(stuck)
    assert minute.kbps == round(30 * 4000 / 59)
    assert minute.unsent == 29_000


def test_the_first_minute_is_measured_over_the_time_that_is_known():
    late = [told(40 + n, 500_000 * n) for n in range(22)]
    assert minutes_of(late)[0].kbps == 4000


def test_a_new_connection_counts_from_nothing():
    before = [told(n, 500_000 * n) for n in range(30)]
    after = [told(30 + n, 500_000 * n, session="b") for n in range(32)]
    (minute,) = minutes_of(before + after)
    # The second in which the connection changed is not known: it counts as nothing arrived.
    assert minute.kbps == round(58 * 4000 / 59)


def test_the_counter_of_a_connection_that_fell_is_one_of_a_new_one():
    (minute,) = minutes_of([told(0, 9_000_000), told(59, 1000), told(60, 2000)])
    assert minute.kbps == 0


def test_after_a_gap_the_average_holds_for_all_of_it():
    (minute,) = minutes_of([told(0, 0), told(600, 600 * 500_000), told(661, 661 * 500_000)])
    assert minute == Minute(START + timedelta(minutes=10), 4000, 0)


def test_a_clock_that_is_set_back_begins_anew():
    minutes = minutes_of([told(60, 0), told(61, 500_000), told(30, 600_000), told(31, 700_000)])
    assert minutes == [Minute(START + timedelta(minutes=1), 4000, 0)]


@given(st.lists(st.tuples(st.integers(1, 90), st.integers(0, 10**7)), max_size=80))
def test_never_more_than_was_acknowledged(steps: list[tuple[int, int]]):
    reports, second, acked = [], 0, 0
    for wait, moved in steps:
        second, acked = second + wait, acked + moved
        reports.append(told(second, acked))
    running: Running | None = None
    total = 0.0
    for report in reports:
        before = running
        running, over = follow(running, report)
        if over is not None:
            assert before is not None
            total += over.kbps * before.seconds * 125
            # Rounding to whole kbit/s.
            assert over.kbps >= 0
    slack = 125 * sum(wait for wait, _ in steps)
    assert total <= acked + slack


def test_an_hour_keeps_a_number_a_minute():
    hour = noted([], START, 4000)
    assert len(hour) == 60
    assert hour[59] == 4000
    assert noted(hour, START, 3000)[59] == 3000
    assert noted(hour, START - timedelta(minutes=59), 0)[0] == 0


def test_numbers_are_read_across_hours_with_gaps():
    hours = {hour_of(START): noted([], START, 4000)}
    minutes = minutes_between(START - timedelta(minutes=1), START + timedelta(minutes=2))
    assert [at.minute for at in minutes] == [58, 59, 0]
    assert numbers(hours, minutes) == [None, 4000, None]


def test_a_minute_that_has_begun_before_is_not_between():
    assert minutes_between(START + timedelta(seconds=1), START + timedelta(seconds=60)) == []
    assert minutes_between(START, START + timedelta(seconds=1)) == [START]
    assert minutes_between(START, START) == []
    assert minutes_between(START, START - timedelta(hours=1)) == []
