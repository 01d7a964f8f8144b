"""What is around the content of a page, and how pieces of pages answer again and again."""

from __future__ import annotations

import hashlib
import re
from typing import Any
from urllib.parse import urlencode
from uuid import UUID

from django.http import Http404, HttpRequest
from django.http.response import HttpResponseBase
from django.shortcuts import render
from django.urls import reverse
from django.utils.cache import get_conditional_response, patch_cache_control
from django.utils.http import quote_etag

from apps.accounts.access import current_workspace, require
from apps.accounts.models import Role, Workspace
from apps.streaming import selectors, stream_manager
from apps.streaming.models import Stream

_TOKEN = re.compile(rb'name="csrfmiddlewaretoken" value="\w+"')
"""Written differently in every answer, and worth the same."""


def live_context(request: HttpRequest, stream: Stream) -> dict[str, Any]:
    """What the moving part of a stream's page shows."""
    live = selectors.live(stream)
    events = selectors.recent_events(stream)
    return {
        "stream": stream,
        "live": live,
        "events": events,
        "edit": stream_manager.last_edit(stream, events, live.versions),
        "may_edit": stream.role >= Role.EDITOR,
    }


def place(request: HttpRequest) -> tuple[Workspace, bool]:
    """The workspace that the request is about, and whether the person may change things there."""
    workspace = current_workspace(request)
    return workspace, require(request.user, workspace) >= Role.EDITOR


def cursors(request: HttpRequest) -> tuple[str, str]:
    """Where in a list the request is: before which row, or after which."""
    return request.GET.get("before", ""), request.GET.get("after", "")


def pager(
    request: HttpRequest,
    workspace: Workspace,
    name: str,
    page: selectors.StreamPage | selectors.PlaylistPage,
) -> dict[str, str]:
    """Addresses of the pages before and after, and of this one."""

    def url(before: str = "", after: str = "") -> str:
        query = {"workspace": workspace.slug, "before": before, "after": after}
        return f"{reverse(name)}?{urlencode({key: value for key, value in query.items() if value})}"

    return {
        "newer_url": url(before=page.before) if page.before else "",
        "older_url": url(after=page.after) if page.after else "",
        "poll_url": url(*cursors(request)),
    }


def frame(workspace: Workspace) -> dict[str, Any]:
    """What the page around a view's content needs to know of where it is."""
    return {"workspace": workspace, "workspace_query": f"?workspace={workspace.slug}"}


def fragment(request: HttpRequest, template: str, context: dict[str, Any]) -> HttpResponseBase:
    """A piece of a page that is asked for again and again: 304 when it reads as before."""
    response = render(request, template, context)
    read = _TOKEN.sub(b"", response.content)
    etag = quote_etag(hashlib.sha256(read).hexdigest()[:32])
    response["ETag"] = etag
    patch_cache_control(response, private=True, no_cache=True)
    answer = get_conditional_response(request, etag=etag, response=response)
    return answer if answer is not None else response


def uuid_of(value: str | None) -> UUID:
    """The id in a form; raises `Http404` when it is none."""
    try:
        return UUID(value or "")
    except ValueError:
        raise Http404("There is no such thing.") from None
