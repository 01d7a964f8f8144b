"""Forgetting what YouTube told us of channels that we can no longer ask about."""

from __future__ import annotations

import logging
from datetime import datetime

from django.core.cache import cache
from django.db import transaction
from django.db.models import Q
from django.utils import timezone
from django.utils.crypto import salted_hmac
from django.utils.translation import gettext_noop

from apps.youtube import retention, signals
from apps.youtube.models import (
    Alert,
    Broadcast,
    Channel,
    ChannelState,
    Eligibility,
    IngestKey,
    OnAir,
    Show,
    ViewerHour,
)
from apps.youtube.services.tokens import mark_lost

logger = logging.getLogger(__name__)

NAME = gettext_noop("A channel that was forgotten")
"""What is shown in place of its title."""


def known_as(workspace_id: object, youtube_id: str) -> str:
    """What stands for a channel that was forgotten: the same for the same, and tells nobody which.

    With it the channel that is connected again finds its streams.
    """
    text = f"{workspace_id}:{youtube_id}"
    return salted_hmac("youtube.forgotten", text, algorithm="sha256").hexdigest()


def forget_due(*, now: datetime | None = None) -> int:
    """Forget every channel whose time has come; how many."""
    now = now or timezone.now()
    forgotten = 0
    for channel in Channel.objects.filter(forgotten_at__isnull=True):
        if retention.is_to_be_forgotten(
            is_disconnected=channel.state == ChannelState.DISCONNECTED,
            since=channel.state_since,
            proved_at=channel.tested_at,
            now=now,
        ):
            forget(channel=channel, now=now)
            forgotten += 1
    return forgotten


def forget(*, channel: Channel, now: datetime) -> None:
    """Delete what YouTube told us of a channel: names, figures, broadcasts, keys, the access.

    What people wished here stays, and what is on air stays on air: the key and the broadcast that
    a stream is sending to this moment are kept until it stops, and go with the next round.
    """
    mark_lost(channel, now=now)
    with transaction.atomic():
        shows = Show.objects.filter(channel=channel)
        wanted = list(shows.filter(is_wanted=True).values_list("pk", flat=True))
        ViewerHour.objects.filter(show__in=shows).delete()
        shows.update(viewers=None, health="", health_issues=[], health_at=None)
        shows.exclude(pk__in=wanted).update(
            on_air=OnAir.UNKNOWN, on_air_text="", on_air_at=None, seen_at=None, doubt=""
        )
        in_use = Q(show__in=wanted)
        Broadcast.objects.filter(channel=channel).exclude(
            in_use & Q(ended_at__isnull=True)
        ).delete()
        keys = IngestKey.objects.filter(channel=channel)
        kept = list(keys.filter(in_use & Q(is_open=True)).values_list("pk", flat=True))
        gone = list(keys.exclude(pk__in=kept).values_list("pk", flat=True))
        subjects = list(shows.values_list("subject", flat=True))
        signals.channel_forgotten.send(
            sender=Channel, channel=channel, subjects=subjects, kept=kept, gone=gone
        )
        keys.filter(pk__in=gone).delete()
        Alert.objects.filter(about=str(channel.pk), resolved_at__isnull=False).delete()
        Alert.objects.filter(about=str(channel.pk)).update(name=NAME)
        channel.refresh_from_db()
        if channel.title != NAME:
            channel.youtube_id = known_as(channel.workspace_id, channel.youtube_id)
            channel.title, channel.handle = NAME, ""
        channel.eligibility, channel.is_verified = Eligibility.UNKNOWN, None
        channel.checked_at = channel.told_at = None
        channel.scopes = []
        channel.refresh_token = channel.access_token = ""
        channel.access_expires_at = channel.refreshing_until = None
        # With something still on air it is looked at again.
        channel.forgotten_at = None if kept else now
        channel.save()
    cache.delete(f"youtube:found:{channel.pk}")
    logger.info("What YouTube told of channel %s was deleted.", channel.pk)
