"""Time that passes only when nobody has anything left to do.

    clock = VirtualClock()
    run(main(), clock=clock, chance=random.Random(7))     # an hour of sleeps takes milliseconds

`VirtualClock.installed` puts the clock in the place of the real one for all of `playout`;
`VirtualLoop` is an asyncio event loop over the same clock, for code that waits. Sockets of such a
loop are simulated (`playout.testing.network`): real ones are never looked at.
"""

from __future__ import annotations

import asyncio
import random
import selectors
import time
from collections.abc import Callable, Coroutine, Iterator, Mapping
from contextlib import contextmanager
from typing import Any, TypeVar
from unittest.mock import patch

from playout import clock as engine_clock

T = TypeVar("T")

START_NS = 1_000 * 10**9
START_UTC_NS = 1_800_000_000 * 10**9
BUSY_ROUNDS = 100_000
"""So many rounds of a loop without a nanosecond passing are a program that waits by running."""


class VirtualClock:
    """Three readings of one simulated time: monotonic, since boot, and of the wall.

    Together they pass by `advance`; apart by `sleep` (the machine was suspended) and
    `step_wall` (somebody set the clock). All in nanoseconds.
    """

    CLOCK_BOOTTIME = time.CLOCK_BOOTTIME

    def __init__(self, *, start_ns: int = START_NS, utc_ns: int = START_UTC_NS) -> None:
        self._monotonic_ns = start_ns
        self._slept_ns = 0
        self._utc_minus_boot_ns = utc_ns - start_ns

    # -- readings, called as those of the standard library ----------------------------------

    def monotonic_ns(self) -> int:
        """See `playout.clock`."""
        return self._monotonic_ns

    def time_ns(self) -> int:
        """The wall clock."""
        return self._monotonic_ns + self._slept_ns + self._utc_minus_boot_ns

    def clock_gettime_ns(self, which: int) -> int:
        """The clock that goes on while the machine sleeps; no other is simulated."""
        if which != self.CLOCK_BOOTTIME:
            raise ValueError(f"Clock {which} is not simulated.")
        return self.boottime_ns()

    def boottime_ns(self) -> int:
        """See `playout.clock`."""
        return self._monotonic_ns + self._slept_ns

    # -- passing ----------------------------------------------------------------------------

    def advance(self, ns: int) -> None:
        """Let `ns` pass. Raises `ValueError` for a step back: this clock has none."""
        if ns < 0:
            raise ValueError(f"Time cannot pass by {ns} ns.")
        self._monotonic_ns += ns

    def sleep(self, ns: int) -> None:
        """Suspend the machine: `ns` pass for everybody but the monotonic clock.

        Raises `ValueError` for a step back.
        """
        if ns < 0:
            raise ValueError(f"Nobody sleeps for {ns} ns.")
        self._slept_ns += ns

    def step_wall(self, ns: int) -> None:
        """Set the wall clock `ns` ahead, or back."""
        self._utc_minus_boot_ns += ns

    @contextmanager
    def installed(self) -> Iterator[VirtualClock]:
        """Make `playout.clock`, and so the whole engine, read this clock within the block."""
        with patch.object(engine_clock, "time", self):
            yield self


class SimulatedDescriptors(selectors.BaseSelector):
    """Says which simulated descriptors are ready, and lets time pass when none is.

    Integers from `open` on are descriptors of nothing; `set_ready` says what they would allow.
    """

    _FIRST = 1 << 20

    def __init__(self, clock: VirtualClock, chance: random.Random | None) -> None:
        self._clock = clock
        self._chance = chance
        self._keys: dict[int, selectors.SelectorKey] = {}
        self._ready: dict[int, int] = {}
        self._next = self._FIRST
        self._last_ns = 0
        self._rounds = 0

    def open(self) -> int:
        """A fresh descriptor."""
        self._next += 1
        return self._next

    def set_ready(self, descriptor: int, *, readable: bool, writable: bool) -> None:
        """What `descriptor` allows from now on."""
        mask = selectors.EVENT_READ * readable | selectors.EVENT_WRITE * writable
        if mask:
            self._ready[descriptor] = mask
        else:
            self._ready.pop(descriptor, None)

    def select(self, timeout: float | None = None) -> list[tuple[selectors.SelectorKey, int]]:
        """What is ready; if nothing is, `timeout` seconds pass at once."""
        now_ns = self._clock.monotonic_ns()
        self._rounds = self._rounds + 1 if now_ns == self._last_ns else 0
        self._last_ns = now_ns
        if self._rounds > BUSY_ROUNDS:
            raise RuntimeError("The loop turns and turns without ever waiting.")
        found = []
        for descriptor, mask in self._ready.items():
            key = self._keys.get(descriptor)
            if key is not None and key.events & mask:
                found.append((key, key.events & mask))
        if found:
            if self._chance is not None:
                self._chance.shuffle(found)
            return found
        if timeout is None:
            raise RuntimeError("Nothing will ever happen again, and somebody is still waiting.")
        if timeout > 0:
            # Rounded up, or a timer would find that it is not due yet.
            self._clock.advance(-int(-timeout * 1e9 // 1))
        return []

    def register(self, fileobj: Any, events: int, data: Any = None) -> selectors.SelectorKey:
        """See `selectors`."""
        descriptor = fileobj if isinstance(fileobj, int) else fileobj.fileno()
        if descriptor in self._keys:
            raise KeyError(f"{fileobj!r} is registered already")
        key = selectors.SelectorKey(fileobj, descriptor, events, data)
        self._keys[descriptor] = key
        return key

    def unregister(self, fileobj: Any) -> selectors.SelectorKey:
        """See `selectors`."""
        return self._keys.pop(fileobj if isinstance(fileobj, int) else fileobj.fileno())

    def get_map(self) -> Mapping[Any, selectors.SelectorKey]:
        """See `selectors`."""
        return self._keys

    def get_key(self, fileobj: Any) -> selectors.SelectorKey:
        """See `selectors`."""
        return self._keys[fileobj if isinstance(fileobj, int) else fileobj.fileno()]

    def close(self) -> None:
        """See `selectors`."""
        self._keys.clear()
        self._ready.clear()


class VirtualLoop(asyncio.SelectorEventLoop):
    """An event loop on a `VirtualClock`, in one thread whatever runs in it.

    With `chance`, descriptors and timers that are ready together run in an order of its choosing,
    as they do on a real machine. Work for an executor runs in the loop; `work_seconds`, when set,
    says how long it takes to begin and how long its answer takes.
    """

    def __init__(self, clock: VirtualClock, chance: random.Random | None = None) -> None:
        self.clock = clock
        self.descriptors = SimulatedDescriptors(clock, chance)
        self.work_seconds: Callable[[], tuple[float, float]] | None = None
        self._chance = chance
        super().__init__(self.descriptors)

    def time(self) -> float:
        """Seconds on the monotonic clock."""
        return self.clock.monotonic_ns() / 1e9

    def call_at(  # type: ignore[override]
        self, when: float, callback: Callable[..., object], *args: Any, context: Any = None
    ) -> asyncio.TimerHandle:
        """As in asyncio; timers for one instant come in a random order."""
        if self._chance is not None:
            when += self._chance.random() * 1e-8
        return super().call_at(when, callback, *args, context=context)

    def run_in_executor(  # type: ignore[override]
        self, executor: object, func: Callable[..., T], *args: Any
    ) -> asyncio.Future[T]:
        """Run `func` in this very loop."""
        answer: asyncio.Future[T] = self.create_future()
        before, after = self.work_seconds() if self.work_seconds is not None else (0.0, 0.0)

        def settle(result: T | None, error: Exception | None) -> None:
            if answer.done():
                return
            if error is not None:
                answer.set_exception(error)
            else:
                answer.set_result(result)  # type: ignore[arg-type]

        def work() -> None:
            result, error = None, None
            try:
                result = func(*args)
            except Exception as caught:  # noqa: BLE001 - whoever waits gets it
                error = caught
            if after:
                self.call_later(after, settle, result, error)
            else:
                settle(result, error)

        if before:
            self.call_later(before, work)
        else:
            self.call_soon(work)
        return answer


def run(
    main: Coroutine[Any, Any, T],
    *,
    clock: VirtualClock | None = None,
    chance: random.Random | None = None,
) -> T:
    """What `main` returns, run to its end on simulated time; the engine reads the same clock."""
    clock = clock or VirtualClock()
    with clock.installed(), asyncio.Runner(loop_factory=lambda: VirtualLoop(clock, chance)) as own:
        return own.run(main)
