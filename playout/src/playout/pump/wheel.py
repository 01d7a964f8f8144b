"""The rhythm of a pump: sessions share a few timers, spread evenly over one tick.

A timer for each session would wake the loop thousands of times a second; a wheel wakes it once for
each slot that holds a session. Sessions share a slot before they open another one, since most of
what a lone send costs is waking up with cold caches.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Protocol

from playout.pump.lateness import Lateness

SLOTS = 50
SHARE = 10
"""Sessions that share a slot while others are empty: they delay each other by about a
millisecond, and cost half of what they would cost alone."""

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


class Wheel:
    """Calls each callback once every `tick_ms` milliseconds, few of them at a time.

    Slots that are due are turned in order; those missed while the machine slept are left out.
    """

    def __init__(
        self,
        tick_ms: int,
        *,
        lateness: Lateness | None = None,
        slots: int = SLOTS,
        share: int = SHARE,
        timers: Timers | None = None,
    ) -> None:
        self._timers = timers or asyncio.get_running_loop()
        self.lateness = lateness or Lateness()
        self._slots: list[list[Tick]] = [[] for _ in range(slots)]
        self._share = share
        self._members = 0
        self._slot_seconds = tick_ms / 1000 / slots
        self._round_seconds = tick_ms / 1000
        self._timer: asyncio.TimerHandle | None = None
        self._begin = 0.0
        self._position = 0
        self._armed = 0
        self._turning = False

    def add(self, tick: Tick) -> None:
        """Call `tick` from now on, in the slot that `_choose` finds for it."""
        if not self._members and not self._turning:
            self._begin = self._timers.time()
            self._position = 0
        elif not self._turning:
            # Empty slots that time has passed by are behind us; the one that is armed is not.
            passed = int((self._timers.time() - self._begin) / self._slot_seconds)
            self._position = max(self._position, min(passed + 1, self._armed))
        self._slots[self._choose()].append(tick)
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
        if len(used) * self._share > self._members or len(used) == count:
            return min(used, key=lambda n: len(slots[n]))
        if not used:
            return ahead[0]

        def distance(slot: int) -> int:
            return min(min((slot - n) % count, (n - slot) % count) for n in used)

        return max((n for n in ahead if not slots[n]), key=distance)

    def remove(self, tick: Tick) -> None:
        """Call `tick` no more."""
        for slot in self._slots:
            if tick in slot:
                slot.remove(tick)
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
        slot = self._slots[self._position % len(self._slots)]
        for tick in tuple(slot):
            now = time()
            count_late((now - due) * 1000)
            tick(now)
        self._position += 1
        behind = time() - (self._begin + self._position * self._slot_seconds)
        if behind > self._round_seconds:
            self._position += int(behind / self._slot_seconds)
        self._turning = False
        self._arm()
