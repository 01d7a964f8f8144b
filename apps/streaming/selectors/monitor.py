"""One stream as its page shows it: now, in the last hours, and what was aired."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import Any

from django.utils import timezone

from apps.streaming import events, samples, schedule, status
from apps.streaming.models import (
    AsRun,
    Event,
    Leg,
    Output,
    ProgrammeKind,
    ProgrammeVersion,
    Sample,
    Stream,
)
from apps.streaming.selectors.outputs import is_simulated, output_status, outputs_of, telling_output
from apps.streaming.selectors.programmes import standing_versions
from apps.youtube import selectors as youtube_selectors
from apps.youtube.audience import Audience

REPORTS_LAG = timedelta(seconds=10)
"""Reports may be behind the clock by so much, and still be believed."""

EVENTS_SHOWN = 20

ARRIVED_SHOWN = timedelta(hours=6)

AIRED_SHOWN = 50


@dataclass(frozen=True, slots=True)
class Receiver:
    """One destination of a stream, and how it is there."""

    output: Output
    status: status.Status
    is_simulated: bool


@dataclass(frozen=True, slots=True)
class Live:
    """What the moving part of a stream's page shows."""

    stream: Stream
    status: status.Status
    receivers: list[Receiver]
    output: Output | None
    """The one whose report says what is on."""
    on_air: schedule.Moment | None
    song: schedule.Moment | None = None
    """In radio mode, what is heard."""
    versions: Sequence[ProgrammeVersion] = ()
    """What is on now and what is to come."""

    @property
    def is_simulated(self) -> bool:
        """Whether the receiver of this installation gets it."""
        return any(receiver.is_simulated for receiver in self.receivers)

    @property
    def bytes_sent(self) -> int:
        """In all sessions that are open."""
        return sum(each.output.bytes_sent for each in self.receivers if each.status.is_on_air)

    @property
    def reconnects(self) -> int:
        """Of all destinations that are on air, since their nodes took them."""
        return sum(each.output.reconnects for each in self.receivers if each.status.is_on_air)


def live(stream: Stream, *, now: datetime | None = None) -> Live:
    """State, numbers, now and next of one stream: two queries.

    While a node reports an item or a song, that is what is on air. A song that it does not report,
    as those of an older release do not, is what the programme says.
    """
    now = now or timezone.now()
    outputs = list(outputs_of(stream))
    receivers = [
        Receiver(
            output,
            output_status(output, stream, now=now),
            is_simulated(output),
        )
        for output in outputs
    ]
    shown = status.of_statuses([receiver.status for receiver in receivers], wanted=stream.is_wanted)
    output = telling_output(outputs)
    on_air = song = None
    versions: list[ProgrammeVersion] = []
    if stream.is_wanted and stream.timeline_epoch:
        # Items that are reported now may be those of a moment ago.
        versions = standing_versions(stream, since=now - REPORTS_LAG)
    if output is not None and shown.is_on_air and output.item_id and stream.timeline_epoch:
        on_air = _reported_moment(output, versions, profile=stream.profile)
        song = _reported_song(output, versions)
        if song is None and stream.is_radio and versions:
            programme = schedule.programme(
                epoch=stream.timeline_epoch, profile=stream.profile, versions=versions
            )
            song = schedule.moment_of_sound(programme, now_ns=schedule.to_ns(now))
    return Live(stream, shown, receivers, output, on_air, song, versions)


@dataclass(frozen=True, slots=True)
class Line:
    """The numbers of one destination, one for each minute; None where nothing was reported."""

    label: str
    values: list[int | None]


@dataclass(frozen=True, slots=True)
class Arrived:
    """What the destinations of a stream took in the last hours, minute by minute."""

    minutes: list[datetime]
    """From the first of which anything is known; empty when nothing is."""
    acked_kbps: list[Line]
    unsent_bytes: list[Line]


def arrived(stream: Stream, *, now: datetime | None = None) -> Arrived:
    """What was acknowledged, by destination: one query."""
    now = now or timezone.now()
    since = now - ARRIVED_SHOWN
    rows = (
        Sample.objects.filter(
            output__stream=stream, output__removed_at=None, hour__gte=samples.hour_of(since)
        )
        .select_related("output__destination")
        .defer("output__destination__key")
        .order_by("output__created_at", "output_id", "hour")
    )
    outputs = {row.output_id: row.output for row in rows}
    minutes = samples.minutes_between(since, now.replace(second=0, microsecond=0))
    rates, waiting = (
        {
            pk: samples.numbers(
                {row.hour: getattr(row, column) for row in rows if row.output_id == pk}, minutes
            )
            for pk in outputs
        }
        for column in ("acked_kbps", "unsent_bytes")
    )
    known = [any(rates[pk][n] is not None for pk in outputs) for n in range(len(minutes))]
    first = known.index(True) if True in known else len(minutes)
    return Arrived(
        minutes[first:],
        *(
            [Line(_line_name(outputs[pk]), found[pk][first:]) for pk in outputs]
            for found in (rates, waiting)
        ),
    )


def _line_name(output: Output) -> str:
    name = output.destination.name
    return f"{name} · {output.get_leg_display()}" if output.leg == Leg.BACKUP else name


@dataclass(frozen=True, slots=True)
class AiredRow:
    """A stretch of an item that one destination got, and what went wrong with it."""

    row: AsRun
    output: Output
    deviation: status.Deviation | None
    audience: Audience | None = None
    """Who watched it on YouTube, where that is known."""


def with_audience(stream: Stream, rows: Sequence[AiredRow]) -> list[AiredRow]:
    """The same with who watched on YouTube: one query."""
    to_youtube = [each for each in rows if each.output.destination.ingest_key]
    now = timezone.now()
    spans = [(each.row.started_at, each.row.ended_at or now) for each in to_youtube]
    found = dict(
        zip(
            (each.row.pk for each in to_youtube),
            youtube_selectors.audiences_of(stream.pk, spans),
            strict=True,
        )
    )
    return [replace(each, audience=found.get(each.row.pk)) for each in rows]


def aired(receivers: Sequence[Receiver], *, count: int = AIRED_SHOWN) -> list[AiredRow]:
    """What was aired last at these destinations, newest first: one query."""
    outputs = {receiver.output.pk: receiver.output for receiver in receivers}
    rows = AsRun.objects.filter(output__in=outputs).order_by("-started_at", "-id")[:count]
    return [AiredRow(row, outputs[row.output_id], status.deviation(row.cause)) for row in rows]


def _reported_moment(
    output: Output, versions: list[ProgrammeVersion], *, profile: str
) -> schedule.Moment | None:
    return _moment_of(
        _entries(versions, ProgrammeKind.PICTURES),
        (output.item_id, output.item_position_ms, output.next_item_id),
        lambda frames: schedule.length_ms(frames, profile),
    )


def _reported_song(output: Output, versions: list[ProgrammeVersion]) -> schedule.Moment | None:
    return _moment_of(
        _entries(versions, ProgrammeKind.SOUND),
        (output.sound_id, output.sound_position_ms, output.next_sound_id),
        schedule.sound_ms,
    )


def _entries(versions: list[ProgrammeVersion], kind: ProgrammeKind) -> dict[str, dict[str, Any]]:
    return {item["id"]: item for one in versions if one.kind == kind for item in one.items}


def _moment_of(
    entries: dict[str, dict[str, Any]],
    reported: tuple[str, int, str],
    length_ms: Callable[[int], int],
) -> schedule.Moment | None:
    """What a node reported: the entry, its position in ms and the next; None for an unknown one."""
    item_id, position_ms, next_id = reported
    playing, following = entries.get(item_id), entries.get(next_id)
    if playing is None:
        return None
    return schedule.Moment(
        item_id=item_id,
        title=playing["title"],
        position_ms=position_ms,
        length_ms=length_ms(playing["frames"]),
        next_item_id=next_id,
        next_title=following["title"] if following else "",
    )


def recent_events(stream: Stream) -> list[Event]:
    """The latest events of a stream, newest first, each with `said` and `is_english`."""
    found = list(stream.events.select_related("by")[:EVENTS_SHOWN])
    for event in found:
        event.said, event.is_english = events.said(event)  # type: ignore[attr-defined]
    return found
