"""Sessions share timers, evenly spread; on a clock that the test moves."""

from __future__ import annotations

import heapq
import itertools

from playout.pump.wheel import Wheel


class Handle:
    def __init__(self) -> None:
        self.cancelled = False

    def cancel(self) -> None:
        self.cancelled = True


class Timers:
    """An event loop's timers without the loop: time passes when the test says so."""

    def __init__(self) -> None:
        self.now = 100.0
        self._heap: list = []
        self._order = itertools.count()

    def time(self):
        return self.now

    def call_at(self, when, callback):
        handle = Handle()
        heapq.heappush(self._heap, (when, next(self._order), callback, handle))
        return handle

    def advance(self, seconds):
        end = self.now + seconds
        while self._heap and self._heap[0][0] <= end:
            when, _, callback, handle = heapq.heappop(self._heap)
            self.now = max(self.now, when)
            if not handle.cancelled:
                callback()
        self.now = end


def test_each_session_ticks_once_a_round():
    timers = Timers()
    wheel, counts = Wheel(50, slots=10, timers=timers), [0] * 30

    def count(n):
        def tick(now):
            counts[n] += 1

        return tick

    ticks = [count(n) for n in range(30)]
    for tick in ticks:
        wheel.add(tick)
    timers.advance(0.501)
    assert set(counts) <= {9, 10}
    for tick in ticks:
        wheel.remove(tick)
    timers.advance(1)
    assert set(counts) <= {9, 10}


def test_sessions_are_spread_evenly_over_the_tick():
    timers, times = Timers(), []
    wheel = Wheel(100, slots=10, share=1, timers=timers)
    for _ in range(10):
        wheel.add(lambda now: times.append(round(now, 3)))
    timers.advance(0.3)
    steps = {round(b - a, 3) for a, b in itertools.pairwise(times)}
    assert steps == {0.01}


def test_few_sessions_share_few_wake_ups_that_lie_far_apart():
    timers, times = Timers(), []
    wheel = Wheel(240, slots=48, share=10, timers=timers)
    for _ in range(40):
        wheel.add(lambda now: times.append(round(now, 3)))
    timers.advance(1.2)
    steps = [round(b - a, 3) for a, b in itertools.pairwise(times)]
    assert set(steps) == {0, 0.06}
    assert len(times) == 200


def test_more_sessions_than_places_still_spread_evenly():
    timers, times = Timers(), []
    wheel = Wheel(100, slots=10, share=3, timers=timers)
    for _ in range(55):
        wheel.add(lambda now: times.append(round(now, 3)))
    timers.advance(0.1)
    together = [times.count(moment) for moment in sorted(set(times))]
    assert len(together) == 10
    assert set(together) == {5, 6}


def test_a_lone_session_waits_a_whole_tick():
    timers, times = Timers(), []
    wheel = Wheel(250, slots=50, timers=timers)
    timers.advance(3)
    wheel.add(times.append)
    timers.advance(1)
    assert 0.24 <= times[0] - 103 <= 0.25
    assert {round(b - a, 3) for a, b in itertools.pairwise(times)} == {0.25}


def test_a_session_may_leave_within_its_tick_and_another_join():
    timers, seen = Timers(), []
    wheel = Wheel(20, slots=4, timers=timers)

    def second(now):
        seen.append("second")
        wheel.remove(second)

    def first(now):
        seen.append("first")
        wheel.remove(first)
        wheel.add(second)

    wheel.add(first)
    timers.advance(0.2)
    assert seen == ["first", "second"]


def test_a_session_that_follows_another_within_its_tick_is_called_once_a_round():
    timers, seen = Timers(), []
    wheel = Wheel(20, slots=4, timers=timers)

    def first(now):
        wheel.remove(first)
        wheel.add(lambda now: seen.append(round(now, 3)))

    wheel.add(first)
    timers.advance(0.2)
    assert {round(b - a, 3) for a, b in itertools.pairwise(seen)} == {0.02}


def test_what_was_missed_in_a_long_sleep_is_not_made_up_for():
    timers, seen = Timers(), []
    wheel = Wheel(20, slots=4, timers=timers)
    wheel.add(seen.append)
    timers.advance(0.03)
    before = len(seen)
    timers.now += 5
    timers.advance(0.03)
    assert len(seen) - before <= 4
    assert wheel.lateness.max_ms >= 4900


def test_in_a_crowd_each_has_every_second_turn_and_the_moments_stay_even():
    timers, times = Timers(), [[] for _ in range(40)]
    wheel = Wheel(100, slots=10, share=2, crowd=30, timers=timers)
    for seen in times:
        wheel.add(seen.append)
    assert wheel.tick_seconds == 0.2
    timers.advance(2.001)
    for seen in times:
        assert {round(b - a, 3) for a, b in itertools.pairwise(seen)} == {0.2}
    together = [round(now, 3) for now in itertools.chain(*times)]
    assert {together.count(moment) for moment in together} == {2}


def test_when_the_crowd_thins_out_each_has_every_turn_again():
    timers, seen = Timers(), []
    wheel, others = Wheel(100, slots=10, crowd=3, timers=timers), []
    for _ in range(3):
        others.append(lambda now: None)
        wheel.add(others[-1])
    wheel.add(seen.append)
    timers.advance(1)
    assert {round(b - a, 3) for a, b in itertools.pairwise(seen)} == {0.2}
    wheel.remove(others[0])
    seen.clear()
    timers.advance(1)
    assert {round(b - a, 3) for a, b in itertools.pairwise(seen)} == {0.1}
    assert not wheel.is_crowded


def test_a_crowd_stays_in_the_slots_it_has_until_ten_take_their_turn_together():
    timers, times = Timers(), []
    wheel = Wheel(100, slots=10, share=1, crowd=4, timers=timers)
    for _ in range(100):
        wheel.add(lambda now: times.append(round(now, 3)))
    timers.advance(0.2)
    together = [times.count(moment) for moment in sorted(set(times))]
    assert len(times) == 100
    assert set(together) == {10}
    for _ in range(50):
        wheel.add(lambda now: times.append(round(now, 3)))
    times.clear()
    timers.advance(0.2)
    assert len(times) == 150
    assert max(times.count(moment) for moment in times) == 10


def taking(timers, seconds, seen):
    """A session whose every send takes so long."""

    def tick(now):
        seen.append(timers.now)
        timers.now += seconds

    return tick


def turns(times, gap):
    """How many sends came right behind each other."""
    counts, last = [], -1.0
    for now in times:
        counts.append(counts.pop() + 1 if now - last < gap else 1)
        last = now
    return counts


def test_slots_whose_turns_stay_long_give_half_of_their_sessions_to_empty_ones():
    timers, times = Timers(), []
    wheel = Wheel(250, slots=50, share=10, timers=timers)
    for _ in range(20):
        wheel.add(taking(timers, 0.001, times))
    timers.advance(0.25)
    assert max(turns(times, 0.002)) == 10
    timers.advance(5)
    times.clear()
    timers.advance(0.25)
    assert len(times) == 20
    assert max(turns(times, 0.002)) <= 3
    wheel.lateness.clear()
    timers.advance(5)
    assert wheel.lateness.max_ms < 3


def test_a_crowd_with_long_turns_spreads_and_each_keeps_its_rhythm():
    timers, times = Timers(), [[] for _ in range(60)]
    wheel = Wheel(250, slots=50, crowd=30, timers=timers)
    for seen in times:
        wheel.add(taking(timers, 0.001, seen))
    timers.advance(5)
    for seen in times:
        seen.clear()
    timers.advance(5)
    for seen in times:
        assert len(seen) == 10
        assert max(abs(b - a - 0.5) for a, b in itertools.pairwise(seen)) < 0.004
    assert max(turns(sorted(itertools.chain(*times)), 0.002)) <= 3


def test_a_hiccup_of_the_machine_moves_nobody():
    timers, times, slow = Timers(), [], [0.0]
    wheel = Wheel(250, slots=50, share=10, timers=timers)

    def tick(now):
        times.append(round(timers.now, 3))
        timers.now += slow[0]

    for _ in range(10):
        wheel.add(tick)
    timers.advance(1)
    slow[0] = 0.01
    timers.advance(0.5)
    slow[0] = 0.0
    timers.advance(1)
    times.clear()
    timers.advance(0.25)
    assert len(times) == 10
    assert len(set(times)) == 1


def test_slots_that_are_all_in_use_stay_as_they_are_however_slow_they_are():
    timers, times = Timers(), []
    wheel = Wheel(100, slots=2, share=1, timers=timers)
    for _ in range(8):
        wheel.add(taking(timers, 0.001, times))
    timers.advance(3)
    times.clear()
    timers.advance(0.1)
    assert turns(times, 0.002) == [4, 4]
