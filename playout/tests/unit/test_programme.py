"""Programmes as values: what they refuse, and that releases old and new understand each other."""

from dataclasses import replace
from fractions import Fraction

import pytest

from playout.errors import ProgrammeEmpty, ProgrammeError
from playout.timeline.programme import Card, Item, Programme, Sound, SoundVersion, Version

RATE, AAC = Fraction(30), Fraction(44100, 1024)
A, B = Item("a", "/a", "/a", 90, "A"), Item("b", "/b", "/b", 60, weight=3)
RADIO = Programme(
    7, RATE, AAC,
    (Version(1, 0, (A, B), seed=5, entry=3, cycle=2), Version(2, 300, (A,), offset=30, loop=False)),
    (SoundVersion(1, 0, (Sound("x", "/x", 40, "X", 2), Sound("y", "/y", 33)), seed=-1),),
    (Card(60, 120, "/card", 60, "A song"),),
    (Item("filler", "/f", "/f", 90),),
    Item("slate", "/s", "/s", 60),
    "480p30@1",
)  # fmt: skip


def test_all_of_it_survives_the_way_through_json():
    assert Programme.from_json(RADIO.to_json()) == RADIO


def test_unknown_keys_are_ignored_and_missing_ones_have_their_defaults():
    values = RADIO.to_json()
    values["later"] = {"release": 2}
    values["versions"][0]["later"] = 1
    values["versions"][0]["items"][0].append("later")
    values["cards"][0].append("later")
    assert Programme.from_json(values) == RADIO
    least = {
        "epoch_ns": 0, "video_rate": [30, 1], "audio_rate": [44100, 1024],
        "versions": [{"n": 1, "effective_from": 0, "items": [["a", "/a", "/a", 90]]}],
    }  # fmt: skip
    assert Programme.from_json(least).versions == (Version(1, 0, (Item("a", "/a", "/a", 90),)),)


def test_a_release_that_knows_one_loop_of_sound_is_read_and_can_read_us():
    old = {**Programme(7, RATE, AAC, (Version(1, 0, (A,)),)).to_json(), "sounds": [["x", "/x", 40]]}
    sounds = (SoundVersion(1, 0, (Sound("x", "/x", 40),)),)
    assert Programme.from_json(old).sound_versions == sounds
    new = RADIO.to_json()
    assert new["sounds"] == [["x", "/x", 40, "X"], ["y", "/y", 33, ""]]
    for version in new["versions"]:
        assert {"n", "effective_from", "entry", "offset", "loop"} <= version.keys()
        assert all(len(item) == 5 for item in version["items"])


@pytest.mark.parametrize(
    "wrong",
    [
        {"versions": (Version(1, 0, (replace(A, frames=0),)),)},
        {"versions": (Version(1, 0, (A,), entry=1),)},
        {"versions": (Version(1, 0, (A, B), seed=1, entry=4),)},
        {"versions": (Version(1, 0, (A,), offset=90),)},
        {"versions": (Version(1, 0, (A,), cycle=-1, seed=1),)},
        {"versions": (Version(1, 0, (replace(A, weight=0),), seed=1),)},
        {"versions": (Version(1, 9, (A,)), Version(2, 9, (A,)))},
        {"versions": (Version(1, 0, (replace(A, weight=1000),) * 1001, seed=1),)},
        {"sound_versions": (SoundVersion(1, 0, (Sound("x", "/x", 0),)),)},
        {"sound_versions": (SoundVersion(1, 0, (Sound("x", "/x", 9),), offset=9),)},
        {"cards": (Card(60, 60, "/c"),)},
        {"cards": (Card(60, 120, "/c"), Card(90, 150, "/c"))},
        {"cards": (Card(60, 120, "/c", at=-1),)},
        {"filler": (replace(A, frames=0),)},
        {"video_rate": Fraction(0)},
    ],
)
def test_what_contradicts_itself_is_refused(wrong):
    with pytest.raises(ProgrammeError):
        replace(RADIO, **wrong)


@pytest.mark.parametrize("empty", [{"versions": ()}, {"versions": (Version(1, 0, ()),)}])
def test_a_programme_without_items_says_that_it_is_empty(empty):
    with pytest.raises(ProgrammeEmpty):
        replace(RADIO, **empty)
    with pytest.raises(ProgrammeEmpty):
        replace(RADIO, sound_versions=(SoundVersion(1, 0, ()),))


@pytest.mark.parametrize(
    "noise", [{}, {"versions": 3}, {"video_rate": [1, 0]}, {"versions": [{"n": 1}]}, {"cards": [1]}]
)
def test_noise_is_an_error_with_a_name(noise):
    with pytest.raises(ProgrammeError):
        Programme.from_json({**RADIO.to_json(), **noise} if noise else {})
