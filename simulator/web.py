"""Just enough of a web framework: requests and answers as values, over ASGI."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping, MutableMapping
from dataclasses import dataclass, field
from http.cookies import CookieError, SimpleCookie
from typing import Any, TypeAlias
from urllib.parse import parse_qsl

Scope: TypeAlias = MutableMapping[str, Any]
Receive: TypeAlias = Callable[[], Awaitable[MutableMapping[str, Any]]]
Send: TypeAlias = Callable[[MutableMapping[str, Any]], Awaitable[None]]

ABORT = "simulator.abort"
"""The ASGI extension that cuts the connection: a callable without arguments."""


class BodyTooLarge(Exception):
    """A request carries more than its address takes."""


class ConnectionDropped(Exception):
    """The answer must not reach the client: its connection is cut instead."""


@dataclass(frozen=True)
class Request:
    """One request, its body read."""

    method: str
    path: str
    query: tuple[tuple[str, str], ...] = ()
    headers: Mapping[str, str] = field(default_factory=dict)
    """By lower-case name."""
    body: bytes = b""
    host: str = "127.0.0.1"
    """As the client wrote it, with its port."""
    scheme: str = "http"

    @property
    def base(self) -> str:
        """Scheme and host, to write addresses of ours with."""
        return f"{self.scheme}://{self.host}"

    def values(self, name: str) -> list[str]:
        """All values of a query parameter."""
        return [value for key, value in self.query if key == name]

    def value(self, name: str, default: str = "") -> str:
        """The last value of a query parameter."""
        found = self.values(name)
        return found[-1] if found else default

    def form(self) -> dict[str, list[str]]:
        """The fields of a form in the body."""
        fields: dict[str, list[str]] = {}
        for key, value in parse_qsl(self.body.decode("utf-8", "replace"), keep_blank_values=True):
            fields.setdefault(key, []).append(value)
        return fields

    def json(self) -> Any:
        """The body as JSON. Raises `ValueError`."""
        return json.loads(self.body)

    def cookie(self, name: str) -> str:
        """The value of a cookie; empty when there is none."""
        try:
            found = SimpleCookie(self.headers.get("cookie", "")).get(name)
        except CookieError:
            return ""
        return found.value if found else ""

    def is_foreign(self) -> bool:
        """Whether a page of another origin has sent it."""
        origin = self.headers.get("origin")
        return origin is not None and origin not in (self.base, "null")


@dataclass
class Answer:
    """What goes back; `stream` follows the body and may be endless."""

    status: int = 200
    body: bytes = b""
    headers: dict[str, str] = field(default_factory=dict)
    stream: AsyncIterator[bytes] | None = None


def json_answer(value: Any, status: int = 200, headers: Mapping[str, str] | None = None) -> Answer:
    """An answer in JSON, never to be stored."""
    fields = {"content-type": "application/json; charset=UTF-8", "cache-control": "no-store"}
    return Answer(status, json.dumps(value, indent=1).encode(), {**fields, **(headers or {})})


def redirect(location: str, status: int = 303) -> Answer:
    """Go there."""
    return Answer(status, headers={"location": location, "cache-control": "no-store"})


async def read_request(scope: Scope, receive: Receive, *, max_body: int) -> Request:
    """The request of an ASGI call. Raises `BodyTooLarge`, and `ConnectionDropped` if it breaks."""
    headers = {name.decode("latin-1"): value.decode("latin-1") for name, value in scope["headers"]}
    parts: list[bytes] = []
    size = 0
    while True:
        message = await receive()
        if message["type"] == "http.disconnect":
            raise ConnectionDropped
        part = message.get("body", b"")
        size += len(part)
        if size > max_body:
            raise BodyTooLarge
        parts.append(part)
        if not message.get("more_body"):
            break
    query = parse_qsl(scope["query_string"].decode("latin-1"), keep_blank_values=True)
    return Request(
        method=scope["method"],
        path=scope["path"],
        query=tuple(query),
        headers=headers,
        body=b"".join(parts),
        host=headers.get("host", "127.0.0.1"),
        scheme=scope.get("scheme", "http"),
    )


async def send_answer(answer: Answer, send: Send, *, with_body: bool = True) -> None:
    """Send it whole; a stream ends when its iterator does."""
    headers = dict(answer.headers)
    if answer.stream is None and answer.status != 204:
        headers["content-length"] = str(len(answer.body))
    await send(
        {
            "type": "http.response.start",
            "status": answer.status,
            "headers": [(k.encode("latin-1"), v.encode("latin-1")) for k, v in headers.items()],
        }
    )
    if answer.stream is not None and with_body:
        async for part in answer.stream:
            await send({"type": "http.response.body", "body": part, "more_body": True})
    body = answer.body if with_body and answer.stream is None else b""
    await send({"type": "http.response.body", "body": body})
