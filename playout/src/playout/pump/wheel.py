"""The rhythm of a pump: sessions share a few timers, spread evenly over one tick.

A timer for each session would wake the loop thousands of times a second; a wheel wakes it once for
each slot that holds a session. Sessions share a slot before they open another one, since most of
what a lone send costs is waking up with cold caches. In a crowd each has its turn every second
round only: sends of twice the size cost much less than twice as many, and so many sessions are
smooth together.

How long a turn takes depends on what is sent: encryption, media that nobody has read before and a
slow machine make it several times as long. A slot whose turns stay long gives half of its sessions
to an empty one.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from typing import Protocol

from playout.pump.lateness import Lateness
from playout.pump.pacing import CROWD

SLOTS = 50
SHARE = 10
"""Sessions that share a slot while others are empty: they delay each other by about a
millisecond, and cost half of what they would cost alone."""
CROWD_SHARE = 20
"""The same in a crowd, of whom half have their turn."""
LONG_TURN_SECONDS = 0.0025
"""The last of a slot should not wait longer for those before it."""
LONG_TURNS = 4
"""So many in a row are the rule, and no hiccup of the machine."""

Tick = Callable[[float], None]
"""Called with the loop's time, once each tick; must not raise and must not block."""


class Timers(Protocol):
    """What the wheel needs of an event loop."""

    def time(self) -> float:
        """Seconds on the loop's clock."""
        ...

    def call_at(self, when: float, callback: Callable[[], None]) -> asyncio.TimerHandle:
        """Call `callback` at `when`."""
        ...


class _Slot:
    """The sessions of one moment, in two halves that take turns in a crowd."""

    __slots__ = ("halves", "long_turns")

    def __init__(self) -> None:
        self.halves: tuple[list[Tick], list[Tick]] = ([], [])
        self.long_turns = 0
        """So many in a row, up to the last one."""

    def __len__(self) -> int:
        even, odd = self.halves
        return len(even) + len(odd)

    def add(self, tick: Tick) -> None:
        min(self.halves, key=len).append(tick)

    def remove(self, tick: Tick) -> bool:
        """Whether it was here."""
        for half in self.halves:
            if tick in half:
                half.remove(tick)
                return True
        return False

    def give_half(self, other: _Slot) -> None:
        """Every second session of each half goes to the same half of `other`."""
        for half, others in zip(self.halves, other.halves, strict=True):
            others += half[1::2]
            del half[1::2]


class Wheel:
    """Calls each callback once every `tick_ms` milliseconds, few of them at a time.

    With more than `crowd` members it is once every two of these. Slots that are due are turned in
    order; those missed while the machine slept are left out.
    """

    def __init__(
        self,
        tick_ms: int,
        *,
        lateness: Lateness | None = None,
        slots: int = SLOTS,
        share: int = SHARE,
        crowd: int = CROWD,
        timers: Timers | None = None,
    ) -> None:
        self._timers = timers or asyncio.get_running_loop()
        self.lateness = lateness or Lateness()
        self._slots = [_Slot() for _ in range(slots)]
        self._share = share
        self._crowd = crowd
        self._members = 0
        self._slot_seconds = tick_ms / 1000 / slots
        self._round_seconds = tick_ms / 1000
        self._timer: asyncio.TimerHandle | None = None
        self._begin = 0.0
        self._position = 0
        self._armed = 0
        self._turning = False

    @property
    def is_crowded(self) -> bool:
        """Whether each member has its turn every second round only."""
        return self._members > self._crowd

    @property
    def tick_seconds(self) -> float:
        """How far apart the turns of one member are now."""
        return self._round_seconds * (2 if self.is_crowded else 1)

    def add(self, tick: Tick) -> None:
        """Call `tick` from now on, in the slot that `_choose` finds for it."""
        if not self._members and not self._turning:
            self._begin = self._timers.time()
            self._position = 0
        elif not self._turning:
            # Empty slots that time has passed by are behind us; the one that is armed is not.
            passed = int((self._timers.time() - self._begin) / self._slot_seconds)
            self._position = max(self._position, min(passed + 1, self._armed))
        self._slots[self._choose()].add(tick)
        self._members += 1
        self._arm()

    def _choose(self) -> int:
        """The emptiest slot in use, or a new one far from all others when those are full.

        Of equal ones it is the one that comes last, so that a lone session waits a whole tick.
        """
        count, slots = len(self._slots), self._slots
        # Counted from the slot just passed.
        ahead = [(self._position - 1 - n) % count for n in range(count)]
        used = [n for n in ahead if slots[n]]
        share = CROWD_SHARE if self.is_crowded else self._share
        if len(used) * share > self._members or len(used) == count:
            return min(used, key=lambda n: len(slots[n]))
        return self._far_from(used, ahead) if used else ahead[0]

    def _far_from(self, used: Sequence[int], ahead: Sequence[int]) -> int:
        """The first of the empty slots that lie furthest from all in use."""
        count = len(self._slots)

        def distance(slot: int) -> int:
            return min(min((slot - n) % count, (n - slot) % count) for n in used)

        return max((n for n in ahead if not self._slots[n]), key=distance)

    def remove(self, tick: Tick) -> None:
        """Call `tick` no more."""
        for slot in self._slots:
            if slot.remove(tick):
                self._members -= 1
                break
        if not self._members:
            self._arm()

    def _arm(self) -> None:
        """Wait for the next slot that holds anything; a turn does so when it is over."""
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        if self._turning or not self._members:
            return
        slots, count, position = self._slots, len(self._slots), self._position
        while not slots[position % count]:
            position += 1
        self._armed = position
        when = self._begin + position * self._slot_seconds
        self._timer = self._timers.call_at(when, self._turn)

    def _turn(self) -> None:
        time, count_late = self._timers.time, self.lateness.add
        self._turning = True
        self._position = self._armed
        due = self._begin + self._position * self._slot_seconds
        turn, place = divmod(self._position, len(self._slots))
        even, odd = self._slots[place].halves
        begun = time()
        for tick in (odd if turn % 2 else even)[:] if self.is_crowded else even + odd:
            now = time()
            count_late((now - due) * 1000)
            tick(now)
        self._position += 1
        over = time()
        self._weigh(place, over - begun)
        behind = over - (self._begin + self._position * self._slot_seconds)
        if behind > self._round_seconds:
            self._position += int(behind / self._slot_seconds)
        self._turning = False
        self._arm()

    def _weigh(self, place: int, seconds: float) -> None:
        """The turn of a slot took so long: when that is the rule, half of it moves elsewhere."""
        slot = self._slots[place]
        slot.long_turns = slot.long_turns + 1 if seconds > LONG_TURN_SECONDS else 0
        if slot.long_turns < LONG_TURNS:
            return
        slot.long_turns = 0
        places = range(len(self._slots))
        used = [n for n in places if self._slots[n]]
        if len(used) < len(places):
            slot.give_half(self._slots[self._far_from(used, places)])
