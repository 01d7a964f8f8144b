"""The rhythm of a pump: sessions share a few timers, spread evenly over one tick.

A timer for each session would wake the loop thousands of times a second; a wheel wakes it once for
each slot that holds a session.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Protocol

from playout.pump.lateness import Lateness

SLOTS = 50

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
        timers: Timers | None = None,
    ) -> None:
        self._timers = timers or asyncio.get_running_loop()
        self.lateness = lateness or Lateness()
        self._slots: list[list[Tick]] = [[] for _ in range(slots)]
        self._slot_seconds = tick_ms / 1000 / slots
        self._round_seconds = tick_ms / 1000
        self._timer: asyncio.TimerHandle | None = None
        self._begin = 0.0
        self._position = 0

    def add(self, tick: Tick) -> None:
        """Call `tick` from now on, in the emptiest slot; the slots just ahead come last."""
        if self._timer is None:
            self._begin = self._timers.time()
            self._position = 0
        count = len(self._slots)
        # Counted from the slot just passed, so that a lone session waits a whole tick.
        ahead = [(self._position - 1 - n) % count for n in range(count)]
        slot = min(ahead, key=lambda n: len(self._slots[n]))
        self._slots[slot].append(tick)
        if self._timer is not None:
            self._timer.cancel()
        self._arm()

    def remove(self, tick: Tick) -> None:
        """Call `tick` no more."""
        for slot in self._slots:
            if tick in slot:
                slot.remove(tick)
                break
        if self._timer is not None and not any(self._slots):
            self._timer.cancel()
            self._timer = None

    def _arm(self) -> None:
        """Wait for the next slot that holds anything."""
        count = len(self._slots)
        position = self._position
        while not self._slots[position % count]:
            position += 1
        self._position = position
        when = self._begin + position * self._slot_seconds
        self._timer = self._timers.call_at(when, self._turn)

    def _turn(self) -> None:
        timers = self._timers
        due = self._begin + self._position * self._slot_seconds
        slot = self._slots[self._position % len(self._slots)]
        for tick in tuple(slot):
            now = timers.time()
            self.lateness.add((now - due) * 1000)
            tick(now)
        self._position += 1
        behind = timers.time() - (self._begin + self._position * self._slot_seconds)
        if behind > self._round_seconds:
            self._position += int(behind / self._slot_seconds)
        self._timer = None
        if any(self._slots):
            self._arm()
