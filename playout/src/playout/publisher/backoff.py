"""How long to wait before the next attempt: a pure table, with jitter handed in.

A stream waits for itself (`delay_seconds`), and in one queue with all others of its pump
(`ConnectRate`), so that a thousand that fell together return one after the other.
"""

from __future__ import annotations

from playout.errors import PlayoutError, Retry

_SOON = (0.3, 1.0, 2.0, 4.0)
_PATIENT_AFTER_SECONDS = 300.0
_PATIENT_SECONDS = 15.0
_SLOWLY = (2.0, 5.0, 10.0, 30.0, 60.0)
_HOME = (300.0, 600.0, 1200.0, 2400.0, 3600.0)


def delay_seconds(
    error: PlayoutError, attempt: int, *, outage_seconds: float, random: float
) -> float | None:
    """Seconds to wait before attempt number `attempt` + 1; None when trying again is no use.

    `attempt` counts failures since the stream was last on air (1 for the first), for an error that
    is tried again slowly only such errors; `outage_seconds` is the time since then, and `random`
    lies in [0, 1). Half of a short delay is jitter, so that many streams that fell together do not
    return together.
    """
    if error.retry is Retry.NEVER:
        return None
    if error.retry is Retry.SLOWLY:
        base = _SLOWLY[min(attempt, len(_SLOWLY)) - 1]
        return base * (1 + 0.1 * random)
    if outage_seconds > _PATIENT_AFTER_SECONDS:
        return _PATIENT_SECONDS * (0.5 + 0.5 * random)
    base = _SOON[min(attempt, len(_SOON)) - 1]
    return base * (0.5 + 0.5 * random)


def home_seconds(returns: int) -> float:
    """Seconds on the air by a fallback after which the address itself is tried.

    `returns` counts how often that was done since it last lasted: it comes ever less often.
    """
    return _HOME[min(returns, len(_HOME) - 1)]


class ConnectRate:
    """At most so many connections a second, in the order in which they were asked for.

    The first `burst` of them need not wait. Who has a turn and does not use it has lost it.
    """

    def __init__(self, per_second: float = 20.0, burst: int = 20) -> None:
        self._interval = 1 / per_second
        self._tolerance = (burst - 1) / per_second
        self._due = 0.0

    def wait_seconds(self, now: float) -> float:
        """Take the next turn, asked for at `now` of a clock that never goes back: how far it is."""
        due = max(self._due, now)
        self._due = due + self._interval
        return max(0.0, due - self._tolerance - now)
