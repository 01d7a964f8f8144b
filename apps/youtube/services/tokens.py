"""Access tokens: asked for early, by one process at a time, and given up at the right word."""

from __future__ import annotations

import functools
import logging
import time
from datetime import datetime, timedelta

from django.conf import settings
from django.db import transaction
from django.db.models import Q, QuerySet
from django.utils import timezone

from apps.youtube import client, quota
from apps.youtube.client import Api, Credentials, Retry, YouTubeError
from apps.youtube.models import Channel, ChannelState, OAuthClient
from apps.youtube.quota import Purpose
from apps.youtube.services import alerts

logger = logging.getLogger(__name__)

EARLY = timedelta(minutes=5)
LOCK = timedelta(seconds=40)
_WAIT_S = 0.2


class ChannelLost(YouTubeError):
    """A person has to connect the channel again; what is on air goes on."""

    def __init__(self, channel: Channel) -> None:
        super().__init__(
            "channel.reconnect", Retry.RECONNECT, f"Reconnect the channel {channel.title}."
        )


def credentials_of(oauth_client: OAuthClient | None) -> Credentials | None:
    """A workspace's own client, or the operator's; None when there is neither."""
    if oauth_client is not None:
        return Credentials(oauth_client.client_id, oauth_client.secret)
    if settings.GOOGLE_CLIENT_ID and settings.GOOGLE_CLIENT_SECRET:
        return Credentials(settings.GOOGLE_CLIENT_ID, settings.GOOGLE_CLIENT_SECRET)
    return None


def api_of(channel: Channel, purpose: Purpose) -> Api:
    """The Data API on behalf of `channel`; its calls raise `YouTubeError`."""
    return Api(
        token=lambda is_refused: access_token(channel, is_refused=is_refused),
        spend=functools.partial(_spend, channel, purpose),
    )


def _spend(channel: Channel, purpose: Purpose, method: str, units: int) -> None:
    quota.spend(channel, method, units, purpose=purpose)


def access_token(channel: Channel, *, is_refused: bool = False) -> str:
    """A token that is good for minutes. `is_refused`: the last one was not taken.

    Raises `ChannelLost` when access was withdrawn, `YouTubeError` when Google cannot be asked.
    """
    refused = channel.access_token if is_refused else ""
    for _attempt in range(int(LOCK.total_seconds() / _WAIT_S)):
        channel.refresh_from_db()
        now = timezone.now()
        if channel.state != ChannelState.CONNECTED or not channel.sealed_refresh_token:
            raise ChannelLost(channel)
        token: str = channel.access_token
        left = (channel.access_expires_at or now) - now
        if token and token != refused and left > EARLY:
            return token
        free = Q(refreshing_until__isnull=True) | Q(refreshing_until__lt=now)
        claim = now + LOCK
        if Channel.objects.filter(free, pk=channel.pk).update(refreshing_until=claim):
            # What was read before the claim may be from before somebody else's renewal.
            channel.refresh_from_db()
            if channel.access_token == token:
                renewed = _refresh(channel, claim)
                if renewed is not None:
                    return renewed
            else:
                _release(channel, claim)
            continue
        # Somebody else asks already. The old one may do until then.
        if token and token != refused and left > timedelta(seconds=30):
            return token
        time.sleep(_WAIT_S)
    raise YouTubeError("oauth.busy", Retry.SOON, "Google has not answered about the access yet.")


def _refresh(channel: Channel, claim: datetime) -> str | None:
    """Ask Google; None when `claim` was lost meanwhile.

    Whoever connects the channel anew, or disconnects it, takes the claim away: what Google says
    then is about an access that is no longer the channel's.
    """
    credentials = credentials_of(channel.client)
    try:
        if credentials is None:
            raise YouTubeError(
                "oauth.no_client", Retry.NEVER, "This installation has no Google client any more."
            )
        grant = client.refresh(credentials, channel.refresh_token)
    except YouTubeError as error:
        if not _release(channel, claim):
            return None
        if error.code == "invalid_grant":
            mark_lost(channel)
            raise ChannelLost(channel) from None
        raise
    except Exception:
        # A fault of ours: others must not wait for the end of the claim to find it too.
        _release(channel, claim)
        raise
    now = timezone.now()
    channel.access_token = grant.access_token
    channel.access_expires_at = now + timedelta(seconds=grant.expires_in_s)
    values = {
        "sealed_access_token": channel.sealed_access_token,
        "access_expires_at": channel.access_expires_at,
        "refreshing_until": None,
        "tested_at": now,
        "updated_at": now,
    }
    if grant.refresh_token:
        channel.refresh_token = grant.refresh_token
        values["sealed_refresh_token"] = channel.sealed_refresh_token
    if not _mine(channel, claim).update(**values):
        return None
    channel.refreshing_until = None
    return grant.access_token


def _mine(channel: Channel, claim: datetime) -> QuerySet[Channel]:
    return Channel.objects.filter(pk=channel.pk, refreshing_until=claim)


def _release(channel: Channel, claim: datetime) -> bool:
    return bool(_mine(channel, claim).update(refreshing_until=None))


def mark_lost(channel: Channel, *, now: datetime | None = None) -> None:
    """Access was withdrawn: say so once. Nothing that is on air is touched."""
    now = now or timezone.now()
    with transaction.atomic():
        # Only the access that was refused: the channel may have been connected anew since.
        refused = Channel.objects.filter(
            pk=channel.pk,
            state=ChannelState.CONNECTED,
            sealed_refresh_token=channel.sealed_refresh_token,
        )
        lost = refused.update(state=ChannelState.RECONNECT, state_since=now, sealed_access_token="")
        if lost:
            logger.warning("Channel %s has to be connected again.", channel.pk)
            alerts.open_alert("channel.reconnect", channel.workspace_id, channel.pk, channel.title)
    channel.refresh_from_db()
