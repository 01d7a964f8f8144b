"""The REST API: which apps answer, and what the document says of it."""

from __future__ import annotations

from typing import Any

from django.urls import URLPattern
from ninja import NinjaAPI

from apps.accounts.api.door import door
from apps.core.rest import JsonParser, Renderer, install_refusals
from apps.streaming.api import streams

api = NinjaAPI(
    title="YouTube Streamer",
    version="1",
    urls_namespace="api",
    renderer=Renderer(),
    parser=JsonParser(),
)
install_refusals(api)
for endpoints in (streams.endpoints,):
    api.add_router("", endpoints)

_OPEN = ("openapi-json", "openapi-view", "api-root")


def urls() -> tuple[list[Any], str, str]:
    """The addresses of all operations, each behind the door."""
    patterns, app, namespace = api.urls
    for pattern in patterns:
        if isinstance(pattern, URLPattern) and pattern.name not in _OPEN:
            pattern.callback = door(pattern.callback)
    return patterns, app, namespace
