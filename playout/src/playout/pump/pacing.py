"""How far to send at each tick: a pure decision on a clock that somebody else reads."""

from __future__ import annotations

from dataclasses import dataclass

CROWD = 100
"""More sessions in one pump than this are a crowd."""


@dataclass(frozen=True, slots=True)
class Pace:
    """The rhythm of a session. In milliseconds but `crowd` and `catch_up`."""

    tick: int = 250
    crowd: int = CROWD
    """With more sessions in one pump, each has a turn every second tick."""
    lead: int = 1500
    """Media is sent this long before it is due, to bridge delays of our own."""
    catch_up: float = 2.0
    """Fastest rate at which a session that fell behind may send."""
    jump_after: int = 4000
    """Media due longer ago than this is left out."""


def is_overdue(pace: Pace, now_ms: int, sent_until_ms: int) -> bool:
    """Whether what is due has to be left out, to go on at the next key frame."""
    return now_ms - sent_until_ms >= pace.jump_after


def horizon(pace: Pace, now_ms: int, sent_until_ms: int, last_tick_ms: int) -> int:
    """Until what time of the programme to send at `now_ms`, when `sent_until_ms` was reached.

    Never faster than `catch_up` times the time since the last tick.
    """
    reach = sent_until_ms + int(pace.catch_up * (now_ms - last_tick_ms))
    target = now_ms + pace.lead
    if reach > target:
        reach = target
    return reach if reach > sent_until_ms else sent_until_ms
