"""Compression, caches, content policy and odd queries, each with its one exception."""

from __future__ import annotations

from csp.constants import SELF, UNSAFE_EVAL, UNSAFE_INLINE
from csp.middleware import CSPMiddleware, PolicyParts
from django.core.exceptions import SuspiciousOperation
from django.http import HttpRequest
from django.http.response import HttpResponseBase
from django.middleware.gzip import GZipMiddleware
from django.utils.cache import patch_cache_control
from django.utils.deprecation import MiddlewareMixin

_COMPRESSIBLE = ("text/", "application/json", "application/javascript", "application/problem+json")


class CompressionMiddleware(GZipMiddleware):
    """Compresses text; never event streams, whose reader would wait for a full buffer."""

    def process_response(
        self, request: HttpRequest, response: HttpResponseBase
    ) -> HttpResponseBase:
        """The response, smaller when that helps."""
        kind = response.get("Content-Type", "").lower()
        if kind.startswith("text/event-stream") or not kind.startswith(_COMPRESSIBLE):
            return response
        compressed: HttpResponseBase = super().process_response(request, response)
        return compressed


class OddQueryMiddleware(MiddlewareMixin):
    """Refuses a NUL in an address: no page means one, and PostgreSQL takes none in a text."""

    def process_request(self, request: HttpRequest) -> None:
        """Raise `SuspiciousOperation`, which is answered with 400; the API words its own."""
        if request.path_info.startswith("/api/"):
            return
        if "%00" in request.META.get("QUERY_STRING", "") or "\0" in request.path_info:
            raise SuspiciousOperation("The address holds a NUL character.")


class PrivateMiddleware(MiddlewareMixin):
    """What a page tells somebody signed in is kept by no cache between us and them."""

    def process_response(
        self, request: HttpRequest, response: HttpResponseBase
    ) -> HttpResponseBase:
        """The response; what the view itself said of caches wins."""
        # Whoever looked at the session may have told what is in it.
        session = getattr(request, "session", None)
        if session is not None and session.accessed and not response.has_header("Cache-Control"):
            patch_cache_control(response, private=True, no_store=True)
        return response


class ContentPolicyMiddleware(CSPMiddleware):
    """The strict policy for our pages; the admin's scripts need `eval` and inline styles."""

    def get_policy_parts(
        self, request: HttpRequest, response: HttpResponseBase, report_only: bool = False
    ) -> PolicyParts:
        """The policy, loosened under /admin/ only."""
        parts = super().get_policy_parts(request, response, report_only)
        if request.path_info.startswith("/admin/"):
            parts.replace = {
                "script-src": [SELF, UNSAFE_EVAL, UNSAFE_INLINE],
                "style-src": [SELF, UNSAFE_INLINE],
                **(parts.replace or {}),
            }
        return parts
