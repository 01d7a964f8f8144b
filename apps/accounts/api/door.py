"""Who may call the API: every operation is declared through `Endpoints`, and so has a scope.

The door stands before the framework: it knows the caller, counts the request, answers repetitions
and adds what all answers have in common. What the operation needs is checked behind it.
"""

from __future__ import annotations

import functools
import hashlib
import inspect
from collections.abc import Callable, Sequence
from typing import Any, TypeVar

from django.conf import settings
from django.http import HttpRequest, HttpResponse
from django.http.response import HttpResponseBase
from django.utils.cache import patch_vary_headers
from ninja import Router
from ninja.security import HttpBearer

from apps.accounts import services
from apps.accounts.access import find_token
from apps.accounts.models import ApiToken, Scope
from apps.core import limits
from apps.core.etags import etag_of, is_listed
from apps.core.idempotency import once
from apps.core.problems import METHOD_NOT_ALLOWED, RATE_EXCEEDED, Kind, Problem, response_to
from apps.core.rest import failed, refuse_long_body

AUTH_REQUIRED = Kind(
    "auth.required",
    401,
    "A token is needed.",
    "Send `Authorization: Bearer TOKEN`. Owners make tokens on the settings page.",
)
AUTH_INVALID = Kind(
    "auth.invalid",
    401,
    "This token does not work.",
    "It was revoked, its maker left the workspace, or it was copied in part. Make a new one.",
)
SCOPE_MISSING = Kind(
    "auth.scope_missing",
    403,
    "The token has not the scope that this needs.",
    "Make a token with the scope that the operation names.",
)

View = Callable[..., HttpResponseBase]
Function = TypeVar("Function", bound=Callable[..., Any])

_JSON = "application/json"


class Needs(HttpBearer):
    """The caller has a working token with one scope."""

    def __init__(self, scope: Scope) -> None:
        self.scope = scope
        super().__init__()

    def __call__(self, request: HttpRequest) -> ApiToken:
        """The token; raises `Problem` without one, or when it may not do this."""
        token = _identify(request)
        if token is None:
            challenge = {"WWW-Authenticate": "Bearer"}
            if "Authorization" in request.headers:
                raise Problem(AUTH_INVALID, headers=challenge)
            raise Problem(AUTH_REQUIRED, headers=challenge)
        if self.scope not in token.scopes:
            raise Problem(SCOPE_MISSING, f"This needs a token with the scope `{self.scope}`.")
        return token

    def authenticate(self, request: HttpRequest, token: str) -> None:
        """Not used: `__call__` looks at the whole request."""


class Endpoints(Router):
    """Operations of one app. Name, summary and description come from the function."""

    def read(self, path: str, **declared: Any) -> Callable[[Function], Function]:
        """Something to read; needs `read`."""
        return self._declare("GET", path, Scope.READ, **declared)

    def change(
        self, method: str, path: str, scope: Scope, **declared: Any
    ) -> Callable[[Function], Function]:
        """Something that changes rows; needs `scope`."""
        return self._declare(method, path, scope, **declared)

    def _declare(
        self,
        method: str,
        path: str,
        scope: Scope,
        *,
        response: Any,
        refusals: Sequence[Kind] = (),
        **declared: Any,
    ) -> Callable[[Function], Function]:
        def declare(function: Function) -> Function:
            summary, _, rest = inspect.cleandoc(function.__doc__ or "").partition("\n")
            extra = {
                **declared.pop("openapi_extra", {}),
                "x-scope": scope.value,
                "x-refusals": [kind.code for kind in refusals],
            }
            register = self.api_operation(
                [method],
                path,
                auth=Needs(scope),
                response=response,
                operation_id=function.__name__,
                summary=summary.rstrip("."),
                description=rest.strip() or summary,
                openapi_extra=extra,
                **declared,
            )
            return register(function)

        return declare


def caller(request: HttpRequest) -> ApiToken:
    """The token of a request that has passed the door."""
    token = _identify(request)
    if token is None:
        raise Problem(AUTH_REQUIRED)
    return token


def door(view: View) -> View:
    """`view` behind the door."""

    @functools.wraps(view)
    def answer(request: HttpRequest, *args: Any, **kwargs: Any) -> HttpResponseBase:
        request.allowance = None  # type: ignore[attr-defined]
        try:
            response = _answer(request, functools.partial(view, request, *args, **kwargs))
        except Problem as problem:
            response = response_to(problem)
        except Exception as error:  # noqa: BLE001 - an answer of the API is never a page
            response = failed(request, error)
        if response.status_code == 405:
            allowed = ", ".join(sorted(response.get("Allow", "").split(", ")))
            response = response_to(Problem(METHOD_NOT_ALLOWED, headers={"Allow": allowed}))
        return _finish(request, response)

    return answer


def _answer(request: HttpRequest, work: Callable[[], HttpResponseBase]) -> HttpResponseBase:
    is_form = request.content_type == "multipart/form-data"
    is_stream = not is_form and (request.content_type or "").startswith("application/offset+")
    if not is_form and not is_stream:
        refuse_long_body(request)
    token = _identify(request)
    if token is None:
        return work()
    allowance = limits.take(str(token.pk), limit=settings.API_RATE_PER_MINUTE)
    request.allowance = allowance  # type: ignore[attr-defined]
    if allowance.is_exceeded:
        raise Problem(RATE_EXCEEDED, headers={"Retry-After": str(allowance.reset_seconds)})
    services.note_use(token=token)
    key = request.headers.get("Idempotency-Key")
    if request.method != "POST" or key is None:
        return work()
    return once(
        caller=token.pk,
        key=key,
        fingerprint=_fingerprint(request, is_form=is_form, is_stream=is_stream),
        work=work,
        is_short=not is_form and not is_stream,
    )


def _finish(request: HttpRequest, response: HttpResponseBase) -> HttpResponseBase:
    """What all answers have in common."""
    allowance: limits.Allowance | None = request.allowance  # type: ignore[attr-defined]
    if allowance is not None:
        for name, value in allowance.headers().items():
            response[name] = value
    patch_vary_headers(response, ("Authorization",))
    is_read = request.method == "GET" and response.status_code == 200
    response.setdefault("Cache-Control", "private, no-cache" if is_read else "no-store")
    is_told = response.status_code < 300 and response.get("Content-Type", "").startswith(_JSON)
    if not is_told or not isinstance(response, HttpResponse):
        return response
    # What a change answers is the new representation: its tag fits the next If-Match.
    etag = etag_of(response.content)
    response["ETag"] = etag
    if is_read and is_listed(request.headers.get("If-None-Match", ""), etag):
        response.status_code = 304
        response.content = b""
        del response["Content-Type"]
    return response


def _identify(request: HttpRequest) -> ApiToken | None:
    """The token of the `Authorization` header, when it works; looked up once a request."""
    if not hasattr(request, "_api_token"):
        scheme, _, text = request.headers.get("Authorization", "").partition(" ")
        found = find_token(text.strip()) if scheme.lower() == "bearer" else None
        request._api_token = found  # type: ignore[attr-defined]  # noqa: SLF001
    return request._api_token  # type: ignore[attr-defined, no-any-return]  # noqa: SLF001


def _fingerprint(request: HttpRequest, *, is_form: bool, is_stream: bool) -> str:
    """Equal for equal requests: method, address and content."""
    digest = hashlib.sha256(f"{request.method} {request.get_full_path()}\n".encode())
    if is_stream or "Tus-Resumable" in request.headers:
        for name in ("Upload-Length", "Upload-Metadata"):
            digest.update(f"{name}:{request.headers.get(name, '')}\n".encode())
    elif is_form:
        for field, values in sorted(request.POST.lists()):
            digest.update(repr((field, values)).encode())
        for field, files in sorted(request.FILES.lists()):
            for file in files:
                digest.update(repr((field, file.name, file.size)).encode())
                for piece in file.chunks(1 << 20):
                    digest.update(piece)
                file.seek(0)
    else:
        digest.update(request.body)
    return digest.hexdigest()
