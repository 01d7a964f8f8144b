"""Takes secrets out of log lines: publishing addresses, stream keys, tokens, passwords."""

from __future__ import annotations

import logging
import re
from collections.abc import MutableMapping
from typing import Any

MASK = "***"

# The key is the last path segment of a publishing address, with whatever query follows it.
_PUBLISHING_ADDRESS = re.compile(
    r"(?P<head>\brtmps?://(?:[^\s/@]+@)?[^\s/\"'<>]+(?:/[^\s/\"'<>?#]+)*/)(?P<key>[^\s/\"'<>]+)",
    re.IGNORECASE,
)
_YOUTUBE_KEY = re.compile(r"\b[0-9a-z]{4}(?:-[0-9a-z]{4}){3,4}\b")
_CREDENTIALS_IN_URL = re.compile(r"(?P<head>\b[a-z][a-z0-9+.-]*://[^\s/:@]*:)[^\s/@]+(?=@)", re.I)
_BEARER = re.compile(r"(?P<head>\b(?:bearer|token)\s+)[A-Za-z0-9._~+/=-]{16,}", re.IGNORECASE)
_ASSIGNED = re.compile(
    r"(?P<head>\b(?:stream_?key|password|passwd|secret|api_?key|access_?token|refresh_?token)"
    r"[\"']?\s*[=:]\s*[\"']?)[^\s\"'&,;}]+",
    re.IGNORECASE,
)
_SECRET_FIELD = re.compile(
    r"(?:^|_)(?:key|keys|token|tokens|password|secret|secrets|authorization|cookie)$", re.IGNORECASE
)


def redact(text: str) -> str:
    """`text` with everything that looks like a secret replaced by `***`."""
    text = _PUBLISHING_ADDRESS.sub(rf"\g<head>{MASK}", text)
    text = _CREDENTIALS_IN_URL.sub(rf"\g<head>{MASK}", text)
    text = _BEARER.sub(rf"\g<head>{MASK}", text)
    text = _ASSIGNED.sub(rf"\g<head>{MASK}", text)
    return _YOUTUBE_KEY.sub(MASK, text)


def redact_event(
    _logger: Any, _method: str, event: MutableMapping[str, Any]
) -> MutableMapping[str, Any]:
    """A structlog processor: masks fields that are named like secrets, redacts all other text."""
    for name, value in event.items():
        event[name] = _clean(name, value)
    return event


class RedactingFilter(logging.Filter):
    """Formats the record's message once and redacts it, tracebacks included."""

    def filter(self, record: logging.LogRecord) -> bool:
        """Always true: nothing is dropped, only masked."""
        if isinstance(record.msg, dict):
            return True  # structlog's own event, masked field by field in `redact_event`
        record.msg, record.args = redact(record.getMessage()), None
        return True


def _clean(name: str, value: Any) -> Any:
    # A fencing token is a number; numbers are never secrets here.
    if isinstance(value, (int, float, bool)) or value is None:
        return value
    if _SECRET_FIELD.search(name):
        return MASK
    if isinstance(value, str):
        return redact(value)
    if isinstance(value, dict):
        return {key: _clean(str(key), inner) for key, inner in value.items()}
    if isinstance(value, (list, tuple)):
        return [_clean("", inner) for inner in value]
    return value
