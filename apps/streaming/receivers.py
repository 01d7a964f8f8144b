"""News from the apps below: about media that streams use, and about what YouTube does with them."""

from __future__ import annotations

import logging
from collections.abc import Collection
from datetime import datetime
from typing import Any
from uuid import UUID

from django.dispatch import receiver
from django.utils.translation import gettext

from apps.library.models import Asset
from apps.library.signals import asset_deleted, asset_uses_asked, rendition_changed
from apps.streaming import events, selectors, stream_manager
from apps.streaming.destinations import DestinationRefused
from apps.streaming.models import Stream
from apps.streaming.stream_manager import DestinationBusy, StartRefused
from apps.youtube.models import Channel, IngestKey, Show
from apps.youtube.signals import (
    aired_asked,
    boundary_asked,
    channel_forgotten,
    encoders_asked,
    key_ready,
    key_released,
    show_changed,
    stop_wished,
)
from apps.youtube.truth import EncoderFacts, WasOn

logger = logging.getLogger(__name__)


@receiver(asset_uses_asked)
def name_streams(*, asset: Asset, **_: Any) -> list[str]:
    """Streams that are wished on air and play the asset keep it from being deleted."""
    return [
        gettext("the stream “%(title)s”") % {"title": stream.title}
        for stream in selectors.streams_playing(asset.pk)
    ]


@receiver(rendition_changed)
def take_up(*, asset_id: UUID, **_: Any) -> None:
    """An item that has become ready joins the programmes that were waiting for it."""
    for stream in selectors.streams_playing(asset_id):
        stream_manager.refresh_programme(stream=stream)


@receiver(asset_deleted)
def leave_out(*, asset: Asset, **_: Any) -> None:
    """What was deleted leaves the programmes that still show it."""
    for stream in selectors.streams_playing(asset.pk):
        stream_manager.refresh_programme(stream=stream)


# -- YouTube ------------------------------------------------------------------------------------


@receiver(encoders_asked)
def tell_encoders(*, subjects: Collection[UUID], **_: Any) -> dict[UUID, EncoderFacts]:
    """How what is sent arrives."""
    return selectors.encoder_facts(subjects)


@receiver(aired_asked)
def tell_aired(*, subject: UUID, at: datetime, **_: Any) -> WasOn | None:
    """What the stream showed then, as its nodes reported."""
    stream = Stream.objects.filter(pk=subject).first()
    return selectors.was_on_at(stream, at) if stream is not None else None


@receiver(boundary_asked)
def tell_boundary(
    *, subject: UUID, earliest: datetime, latest: datetime, **_: Any
) -> datetime | None:
    """When, between both, an item of the stream ends."""
    stream = Stream.objects.filter(pk=subject).first()
    if stream is None:
        return None
    return stream_manager.join_between(stream=stream, earliest=earliest, latest=latest)


@receiver(key_ready)
def carry(*, show: Show, ingest_key: IngestKey, **_: Any) -> None:
    """Send the stream to that key; start it, when somebody pressed Go live."""
    stream = Stream.objects.filter(pk=show.subject, workspace=show.workspace_id).first()
    if stream is None:
        return
    try:
        stream_manager.carry_key(
            stream=stream,
            key_id=ingest_key.pk,
            address=ingest_key.address,
            key=ingest_key.key,
            name=show.channel.title,
        )
        if show.is_start_pending:
            stream_manager.start_stream(stream=stream)
    except (DestinationRefused, DestinationBusy, StartRefused) as refused:
        logger.warning("Stream %s cannot go to its YouTube key: %s", stream.pk, refused)


@receiver(key_released)
def leave(*, show: Show, ingest_key: IngestKey, **_: Any) -> None:
    """Nothing is to be sent to that key any more; a stream that goes nowhere else stops."""
    stream = Stream.objects.filter(pk=show.subject).first()
    if stream is None:
        return
    keys = {output.destination.ingest_key for output in selectors.outputs_of(stream)}
    if keys == {ingest_key.pk} and not show.is_wanted:
        stream_manager.stop_stream(
            stream=stream, reason="Its broadcast was ended, and it goes nowhere else."
        )
    else:
        stream_manager.leave_key(stream=stream, key_id=ingest_key.pk)


@receiver(channel_forgotten)
def forget_channel(
    *,
    channel: Channel,
    subjects: Collection[UUID],
    kept: Collection[UUID],
    gone: Collection[UUID],
    **_: Any,
) -> None:
    """Keep no key, no name and no list of a channel that nobody can ask about any more."""
    stream_manager.forget_keys(streams=subjects, name=channel.title, kept=kept, gone=gone)
    stream_manager.forget_lists(channel=channel)


@receiver(show_changed)
def note(*, show: Show, code: str, text: str, **_: Any) -> None:
    """What YouTube did belongs into the stream's log."""
    stream = Stream.objects.filter(pk=show.subject).first()
    if stream is not None:
        events.record(stream, code, text)


@receiver(stop_wished)
def give_up(*, show: Show, reason: str, **_: Any) -> None:
    """YouTube took it off, and its settings say that it then stops."""
    stream = Stream.objects.filter(pk=show.subject).first()
    if stream is not None:
        stream_manager.stop_stream(stream=stream, reason=reason)
