"""Errors as the API words them."""

from __future__ import annotations

from typing import Any

_STATUS = {
    400: "INVALID_ARGUMENT",
    401: "UNAUTHENTICATED",
    403: "PERMISSION_DENIED",
    404: "NOT_FOUND",
    409: "ABORTED",
    429: "RESOURCE_EXHAUSTED",
    500: "INTERNAL",
    503: "UNAVAILABLE",
}


class ApiError(Exception):
    """A request that the API refuses; `reason` is what a client decides by."""

    def __init__(
        self,
        status: int,
        reason: str,
        message: str,
        *,
        domain: str = "youtube.common",
        location: str = "",
        location_type: str = "parameter",
    ) -> None:
        super().__init__(message)
        self.status = status
        self.reason = reason
        self.message = message
        self.domain = domain
        self.location = location
        self.location_type = location_type

    def body(self) -> dict[str, Any]:
        """The error object."""
        detail: dict[str, Any] = {
            "message": self.message,
            "domain": self.domain,
            "reason": self.reason,
        }
        if self.location:
            detail["location"] = self.location
            detail["locationType"] = self.location_type
        error: dict[str, Any] = {
            "code": self.status,
            "message": self.message,
            "errors": [detail],
        }
        if self.status in _STATUS:
            error["status"] = _STATUS[self.status]
        return {"error": error}


def bad_request(reason: str, message: str, *, location: str = "", domain: str = "") -> ApiError:
    """A fault of the request, which will fail again as it is."""
    return ApiError(400, reason, message, domain=domain or "youtube.parameter", location=location)


def required(name: str) -> ApiError:
    """A parameter is missing."""
    return bad_request("required", f"The parameter {name} is missing.", location=name)
