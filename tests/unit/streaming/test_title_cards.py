"""Which titles are asked for, and which of them a programme shows."""

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

import pytest

from apps.streaming import schedule
from playout.timeline.resolve import card_at, sound_at

EPOCH = datetime(2026, 11, 22, 12, 0, tzinfo=UTC)
PROFILE = "480p30-economy@1"
GOP = 60


@dataclass
class Row:
    kind: str
    items: list
    n: int = 1
    effective_from: int = 0
    entry: int = 0
    offset: int = 0
    loop: bool = True
    seed: int | None = None
    cycle: int = 0


@dataclass
class Card:
    pk: str
    loop_id: str
    text: str
    group: int
    frames: int
    ready_at: datetime | None = EPOCH - timedelta(days=1)


def radio(*songs, clip_seconds=10, song_seconds=200):
    pictures = [{"id": "p", "title": "Fire", "video": "loop", "audio": "x",
                 "frames": 30 * clip_seconds}]  # fmt: skip
    sounds = [
        {"id": f"s{n}", "title": title, "audio": f"a{n}", "frames": 43 * song_seconds}
        for n, title in enumerate(songs)
    ]
    return schedule.programme(
        epoch=EPOCH, profile=PROFILE, versions=[Row("pictures", pictures), Row("sound", sounds)]
    )


def at(seconds):
    return schedule.to_ns(EPOCH + timedelta(seconds=seconds))


def test_a_short_loop_is_asked_for_once_for_each_title():
    wishes = schedule.card_wishes(radio("One", "Two", "Three"), now_ns=at(5))
    # What is on already cannot be made in time; it is asked for because it comes again.
    assert [(w.text, w.group, w.frames) for w in wishes] == [
        ("Two", 0, 300), ("Three", 0, 300), ("One", 0, 300),
    ]  # fmt: skip
    assert all(wish.is_whole and wish.first_at > EPOCH for wish in wishes)


def test_of_a_long_loop_only_the_groups_that_carry_the_title_are_asked_for():
    wishes = schedule.card_wishes(radio("One", "Two", clip_seconds=3600), now_ns=at(0))
    assert all(not wish.is_whole and wish.frames <= 5 * GOP for wish in wishes)
    # 90 minutes of songs of 199.7 seconds, each at another place of the loop.
    assert sum(wish.frames for wish in wishes) == 28 * 5 * GOP


@pytest.mark.parametrize("title", ["", " \n\t", "\u200b\u202e\x00"])
def test_a_title_of_nothing_is_not_asked_for(title):
    assert schedule.card_wishes(radio(title), now_ns=at(0)) == []


def test_a_title_is_asked_for_as_it_is_drawn():
    (wish,) = schedule.card_wishes(radio("Two\nlines\x07 \u202e100%{n}" + "x" * 300), now_ns=at(1))
    assert wish.text.startswith("Two lines 100%{n}xxx")
    assert len(wish.text) == 200
    assert wish.text.endswith("…")


def test_ready_titles_are_shown_under_their_song_and_from_the_right_group():
    programme = radio("One", "Two")
    ready = [Card("c1", "loop", "One", 0, 300), Card("c2", "loop", "Two", 0, 300)]
    shown = schedule.with_cards(programme, ready, now_ns=at(0))
    assert {card.video for card in shown.cards} == {"c1", "c2"}
    for card in shown.cards:
        assert card.at % GOP == 0
        # The same picture as the loop would show.
        assert card.at == card.begin % 300
        heard = sound_at(programme, -(-card.begin * 44100 // (1024 * 30)))
        assert heard.title == card.title
    assert schedule.tracks(shown) >= {"c1", "c2"}


def test_what_is_not_ready_is_not_shown():
    programme = radio("One", "Two")
    assert schedule.with_cards(programme, [], now_ns=at(0)) == programme
    shown = schedule.with_cards(programme, [Card("c2", "loop", "Two", 0, 300)], now_ns=at(0))
    assert {card.title for card in shown.cards} == {"Two"}
    other_loop = schedule.with_cards(programme, [Card("c", "cut", "Two", 0, 300)], now_ns=at(0))
    assert other_loop.cards == ()
    too_short = schedule.with_cards(programme, [Card("c", "loop", "Two", 0, 120)], now_ns=at(0))
    assert all(card.at + card.end - card.begin <= 120 for card in too_short.cards)


def test_a_card_is_shown_only_when_every_node_can_have_heard_of_it():
    programme = radio("One", "Two")
    song = 43 * 200 * 1024 / 44100
    fresh = [Card("c2", "loop", "Two", 0, 300, EPOCH + timedelta(seconds=song - 59))]
    shown = schedule.with_cards(programme, fresh, now_ns=at(song - 50))
    assert shown.cards[0].begin > 30 * 2 * song
    # Whoever looks at another time sees the same.
    later = schedule.with_cards(programme, fresh, now_ns=at(song + 5))
    assert later.cards[0] == shown.cards[0]
    assert card_at(shown, round(30 * song) + GOP) is None


def test_a_title_is_not_begun_in_the_middle_because_its_card_came_between_two_passes():
    # The song begins at 199.7 s; the clip of 8 s begins anew at 200 s and at 208 s.
    programme = radio("One", "Two", clip_seconds=8)
    song = 43 * 200 * 1024 / 44100
    fresh = [Card("c2", "loop", "Two", 0, 240, EPOCH + timedelta(seconds=song - 55))]
    shown = schedule.with_cards(programme, fresh, now_ns=at(song - 50))
    pieces = [card for card in shown.cards if card.begin < 30 * 2 * song]
    assert pieces == []
    ready = [Card("c2", "loop", "Two", 0, 240)]
    shown = schedule.with_cards(programme, ready, now_ns=at(song - 50))
    pieces = [card for card in shown.cards if card.begin < 30 * 2 * song]
    assert len(pieces) > 1
    assert sum(card.end - card.begin for card in pieces) == 5 * GOP


def test_without_music_of_its_own_nothing_is_shown():
    film = schedule.programme(
        epoch=EPOCH, profile=PROFILE,
        versions=[Row("pictures", [{"id": "p", "title": "F", "video": "loop", "audio": "x",
                                    "frames": 300}])],
    )  # fmt: skip
    assert schedule.card_wishes(film, now_ns=at(0)) == []
    ready = [Card("c", "loop", "F", 0, 300)]
    assert schedule.with_cards(film, ready, now_ns=at(0)).cards == ()
