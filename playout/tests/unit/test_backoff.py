"""When the next attempt comes."""

import pytest

from playout.errors import AddressInvalid, ConnectionLost, ConnectionRefused, StreamKeyRejected
from playout.publisher.backoff import ConnectRate, delay_seconds, home_seconds


@pytest.mark.parametrize("random", [0.0, 0.5, 0.999])
def test_a_passing_fault_is_tried_again_within_four_seconds(random):
    delays = [
        delay_seconds(ConnectionRefused("x"), n, outage_seconds=n, random=random)
        for n in range(1, 50)
    ]
    assert all(delay is not None and 0 < delay <= 4 for delay in delays)
    assert delays[0] <= 0.3
    assert delays == sorted(delays)


def test_a_long_outage_is_waited_out_more_patiently_but_for_ever():
    delay = delay_seconds(ConnectionLost("x"), 10_000, outage_seconds=86_400, random=0.5)
    assert delay is not None
    assert 4 < delay <= 15


def test_a_refused_key_is_not_hammered_and_never_final():
    delays = [
        delay_seconds(StreamKeyRejected("x"), n, outage_seconds=n, random=0.0)
        for n in (1, 2, 3, 4, 5, 100)
    ]
    assert delays == [2, 5, 10, 30, 60, 60]


def test_wrong_settings_are_not_tried_again():
    assert delay_seconds(AddressInvalid("x"), 1, outage_seconds=0, random=0.5) is None


def test_streams_that_fell_together_do_not_return_together():
    delays = {
        delay_seconds(ConnectionLost("x"), 3, outage_seconds=3, random=n / 10) for n in range(10)
    }
    assert len(delays) == 10


def test_two_hundred_that_ask_at_once_get_their_turns_in_order_and_no_faster_than_the_rate():
    rate = ConnectRate(20, 20)
    turns = [100 + rate.wait_seconds(100.0) for _ in range(200)]
    assert turns == sorted(turns)
    assert turns[:20] == [100.0] * 20
    for begin in range(9):
        in_a_second = [turn for turn in turns if 100 + begin < turn <= 101 + begin]
        assert len(in_a_second) == pytest.approx(20, abs=1)
    assert turns[-1] == pytest.approx(109)


def test_one_that_asks_later_need_not_wait():
    rate = ConnectRate(20, 20)
    for _ in range(40):
        rate.wait_seconds(100.0)
    assert rate.wait_seconds(100.0) == pytest.approx(1.05)
    assert rate.wait_seconds(103.0) == 0


def test_the_way_home_is_looked_for_ever_less_often_and_never_given_up():
    waits = [home_seconds(returns) for returns in range(6)]
    assert waits == [300, 600, 1200, 2400, 3600, 3600]
    # Six weeks of an address that accepts connections and keeps none.
    assert home_seconds(1024) == 3600
