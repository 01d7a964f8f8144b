"""In which order the entries of a list play, cycle after cycle: in turn, or shuffled.

A shuffled cycle is a pure function of seed, cycle and weights: no cycle needs the one before it,
so any node finds the order of any year at once. Chance comes from SplitMix64 (Steele, Lea and
Flood 2014: state += 0x9E3779B97F4A7C15; two multiply-xorshift rounds), whose state begins as the
mixed sum of seed and purpose; below `n` it is the high half of the 128-bit product with `n`. This
is part of the meaning of a programme: a change would make two releases disagree on the air.
"""

from __future__ import annotations

from array import array
from bisect import bisect_right
from collections.abc import MutableSequence, Sequence
from dataclasses import dataclass

_MASK = (1 << 64) - 1
_GOLDEN = 0x9E3779B97F4A7C15
_KEPT_CYCLES = 4


def mixed(state: int) -> int:
    """What SplitMix64 answers in this state; the next one is 0x9E3779B97F4A7C15 further on."""
    value = (state + _GOLDEN) & _MASK
    value = ((value ^ (value >> 30)) * 0xBF58476D1CE4E5B9) & _MASK
    value = ((value ^ (value >> 27)) * 0x94D049BB133111EB) & _MASK
    return value ^ (value >> 31)


class Chance:
    """SplitMix64 from a `seed` and further whole numbers, such as a cycle."""

    def __init__(self, seed: int, *purpose: int) -> None:
        self._state = 0
        for value in (seed, *purpose):
            self._state = mixed(self._state + value)

    def below(self, end: int) -> int:
        """A whole number from 0 to `end` - 1."""
        found = mixed(self._state)
        self._state = (self._state + _GOLDEN) & _MASK
        return (found * end) >> 64

    def shuffle(self, values: MutableSequence[int]) -> None:
        """Bring `values` into a random order."""
        for last in range(len(values) - 1, 0, -1):
            other = self.below(last + 1)
            values[last], values[other] = values[other], values[last]


def shuffled(weights: Sequence[int], *, seed: int, cycle: int) -> list[int]:
    """The indices of `weights`, each as often as its weight says, in the order of one cycle.

    Plays of one entry are spread out. With three entries or more, none of the first n // 3 plays
    of a cycle is among the last n // 3 of the cycle before; two entries of equal weight alternate
    for ever.
    """
    entries = len(weights)
    if entries < 3:
        # An order that does not change has no edges at which to repeat.
        return _spread(list(weights), Chance(seed, 1), before=[], after=())
    edge = entries // 3
    last = _ending(entries, edge, seed, cycle)
    avoided = {*last, *(_ending(entries, edge, seed, cycle - 1) if cycle else ())}
    chance = Chance(seed, 2, cycle)
    first = [entry for entry in range(entries) if entry not in avoided]
    chance.shuffle(first)
    del first[edge:]
    left = list(weights)
    for entry in (*first, *last):
        left[entry] -= 1
    return [*_spread(left, chance, before=first, after=last), *last]


def _ending(entries: int, edge: int, seed: int, cycle: int) -> list[int]:
    """What a cycle ends with, which depends on nothing else, so that its neighbours know it."""
    chance, found = Chance(seed, 3, cycle), list[int]()
    taken = set[int]()
    while len(found) < edge:
        entry = chance.below(entries)
        if entry not in taken:
            taken.add(entry)
            found.append(entry)
    return found


def _spread(
    weights: list[int], chance: Chance, *, before: list[int], after: Sequence[int]
) -> list[int]:
    """All plays behind `before`, in rounds that hold each entry once at most."""
    rounds: list[list[int]] = [[] for _ in range(max(weights, default=0))]
    count = len(rounds)
    indices = [entry for entry, weight in enumerate(weights) if weight > 0]
    chance.shuffle(indices)
    # Equal weights one after the other fill the rounds evenly.
    indices.sort(key=lambda entry: -weights[entry])
    turn = 0
    for entry in indices:
        weight = weights[entry]
        for play in range(weight):
            rounds[(turn + play * count // weight) % count].append(entry)
        turn += weight < count
    played = list(before)
    for number, entries in enumerate(rounds):
        chance.shuffle(entries)
        apart = max(1, len(entries) // 3)
        recent = set(played[-apart:])
        if number == count - 1 and after:
            coming = set(after)
            entries.sort(key=lambda entry: entry not in coming)
        head = [entry for entry in entries if entry not in recent][:apart]
        opening = set(head)
        played += head
        played += [entry for entry in entries if entry not in opening]
    return played


@dataclass(frozen=True, slots=True)
class Play:
    """One play of one entry, found by `Orders.locate`."""

    cycle: int
    place: int
    """Position in the order of the cycle."""
    index: int
    """Which entry it is."""
    into: int
    """Frames of it that have passed."""


class Orders:
    """The orders of all cycles of one list; remembers the few used last.

    Without a seed the list plays as it stands and weights mean nothing: who writes an order says
    by it how often things come. Looking up takes O(log n) once the cycle is known.
    """

    __slots__ = ("_frames", "_known", "_seed", "_weights", "cycle_frames", "plays")

    def __init__(
        self, frames: Sequence[int], weights: Sequence[int], seed: int | None = None
    ) -> None:
        self._frames = frames
        self._weights = weights
        self._seed = seed
        self._known: dict[int, tuple[Sequence[int], Sequence[int]]] = {}
        if seed is None:
            self.plays = len(frames)
            self.cycle_frames = sum(frames)
        else:
            self.plays = sum(weights)
            self.cycle_frames = sum(f * w for f, w in zip(frames, weights, strict=True))

    def _cycle(self, cycle: int) -> tuple[Sequence[int], Sequence[int]]:
        """Entries in the order of `cycle`, and where each play begins; one more, the end."""
        key = cycle if self._seed is not None else 0
        found = self._known.get(key)
        if found is None:
            order: Sequence[int] = range(len(self._frames))
            if self._seed is not None:
                order = array("I", shuffled(self._weights, seed=self._seed, cycle=cycle))
            begins, at = array("q", [0]), 0
            for entry in order:
                at += self._frames[entry]
                begins.append(at)
            found = order, begins
            known = dict(self._known)
            while len(known) >= _KEPT_CYCLES:
                del known[next(iter(known))]
            known[key] = found
            # Replaced as a whole: another thread may be looking something up.
            self._known = known
        return found

    def index(self, cycle: int, place: int) -> int:
        """Which entry plays at position `place` of `cycle`."""
        return self._cycle(cycle)[0][place]

    def order(self, cycle: int) -> tuple[int, ...]:
        """All entries of `cycle` by index, in the order of playing."""
        return tuple(self._cycle(cycle)[0])

    def begin(self, cycle: int, place: int) -> int:
        """Frames of `cycle` that pass before position `place`."""
        return self._cycle(cycle)[1][place]

    def locate(self, cycle: int, elapsed: int) -> Play:
        """What plays `elapsed` frames after the top of `cycle`, in whatever cycle that is."""
        passes, within = divmod(elapsed, self.cycle_frames)
        order, begins = self._cycle(cycle + passes)
        place = bisect_right(begins, within) - 1
        return Play(cycle + passes, place, order[place], within - begins[place])
