"""Pages about where a stream goes, and what the installation's own receiver gets."""

from __future__ import annotations

import hashlib
from typing import cast
from uuid import UUID

from asgiref.sync import sync_to_async
from django.conf import settings
from django.contrib import messages
from django.contrib.auth.decorators import login_required
from django.http import Http404, HttpRequest, HttpResponse, StreamingHttpResponse
from django.http.response import HttpResponseBase
from django.shortcuts import redirect, render
from django.utils.translation import gettext as _
from django.views.decorators.http import require_GET, require_http_methods, require_POST

from apps.accounts.models import Role, User
from apps.streaming import selectors, stream_manager
from apps.streaming.access import get_output_of, get_stream_for
from apps.streaming.client import ReceiverSilent, open_live
from apps.streaming.destinations import DestinationRefused, backup_of
from apps.streaming.forms import DestinationForm
from apps.streaming.models import Output, Stream
from apps.streaming.stream_manager import DestinationBusy, StreamIsOnAir
from apps.streaming.views.frame import (
    frame,
    live_context,
    place,
)


@login_required
@require_http_methods(["GET", "POST"])
def destination_new(request: HttpRequest, stream_id: UUID) -> HttpResponse:
    """A form for one more place to send the stream to."""
    found = get_stream_for(request.user, stream_id, Role.EDITOR)
    form = DestinationForm(request.POST or None)
    if request.method == "POST" and form.is_valid():
        try:
            stream_manager.add_destination(stream=found, by=cast(User, request.user), **form.wish())
        except (DestinationBusy, DestinationRefused) as refused:
            form.add_error(None, str(refused))
        else:
            messages.success(request, _("The destination was added."))
            return redirect(found)
    return _destination_form(request, found, form, None)


@login_required
@require_http_methods(["GET", "POST"])
def destination_edit(request: HttpRequest, stream_id: UUID, output_id: UUID) -> HttpResponse:
    """The same form, for a destination that exists."""
    found = get_stream_for(request.user, stream_id, Role.EDITOR)
    output = get_output_of(found, output_id)
    form = DestinationForm(request.POST or None, output=output, on_air=found.is_wanted)
    if request.method == "POST" and form.is_valid():
        try:
            stream_manager.change_destination(
                stream=found, output=output, by=cast(User, request.user), **form.wish()
            )
        except (DestinationBusy, DestinationRefused, StreamIsOnAir) as refused:
            form.add_error(None, str(refused))
        else:
            messages.success(request, _("The changes are saved."))
            return redirect(found)
    return _destination_form(request, found, form, output)


def _destination_form(
    request: HttpRequest, stream: Stream, form: DestinationForm, output: Output | None
) -> HttpResponse:
    return render(
        request,
        "streaming/destination_form.html",
        {
            **frame(stream.workspace),
            "form": form,
            "stream": stream,
            "output": output,
            "has_backup_entry": output is not None
            and backup_of(output.destination.address) is not None,
        },
        status=422 if form.errors else 200,
    )


@login_required
@require_POST
def destination_backup(request: HttpRequest, stream_id: UUID, output_id: UUID) -> HttpResponse:
    """Send the stream to YouTube's backup entry too, with the same key."""
    found = get_stream_for(request.user, stream_id, Role.EDITOR)
    output = get_output_of(found, output_id)
    try:
        stream_manager.add_backup(stream=found, output=output, by=cast(User, request.user))
    except (DestinationBusy, DestinationRefused) as refused:
        messages.error(request, str(refused))
    else:
        messages.success(request, _("The backup entry was added."))
    return redirect(found)


@login_required
@require_http_methods(["GET", "POST"])
def destination_remove(request: HttpRequest, stream_id: UUID, output_id: UUID) -> HttpResponse:
    """Ask, then send the stream there no more: its key cannot be brought back."""
    found = get_stream_for(request.user, stream_id, Role.EDITOR)
    output = get_output_of(found, output_id)
    if request.method == "POST":
        name = output.destination.name
        try:
            stream_manager.remove_destination(
                stream=found, output=output, by=cast(User, request.user)
            )
        except StreamIsOnAir as refused:
            messages.error(request, str(refused))
        else:
            messages.success(request, _("“%(name)s” was removed.") % {"name": name})
        return redirect(found)
    return render(
        request,
        "streaming/destination_remove.html",
        {**frame(found.workspace), "stream": found, "output": output},
    )


@login_required
@require_GET
def watch_any(request: HttpRequest) -> HttpResponse:
    """The picture of the workspace's first stream to the test receiver."""
    workspace, _may_edit = place(request)
    found = selectors.simulated_stream(workspace)
    if found is None:
        messages.info(request, _("No stream goes to the test receiver of this installation."))
        return redirect("streaming:streams")
    return redirect("streaming:watch", found.pk)


@login_required
@require_GET
def watch(request: HttpRequest, stream_id: UUID) -> HttpResponse:
    """The bytes that the test receiver got, played by the browser."""
    found = get_stream_for(request.user, stream_id)
    context = live_context(request, found)
    if not context["live"].is_simulated:
        raise Http404("This stream does not go to the test receiver.")
    return render(request, "streaming/watch.html", context | frame(found.workspace))


@require_GET
async def watch_flv(request: HttpRequest, stream_id: UUID) -> HttpResponseBase:
    """The receiver's live FLV, handed through to whoever may see the stream."""
    path = await sync_to_async(_receiver_path)(request, stream_id)
    try:
        pieces = await open_live(settings.INGEST_SIMULATOR_HTTP, path)
    except ReceiverSilent as silent:
        return HttpResponse(str(silent), status=503, content_type="text/plain")
    response = StreamingHttpResponse(pieces, content_type="video/x-flv")
    response["Cache-Control"] = "no-store"
    response["X-Accel-Buffering"] = "no"
    return response


def _receiver_path(request: HttpRequest, stream_id: UUID) -> str:
    if not request.user.is_authenticated:
        raise Http404("There is no such stream.")
    output = selectors.simulated_output(get_stream_for(request.user, stream_id))
    if output is None:
        raise Http404("This stream does not go to the test receiver.")
    # The receiver names its streams by this, so that no address shows a key.
    return f"/live/{hashlib.sha256(output.destination.key.encode()).hexdigest()[:16]}.flv"
