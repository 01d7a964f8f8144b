"""The append-only log of a stream, in words for people and codes for programs.

Codes are documented in docs/reference/events.md.
"""

from __future__ import annotations

from datetime import datetime
from typing import Any

from django.utils import timezone

from apps.accounts.models import User
from apps.streaming.models import Event, Output, Stream


def record(
    stream: Stream,
    code: str,
    text: str,
    *,
    by: User | None = None,
    output: Output | None = None,
    at: datetime | None = None,
    **data: Any,
) -> Event:
    """Add one event to the log of `stream`. Call it inside the transaction of what it tells."""
    return Event.objects.create(
        workspace_id=stream.workspace_id,
        stream=stream,
        output=output,
        by=by,
        code=code,
        text=text[:500],
        data=data,
        at=at or timezone.now(),
    )
