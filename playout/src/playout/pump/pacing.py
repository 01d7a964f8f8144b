"""How far to send at each tick: a pure decision on a clock that somebody else reads."""

from __future__ import annotations

from dataclasses import dataclass
from typing import NamedTuple

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


class Horizon(NamedTuple):
    """What one tick may do."""

    until_ms: int
    """Send messages due before this time of the programme."""
    jump: bool = False
    """Leave out what is overdue, and go on at the next key frame."""


def horizon(pace: Pace, *, now_ms: int, sent_until_ms: int, last_tick_ms: int) -> Horizon:
    """How far to send at `now_ms` of the programme, when `sent_until_ms` was reached before.

    Never faster than `catch_up` times the time since the last tick, except right after a jump.
    """
    target = now_ms + pace.lead
    if now_ms - sent_until_ms >= pace.jump_after:
        return Horizon(target, jump=True)
    allowance = int(pace.catch_up * max(0, now_ms - last_tick_ms))
    return Horizon(max(sent_until_ms, min(target, sent_until_ms + allowance)))
