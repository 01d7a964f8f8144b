"""Streams: made, changed, deleted."""

from __future__ import annotations

from typing import Any

from django.db import transaction
from django.db.models import F
from django.db.models.functions import Now
from django.utils.translation import gettext as _

from apps.accounts.models import User, Workspace
from apps.streaming import destinations, events
from apps.streaming.models import (
    Desired,
    Destination,
    Output,
    Playlist,
    StartPolicy,
    Stream,
)
from apps.streaming.stream_manager.playlists import request_renditions
from apps.streaming.stream_manager.programmes import StreamIsOnAir, locked, refresh_programme


def create_stream(
    *,
    workspace: Workspace,
    title: str,
    playlist: Playlist | None,
    profile: str,
    loop: bool = True,
    start_policy: str = StartPolicy.TOP,
    address: str = "",
    key: str = "",
    by: User | None = None,
) -> Stream:
    """A new stream, off, with one destination when an address and a key are given.

    Raises `destinations.DestinationRefused`.
    """
    with transaction.atomic():
        stream = Stream.objects.create(
            workspace=workspace,
            title=title,
            playlist=playlist,
            profile=profile,
            loop=loop,
            start_policy=start_policy,
        )
        if address:
            _connect(stream, address=address, key=key)
        events.record(stream, "stream.created", "The stream was created.", by=by)
        request_renditions(playlist)
    return stream


def update_stream(
    *,
    stream: Stream,
    title: str,
    playlist: Playlist | None,
    profile: str,
    loop: bool,
    start_policy: str,
    address: str = "",
    key: str = "",
    by: User | None = None,
) -> Stream:
    """Change a stream. While it is wished on air only title, playlist, loop and policy may change.

    An empty key keeps the old one. Raises `StreamIsOnAir`, `destinations.DestinationRefused`.
    """
    with transaction.atomic():
        stream = locked(stream)
        old = _destination_of(stream)
        redirected = bool(key) or bool(address and (old is None or old.address != address))
        if stream.desired == Desired.ON and (redirected or profile != stream.profile):
            raise StreamIsOnAir(
                _("Format and destination cannot change on air. Stop the stream first.")
            )
        stream.title, stream.playlist, stream.profile = title, playlist, profile
        stream.loop, stream.start_policy = loop, start_policy
        stream.save(
            update_fields=["title", "playlist", "profile", "loop", "start_policy", "updated_at"]
        )
        if redirected:
            _connect(stream, address=address, key=key or (old.key if old else ""))
        stream.outputs.update(profile=profile)
        events.record(stream, "stream.updated", "The settings were changed.", by=by)
        request_renditions(playlist)
        refresh_programme(stream=stream)
    return stream


def delete_stream(*, stream: Stream, by: User | None = None) -> None:
    """Remove a stream that is off, and its destinations when nothing else uses them.

    Raises `StreamIsOnAir` while it is wished, or while a node still holds it.
    """
    with transaction.atomic():
        stream = locked(stream)
        held = stream.outputs.exclude(node="").filter(expires_at__gt=Now()).exists()
        if stream.desired == Desired.ON or held:
            raise StreamIsOnAir(_("Stop the stream, wait until it is off, and delete it then."))
        used = list(stream.outputs.values_list("destination_id", flat=True))
        stream.delete()
        Destination.objects.filter(pk__in=used, outputs=None).delete()


def _destination_of(stream: Stream) -> Destination | None:
    outputs = stream.outputs.select_related("destination").defer("destination__key")
    output = outputs.order_by("created_at").first()
    return output.destination if output else None


def _connect(stream: Stream, *, address: str, key: str) -> None:
    """Send the stream to `address` with `key`, instead of where it went before."""
    parts = destinations.check(address)
    if not key:
        raise destinations.DestinationRefused(_("The stream key is missing."))
    values: dict[str, Any] = {
        "name": parts.host,
        "address": address,
        "key": key,
        "key_hint": destinations.key_hint(key),
        "fingerprint": destinations.fingerprint(address, key),
    }
    outputs = stream.outputs.select_related("destination").defer("destination__key")
    output = outputs.order_by("created_at").first()
    if output is None:
        destination = Destination.objects.create(workspace_id=stream.workspace_id, **values)
        Output.objects.create(stream=stream, destination=destination, profile=stream.profile)
    else:
        for name, value in values.items():
            setattr(output.destination, name, value)
        output.destination.save()
        Output.objects.filter(pk=output.pk).update(generation=F("generation") + 1)
