"""Edits of what is on air, and the page that shows what comes.

Each answers with when it takes effect; what cannot be done now is said in one sentence.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any, cast
from uuid import UUID

from django.contrib import messages
from django.contrib.auth.decorators import login_required
from django.http import Http404, HttpRequest, HttpResponse
from django.http.response import HttpResponseBase
from django.shortcuts import redirect, render
from django.utils import timezone
from django.utils.translation import gettext as _
from django.views.decorators.http import require_GET, require_POST

from apps.accounts.models import Role, User
from apps.library.access import get_assets_for
from apps.streaming import selectors, stream_manager
from apps.streaming.access import get_playlist_for, get_stream_for
from apps.streaming.models import Stream
from apps.streaming.schedule import At, Part
from apps.streaming.stream_manager import Edited, EditRefused
from apps.streaming.views.frame import fragment, frame, live_context, uuid_of

CHOICES_SHOWN = 30


@login_required
@require_GET
def programme(request: HttpRequest, stream_id: UUID) -> HttpResponseBase:
    """What comes, when, and how to change it while it is on air."""
    found = get_stream_for(request.user, stream_id)
    context = {
        **frame(found.workspace),
        "stream": found,
        "coming": selectors.coming(found),
        "may_edit": found.role >= Role.EDITOR,
        "parts": ("pictures", "sound"),
    }
    if request.headers.get("HX-Request"):
        return fragment(request, "streaming/_coming.html", context)
    search = request.GET.get("q", "").strip()[:100]
    if found.role >= Role.EDITOR and found.is_wanted:
        context |= {
            "search": search,
            "assets": selectors.addable_assets(found.workspace, search=search, limit=CHOICES_SHOWN),
            "playlists": selectors.playlist_names(found.workspace),
        }
    return render(request, "streaming/programme.html", context)


@login_required
@require_POST
def skip(request: HttpRequest, stream_id: UUID) -> HttpResponse:
    """Cut short what is on."""
    part = _part(request)
    return _edit(request, stream_id, lambda stream, by: stream_manager.skip(
        stream=stream, part=part, by=by
    ))  # fmt: skip


@login_required
@require_POST
def jump(request: HttpRequest, stream_id: UUID) -> HttpResponse:
    """Go on with another item of the list."""
    part, item = _part(request), str(uuid_of(request.POST.get("item")))
    return _edit(request, stream_id, lambda stream, by: stream_manager.jump(
        stream=stream, item_id=item, part=part, at=_at(request, "key"), by=by
    ))  # fmt: skip


@login_required
@require_POST
def play_next(request: HttpRequest, stream_id: UUID) -> HttpResponse:
    """Play a file once, behind what is on."""
    found = get_stream_for(request.user, stream_id, Role.EDITOR)
    part = _part(request)
    (asset,) = get_assets_for(request.user, found.workspace, [uuid_of(request.POST.get("asset"))])
    return _edit(request, stream_id, lambda stream, by: stream_manager.play_next(
        stream=stream, asset=asset, part=part, by=by
    ))  # fmt: skip


@login_required
@require_POST
def swap(request: HttpRequest, stream_id: UUID) -> HttpResponse:
    """Play another playlist."""
    found = get_stream_for(request.user, stream_id, Role.EDITOR)
    part = _part(request)
    playlist = get_playlist_for(request.user, uuid_of(request.POST.get("playlist")))
    if playlist.workspace_id != found.workspace_id:
        raise Http404("There is no such playlist.")
    return _edit(request, stream_id, lambda stream, by: stream_manager.swap_playlist(
        stream=stream, playlist=playlist, part=part, at=_at(request, "item"), by=by
    ))  # fmt: skip


@login_required
@require_POST
def pause(request: HttpRequest, stream_id: UUID) -> HttpResponse:
    """Show the filler."""
    return _edit(request, stream_id, lambda stream, by: stream_manager.pause(stream=stream, by=by))


@login_required
@require_POST
def resume(request: HttpRequest, stream_id: UUID) -> HttpResponse:
    """Go on where it was paused."""
    return _edit(request, stream_id, lambda stream, by: stream_manager.resume(stream=stream, by=by))


@login_required
@require_POST
def undo(request: HttpRequest, stream_id: UUID) -> HttpResponse:
    """Take back the last edit."""
    version = request.POST.get("version", "")
    n = int(version) if version.isascii() and version.isdigit() and len(version) < 10 else 0
    return _edit(request, stream_id, lambda stream, by: stream_manager.undo(
        stream=stream, version=n, by=by
    ))  # fmt: skip


def _edit(
    request: HttpRequest, stream_id: UUID, edit: Callable[[Stream, User], Edited]
) -> HttpResponse:
    """Make the edit and say when it takes effect; on the stream's page, or where it was asked."""
    found = get_stream_for(request.user, stream_id, Role.EDITOR)
    try:
        edited = edit(found, cast(User, request.user))
    except EditRefused as refused:
        said, is_done = str(refused), False
    else:
        said, is_done = _said(edited), True
    if request.headers.get("HX-Request"):
        answer = render(
            request,
            "streaming/_live.html",
            live_context(request, get_stream_for(request.user, stream_id)) | {"is_part": True},
        )
        if not is_done:
            # What was done stands on the page; what was not is said once.
            answer["HX-Trigger"] = json.dumps({"toast": said})
        return answer
    (messages.success if is_done else messages.error)(request, said)
    if request.POST.get("back") == "programme":
        return redirect("streaming:stream-programme", found.pk)
    return redirect(found)


def _said(edited: Edited) -> str:
    values: dict[str, Any] = {
        "title": edited.title,
        "time": timezone.localtime(edited.at).strftime("%H:%M:%S"),
    }
    return _("“%(title)s” begins at %(time)s UTC.") % values


def _part(request: HttpRequest) -> Part:
    return "sound" if request.POST.get("part") == "sound" else "pictures"


def _at(request: HttpRequest, otherwise: At) -> At:
    sent = request.POST.get("at")
    return cast(At, sent) if sent in ("item", "key") else otherwise
