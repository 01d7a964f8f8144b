"""What a destination took, minute by minute, out of what its node reports each second. Pure."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta

MINUTES = 60
MINUTE = timedelta(minutes=1)

Hour = Sequence[int | None]
"""A number of each minute of an hour; None for one of which nothing was reported."""


@dataclass(frozen=True, slots=True)
class Counters:
    """What is reported of one output at one moment."""

    at: datetime
    session: str
    """Of the connection that `acked` counts for."""
    acked: int
    """Bytes that the ingest acknowledged since that connection was made."""
    unsent: int
    """Bytes that wait for the ingest to take them."""


@dataclass(frozen=True, slots=True)
class Minute:
    """A minute that is over."""

    at: datetime
    kbps: int
    """What was acknowledged, on average; nothing arrived in a minute of 0."""
    unsent: int
    """The most that waited."""


@dataclass(frozen=True, slots=True)
class Running:
    """The minute under way."""

    minute: datetime
    last: Counters
    acked: int
    seconds: float
    """How much of the time is known; the first report of all has none before it."""
    unsent: int

    def over(self) -> Minute | None:
        """The minute, as far as it is known."""
        if self.seconds <= 0:
            return None
        return Minute(self.minute, round(self.acked * 8 / 1000 / self.seconds), self.unsent)


def follow(running: Running | None, now: Counters) -> tuple[Running, Minute | None]:
    """Count one report more; with the minute that is over by it.

    Counters begin anew with each connection. What an earlier one took after its last report is not
    counted: too little is said rather than too much.
    """
    minute = now.at.replace(second=0, microsecond=0)
    begun = Running(minute, now, acked=0, seconds=0.0, unsent=now.unsent)
    if running is None:
        return begun, None
    seconds = (now.at - running.last.at).total_seconds()
    if seconds < 0:  # The clock was set back: from here on anew.
        return begun, running.over()
    is_same = now.session == running.last.session and now.acked >= running.last.acked
    moved = now.acked - running.last.acked if is_same else now.acked
    if minute != running.minute:
        return replace(begun, acked=moved, seconds=seconds), running.over()
    more = replace(
        running,
        last=now,
        acked=running.acked + moved,
        seconds=running.seconds + seconds,
        unsent=max(running.unsent, now.unsent),
    )
    return more, None


def hour_of(moment: datetime) -> datetime:
    """The beginning of its hour."""
    return moment.replace(minute=0, second=0, microsecond=0)


def noted(hour: Hour, at: datetime, number: int) -> list[int | None]:
    """The hour with the number of the minute `at`; the later word counts."""
    found = [*hour, *[None] * MINUTES][:MINUTES]
    found[at.minute] = number
    return found


def minutes_between(start: datetime, end: datetime) -> list[datetime]:
    """Every minute that begins in [start, end)."""
    first = start.replace(second=0, microsecond=0)
    first += MINUTE * (first < start)
    return [first + n * MINUTE for n in range(max(0, -((first - end) // MINUTE)))]


def numbers(hours: Mapping[datetime, Hour], minutes: Sequence[datetime]) -> list[int | None]:
    """The number of each of these minutes."""
    found: list[int | None] = []
    for at in minutes:
        hour = hours.get(hour_of(at), ())
        found.append(hour[at.minute] if at.minute < len(hour) else None)
    return found
