"""The append-only log of a stream, in words for people and codes for programs.

Codes are documented in docs/reference/events.md.
"""

from __future__ import annotations

from collections.abc import Collection
from datetime import datetime
from typing import Any
from uuid import UUID

from django.utils import timezone
from django.utils.translation import gettext as _
from django.utils.translation import gettext_noop

from apps.accounts.models import User
from apps.streaming.models import Event, Output, Stream

KNOWN = frozenset(
    {
        gettext_noop("Start was asked for."),
        gettext_noop("Stop was asked for."),
        gettext_noop("The stream was created."),
        gettext_noop("The settings were changed."),
        gettext_noop("A destination was added."),
        gettext_noop("A destination was changed."),
        gettext_noop("A destination was removed."),
        gettext_noop("The item on air was skipped."),
        gettext_noop("Another item was chosen."),
        gettext_noop("A file plays once, behind what is on."),
        gettext_noop("Another playlist takes over."),
        gettext_noop("The programme was paused."),
        gettext_noop("The programme goes on."),
        gettext_noop("The last edit was undone."),
        gettext_noop("The programme was changed; the new one begins with the next item."),
        gettext_noop("A broadcast was made at YouTube."),
        gettext_noop("The broadcast is live on YouTube."),
        gettext_noop("The broadcast has ended."),
        gettext_noop("The broadcast is being ended, since the stream was stopped."),
        gettext_noop("The next broadcast is live; the one before is ended."),
        gettext_noop("YouTube ended the broadcast; a new one is made."),
        gettext_noop("YouTube did not start the broadcast; another one is made."),
        gettext_noop("YouTube does not share the stream key; a second one is used."),
        gettext_noop("The stream key was reset at YouTube; we use the new."),
        gettext_noop("The broadcast was ended on YouTube."),
        gettext_noop("YouTube has removed the broadcast."),
    }
)
"""Texts that are recorded here, in English, and shown in the reader's language."""


def said(event: Event) -> tuple[str, bool]:
    """What to show of an event, and whether it is in English whoever reads it."""
    return (_(event.text), False) if event.text in KNOWN else (event.text, True)


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


def forget_names(streams: Collection[UUID], names: Collection[str]) -> None:
    """Keep in the logs of these streams that something was done, and not the names it was done to.

    The only change that an event ever sees: names that YouTube told must not outlive the access.
    """
    told = Event.objects.filter(stream__in=streams, data__name__in=names)
    told.update(data={})
