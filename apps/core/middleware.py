"""Compression and content policy, each with its one exception."""

from __future__ import annotations

from csp.constants import SELF, UNSAFE_EVAL, UNSAFE_INLINE
from csp.middleware import CSPMiddleware, PolicyParts
from django.http import HttpRequest
from django.http.response import HttpResponseBase
from django.middleware.gzip import GZipMiddleware

_COMPRESSIBLE = ("text/", "application/json", "application/javascript", "application/problem+json")


class CompressionMiddleware(GZipMiddleware):
    """Compresses text; never event streams, whose reader would wait for a full buffer."""

    def process_response(
        self, request: HttpRequest, response: HttpResponseBase
    ) -> HttpResponseBase:
        """The response, smaller when that helps."""
        kind = response.get("Content-Type", "")
        if kind.startswith("text/event-stream") or not kind.startswith(_COMPRESSIBLE):
            return response
        compressed: HttpResponseBase = super().process_response(request, response)
        return compressed


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
