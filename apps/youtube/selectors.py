"""Reads that pages and services share."""

from __future__ import annotations

from collections.abc import Iterable
from uuid import UUID

from django.db.models import QuerySet

from apps.accounts.models import Workspace
from apps.youtube.models import (
    Alert,
    Broadcast,
    Channel,
    ChannelState,
    IngestKey,
    OAuthClient,
    Show,
)


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
    """The show of a subject."""
    return Show.objects.select_related("channel", "workspace").filter(subject=subject).first()


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


def recent_broadcasts(channel: Channel, *, most: int = 20) -> list[Broadcast]:
    """The last ones of a channel, newest first."""
    return list(channel.broadcasts.exclude(youtube_id="").order_by("-created_at")[:most])


def open_alerts(workspace: Workspace) -> list[Alert]:
    """What waits for a person."""
    return list(Alert.objects.filter(workspace=workspace, resolved_at__isnull=True))
