"""Where a stream goes: several places at once, each with its own state."""

from __future__ import annotations

from typing import Any
from uuid import UUID

from django.http import HttpRequest, HttpResponse
from django.urls import reverse
from ninja.responses import Status

from apps.accounts.api.door import Endpoints, caller
from apps.accounts.models import Role, Scope
from apps.core.etags import unless_changed
from apps.core.problems import CHANGED, INVALID, Kind, Problem
from apps.core.rest import faults_of, rendered
from apps.streaming import models, selectors, stream_manager
from apps.streaming.access import get_output_of, get_stream_for
from apps.streaming.api.schemas import (
    ReceiverChange,
    ReceiverList,
    ReceiverNew,
    ReceiverTold,
    receiver_row,
    receiver_told,
)
from apps.streaming.api.streams import ON_AIR
from apps.streaming.destinations import DestinationRefused
from apps.streaming.forms import DestinationForm
from apps.streaming.stream_manager import DestinationBusy, StreamIsOnAir

endpoints = Endpoints(tags=["streams"])

BUSY = Kind(
    "stream.destination_busy",
    409,
    "The publishing point is in use.",
    "`detail` says by what. Stop that, or use another key.",
)

_POINTERS = {name: f"/{name}" for name in ("name", "service", "address", "key", "leg")}


@endpoints.read("/streams/{uuid:stream_id}/destinations", response=ReceiverList)
def list_stream_destinations(request: HttpRequest, stream_id: UUID) -> ReceiverList:
    """List where a stream goes, and how it is there."""
    live = selectors.live(get_stream_for(caller(request), stream_id))
    return ReceiverList(
        items=[receiver_row(receiver.output, receiver.status) for receiver in live.receivers]
    )


@endpoints.change(
    "POST",
    "/streams/{uuid:stream_id}/destinations",
    Scope.STREAMS,
    response={201: ReceiverTold},
    refusals=[BUSY],
)
def add_stream_destination(
    request: HttpRequest, stream_id: UUID, body: ReceiverNew, response: HttpResponse
) -> Status[Any]:
    """Send a stream to one more place.

    At once when it is on air. The other destinations do not notice.
    """
    token = caller(request)
    stream = get_stream_for(token, stream_id, Role.EDITOR)
    form = DestinationForm(body.model_dump() | {"leg": body.leg or ""})
    wish = _checked(form)
    try:
        output = stream_manager.add_destination(stream=stream, by=token.created_by, **wish)
    except (DestinationBusy, DestinationRefused) as refused:
        raise Problem(BUSY, str(refused)) from None
    response["Location"] = reverse("api:get_stream_destination", args=[stream.pk, output.pk])
    return Status(201, receiver_told(get_output_of(stream, output.pk)))


@endpoints.read("/streams/{uuid:stream_id}/destinations/{uuid:output_id}", response=ReceiverTold)
def get_stream_destination(request: HttpRequest, stream_id: UUID, output_id: UUID) -> ReceiverTold:
    """Read one destination of a stream as it is wished."""
    stream = get_stream_for(caller(request), stream_id)
    return receiver_told(get_output_of(stream, output_id))


@endpoints.change(
    "PATCH",
    "/streams/{uuid:stream_id}/destinations/{uuid:output_id}",
    Scope.STREAMS,
    response=ReceiverTold,
    refusals=[BUSY, ON_AIR, CHANGED],
)
def change_stream_destination(
    request: HttpRequest, stream_id: UUID, output_id: UUID, body: ReceiverChange
) -> ReceiverTold:
    """Change a destination of a stream.

    On air only its name may change. A key is kept for the same server only.
    """
    token = caller(request)
    stream = get_stream_for(token, stream_id, Role.EDITOR)
    output = get_output_of(stream, output_id)
    named = {name: value for name, value in body.model_dump().items() if value is not None}
    with unless_changed(request, output, _represent):
        if stream.is_wanted and named.keys() - {"name"}:
            raise Problem(ON_AIR, "Address and key cannot change on air.")
        data = {**DestinationForm(output=output).initial, **named}
        form = DestinationForm(data, output=output, on_air=stream.is_wanted)
        wish = _checked(form)
        try:
            output = stream_manager.change_destination(
                stream=stream, output=output, by=token.created_by, **wish
            )
        except StreamIsOnAir as refused:
            raise Problem(ON_AIR, str(refused)) from None
        except (DestinationBusy, DestinationRefused) as refused:
            raise Problem(BUSY, str(refused)) from None
    return receiver_told(output)


@endpoints.change(
    "DELETE",
    "/streams/{uuid:stream_id}/destinations/{uuid:output_id}",
    Scope.STREAMS,
    response={204: None},
    refusals=[ON_AIR, CHANGED],
)
def remove_stream_destination(
    request: HttpRequest, stream_id: UUID, output_id: UUID
) -> Status[None]:
    """Send a stream to one place no more.

    Also on air, except from the last one. The other destinations do not notice; the key is
    forgotten.
    """
    token = caller(request)
    stream = get_stream_for(token, stream_id, Role.EDITOR)
    output = get_output_of(stream, output_id)
    with unless_changed(request, output, _represent):
        try:
            stream_manager.remove_destination(stream=stream, output=output, by=token.created_by)
        except StreamIsOnAir as refused:
            raise Problem(ON_AIR, str(refused)) from None
    return Status(204, None)


def _represent(output: models.Output) -> bytes:
    # Read anew: a refreshed row would bring its key along.
    return rendered(receiver_told(get_output_of(output.stream, output.pk)))


def _checked(form: DestinationForm) -> dict[str, Any]:
    if not form.is_valid():
        raise Problem(INVALID, faults=faults_of(form.errors, _POINTERS))
    return form.wish()
