"""What a stream sends to a YouTube key, for those who judge its broadcast."""

from __future__ import annotations

from collections.abc import Collection
from datetime import datetime
from uuid import UUID

from django.db.models import Prefetch, Q
from django.utils import timezone

from apps.streaming import status
from apps.streaming.models import AsRun, Output, PlaylistItem, Stream
from apps.streaming.selectors.outputs import output_status, reported_uuid
from apps.youtube.truth import Encoder, EncoderFacts, WasOn

KEY_REFUSED = "ingest.key_rejected"
"""What a node reports when the ingest does not take the key."""


def was_on_at(stream: Stream, at: datetime) -> WasOn | None:
    """What was on at YouTube then, as it was reported; else what is on now."""
    rows = AsRun.objects.filter(
        Q(ended_at__isnull=True) | Q(ended_at__gt=at), output__stream=stream, started_at__lte=at
    ).exclude(output__destination__ingest_key=None)
    row = rows.order_by("-started_at", "-id").first()
    if row is None:
        title = encoder_facts([stream.pk])[stream.pk].item
        return WasOn(title) if title else None
    item_id = reported_uuid(row.item_id)
    item = PlaylistItem.objects.filter(pk=item_id).first() if item_id is not None else None
    return WasOn(row.title, str(item.asset_id) if item is not None else "")


_ENCODERS = {
    status.Shown.ON_AIR: Encoder.SENDING,
    status.Shown.DEGRADED: Encoder.TROUBLED,
    status.Shown.RECONNECTING: Encoder.TROUBLED,
    status.Shown.RESTARTING: Encoder.TROUBLED,
    status.Shown.FAILED: Encoder.REFUSED,
}


_BEST = [Encoder.SENDING, Encoder.TROUBLED, Encoder.STARTING, Encoder.REFUSED, Encoder.OFF]


def encoder_facts(
    streams: Collection[UUID], *, now: datetime | None = None
) -> dict[UUID, EncoderFacts]:
    """What each stream sends to keys of `apps.youtube`: the best, as the nodes report it.

    Three queries, whatever their number; without those that are gone.
    """
    now = now or timezone.now()
    keyed = Output.objects.filter(removed_at=None, destination__ingest_key__isnull=False)
    found = list(
        Stream.objects.filter(pk__in=streams).prefetch_related(
            Prefetch(
                "outputs",
                queryset=keyed.select_related("destination")
                .defer("destination__key")
                .order_by("created_at", "pk"),
            )
        )
    )
    states = {
        stream.pk: [(_encoder(output, stream, now), output) for output in stream.outputs.all()]
        for stream in found
    }
    playing = {
        pk: next((reported_uuid(o.item_id) for state, o in told if state is Encoder.SENDING), None)
        for pk, told in states.items()
    }
    item_ids = {item_id for item_id in playing.values() if item_id is not None}
    items = PlaylistItem.objects.filter(pk__in=item_ids).select_related("asset")
    titles: dict[UUID | None, str] = {}
    if item_ids:
        titles = {item.pk: item.asset.title for item in items}
    return {
        stream.pk: EncoderFacts(
            is_wanted=stream.is_wanted,
            encoder=min(
                (state for state, _output in states[stream.pk]),
                key=_BEST.index,
                default=Encoder.STARTING,
            )
            if stream.is_wanted
            else Encoder.OFF,
            item=titles.get(playing[stream.pk], ""),
        )
        for stream in found
    }


def _encoder(output: Output, stream: Stream, now: datetime) -> Encoder:
    if not stream.is_wanted:
        return Encoder.OFF
    shown = output_status(output, stream, now=now).shown
    if output.error_code == KEY_REFUSED and shown is status.Shown.RECONNECTING:
        return Encoder.REFUSED
    return _ENCODERS.get(shown, Encoder.STARTING)
