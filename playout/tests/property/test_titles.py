"""Titles of songs as windows on the loop: on key frames, within their song, never overlapping."""

from fractions import Fraction
from itertools import pairwise

from hypothesis import given
from hypothesis import strategies as st

from playout.timeline.programme import Item, Programme, Sound, SoundVersion, Version
from playout.timeline.resolve import card_at, placement_at, sound_at
from playout.timeline.titles import cards_of, windows

RATE, AAC, GOP = Fraction(30), Fraction(44100, 1024), 60


@given(
    st.lists(st.integers(61, 900), min_size=1, max_size=3),
    st.lists(st.integers(100, 5000), min_size=1, max_size=5),
    st.integers(1, 30),
    st.integers(0, 20_000),
)
def test_windows_lie_on_key_frames_of_the_loop_under_their_song(clips, songs, seconds, since):
    programme = Programme(
        0, RATE, AAC,
        (Version(1, 0, tuple(Item(f"{n}", f"/{n}", "", f) for n, f in enumerate(clips))),),
        (SoundVersion(1, 0, tuple(Sound(f"{n}", "", f, f"Song {n}")
                                  for n, f in enumerate(songs))),),
        profile="480p30",
    )  # fmt: skip
    found = windows(programme, from_frame=since, until_frame=since + 9000, seconds=seconds)
    for window in found:
        work = window.work
        placement = placement_at(programme, window.begin)
        assert work.video == placement.item.video
        assert window.begin - placement.start == work.group * GOP
        end = window.begin + work.frames
        assert end <= placement.end
        assert (end - placement.start) % GOP == 0 or end == placement.end
        for frame in (window.begin, end - 1):
            heard = sound_at(programme, int(frame * AAC / RATE) + 1)
            assert heard.title == work.title or heard.begin / AAC * RATE > frame - 2
    assert all(a.begin + a.work.frames <= b.begin for a, b in pairwise(found))
    cards = cards_of(
        found,
        lambda window: (f"/card/{window.work.group}", 0) if window.work.group % 2 == 0 else None,
    )
    assert len(cards) == sum(window.work.group % 2 == 0 for window in found)
    for card in cards:
        assert card_at(Programme(0, RATE, AAC, programme.versions, cards=cards), card.begin) == card


def test_a_short_loop_asks_for_the_same_work_again():
    loop = Version(1, 0, (Item("loop", "/loop", "", 120),))
    songs = (SoundVersion(1, 0, (Sound("s", "", 2584, "Song"),)),)
    programme = Programme(0, RATE, AAC, (loop,), songs, profile="480p30")
    found = windows(programme, from_frame=0, until_frame=30 * 600, seconds=8)
    assert len(found) > 20
    assert len({window.work for window in found}) <= 4
    first = [window for window in found if window.begin < 1000]
    assert sum(window.work.frames for window in first) >= 8 * 30
