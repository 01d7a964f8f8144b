"""How many watched, out of one number a minute. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

MINUTES = 60
_MINUTE = timedelta(minutes=1)

Minutes = Sequence[int | None]
"""Viewers of each minute of an hour; None for one that nobody asked about."""


@dataclass(frozen=True, slots=True)
class Audience:
    """Who watched within a stretch of time."""

    average: int
    """By how long each number held; minutes that nobody asked about count for nothing."""
    peak: int


def hour_of(moment: datetime) -> datetime:
    """The beginning of its hour."""
    return moment.replace(minute=0, second=0, microsecond=0)


def noted(minutes: Minutes, at: datetime, viewers: int) -> list[int | None]:
    """The hour with the number of the minute `at`; the larger one when there are two."""
    found = [*minutes, *[None] * MINUTES][:MINUTES]
    known = found[at.minute]
    found[at.minute] = viewers if known is None else max(known, viewers)
    return found


def between(hours: Mapping[datetime, Minutes], start: datetime, end: datetime) -> Audience | None:
    """Who watched from `start` until `end`; None when no number is known.

    An item that is shorter than a minute has the number of the minute it lies in.
    """
    weighed, seconds, peak = 0.0, 0.0, -1
    for at, viewers in _numbers(hours, start, end):
        overlap = (min(end, at + _MINUTE) - max(start, at)).total_seconds()
        if overlap > 0:
            weighed += viewers * overlap
            seconds += overlap
            peak = max(peak, viewers)
    return Audience(round(weighed / seconds), peak) if seconds else None


def _numbers(
    hours: Mapping[datetime, Minutes], start: datetime, end: datetime
) -> Iterable[tuple[datetime, int]]:
    hour = hour_of(start)
    while hour < end:
        for minute, viewers in enumerate(hours.get(hour, ())):
            if viewers is not None:
                yield hour + minute * _MINUTE, viewers
        hour += timedelta(hours=1)
