"""Where things fall on the time line: sound under pictures for ever, and where timestamps begin."""

from fractions import Fraction

from hypothesis import assume, given
from hypothesis import strategies as st

from playout.timebase import frame_ms
from playout.timeline.programme import Card, Item, Programme, Sound, SoundVersion, Version
from playout.timeline.resolve import (
    audio_boundary,
    card_at,
    linked_sound,
    placement_at,
    rotation_at,
    sound_at,
    wire_origin,
)

AAC = Fraction(44100, 1024)
RATES = st.sampled_from([Fraction(n) for n in (24, 25, 30, 50, 60)] + [Fraction(30000, 1001)])
LENGTHS = st.lists(st.integers(1, 9000), min_size=1, max_size=8)
SIXTY_DAYS = 60 * 86400
DAY = 86400


def items_of(lengths):
    return tuple(Item(f"{n}", f"/{n}", f"/{n}", frames) for n, frames in enumerate(lengths))


@given(LENGTHS, RATES, st.integers(0, SIXTY_DAYS * 60), st.none() | st.integers(0, 99))
def test_linked_sound_touches_and_stays_within_half_an_aac_frame(lengths, rate, frame, seed):
    programme = Programme(0, rate, AAC, (Version(1, 0, items_of(lengths), seed=seed),))
    here = placement_at(programme, frame)
    sound = linked_sound(programme, here)
    after = linked_sound(programme, placement_at(programme, here.end))
    assert sound.end == after.begin
    for video, aac in ((here.begin, sound.begin), (here.end, sound.end)):
        assert abs(Fraction(aac) / AAC - Fraction(video) / rate) <= Fraction(1, 2) / AAC
    if sound.begin < sound.end:
        assert sound_at(programme, sound.begin).item_id == here.item.id


@given(
    st.lists(st.integers(1, 20_000), min_size=1, max_size=6),
    st.integers(0, SIXTY_DAYS * 44),
    st.none() | st.integers(0, 99),
)
def test_radio_sound_is_counted_in_whole_aac_frames_and_never_drifts(lengths, frame, seed):
    sounds = tuple(Sound(f"{n}", f"/{n}", frames) for n, frames in enumerate(lengths))
    songs = (SoundVersion(1, 0, sounds, seed=seed),)
    programme = Programme(0, Fraction(30), AAC, (Version(1, 0, items_of([210])),), songs)
    here = sound_at(programme, frame)
    cycles, within = divmod(here.begin, sum(lengths))
    order = programme.sound_versions[0].orders.order(cycles)
    begins = [sum(lengths[n] for n in order[:place]) for place in range(len(order))]
    assert within in begins
    assert here.begin <= frame < here.end
    assert sound_at(programme, here.end).begin == here.end


def test_sixty_days_of_joins_keep_pace_to_the_frame():
    # A loop of 7.007 s under songs of awkward lengths: every join by joins, none by its own clock.
    rate = Fraction(30000, 1001)
    sounds = tuple(Sound(f"{n}", "/", frames) for n, frames in enumerate((7919, 10007, 4001)))
    loop = (Version(1, 0, items_of([210])),)
    programme = Programme(0, rate, AAC, loop, (SoundVersion(1, 0, sounds),))
    frame = joins = 0
    while frame_ms(frame, rate) < SIXTY_DAYS * 1000:
        frame = placement_at(programme, frame).end
        joins += 1
    assert joins == -(-SIXTY_DAYS * rate // 210)
    assert frame == joins * 210
    aac = songs = 0
    while frame_ms(aac, AAC) < SIXTY_DAYS * 1000:
        aac = sound_at(programme, aac).end
        songs += 1
    assert aac == sum((7919, 10007, 4001)[n % 3] for n in range(songs))
    linked = Programme(0, rate, AAC, (Version(1, 0, items_of([210])),))
    worst = max(
        abs(Fraction(audio_boundary(linked, n * 210)) / AAC - n * 210 / rate)
        for n in range(0, joins, 997)
    )
    assert worst <= Fraction(1, 2) / AAC


def test_a_sound_programme_changes_where_it_says():
    sounds = (
        SoundVersion(1, 0, (Sound("a", "/a", 100), Sound("b", "/b", 50))),
        SoundVersion(2, 120, (Sound("c", "/c", 40),), offset=10, loop=False),
    )
    programme = Programme(0, Fraction(30), AAC, (Version(1, 0, items_of([90])),), sounds)
    found = [sound_at(programme, n) for n in (99, 100, 119, 120, 149)]
    assert [(s.item_id, s.start, s.begin, s.end) for s in found] == [
        ("a", 0, 0, 100), ("b", 100, 100, 120), ("b", 100, 100, 120), ("c", 110, 120, 150),
        ("c", 110, 120, 150),
    ]  # fmt: skip
    assert sound_at(programme, 150) is None


def test_a_card_covers_its_frames_and_no_others():
    cards = (Card(60, 120, "/c"), Card(120, 180, "/d"))
    programme = Programme(0, Fraction(30), AAC, (Version(1, 0, items_of([600])),), cards=cards)
    shown = [card_at(programme, n) for n in (59, 60, 119, 120, 179, 180)]
    assert [card.video if card else None for card in shown] == [
        None, "/c", "/c", "/d", "/d", None,
    ]  # fmt: skip


@given(LENGTHS, RATES, st.integers(0, 200 * DAY), st.integers(1, 40 * DAY), st.integers(1, 20))
def test_sessions_that_open_apart_count_from_the_same_frame(lengths, rate, seconds, later, days):
    period = days * DAY
    programme = Programme(0, rate, AAC, (Version(1, 0, items_of(lengths)),))
    frame = int(seconds * rate)
    origin = wire_origin(programme, frame, period=period)
    rotation = rotation_at(programme, frame, period=period)
    assert origin <= frame < rotation
    assert placement_at(programme, rotation).begin == rotation
    other = frame + int(later * rate)
    same = wire_origin(programme, other, period=period) == origin
    assert same == (other < rotation)
    # Timestamps stay below one period and one item, far from where 31 bits end.
    assert frame_ms(rotation - origin, rate) <= 1000 * period + frame_ms(max(lengths) + 1, rate)
    assert wire_origin(programme, rotation, period=period) > origin


@given(LENGTHS, st.integers(1, 100 * DAY), st.integers(1, 14))
def test_a_node_that_forgot_old_versions_counts_alike(lengths, seconds, days):
    rate, items = Fraction(30), items_of(lengths)
    frame = seconds * 30
    complete = Programme(0, rate, AAC, (Version(1, 0, items), Version(2, frame, items)))
    forgetful = Programme(0, rate, AAC, (Version(2, frame, items),))
    for at in (frame, frame + 1000):
        assert wire_origin(complete, at, period=days * DAY) == wire_origin(
            forgetful, at, period=days * DAY
        )


def test_without_a_period_timestamps_count_from_the_epoch():
    programme = Programme(0, Fraction(30), AAC, (Version(1, 0, items_of([90])),))
    assert wire_origin(programme, 10**9, period=None) == 0
    assert wire_origin(programme, 10**9, period=0) == 0
    assert rotation_at(programme, 10**9, period=None) == -1


@given(LENGTHS, st.integers(0, 10 * DAY))
def test_a_session_that_opens_before_the_epoch_is_over_counts_from_it(lengths, frame):
    programme = Programme(0, Fraction(30), AAC, (Version(1, 0, items_of(lengths)),))
    assume(frame < 14 * DAY * 30)
    assert wire_origin(programme, frame) == 0
