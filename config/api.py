"""The REST API: which apps answer, and the addresses around the operations."""

from __future__ import annotations

import functools
import json
from typing import Any

from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import render
from django.urls import URLPattern, path, register_converter, reverse
from django.urls.converters import StringConverter
from django.views.decorators.http import require_safe
from ninja import NinjaAPI

from apps.accounts.api import workspace
from apps.accounts.api.door import AUTH_INVALID, AUTH_REQUIRED, SCOPE_MISSING, door
from apps.accounts.models import Scope
from apps.core import problems
from apps.core.etags import etag_of, is_listed
from apps.core.openapi import document
from apps.core.problems import Problem, response_to
from apps.core.rest import JsonParser, Renderer, install_refusals
from apps.library.api import assets, folders
from apps.streaming.api import on_air, playlists, receivers, shows, streams
from apps.youtube.api import channels

PREFIX = "api/v1/"

ABOUT = """\
Everything that the pages can do, for programs.

A token belongs to one workspace; what belongs to another looks as if it did not exist. Lists are
paged by `cursor`, at most 100 rows at once. Refusals are problem details with a stable `code`.
"""

TAGS = {
    "streams": "What is put on air, and how it is.",
    "playlists": "What streams play.",
    "library": "Files and what was made of them.",
    "channels": "YouTube channels that are connected, and the quota of their calls.",
    "workspace": "Members and tokens.",
}

api = NinjaAPI(
    title="YouTube Streamer",
    version="1",
    description=ABOUT,
    urls_namespace="api",
    renderer=Renderer(),
    parser=JsonParser(),
    openapi_url=None,
    docs_url=None,
)
install_refusals(api)
for endpoints in (
    streams.endpoints,
    receivers.endpoints,
    on_air.endpoints,
    playlists.endpoints,
    assets.endpoints,
    folders.endpoints,
    channels.endpoints,
    shows.endpoints,
    workspace.endpoints,
):
    api.add_router("", endpoints)


@functools.cache
def openapi() -> dict[str, Any]:
    """The document; it depends on the code alone."""
    return document(
        api,
        prefix=PREFIX,
        scopes={scope.value: str(scope.label) for scope in Scope},
        doors=(AUTH_REQUIRED, AUTH_INVALID, SCOPE_MISSING, problems.FORBIDDEN),
        tags=TAGS,
    )


@functools.cache
def _openapi_bytes() -> bytes:
    return json.dumps(openapi(), ensure_ascii=False, separators=(",", ":")).encode()


@require_safe
def openapi_json(request: HttpRequest) -> HttpResponse:
    """The document, for everybody."""
    content = _openapi_bytes()
    etag = etag_of(content)
    if is_listed(request.headers.get("If-None-Match", ""), etag):
        response = HttpResponse(status=304)
    else:
        response = HttpResponse(content, content_type="application/json")
    response["ETag"] = etag
    response["Cache-Control"] = "public, max-age=60"
    return response


@require_safe
def docs(request: HttpRequest) -> HttpResponse:
    """The document as a page on which requests can be tried out."""
    settings = {
        "url": reverse("api:openapi"),
        "layout": "BaseLayout",
        "deepLinking": True,
        # Else the page would ask a foreign host whether the document is valid.
        "validatorUrl": None,
    }
    return render(request, "api/docs.html", {"settings": settings})


@require_safe
def problem(request: HttpRequest, code: str) -> HttpResponse:
    """What a code means."""
    for kind in problems.kinds():
        if kind.code == code:
            content = json.dumps(problems.body_of(kind))
            response = HttpResponse(content, content_type="application/json")
            response["Cache-Control"] = "public, max-age=60"
            return response
    raise Http404("There is no such code.")


def nothing(request: HttpRequest, rest: str = "") -> HttpResponse:
    """What is not an address of ours."""
    return response_to(Problem(problems.NOT_FOUND))


nothing.csrf_exempt = True  # type: ignore[attr-defined]


class Anything(StringConverter):
    """Line breaks are no address either, and Django's own pattern of a path stops at one."""

    regex = r"[\s\S]+"


register_converter(Anything, "anything")


def urls() -> list[Any]:
    """The addresses of all operations, each behind the door, and those of the document."""
    patterns, _app, _namespace = api.urls
    found: list[Any] = []
    for pattern in patterns:
        if isinstance(pattern, URLPattern) and pattern.name != "api-root":
            pattern.callback = door(pattern.callback)
            found.append(pattern)
    return [
        *found,
        path("openapi.json", openapi_json, name="openapi"),
        path("docs", docs, name="docs"),
        path("problems/<str:code>", problem, name="problem"),
        path("", nothing),
        path("<anything:rest>", nothing),
    ]
