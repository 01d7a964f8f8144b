"""How far a tick may send."""

from playout.pump.pacing import Pace, horizon

PACE = Pace(tick=250, lead=1500, catch_up=2.0, jump_after=4000)


def test_in_step_it_sends_as_much_as_time_has_passed():
    step = horizon(PACE, now_ms=10_250, sent_until_ms=11_500, last_tick_ms=10_000)
    assert (step.until_ms, step.jump) == (11_750, False)


def test_behind_it_catches_up_at_no_more_than_twice_the_rate():
    step = horizon(PACE, now_ms=10_250, sent_until_ms=9_000, last_tick_ms=10_000)
    assert (step.until_ms, step.jump) == (9_500, False)


def test_far_behind_it_leaves_out_what_is_overdue():
    step = horizon(PACE, now_ms=10_000, sent_until_ms=6_000, last_tick_ms=9_750)
    assert (step.until_ms, step.jump) == (11_500, True)


def test_it_never_runs_ahead_of_its_lead():
    sent, now, last = 0, 0, 0
    for now in range(0, 60_000, 250):
        sent = horizon(PACE, now_ms=now, sent_until_ms=sent, last_tick_ms=last).until_ms
        last = now
        assert sent <= now + PACE.lead
    assert sent == now + PACE.lead


def test_a_clock_that_stands_still_sends_nothing_more():
    step = horizon(PACE, now_ms=1_000, sent_until_ms=2_000, last_tick_ms=1_000)
    assert step.until_ms == 2_000
