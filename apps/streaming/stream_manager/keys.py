"""Keys of `apps.youtube` that a stream is sent to: taken up, exchanged, left.

Another key never interrupts what is on air: it is one more destination, and the old one goes.
"""

from __future__ import annotations

from collections.abc import Collection
from datetime import datetime
from uuid import UUID

from django.db import transaction

from apps.streaming import destinations, events, schedule, selectors
from apps.streaming.models import Desired, Destination, Output, Stream
from apps.streaming.stream_manager.programmes import locked
from apps.streaming.stream_manager.streams import add_destination, take_out


def carry_key(*, stream: Stream, key_id: UUID, address: str, key: str, name: str) -> bool:
    """Send the stream to `key`; False when it is sent there already.

    A key that was reset has another text under the same id: the new one is added, the old removed.
    Raises `destinations.DestinationRefused` and `DestinationBusy`.
    """
    fingerprint = destinations.fingerprint(address, key)
    with transaction.atomic():
        stream = locked(stream)
        outputs = list(selectors.outputs_of(stream))
        old = [one for one in outputs if one.destination.ingest_key == key_id]
        if any(one.destination.fingerprint == fingerprint for one in old):
            return False
        by_hand = [one for one in outputs if one.destination.fingerprint == fingerprint]
        if by_hand:
            # Somebody typed the same key in before.
            Destination.objects.filter(pk=by_hand[0].destination_id).update(ingest_key=key_id)
        else:
            added = add_destination(stream=stream, address=address, key=key, name=name[:120])
            Destination.objects.filter(pk=added.destination_id).update(ingest_key=key_id)
        for one in old:
            take_out(stream=stream, output=one)
        if stream.desired != Desired.ON:
            # Keys of channels that it does not go to any more.
            for one in outputs:
                if one.destination.ingest_key not in (None, key_id):
                    take_out(stream=stream, output=one)
    return True


def leave_key(*, stream: Stream, key_id: UUID) -> bool:
    """Send the stream to that key no more; a stream that is off keeps it for its next start."""
    with transaction.atomic():
        stream = locked(stream)
        if stream.desired != Desired.ON:
            return False
        left = False
        for output in selectors.outputs_of(stream).filter(destination__ingest_key=key_id):
            left = take_out(stream=stream, output=output) or left
    return left


def forget_keys(
    *, streams: Collection[UUID], name: str, kept: Collection[UUID], gone: Collection[UUID]
) -> None:
    """Keep nothing of the keys that are `gone`, and of those that are `kept` no channel's name.

    `streams` went to the channel, which was called `name`.
    """
    outputs = Output.objects.filter(destination__ingest_key__in=gone, removed_at=None)
    for output in outputs.select_related("stream"):
        take_out(stream=output.stream, output=output)
    known = Destination.objects.filter(ingest_key__in=[*kept, *gone])
    events.forget_names(streams, {name, *known.values_list("name", flat=True)})
    known.update(name="YouTube")


def join_between(*, stream: Stream, earliest: datetime, latest: datetime) -> datetime | None:
    """When an item ends at or after `earliest`; None when none does until `latest`."""
    rows = selectors.versions_of_epoch(stream)
    if stream.timeline_epoch is None or not rows:
        return None
    programme = schedule.programme(
        epoch=stream.timeline_epoch, profile=stream.profile, versions=rows
    )
    at_ns = schedule.join_after(programme, now_ns=schedule.to_ns(earliest))
    if at_ns is None or at_ns > schedule.to_ns(latest):
        return None
    return schedule.from_ns(at_ns)
