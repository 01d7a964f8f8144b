"""Problem details (RFC 9457): how the API says no.

Every refusal has a kind with a stable code; docs/reference/api.md lists them all. The words may
change, the code and its status do not.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from django.http import HttpResponse

MEDIA_TYPE = "application/problem+json"

ABOUT = "/api/v1/problems/"
"""Below it, each code has an address that tells what it means."""

_kinds: dict[str, Kind] = {}


@dataclass(frozen=True, slots=True)
class Kind:
    """A sort of refusal: what happened, and what to do next."""

    code: str
    status: int
    title: str
    advice: str

    def __post_init__(self) -> None:
        if self.code in _kinds:
            raise ValueError(f"The problem code {self.code} is defined twice.")
        _kinds[self.code] = self


@dataclass(frozen=True, slots=True)
class Fault:
    """What is wrong with one part of a request."""

    detail: str
    pointer: str = ""
    """JSON pointer into the body, such as `/destination/key`."""
    parameter: str = ""
    """Name of the path, query or header parameter."""

    def as_json(self) -> dict[str, str]:
        """Without what does not apply."""
        parts = {"pointer": self.pointer, "parameter": self.parameter, "detail": self.detail}
        return {name: value for name, value in parts.items() if value}


@dataclass(eq=False)
class Problem(Exception):
    """The request is refused; answered as `application/problem+json`."""

    kind: Kind
    detail: str = ""
    """What happened here, for people; the kind's advice when empty."""
    faults: Sequence[Fault] = ()
    headers: Mapping[str, str] = field(default_factory=dict)

    def __str__(self) -> str:
        return f"{self.kind.code}: {self.detail or self.kind.title}"


def kinds() -> list[Kind]:
    """All kinds that have been defined, by code."""
    return sorted(_kinds.values(), key=lambda kind: kind.code)


def body_of(kind: Kind, detail: str = "") -> dict[str, Any]:
    """The members that every problem of a kind has."""
    return {
        "type": f"{ABOUT}{kind.code}",
        "title": kind.title,
        "status": kind.status,
        "code": kind.code,
        "detail": detail or kind.advice,
    }


def response_to(problem: Problem) -> HttpResponse:
    """The answer that tells `problem`."""
    kind = problem.kind
    body = body_of(kind, problem.detail)
    if problem.faults:
        body["errors"] = [fault.as_json() for fault in problem.faults]
    response = HttpResponse(json.dumps(body), status=kind.status, content_type=MEDIA_TYPE)
    response["Cache-Control"] = "no-store"
    for name, value in problem.headers.items():
        response[name] = value
    return response


# -- kinds that know no domain word -------------------------------------------------------------

FORBIDDEN = Kind(
    "auth.forbidden",
    403,
    "The member who made this token may not do this.",
    "Ask an owner of the workspace for a higher role, or for a token of theirs.",
)
INVALID = Kind(
    "request.invalid",
    422,
    "The request is not as described.",
    "`errors` names each part that is wrong. Correct it and send the request again.",
)
JSON_INVALID = Kind(
    "request.json_invalid", 400, "The body is not JSON.", "Send one JSON object in UTF-8."
)
MEDIA_TYPE_WRONG = Kind(
    "request.media_type",
    415,
    "The body has another content type than this address takes.",
    "Send `Content-Type: application/json`, or what the operation names.",
)
LENGTH_REQUIRED = Kind(
    "request.length_required",
    411,
    "The length of the body is not known.",
    "Send `Content-Length`.",
)
TOO_LARGE = Kind(
    "request.too_large",
    413,
    "The body is larger than this address takes.",
    "Send less at once; media goes to `/uploads`.",
)
METHOD_NOT_ALLOWED = Kind(
    "request.method_not_allowed",
    405,
    "This address does not take this method.",
    "`Allow` lists the methods it takes.",
)
NOT_FOUND = Kind(
    "resource.not_found",
    404,
    "There is nothing here for this token.",
    "It may not exist, be deleted, or belong to another workspace. Check the address.",
)
CHANGED = Kind(
    "resource.changed",
    412,
    "It was changed since you read it.",
    "Read it again, and send your change with its new `ETag` in `If-Match`.",
)
RATE_EXCEEDED = Kind(
    "rate.exceeded",
    429,
    "Too many requests with this token.",
    "Wait for the seconds in `Retry-After`.",
)
KEY_INVALID = Kind(
    "idempotency.key_invalid",
    400,
    "The `Idempotency-Key` cannot be used.",
    "Send 1 to 255 visible ASCII characters, such as a UUID.",
)
KEY_REUSED = Kind(
    "idempotency.key_reused",
    422,
    "This `Idempotency-Key` belongs to another request.",
    "Use a new key for each request that differs.",
)
IN_PROGRESS = Kind(
    "idempotency.in_progress",
    409,
    "The first request with this `Idempotency-Key` has not been answered yet.",
    "Send the same request again in a moment.",
)
UNAVAILABLE = Kind(
    "server.unavailable",
    503,
    "The database cannot be asked now.",
    "Send the same request, with the same `Idempotency-Key`, after the seconds in `Retry-After`. "
    "What is on air goes on.",
)
SERVER_FAILED = Kind(
    "server.failed",
    500,
    "Something went wrong on our side.",
    "Try again with the same `Idempotency-Key`. If it stays, tell the operator when it happened.",
)
