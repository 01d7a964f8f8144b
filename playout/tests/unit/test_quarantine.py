"""Which tracks are held to have brought pumps down."""

from playout.media import TrackKind
from playout.node.journal import Journal, Serving
from playout.node.quarantine import WITHIN_NS, Quarantine

DAY = WITHIN_NS


def test_a_second_crash_within_a_day_puts_a_track_in_quarantine(tmp_path):
    record = Quarantine(tmp_path / "q.json")
    assert record.crashed(["/bad", "/near"], now_ns=1) == []
    assert record.crashed(["/bad"], now_ns=DAY) == ["/bad"]
    assert record.crashed(["/bad"], now_ns=DAY + 1) == []
    assert record.tracks == ["/bad"]


def test_a_crash_that_is_not_repeated_is_forgotten_and_a_quarantine_is_not(tmp_path):
    record = Quarantine(tmp_path / "q.json")
    record.crashed(["/once"], now_ns=0)
    record.crashed(["/bad"], now_ns=0)
    record.crashed(["/bad"], now_ns=1)
    assert record.crashed(["/once"], now_ns=2 * DAY) == []
    assert Quarantine(tmp_path / "q.json").tracks == ["/bad"]


def test_a_damaged_record_is_an_empty_one(tmp_path):
    for text in ("", "{", "[1]", '{"/a": 3}', '{"/a": ["x", "y"]}'):
        (tmp_path / "q.json").write_text(text)
        assert Quarantine(tmp_path / "q.json").tracks == []


def test_another_process_reads_what_was_being_served(tmp_path):
    mine, theirs = Journal(tmp_path / "j"), Journal(tmp_path / "j")
    mine.begin(5)
    assert theirs.serving() is None
    first, second = mine.enter("one"), mine.enter("two")
    mine.open(first, TrackKind.VIDEO, "/é")
    mine.open(first, TrackKind.AUDIO, "/é")
    mine.open(second, TrackKind.VIDEO, "/v")
    mine.open(second, TrackKind.AUDIO, "/a")
    assert theirs.serving() == Serving("two", ("/v", "/a"))
    mine.serve(first)
    assert theirs.serving() == Serving("one", ("/é",))
    mine.leave(first)
    assert theirs.serving() is None
    assert theirs.beat_ns == 5


def test_a_slot_is_given_to_the_next_output_without_the_tracks_of_the_last(tmp_path):
    journal = Journal(tmp_path / "j")
    slot = journal.enter("one")
    journal.open(slot, TrackKind.VIDEO, "/v")
    journal.leave(slot)
    assert journal.enter("two") == slot
    journal.serve(slot)
    assert journal.serving() == Serving("two", ())


def test_more_outputs_than_slots_are_served_all_the_same(tmp_path):
    journal = Journal(tmp_path / "j")
    slots = [journal.enter(str(n)) for n in range(4100)]
    assert slots.count(0) == 4
    journal.serve(slots[-1])
    assert journal.serving() is None
