"""What a session would send, decoded again: cadence, order, joins, jumps and substitutes."""

from fractions import Fraction
from itertools import pairwise
from pathlib import Path

import pytest

from playout.errors import ProgrammeError, TrackNotFound
from playout.media import HOUSE_AUDIO, TrackKind, video_profile
from playout.pump.aired import Rung
from playout.pump.feed import Feed
from playout.pump.shelf import Shelf
from playout.timebase import frame_ms
from playout.timeline.programme import Item, Programme, Sound, SoundVersion, Version
from playout.tracks.packetiser import message_body
from playout.tracks.writer import TrackWriter

PROFILE = video_profile("480p30")
GOP = 30


def write_item(directory: Path, name: str, frames: int, header: bytes = b"golden") -> Item:
    out = directory / name
    with TrackWriter.video(out, PROFILE, header) as video:
        for n in range(frames):
            video.add_picture(f"{name}:{n}".encode(), n, key=n % GOP == 0)
        video.finish()
    with TrackWriter.audio(out, HOUSE_AUDIO, b"\x12\x10") as audio:
        for n in range(int(frames / 30 * 44100 / 1024) + 4):
            audio.add_frame(f"{name}:{n}".encode())
        audio.finish()
    return Item(name, str(out), str(out), frames)


def programme(*items: Item, loop: bool = True, sounds: tuple[Sound, ...] = ()) -> Programme:
    version = Version(1, 0, tuple(items), loop=loop)
    radio = (SoundVersion(1, 0, sounds),) if sounds else ()
    return Programme(0, PROFILE.rate, HOUSE_AUDIO.rate, (version,), radio)


class Sent:
    """Decodes slices as a receiver would, from the deltas alone."""

    def __init__(self, feed: Feed) -> None:
        self.now = {9: feed.opening_ms(TrackKind.VIDEO), 8: feed.opening_ms(TrackKind.AUDIO)}
        self.messages: list[tuple[int, int, bytes]] = []

    def read(self, buffers) -> None:
        data = b"".join(buffers)
        at = 0
        while at < len(data):
            length = int.from_bytes(data[at + 4 : at + 7], "big")
            kind = data[at + 7]
            assert data[at] == (0x46 if kind == 9 else 0x44)
            self.now[kind] += int.from_bytes(data[at + 1 : at + 4], "big")
            size = 8 + length + max(0, length - 1) // 4096
            body = message_body(data[at : at + size])
            self.messages.append((self.now[kind], kind, body[5:] if kind == 9 else body[2:]))
            at += size

    def times(self, kind: int) -> list[int]:
        return [time for time, its, _ in self.messages if its == kind]

    def contents(self, kind: int) -> list[str]:
        return [content.decode() for _, its, content in self.messages if its == kind]


def play(feed: Feed, until_ms: int, step: int = 250, sent: Sent | None = None) -> Sent:
    sent = sent or Sent(feed)
    for until in range(feed.sent_until_ms + step, until_ms + 1, step):
        buffers: list = []
        feed.take(until, buffers)
        sent.read(buffers)
    return sent


@pytest.fixture
def items(tmp_path):
    return [write_item(tmp_path, name, n) for name, n in (("a", 67), ("b", 101), ("c", 45))]


def test_it_loops_over_items_with_every_frame_once_and_an_unbroken_cadence(items):
    feed = Feed(programme(*items), Shelf())
    feed.open(0)
    sent = play(feed, 30_000)
    wanted = [f"{i.id}:{n}" for i in items for n in range(i.frames)]
    pictures = sent.contents(9)
    assert pictures == (wanted * 5)[: len(pictures)]
    assert len(pictures) == 900
    assert {b - a for a, b in pairwise(sent.times(9))} == {33, 34}
    assert {b - a for a, b in pairwise(sent.times(8))} <= {23, 24}
    assert sent.times(9)[0] == 0
    assert sent.times(8)[0] == 67


def test_sound_changes_with_the_picture_within_half_an_aac_frame(items):
    feed = Feed(programme(*items), Shelf())
    feed.open(0)
    sent = play(feed, 60_000)
    starts = {
        kind: [time for time, its, content in sent.messages if its == kind and content[1:] == b":0"]
        for kind in (8, 9)
    }
    for picture, sound in zip(starts[9], starts[8], strict=False):
        assert abs(sound - 67 - picture) <= 12


@pytest.mark.parametrize("step", [100, 250, 500, 3000])
def test_pictures_and_sound_alternate_within_an_eighth_of_a_second(items, step):
    feed = Feed(programme(*items), Shelf())
    feed.open(0)
    sent = play(feed, 20_000, step)
    times = [time for time, _, _ in sent.messages]
    assert max(a - b for a, b in pairwise(times)) < 125
    for kind in (8, 9):
        assert sent.times(kind) == sorted(sent.times(kind))


@pytest.mark.parametrize("step", [7, 100, 250, 3000])
def test_the_bytes_do_not_depend_on_the_tick(items, step):
    reference, feed = Feed(programme(*items), Shelf()), Feed(programme(*items), Shelf())
    reference.open(0)
    feed.open(0)
    assert (
        sorted(play(feed, 21_000, step).messages) == sorted(play(reference, 21_000, 250).messages)
    )  # fmt: skip


def test_it_opens_at_the_key_frame_on_air(items):
    feed = Feed(programme(*items), Shelf())
    feed.open(67 + 50)
    sent = play(feed, 12_000)
    assert sent.contents(9)[0] == "b:30"
    assert sent.times(9)[0] == frame_ms(97, PROFILE.rate)
    assert abs(sent.times(8)[0] - 67 - sent.times(9)[0]) <= 12


def test_two_sessions_that_start_apart_carry_equal_times(items):
    first, second = Feed(programme(*items), Shelf()), Feed(programme(*items), Shelf())
    first.open(0)
    second.open(200)
    late = [m for m in play(second, 30_000).messages if m[0] > 9_000]
    assert late
    assert set(late) <= set(play(first, 30_250).messages)


def test_a_jump_leaves_a_real_gap_and_goes_on_at_a_key_frame(items):
    feed = Feed(programme(*items), Shelf())
    feed.open(0)
    sent = play(feed, 1000)
    feed.jump(67 + 31)
    play(feed, 8000, sent=sent)
    before = sent.contents(9).index("b:60")
    assert sent.contents(9)[before - 1] == "a:29"
    assert sent.times(9)[before] == frame_ms(67 + 60, PROFILE.rate)
    gap = [b - a for a, b in pairwise(sent.times(8)) if b - a > 24]
    assert len(gap) == 1
    assert sent.times(8) == sorted(sent.times(8))


def test_it_ends_when_the_programme_does_not_loop(items):
    feed = Feed(programme(*items, loop=False), Shelf())
    feed.open(0)
    sent = play(feed, 9_000)
    assert feed.finished
    assert len(sent.contents(9)) == 67 + 101 + 45
    assert abs(sent.times(8)[-1] - sent.times(9)[-1] - 67) <= 33


def test_it_ends_at_the_frame_it_is_told_to(items):
    feed = Feed(programme(*items), Shelf(), end_frame=300)
    feed.open(0)
    sent = play(feed, 20_000)
    assert feed.finished
    assert len(sent.contents(9)) == 300


def test_nothing_is_on_air_behind_the_end(items):
    with pytest.raises(ProgrammeError):
        Feed(programme(*items, loop=False), Shelf()).open(1000)


def test_a_missing_track_is_filled_with_the_next_item_and_the_clock_goes_on(items, tmp_path):
    missing = Item("gone", str(tmp_path / "gone"), str(tmp_path / "gone"), 100)
    told = []
    feed = Feed(programme(items[0], missing, items[2]), Shelf(), on_substitute=told.append)
    feed.open(0)
    sent = play(feed, 7_000)
    assert [
        (s.kind, s.item_id, type(s.error), s.rung, s.filled_by, s.begin, s.end) for s in told
    ] == [(TrackKind.VIDEO, "gone", TrackNotFound, Rung.NEXT, "c", 67, 167)]
    assert {b - a for a, b in pairwise(sent.times(9))} == {33, 34}
    assert {b - a for a, b in pairwise(sent.times(8))} <= {23, 24}
    # It comes round as often as it must, and begins anew when its own time has come.
    wanted = [f"c:{n % 45}" for n in range(100)] + ["c:0", "c:1"]
    assert sent.contents(9)[67:169] == wanted
    at = sent.contents(9).index("c:0", 167)
    assert sent.times(9)[at] == frame_ms(167, PROFILE.rate)


def test_nothing_playable_is_an_error(tmp_path):
    missing = Item("gone", str(tmp_path), str(tmp_path), 100)
    with pytest.raises(TrackNotFound):
        Feed(programme(missing), Shelf()).open(0)


def test_a_new_codec_header_is_sent_where_it_begins_to_hold(tmp_path):
    one = write_item(tmp_path, "a", 60)
    two = write_item(tmp_path, "b", 60, header=b"other")
    feed = Feed(programme(one, two), Shelf())
    feed.open(0)
    sent = play(feed, 3_000)
    at = sent.contents(9).index("other")
    assert sent.contents(9)[at + 1] == "b:0"
    assert sent.times(9)[at] == sent.times(9)[at + 1] == 2000


def test_in_radio_mode_sound_runs_on_its_own(items, tmp_path):
    sounds = (Sound("x", items[1].audio, 40), Sound("y", items[2].audio, 33))
    feed = Feed(programme(items[0], sounds=sounds), Shelf())
    feed.open(0)
    sent = play(feed, 10_000)
    wanted = [f"b:{n}" for n in range(40)] + [f"c:{n}" for n in range(33)]
    assert sent.contents(8)[:146] == wanted * 2
    assert {b - a for a, b in pairwise(sent.times(8))} <= {23, 24}
    assert {b - a for a, b in pairwise(sent.times(9))} == {33, 34}


def test_a_new_version_takes_over_where_it_says(items):
    feed = Feed(programme(items[1]), Shelf())
    feed.open(0)
    sent = play(feed, 1000)
    versions = (Version(1, 0, (items[1],)), Version(2, 60, (items[2],)))
    feed.replace_programme(Programme(0, PROFILE.rate, HOUSE_AUDIO.rate, versions))
    play(feed, 5000, sent=sent)
    assert sent.contents(9)[58:62] == ["b:58", "b:59", "c:0", "c:1"]
    assert {b - a for a, b in pairwise(sent.times(9))} == {33, 34}
    assert {b - a for a, b in pairwise(sent.times(8))} <= {23, 24}


def test_another_time_line_is_refused(items):
    feed = Feed(programme(items[0]), Shelf())
    feed.open(0)
    with pytest.raises(ProgrammeError):
        feed.replace_programme(
            Programme(5, PROFILE.rate, HOUSE_AUDIO.rate, (Version(1, 0, (items[0],)),))
        )


def test_rates_must_agree(items):
    other = Programme(0, Fraction(25), HOUSE_AUDIO.rate, (Version(1, 0, (items[0],)),))
    with pytest.raises(Exception, match="frames a second"):
        Feed(other, Shelf()).open(0)


@pytest.mark.parametrize("with_sounds", [False, True])
def test_a_feed_that_ends_at_a_key_frame_is_continued_by_one_that_opens_there(items, with_sounds):
    sounds = ()
    if with_sounds:
        sounds = (Sound("s", items[1].audio, 40), Sound("t", items[0].audio, 25))
    shelf, plan = Shelf(), programme(*items, sounds=sounds)
    whole = Feed(plan, shelf)
    whole.open(0)
    expected = play(whole, 8000)
    first = Feed(plan, shelf)
    first.open(0)
    begun = play(first, 3000)
    end = first.next_key
    assert end == 67 + 30
    first.end_at(end)
    play(first, 8000, sent=begun)
    assert first.finished
    second = Feed(plan, shelf)
    second.open(end)
    assert second.opening_frame == end
    rest = play(second, 8000 - (8000 - second.sent_until_ms) % 250)
    for kind in (8, 9):
        both = begun.contents(kind) + rest.contents(kind)
        assert both == expected.contents(kind)[: len(both)]
        assert (begun.times(kind) + rest.times(kind)) == expected.times(kind)[: len(both)]
        assert len(both) > 200


def test_what_could_not_be_sent_leaves_no_trace_in_the_times(items):
    feed = Feed(programme(*items), Shelf())
    feed.open(0)
    sent = play(feed, 3000)
    feed.take(3250, [])
    feed.take_back()
    feed.jump(30 * 4)
    play(feed, 8000, sent=sent)
    picture = sent.contents(9).index("b:60")
    assert sent.times(9)[picture] == frame_ms(67 + 60, PROFILE.rate)
