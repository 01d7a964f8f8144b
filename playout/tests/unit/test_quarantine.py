"""Which tracks are held to have brought pumps down."""

from playout.media import TrackKind
from playout.node.crash import InHand, Struck, struck, suspects
from playout.node.journal import Journal
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


def dump(*frames: tuple[str, str]) -> str:
    """What faulthandler writes, the innermost frame first."""
    lines = [f'  File "/opt/{file}", line 7 in {function}' for file, function in frames]
    return "\n".join(
        ["Fatal Python error: Bus error", "", "Current thread 0x00007f12 (most recent call first):",
         *lines, "", "Thread 0x00007f13 (most recent call first):",
         '  File "/opt/playout/pump/feed.py", line 3 in take', ""]
    )  # fmt: skip


TURN = (("playout/pump/feed.py", "_take_runs"), ("playout/publisher/session.py", "_advance"))
WAIT = (("python3.11/selectors.py", "select"), ("playout/node/pump_process.py", "main"))


def test_it_knows_what_the_thread_did_that_was_struck():
    assert struck(dump(*TURN)) is Struck.SENDING
    assert struck(dump(("playout/tracks/reader.py", "open"), WAIT[1])) is Struck.SENDING
    sending = ("playout/publisher/transport.py", "_try"), ("playout/publisher/session.py", "_send")
    assert struck(dump(*sending)) is Struck.SENDING
    reader = "playout/pump/prefetch.py"
    assert struck(dump((reader, "_is_good"), (reader, "_run"))) is Struck.READING
    assert struck(dump(*WAIT)) is Struck.ELSEWHERE
    assert struck(dump(("playout/publisher/transport.py", "_encrypt"))) is Struck.ELSEWHERE
    assert struck("Fatal Python error: Aborted\n\n<no Python frame>\n") is Struck.ELSEWHERE
    assert struck("") is Struck.ELSEWHERE


def test_a_signal_that_finds_the_pump_waiting_accuses_nobody():
    hand = InHand("one", ("/v", "/a"), opened=("/o",), reading=("/r",))
    assert suspects(dump(*WAIT), hand) == ()


def test_what_was_opened_in_the_turn_is_suspected_before_what_was_on():
    hand = InHand("one", ("/v", "/a"), opened=("/new",), reading=("/r",))
    assert suspects(dump(*TURN), hand) == ("/new",)


def test_a_loop_that_has_been_round_is_not_suspected_beside_a_song_that_has_not():
    hand = InHand("one", ("/loop", "/song"), proven=frozenset(("/loop",)))
    assert suspects(dump(*TURN), hand) == ("/song",)
    both = InHand("one", ("/loop", "/song"), proven=frozenset(("/loop", "/song")))
    assert suspects(dump(*TURN), both) == ("/loop", "/song")


def test_another_process_reads_what_was_in_hand(tmp_path):
    mine, theirs = Journal(tmp_path / "j"), Journal(tmp_path / "j")
    mine.begin(5)
    assert theirs.in_hand() == InHand()
    first, second = mine.enter("one"), mine.enter("two")
    mine.serve(first)
    mine.open(first, "/\xe9")
    mine.open(first, "/b")
    assert theirs.in_hand() == InHand("one", opened=("/\xe9", "/b"))
    mine.send(first, TrackKind.VIDEO, "/\xe9")
    mine.send(first, TrackKind.AUDIO, "/\xe9")
    mine.serve(first)
    assert theirs.in_hand() == InHand("one", ("/\xe9",))
    mine.open(second, "/v")
    assert theirs.in_hand() == InHand("two", opened=("/v",))
    mine.read("/r")
    mine.leave(second)
    assert theirs.in_hand() == InHand(reading=("/r",))
    mine.done("/r")
    assert theirs.in_hand() == InHand()
    assert theirs.beat_ns == 5


def test_what_was_opened_in_an_earlier_turn_is_not_in_hand_any_more(tmp_path):
    journal = Journal(tmp_path / "j")
    journal.begin(0)
    slot = journal.enter("one")
    journal.open(slot, "/next")
    journal.serve(slot)
    journal.open(slot, "/later")
    assert journal.in_hand().opened == ("/later",)


def test_a_track_that_another_one_followed_has_proved_itself(tmp_path):
    journal = Journal(tmp_path / "j")
    journal.begin(0)
    slot = journal.enter("one")
    journal.serve(slot)
    journal.send(slot, TrackKind.VIDEO, "/loop")
    journal.send(slot, TrackKind.AUDIO, "/first")
    assert journal.in_hand() == InHand("one", ("/loop", "/first"))
    journal.send(slot, TrackKind.VIDEO, "/loop")
    assert journal.in_hand().proven == {"/loop"}
    journal.send(slot, TrackKind.AUDIO, "/second")
    journal.send(slot, TrackKind.AUDIO, "/first")
    assert journal.in_hand().proven == {"/loop", "/first"}


def test_a_slot_is_given_to_the_next_output_without_the_tracks_of_the_last(tmp_path):
    journal = Journal(tmp_path / "j")
    journal.begin(0)
    slot = journal.enter("one")
    journal.open(slot, "/v")
    journal.leave(slot)
    assert journal.enter("two") == slot
    journal.serve(slot)
    assert journal.in_hand() == InHand("two")


def test_a_path_that_does_not_fit_costs_no_other_one_its_name(tmp_path):
    journal = Journal(tmp_path / "j")
    journal.begin(0)
    slot = journal.enter("one")
    for name in ("/a", "/" + 2100 * "b", "/c"):
        journal.open(slot, name)
    assert journal.in_hand().opened == ("/a", "/c")


def test_the_journal_of_a_pump_of_another_layout_says_nothing(tmp_path):
    journal = Journal(tmp_path / "j")
    slot = journal.enter("one")
    journal.open(slot, "/v")
    assert journal.in_hand() == InHand()


def test_more_outputs_than_slots_are_served_all_the_same(tmp_path):
    journal = Journal(tmp_path / "j")
    journal.begin(0)
    slots = [journal.enter(str(n)) for n in range(4100)]
    assert slots.count(0) == 4
    journal.serve(slots[-1])
    journal.open(slots[-1], "/v")
    assert journal.in_hand() == InHand()
