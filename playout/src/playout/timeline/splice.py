"""How one track follows another: the fresh deltas that a join needs.

Each track carries deltas that are right within it. At a join only the first message gets a fresh
one. The grid of AAC frames is not a whole number of milliseconds, so the distance over a join can
come out one short of what every receiver has seen so far; then the missing millisecond is taken
from the next message that has one to give, and the cadence stays unbroken.
"""

from __future__ import annotations

from collections.abc import Sequence

MAX_CORRECTED = 16


def join_deltas(
    timestamps: Sequence[int], first: int, end: int, delta: int, *, cadence: tuple[int, int]
) -> dict[int, int]:
    """The deltas to patch when message `first` follows after `delta` ms, by message number.

    `timestamps` are those of the track, `end` the first message that will not be sent, `cadence`
    the smallest and largest step between messages. A delta that is off by more than one is a real
    gap and stays as it is.
    """
    low, high = cadence
    owed = delta - min(max(delta, low), high)
    if owed not in (-1, 1):
        return {first: delta}
    patched = {first: delta - owed}
    for message in range(first + 1, min(end, first + MAX_CORRECTED)):
        step = timestamps[message] - timestamps[message - 1] + owed
        if low <= step <= high:
            patched[message] = step
            return patched
    return {first: delta}
