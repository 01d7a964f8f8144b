"""Exact conversion between frames and milliseconds.

RTMP timestamps are whole milliseconds, frames are not. Every timestamp is rounded once, from an
exact rational, so that errors never add up (reference: RTMP 1.0, section 5.3.1.1).
"""

from __future__ import annotations

from fractions import Fraction

AAC_FRAME_SAMPLES = 1024
"""Samples of one AAC-LC frame (ISO/IEC 14496-3, 4.5.2.1.1)."""


def round_half_up(value: Fraction) -> int:
    """The nearest integer; halves go up, so that equal inputs shifted by one give equal steps."""
    return (2 * value.numerator + value.denominator) // (2 * value.denominator)


def frame_ms(index: int, rate: Fraction) -> int:
    """Milliseconds at which frame `index` of a constant `rate` (frames per second) starts."""
    return (2000 * index * rate.denominator + rate.numerator) // (2 * rate.numerator)


def frame_ns(index: int, rate: Fraction) -> int:
    """Nanoseconds at which frame `index` of a constant `rate` (frames per second) starts."""
    return 1_000_000_000 * index * rate.denominator // rate.numerator


def frame_at_ns(elapsed_ns: int, rate: Fraction) -> int:
    """The last frame that has started `elapsed_ns` after frame 0 did, as `frame_ns` counts."""
    return ((elapsed_ns + 1) * rate.numerator - 1) // (1_000_000_000 * rate.denominator)


def convert_frames(index: int, rate: Fraction, to_rate: Fraction) -> int:
    """The frame of `to_rate` that starts nearest to the start of frame `index` of `rate`."""
    return round_half_up(Fraction(index) * to_rate / rate)
