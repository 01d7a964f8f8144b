"""Pages of a stream's broadcasts: its channel, going live there, rehearsing, ending."""

from __future__ import annotations

from typing import Any
from uuid import UUID

from django.contrib import messages
from django.contrib.auth.decorators import login_required
from django.http import HttpRequest, HttpResponse
from django.http.response import HttpResponseBase
from django.shortcuts import redirect, render
from django.utils.translation import gettext as _
from django.views.decorators.http import require_GET, require_http_methods, require_POST

from apps.accounts.models import Role
from apps.streaming import stream_manager
from apps.streaming.access import get_stream_for
from apps.streaming.models import Stream
from apps.streaming.views.frame import fragment
from apps.youtube import health, selectors
from apps.youtube.access import get_channel_for
from apps.youtube.forms import ShowForm
from apps.youtube.models import Show
from apps.youtube.services import shows


@login_required
@require_http_methods(["GET", "POST"])
def show(request: HttpRequest, stream_id: UUID) -> HttpResponse:
    """How the stream is described on YouTube, and how it is kept there."""
    stream = get_stream_for(request.user, stream_id, Role.EDITOR)
    found = selectors.show_of(stream.pk)
    form = ShowForm(
        request.POST or None, request.FILES or None, workspace=stream.workspace, show=found
    )
    if request.method == "POST" and form.is_valid():
        shows.describe(
            workspace=stream.workspace, subject=stream.pk, name=stream.title, **form.wishes
        )
        messages.success(
            request,
            _("Saved. The texts are those of the next broadcast; the one that is live keeps its.")
            if found is not None and found.is_wanted
            else _("The changes are saved."),
        )
        return redirect(stream)
    return render(
        request,
        "streaming/show.html",
        {"workspace": stream.workspace, "stream": stream, "show": found, "form": form},
        status=422 if form.errors else 200,
    )


@login_required
@require_GET
def show_state(request: HttpRequest, stream_id: UUID) -> HttpResponseBase:
    """The part of the stream's page about YouTube."""
    stream = get_stream_for(request.user, stream_id)
    return fragment(request, "streaming/_youtube.html", show_context(stream))


def show_context(stream: Stream) -> dict[str, Any]:
    """What is told about a stream's show."""
    found = selectors.show_of(stream.pk)
    channels = list(selectors.channels_of(stream.workspace))
    return {
        "workspace": stream.workspace,
        "stream": stream,
        "show": found,
        "broadcast": selectors.shown_broadcast(found) if found is not None else None,
        "issues": health.explained(found.health_issues) if found is not None else [],
        "channels": channels,
        "may_edit": stream.role >= Role.EDITOR,
    }


@login_required
@require_POST
def go_live(request: HttpRequest, stream_id: UUID) -> HttpResponse:
    """Wish it live on YouTube: one click, whatever has to be made for that."""
    stream = get_stream_for(request.user, stream_id, Role.EDITOR)
    found = _show_for(request, stream)
    if found is None:
        messages.error(request, _("Choose a connected channel first."))
        return redirect(stream)
    problems = [
        problem
        for check in stream_manager.checks(stream)
        if check.what not in ("destination", "key")
        for problem in check.problems
    ]
    if problems and not stream.is_wanted:
        for problem in problems:
            messages.error(request, problem)
        return redirect(stream)
    shows.go_live(show=found, is_rehearsal=bool(request.POST.get("rehearsal")))
    return redirect(stream)


@login_required
@require_http_methods(["GET", "POST"])
def end(request: HttpRequest, stream_id: UUID) -> HttpResponse:
    """Ask, then wish it off YouTube; other destinations go on."""
    stream = get_stream_for(request.user, stream_id, Role.EDITOR)
    found = selectors.show_of(stream.pk)
    if request.method == "POST":
        if found is not None:
            shows.end(show=found)
        return redirect(stream)
    return render(
        request, "streaming/show_end.html", {"workspace": stream.workspace, "stream": stream}
    )


def _show_for(request: HttpRequest, stream: Stream) -> Show | None:
    """The stream's show, made or moved to the channel that was chosen."""
    found = selectors.show_of(stream.pk)
    chosen = request.POST.get("channel", "")
    if chosen:
        channel = get_channel_for(request.user, _uuid(chosen), Role.EDITOR)
        if channel.workspace_id != stream.workspace_id or not channel.is_connected:
            return None
        found = shows.describe(
            workspace=stream.workspace, subject=stream.pk, name=stream.title, channel=channel
        )
    return found


def _uuid(text: str) -> UUID:
    try:
        return UUID(text)
    except ValueError:
        return UUID(int=0)
