"""Reads that pages and services share."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from datetime import datetime, timedelta
from uuid import UUID

from django.conf import settings
from django.db.models import Q, QuerySet
from django.utils import timezone

from apps.accounts.models import Workspace
from apps.youtube import audience, texts, truth
from apps.youtube.audience import Audience
from apps.youtube.models import (
    Alert,
    Broadcast,
    Change,
    ChangeState,
    Channel,
    ChannelState,
    IngestKey,
    OAuthClient,
    OnAir,
    Origin,
    Show,
    ViewerHour,
)
from apps.youtube.truth import Waits


def channels_of(workspace: Workspace) -> QuerySet[Channel]:
    """The channels that are, or were, connected, by name; those given up last are left out."""
    return (
        Channel.objects.filter(workspace=workspace)
        .exclude(state=ChannelState.DISCONNECTED)
        .order_by("title", "created_at")
    )


def own_client_of(workspace: Workspace) -> OAuthClient | None:
    """The workspace's own OAuth client, if it brought one."""
    return OAuthClient.objects.filter(workspace=workspace).first()


def show_of(subject: UUID) -> Show | None:
    """The show of a subject, and whether what is known of it is old."""
    show = Show.objects.select_related("channel", "workspace").filter(subject=subject).first()
    return with_age(show, timezone.now()) if show is not None else None


def wanted_shows(
    channel: Channel, rows: Iterable[Broadcast]
) -> list[tuple[Show, Broadcast | None]]:
    """What shall be live on a channel, with what viewers see of it: one query for all.

    `rows` are the channel's broadcasts (`noted_broadcasts`). Of two that are live while one follows
    the other it is the newer one.
    """
    now = timezone.now()
    seen: dict[UUID | None, Broadcast] = {}
    for row in sorted(rows, key=lambda row: (row.lifecycle == "live", row.created_at)):
        if row.ended_at is None:
            seen[row.show_id] = row
    shows = channel.shows.filter(is_wanted=True)
    return [(with_age(show, now), seen.get(show.pk)) for show in shows]


def with_age(show: Show, now: datetime) -> Show:
    """The same show, which now knows whether what it says is old."""
    waits = Waits().scaled(settings.YOUTUBE_TIME_SCALE)
    # Before a sweep has seen it for the first time, the look that found it live counts.
    seen_at = show.seen_at or show.on_air_at
    is_live = show.is_wanted and show.on_air == OnAir.LIVE
    show.is_old = is_live and truth.is_old(seen_at=seen_at, now=now, waits=waits)
    return show


def backup_addresses(keys: Iterable[UUID]) -> dict[UUID, str]:
    """The backup entry of each of these ingest keys, as YouTube named it: one query."""
    rows = IngestKey.objects.filter(pk__in=list(keys)).exclude(backup_address="")
    return dict(rows.values_list("pk", "backup_address"))


def open_broadcasts(show: Show) -> list[Broadcast]:
    """Those that something may still be done about, oldest first."""
    rows = Broadcast.objects.filter(show=show, ended_at__isnull=True)
    return list(rows.select_related("ingest_key", "channel").order_by("created_at"))


def shown_broadcast(show: Show) -> Broadcast | None:
    """The one that viewers see, or else the newest."""
    live = Broadcast.objects.filter(show=show, ended_at__isnull=True, lifecycle="live")
    return live.order_by("-live_at").first() or (
        Broadcast.objects.filter(show=show).order_by("-created_at").first()
    )


def last_change(broadcast: Broadcast) -> Change | None:
    """What somebody asked for last about it."""
    asked = broadcast.changes.filter(origin=Origin.ASKED).exclude(state=ChangeState.REPLACED)
    return asked.defer("thumbnail").order_by("-created_at").first()


def texts_of(show: Show, broadcast: Broadcast) -> dict[str, str]:
    """What viewers read of a broadcast, as far as we know, named as in forms."""
    values = texts.values_of(
        stream=show.name, channel=show.channel.title, at=broadcast.scheduled_start
    )
    told = broadcast.told
    tags = told.get("tags")
    return {
        "title": told.get("title", broadcast.title),
        "description": told.get("description", texts.filled(show.description, values)),
        "tags": ", ".join(tags) if tags is not None else show.tags,
        "category_id": told.get("categoryId", show.category_id),
        "privacy": told.get("privacyStatus", broadcast.privacy),
    }


def changeable_broadcast(show: Show) -> Broadcast | None:
    """The one whose texts viewers see: live, or else waiting for its time."""
    there = Broadcast.objects.filter(show=show, ended_at__isnull=True).exclude(youtube_id="")
    live = there.filter(lifecycle="live").order_by("-live_at").first()
    return live or there.order_by("-created_at").first()


def last_archive_change(show: Show) -> Change | None:
    """What was, or is to be, done with its last archive."""
    rows = Change.objects.filter(broadcast__show=show, origin=Origin.END)
    return rows.defer("thumbnail").select_related("broadcast").order_by("-created_at").first()


def audience_of_day(show: Show) -> Audience | None:
    """Who watched it in the last 24 hours: one query."""
    now = timezone.now()
    return audiences_of(show.subject, [(now - timedelta(days=1), now)])[0]


def audiences_of(
    subject: UUID, spans: Sequence[tuple[datetime, datetime]]
) -> list[Audience | None]:
    """Who watched a subject within each of `spans`: one query."""
    if not spans:
        return []
    rows = ViewerHour.objects.filter(
        show__subject=subject,
        hour__gte=audience.hour_of(min(start for start, _end in spans)),
        hour__lt=max(end for _start, end in spans),
    )
    hours = dict(rows.values_list("hour", "minutes"))
    return [audience.between(hours, start, end) for start, end in spans]


def noted_broadcasts(channel: Channel, *, most: int = 20) -> list[Broadcast]:
    """The last ones of a channel and all that are not over, newest first: one query."""
    last = channel.broadcasts.exclude(youtube_id="").order_by("-created_at")[:most]
    rows = channel.broadcasts.filter(Q(ended_at__isnull=True) | Q(pk__in=last.values("pk")))
    return list(rows.order_by("-created_at"))


def recent(rows: Iterable[Broadcast], *, most: int = 20) -> list[Broadcast]:
    """The first of them that YouTube knows."""
    return [row for row in rows if row.youtube_id][:most]


def open_alerts(workspace: Workspace) -> list[Alert]:
    """What waits for a person."""
    return list(Alert.objects.filter(workspace=workspace, resolved_at__isnull=True))
