"""What is written down of what was on air."""

from dataclasses import replace

from playout.media import HOUSE_AUDIO
from playout.node.as_run import AsRun
from playout.pump.lateness import BOUNDS_MS, Lateness
from playout.supervisor.ports import Aired
from playout.timeline.programme import Item, Programme, Version

RATE = HOUSE_AUDIO.rate
A, B = Item("a", "", "", 100, "A"), Item("b", "", "", 50, "B")
PROGRAMME = Programme(0, RATE, RATE, (Version(1, 0, (A, B)),))


def test_items_follow_each_other_to_the_frame_even_when_nobody_looked():
    log = AsRun()
    log.advance(PROGRAMME, 30)
    assert log.take() == (Aired("a", "A", 30, None),)
    log.advance(PROGRAMME, 90)
    assert log.take() == ()
    log.advance(PROGRAMME, 260)
    assert log.take() == (
        Aired("a", "A", 30, 100), Aired("b", "B", 100, 150), Aired("a", "A", 150, 250),
        Aired("b", "B", 250, None),
    )  # fmt: skip


def test_a_lost_session_ends_a_row_with_its_cause_and_the_next_one_begins_another():
    log = AsRun()
    log.advance(PROGRAMME, 0)
    log.stop(40, "ingest.lost")
    log.stop(41, "ingest.lost")
    log.advance(PROGRAMME, 70)
    assert log.take() == (Aired("a", "A", 0, 40, "ingest.lost"), Aired("a", "A", 70, None))


def test_an_item_that_was_replaced_says_why():
    log = AsRun()
    log.advance(PROGRAMME, 0)
    log.deviate("b", "track.corrupt")
    log.advance(PROGRAMME, 120)
    log.advance(PROGRAMME, 160)
    assert Aired("b", "B", 100, 150, "track.corrupt") in log.take()
    log.deviate("a", "track.unreadable")
    log.advance(PROGRAMME, 260)
    assert Aired("a", "A", 150, 250, "track.unreadable") in log.take()


def test_a_change_of_programme_ends_what_it_replaces():
    log = AsRun()
    log.advance(PROGRAMME, 0)
    changed = replace(PROGRAMME, versions=(Version(1, 0, (A, B)), Version(2, 60, (B,))))
    log.cut(50)
    log.advance(changed, 80)
    rows = log.take()
    assert rows[-1].item_id == "b"
    assert [row.end_frame for row in rows[:-1]] == [row.start_frame for row in rows[1:]]


def test_a_programme_that_is_over_leaves_no_open_row():
    log = AsRun()
    ended = Programme(0, RATE, RATE, (Version(1, 0, (A,), loop=False),))
    log.advance(ended, 10)
    log.advance(ended, 500)
    assert log.take() == (Aired("a", "A", 10, 100),)


def test_lateness_is_counted_up_to_each_bound():
    late = Lateness()
    for ms in (0.2, 3.0, 40.0, 5000.0):
        late.add(ms)
    counts = dict(zip((*BOUNDS_MS, None), late.histogram(), strict=True))
    assert (counts[1], counts[5], counts[50], counts[1000], counts[None]) == (1, 2, 3, 3, 4)
