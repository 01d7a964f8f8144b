"""Streams: made, changed, wished on and off the air, and told as they really are."""

from __future__ import annotations

from typing import Any, Literal
from uuid import UUID

from django.http import HttpRequest, HttpResponse
from django.urls import reverse
from ninja.responses import Status

from apps.accounts.api.door import Endpoints, caller
from apps.accounts.models import Role, Scope
from apps.core.cursors import newest_first
from apps.core.etags import unless_changed
from apps.core.problems import CHANGED, INVALID, Fault, Kind, Problem
from apps.core.rest import Cursor, Limit, Search, faults_of, page_of, rendered
from apps.library.preparation import default_profile_id
from apps.streaming import models, schedule, selectors, stream_manager
from apps.streaming.access import get_stream_for
from apps.streaming.api import rows
from apps.streaming.api.schemas import (
    DestinationPage,
    DestinationWish,
    EventPage,
    LiveTold,
    PlayingTold,
    ProfileList,
    ProfileTold,
    StreamChange,
    StreamNew,
    StreamPage,
    StreamRow,
    StreamTold,
    destination_told,
    event_told,
    live_told,
    stream_row,
    stream_told,
)
from apps.streaming.forms import WISHES, StreamForm
from apps.streaming.stream_manager import StartRefused, StreamIsOnAir

endpoints = Endpoints(tags=["streams"])

ON_AIR = Kind(
    "stream.on_air",
    409,
    "The stream is wished on air.",
    "Stop it, wait until its status is `off`, and try again.",
)
START_REFUSED = Kind(
    "stream.start_refused",
    409,
    "The stream cannot be started as it is.",
    "`errors` says what is missing. Mend that and start again.",
)

_POINTERS = {
    "title": "/title",
    "playlist": "/playlist_id",
    "profile": "/profile",
    "start_policy": "/start_policy",
    "loop": "/loop",
    "shuffle": "/shuffle",
    "music": "/music_id",
    "shuffle_music": "/shuffle_music",
    "title_cards": "/title_cards",
    "filler": "/filler_id",
    "service": "/destination/service",
    "address": "/destination/address",
    "key": "/destination/key",
}


@endpoints.read("/streams", response=StreamPage)
def list_streams(
    request: HttpRequest,
    cursor: Cursor = "",
    limit: Limit = 50,
    q: Search = "",
    desired: Literal["off", "on"] | None = None,
) -> StreamPage:
    """List the streams of the workspace, newest first.

    Each with its status as the nodes report it.
    """
    found = rows.streams_of(
        caller(request).workspace,
        search=q,
        desired=models.Desired(desired) if desired else None,
    )
    window = newest_first(found, cursor=cursor, limit=limit)

    def show(row: models.Stream) -> StreamRow:
        return stream_row(row, selectors.status_of(row))

    return page_of(window, show, StreamPage)


@endpoints.change("POST", "/streams", Scope.STREAMS, response={201: StreamTold})
def create_stream(request: HttpRequest, body: StreamNew, response: HttpResponse) -> Status[Any]:
    """Make a stream.

    It is off. Everything in its playlist is prepared in its format.
    """
    token = caller(request)
    form = StreamForm(
        {
            "title": body.title,
            "playlist": str(body.playlist_id or ""),
            "profile": body.profile or default_profile_id(),
            "start_policy": body.start_policy,
            "loop": body.loop,
            "shuffle": body.shuffle,
            "music": str(body.music_id or ""),
            "shuffle_music": body.shuffle_music,
            "title_cards": body.title_cards,
            "filler": str(body.filler_id or ""),
            **(_asked(body.destination) if body.destination else {"service": "none"}),
        },
        workspace=token.workspace,
    )
    stream = stream_manager.create_stream(
        workspace=token.workspace, by=token.created_by, **_checked(form)
    )
    response["Location"] = reverse("api:get_stream", args=[stream.pk])
    return Status(201, _told(stream))


@endpoints.read("/streams/{uuid:stream_id}", response=StreamTold)
def get_stream(request: HttpRequest, stream_id: UUID) -> StreamTold:
    """Read a stream as it is wished."""
    return _told(get_stream_for(caller(request), stream_id))


@endpoints.change(
    "PATCH",
    "/streams/{uuid:stream_id}",
    Scope.STREAMS,
    response=StreamTold,
    refusals=[ON_AIR, CHANGED],
)
def update_stream(request: HttpRequest, stream_id: UUID, body: StreamChange) -> StreamTold:
    """Change a stream.

    On air its format, its destination and radio mode itself stay as they are.
    """
    token = caller(request)
    stream = get_stream_for(token, stream_id, Role.EDITOR)
    with unless_changed(request, stream, _represent):
        if stream.is_wanted and (body.destination or body.profile not in (None, stream.profile)):
            raise Problem(ON_AIR, "Format and destination cannot change on air.")
        lists = {"playlist_id": "playlist", "music_id": "music", "filler_id": "filler"}
        named = body.model_dump(exclude_unset=True, exclude={"destination", *lists})
        form = StreamForm(workspace=stream.workspace, stream=stream)
        if body.destination is not None and "service" not in form.fields:
            several = "The stream has several destinations. Change one of them by its own address."
            raise Problem(INVALID, faults=[Fault(several, pointer="/destination")])
        data = form.initial
        data = {**data, **{field: str(data[field] or "") for field in lists.values()}}
        data |= {name: value for name, value in named.items() if value is not None}
        for name, field in lists.items():
            if name in body.model_fields_set:
                data[field] = str(getattr(body, name) or "")
        if body.destination is not None:
            data |= _asked(body.destination)
        form = StreamForm(data, workspace=stream.workspace, stream=stream)
        try:
            stream = stream_manager.update_stream(
                stream=stream, by=token.created_by, **_checked(form)
            )
        except StreamIsOnAir as refused:
            raise Problem(ON_AIR, str(refused)) from None
    return _told(stream)


@endpoints.change(
    "DELETE",
    "/streams/{uuid:stream_id}",
    Scope.STREAMS,
    response={204: None},
    refusals=[ON_AIR, CHANGED],
)
def delete_stream(request: HttpRequest, stream_id: UUID) -> Status[None]:
    """Delete a stream that is off."""
    token = caller(request)
    stream = get_stream_for(token, stream_id, Role.EDITOR)
    with unless_changed(request, stream, _represent):
        try:
            stream_manager.delete_stream(stream=stream, by=token.created_by)
        except StreamIsOnAir as refused:
            raise Problem(ON_AIR, str(refused)) from None
    return Status(204, None)


@endpoints.change(
    "POST",
    "/streams/{uuid:stream_id}/start",
    Scope.STREAMS,
    response={202: StreamTold},
    refusals=[START_REFUSED],
)
def start_stream(request: HttpRequest, stream_id: UUID) -> Status[Any]:
    """Ask for a stream to be on air.

    Answers before it is; `/status` tells when. Asking again changes nothing.
    """
    token = caller(request)
    stream = get_stream_for(token, stream_id, Role.EDITOR)
    try:
        stream_manager.start_stream(stream=stream, by=token.created_by)
    except StartRefused as refused:
        faults = [Fault(problem) for problem in refused.problems]
        raise Problem(START_REFUSED, str(refused), faults) from None
    stream.refresh_from_db()
    return Status(202, _told(stream))


@endpoints.change(
    "POST", "/streams/{uuid:stream_id}/stop", Scope.STREAMS, response={202: StreamTold}
)
def stop_stream(request: HttpRequest, stream_id: UUID) -> Status[Any]:
    """Ask for a stream to be off.

    Answers before it is. Asking again changes nothing.
    """
    token = caller(request)
    stream = get_stream_for(token, stream_id, Role.EDITOR)
    stream_manager.stop_stream(stream=stream, by=token.created_by)
    stream.refresh_from_db()
    return Status(202, _told(stream))


@endpoints.read("/streams/{uuid:stream_id}/status", response=LiveTold)
def get_stream_status(request: HttpRequest, stream_id: UUID) -> LiveTold:
    """Read what is real: state, connections, what is on and what follows."""
    stream = get_stream_for(caller(request), stream_id)
    live = selectors.live(stream)
    outputs = [receiver.output for receiver in live.receivers]
    return live_told(live.status, outputs, _playing(live.on_air), _playing(live.song))


def _playing(moment: schedule.Moment | None) -> PlayingTold | None:
    if moment is None:
        return None
    return PlayingTold(
        item_id=moment.item_id,
        title=moment.title,
        position_ms=moment.position_ms,
        length_ms=moment.length_ms,
        next_item_id=moment.next_item_id,
        next_title=moment.next_title,
    )


@endpoints.read("/streams/{uuid:stream_id}/events", response=EventPage)
def list_stream_events(
    request: HttpRequest,
    stream_id: UUID,
    cursor: Cursor = "",
    limit: Limit = 50,
) -> EventPage:
    """List what happened to a stream, latest first."""
    stream = get_stream_for(caller(request), stream_id)
    window = newest_first(stream.events.all(), cursor=cursor, limit=limit, moment="at")
    return page_of(window, event_told, EventPage)


@endpoints.read("/destinations", response=DestinationPage)
def list_destinations(
    request: HttpRequest, cursor: Cursor = "", limit: Limit = 50
) -> DestinationPage:
    """List where the streams of the workspace go, newest first."""
    found = rows.destinations_of(caller(request).workspace)
    window = newest_first(found, cursor=cursor, limit=limit)
    return page_of(window, destination_told, DestinationPage)


@endpoints.read("/profiles", response=ProfileList)
def list_profiles(request: HttpRequest) -> ProfileList:
    """List the house formats."""
    caller(request)
    return ProfileList(
        items=[
            ProfileTold(id=profile, label=str(label))
            for _group, choices in schedule.grouped_profile_choices()
            for profile, label in choices
        ]
    )


def _told(stream: models.Stream) -> StreamTold:
    rows.load_outputs(stream)
    return stream_told(stream)


def _represent(stream: models.Stream) -> bytes:
    return rendered(_told(stream))


def _asked(destination: DestinationWish) -> dict[str, str]:
    return {
        "service": destination.service,
        "address": destination.address,
        "key": destination.key,
    }


def _checked(form: StreamForm) -> dict[str, Any]:
    """What the page's own form makes of it; raises `Problem`."""
    if not form.is_valid():
        raise Problem(INVALID, faults=faults_of(form.errors, _POINTERS))
    return {name: form.cleaned_data[name] for name in WISHES}
