"""How far a tick may send."""

from playout.pump.pacing import Pace, horizon, is_overdue

PACE = Pace(tick=250, lead=1500, catch_up=2.0, jump_after=4000)


def test_in_step_it_sends_as_much_as_time_has_passed():
    assert not is_overdue(PACE, now_ms=10_250, sent_until_ms=11_500)
    assert horizon(PACE, now_ms=10_250, sent_until_ms=11_500, last_tick_ms=10_000) == 11_750


def test_behind_it_catches_up_at_no_more_than_twice_the_rate():
    assert not is_overdue(PACE, now_ms=10_250, sent_until_ms=9_000)
    assert horizon(PACE, now_ms=10_250, sent_until_ms=9_000, last_tick_ms=10_000) == 9_500


def test_far_behind_it_leaves_out_what_is_overdue():
    assert is_overdue(PACE, now_ms=10_000, sent_until_ms=6_000)
    assert not is_overdue(PACE, now_ms=10_000, sent_until_ms=6_001)


def test_it_never_runs_ahead_of_its_lead():
    sent, now, last = 0, 0, 0
    for now in range(0, 60_000, 250):
        sent = horizon(PACE, now_ms=now, sent_until_ms=sent, last_tick_ms=last)
        last = now
        assert sent <= now + PACE.lead
    assert sent == now + PACE.lead


def test_a_clock_that_stands_still_sends_nothing_more():
    assert horizon(PACE, now_ms=1_000, sent_until_ms=2_000, last_tick_ms=1_000) == 2_000
