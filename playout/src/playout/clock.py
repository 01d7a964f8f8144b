"""The only place where the engine reads a clock.

All readings come from `time` as this module knows it, so that `playout.testing.virtual_time` can
put a simulated clock in its place, for every caller at once.
"""

from __future__ import annotations

import time
from datetime import UTC, datetime


def monotonic_ns() -> int:
    """Nanoseconds on a clock that never jumps, and stops while the machine sleeps."""
    return time.monotonic_ns()


def boottime_ns() -> int:
    """Nanoseconds since boot, sleep included; the clock of media and of lease deadlines."""
    return time.clock_gettime_ns(time.CLOCK_BOOTTIME)


def utc_ns() -> int:
    """Nanoseconds since 1970-01-01T00:00:00Z by the wall clock; may jump."""
    return time.time_ns()


def utc_now() -> datetime:
    """The wall clock as an aware datetime in UTC; may jump."""
    return datetime.fromtimestamp(time.time_ns() / 1e9, tz=UTC)
