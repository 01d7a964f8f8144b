"""Whatever items follow each other, receivers see one unbroken cadence and no drift."""

from fractions import Fraction
from itertools import pairwise

from hypothesis import given
from hypothesis import strategies as st

from playout.timebase import convert_frames, frame_ms
from playout.timeline.splice import join_deltas

AAC = Fraction(44100, 1024)
CADENCES = {24: (41, 42), 25: (40, 40), 30: (33, 34), 50: (20, 20), 60: (16, 17)}
RATES = [(Fraction(fps), cadence) for fps, cadence in CADENCES.items()]


def sent(lengths, rate, cadence):
    """Timestamps as a session would send them, item after item, and the ideal ones."""
    tracks = {n: [frame_ms(i, rate) for i in range(n)] for n in set(lengths)}
    times, start = [], 0
    for length in lengths:
        timestamps, base = tracks[length], frame_ms(start, rate)
        delta = base - times[-1] if times else 0
        patches = (
            join_deltas(timestamps, 0, length, delta, cadence=cadence) if times else {0: delta}
        )
        now = times[-1] if times else 0
        for n in range(length):
            step = patches.get(n, timestamps[n] - timestamps[n - 1] if n else 0)
            now += step
            times.append(now)
        start += length
    return times, [frame_ms(n, rate) for n in range(start)]


@given(st.lists(st.integers(16, 300), min_size=2, max_size=30))
def test_sound_steps_are_23_or_24_ms_at_any_join(lengths):
    times, ideal = sent(lengths, AAC, (23, 24))
    assert {b - a for a, b in pairwise(times)} <= {23, 24}
    assert max(abs(a - b) for a, b in zip(times, ideal, strict=True)) <= 1


@given(st.lists(st.integers(1, 300), min_size=2, max_size=30), st.sampled_from(RATES))
def test_pictures_keep_their_cadence_at_any_join(lengths, rate_and_cadence):
    rate, cadence = rate_and_cadence
    times, ideal = sent(lengths, rate, cadence)
    assert {b - a for a, b in pairwise(times)} <= set(cadence)
    assert max(abs(a - b) for a, b in zip(times, ideal, strict=True)) <= 1


@given(st.integers(0, 5), st.integers(100, 10_000_000))
def test_a_real_gap_stays_a_gap(first, gap):
    timestamps = [frame_ms(n, AAC) for n in range(50)]
    assert join_deltas(timestamps, first, 50, gap, cadence=(23, 24)) == {first: gap}


@given(st.integers(0, 60 * 86400 * 30), st.sampled_from([24, 25, 30, 50, 60]))
def test_sound_stays_within_half_a_frame_of_the_picture_for_sixty_days(frame, fps):
    aac = convert_frames(frame, Fraction(fps), AAC)
    assert abs(Fraction(aac) / AAC - Fraction(frame, fps)) <= Fraction(1, 2) / AAC
