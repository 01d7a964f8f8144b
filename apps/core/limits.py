"""How often a caller may ask: counters in the cache, one for each caller and minute.

Without the cache nobody is refused: a limit protects us from haste, and is no wall.
"""

from __future__ import annotations

import time
from dataclasses import dataclass

from django.core.cache import cache

WINDOW_SECONDS = 60


@dataclass(frozen=True, slots=True)
class Allowance:
    """What a caller may still do in this window."""

    limit: int
    remaining: int
    reset_seconds: int
    """Until the window ends."""
    is_exceeded: bool = False

    def headers(self) -> dict[str, str]:
        """As response headers."""
        return {
            "RateLimit-Limit": str(self.limit),
            "RateLimit-Remaining": str(self.remaining),
            "RateLimit-Reset": str(self.reset_seconds),
        }


def take(caller: str, *, limit: int) -> Allowance:
    """Count one request of `caller`; the limit is for each minute of the clock."""
    now = int(time.time())  # noqa: TID251 - all machines count into the same minute
    window, passed = divmod(now, WINDOW_SECONDS)
    used = _count(f"rate:{caller}:{window}")
    return Allowance(
        limit=limit,
        remaining=max(0, limit - used),
        reset_seconds=WINDOW_SECONDS - passed,
        is_exceeded=used > limit,
    )


def _count(key: str) -> int:
    """Requests in this window, this one among them; 0 when nobody can tell."""
    try:
        if cache.add(key, 1, timeout=2 * WINDOW_SECONDS):
            return 1
        # A cache that cannot be reached answers None, and is counted in `apps.core.cache`.
        return int(cache.incr(key) or 0)
    except ValueError:
        # The counter is gone between the two steps: it was evicted.
        return 0
