"""Pages of a stream's broadcasts: its channel, going live there, rehearsing, ending."""

from __future__ import annotations

from typing import Any, cast
from uuid import UUID

from django.contrib import messages
from django.contrib.auth.decorators import login_required
from django.http import HttpRequest, HttpResponse
from django.http.response import HttpResponseBase
from django.shortcuts import redirect, render
from django.utils.http import urlencode
from django.utils.translation import gettext as _
from django.views.decorators.http import require_GET, require_http_methods, require_POST

from apps.accounts.models import Role, User
from apps.streaming import stream_manager
from apps.streaming.access import get_stream_for
from apps.streaming.models import Stream
from apps.streaming.views.frame import fragment
from apps.youtube import health, selectors
from apps.youtube.access import get_channel_for
from apps.youtube.client import YouTubeError
from apps.youtube.forms import AdoptForm, LiveTextsForm, ShowForm
from apps.youtube.models import Show
from apps.youtube.services import adopting, shows
from apps.youtube.services.adopting import AdoptRefused


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
@require_http_methods(["GET", "POST"])
def show_texts(request: HttpRequest, stream_id: UUID) -> HttpResponse:
    """Other texts and another picture for the broadcast that is there now."""
    stream = get_stream_for(request.user, stream_id, Role.EDITOR)
    found = selectors.show_of(stream.pk)
    row = selectors.changeable_broadcast(found) if found is not None else None
    if found is None or row is None:
        messages.info(request, _("Nothing is on YouTube now whose texts could be changed."))
        return redirect(stream)
    form = LiveTextsForm(
        request.POST or None, request.FILES or None, initial=selectors.texts_of(found, row)
    )
    if request.method == "POST" and form.is_valid():
        asked = shows.change(
            show=found, row=row, wishes=form.wishes, thumbnail=form.picture,
            by=cast(User, request.user),
        )  # fmt: skip
        if form.cleaned_data["keep"]:
            shows.describe(
                workspace=stream.workspace, subject=stream.pk, name=stream.title,
                channel=found.channel, **form.lasting_wishes,
            )  # fmt: skip
        if asked is None:
            messages.info(request, _("Nothing was changed."))
        else:
            messages.success(
                request, _("YouTube is asked now; the stream's page says how it went.")
            )
        return redirect(stream)
    context = {"workspace": stream.workspace, "stream": stream, "broadcast": row, "form": form}
    return render(request, "streaming/show_texts.html", context, status=422 if form.errors else 200)


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
    broadcast = selectors.shown_broadcast(found) if found is not None else None
    return {
        "workspace": stream.workspace,
        "stream": stream,
        "show": found,
        "broadcast": broadcast,
        "day": selectors.audience_of_day(found) if found is not None and found.is_wanted else None,
        "change": selectors.last_change(broadcast) if broadcast is not None else None,
        "archive_change": selectors.last_archive_change(found) if found is not None else None,
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
    problems = _problems(stream)
    for problem in problems:
        messages.error(request, problem)
    if problems:
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


@login_required
@require_http_methods(["GET", "POST"])
def adopt(request: HttpRequest, stream_id: UUID) -> HttpResponse:
    """Broadcasts that are at YouTube already: looked for, and one taken over."""
    stream = get_stream_for(request.user, stream_id, Role.EDITOR)
    form = AdoptForm(
        request.POST or None, workspace=stream.workspace, show=selectors.show_of(stream.pk)
    )
    if request.method == "POST" and form.is_valid():
        try:
            if _adopt_or_look(request, stream, form):
                return redirect(stream)
        except AdoptRefused as refused:
            messages.error(request, str(refused))
        except YouTubeError as error:
            messages.error(request, error.text)
        return redirect(f"{request.path}?{urlencode({'channel': str(form.channel.pk)})}")
    channel = form.chosen(request.GET.get("channel", ""))
    context = {
        "workspace": stream.workspace,
        "stream": stream,
        "form": form,
        "channel": channel,
        "found": adopting.known_on(channel) if channel is not None else None,
        "is_started": stream.is_wanted,
    }
    return render(request, "streaming/show_adopt.html", context, status=422 if form.errors else 200)


def _adopt_or_look(request: HttpRequest, stream: Stream, form: AdoptForm) -> bool:
    """Whether one was taken over; else the channel was looked at."""
    youtube_id = form.cleaned_data["broadcast"]
    if not youtube_id:
        if not adopting.look_for(form.channel):
            messages.info(request, _("Nothing is upcoming or live there but what is ours."))
        return False
    problems = _problems(stream)
    for problem in problems:
        messages.error(request, problem)
    if problems:
        return False
    found = shows.describe(
        workspace=stream.workspace, subject=stream.pk, name=stream.title, channel=form.channel
    )
    adopting.adopt(show=found, youtube_id=youtube_id, at_its_time=form.cleaned_data["at_its_time"])
    return True


def _problems(stream: Stream) -> list[str]:
    """What keeps a stream that is off from being started."""
    if stream.is_wanted:
        return []
    return [
        problem
        for check in stream_manager.checks(stream)
        if check.what not in ("destination", "key")
        for problem in check.problems
    ]


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
