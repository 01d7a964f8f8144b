"""Connecting channels: there and back through Google's consent screen, tests, and goodbye."""

from __future__ import annotations

import base64
import hashlib
import logging
import secrets
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from django.db import IntegrityError, transaction
from django.utils import timezone
from django.utils.crypto import constant_time_compare
from django.utils.translation import gettext as _

from apps.accounts.models import User, Workspace
from apps.youtube import client, quota, retention
from apps.youtube.client import ENOUGH, Retry, YouTubeError
from apps.youtube.models import (
    Channel,
    ChannelState,
    ConnectionAttempt,
    Eligibility,
    OAuthClient,
    Show,
)
from apps.youtube.quota import Purpose
from apps.youtube.selectors import own_client_of
from apps.youtube.services import alerts, forgetting
from apps.youtube.services.tokens import ChannelLost, api_of, credentials_of

logger = logging.getLogger(__name__)

SESSION_NONCE = "youtube_nonce"
TEST_EVERY = timedelta(days=1)
RECHECK_EVERY = timedelta(hours=1)


class ConnectRefused(Exception):
    """The channel was not connected; the text says why, and what to do."""


class _HeldElsewhere(ConnectRefused):
    """Another workspace of this installation holds the same access."""


@dataclass(frozen=True, slots=True)
class Departure:
    """Where to send somebody, and what their session has to remember."""

    address: str
    nonce: str


def begin(
    *,
    workspace: Workspace,
    by: User,
    redirect_uri: str,
    nonce: str = "",
    channel: Channel | None = None,
) -> Departure:
    """Send somebody to the consent screen; `channel` is the one to connect again.

    `nonce` is what their session remembers already. Raises `ConnectRefused`.
    """
    own = channel.client if channel is not None and channel.client_id else own_client_of(workspace)
    credentials = credentials_of(own)
    if credentials is None:
        raise ConnectRefused(
            _(
                "This installation has no Google client yet. Its operator can set one, or you can "
                "bring your own below."
            )
        )
    state, verifier = secrets.token_urlsafe(32), secrets.token_urlsafe(64)
    nonce = nonce or secrets.token_urlsafe(32)
    attempt = ConnectionAttempt(
        workspace=workspace,
        user=by,
        state_digest=_digest(state),
        session_digest=_digest(nonce),
        client=own,
        channel=channel,
    )
    attempt.verifier = verifier
    attempt.save()
    challenge = base64.urlsafe_b64encode(hashlib.sha256(verifier.encode()).digest()).rstrip(b"=")
    address = client.consent_address(
        credentials, redirect_uri=redirect_uri, state=state, challenge=challenge.decode()
    )
    return Departure(address, nonce)


def take_attempt(
    *, state: str, user: User, nonce: str, now: datetime | None = None
) -> ConnectionAttempt | None:
    """What somebody comes back from; None when it is unknown, used, old, or somebody else's.

    It is gone afterwards, whoever asked: a state that was tried in another session is burnt.
    """
    now = now or timezone.now()
    attempt = (
        ConnectionAttempt.objects.select_related("workspace", "client", "channel")
        .filter(state_digest=_digest(state))
        .first()
    )
    if attempt is None:
        return None
    # Whoever deletes it has it: two that come at once are not both served.
    deleted, _rows = ConnectionAttempt.objects.filter(pk=attempt.pk).delete()
    is_theirs = attempt.user_id == user.pk and constant_time_compare(
        attempt.session_digest, _digest(nonce)
    )
    is_young = now - attempt.created_at <= ConnectionAttempt.LIFETIME
    return attempt if deleted and is_theirs and is_young else None


def finish(*, attempt: ConnectionAttempt, code: str, redirect_uri: str, by: User) -> Channel:
    """Exchange the code, find out which channel it is, and keep the access.

    Raises `ConnectRefused`; then the access that was just given is handed back, unless a workspace
    uses the channel already: Google takes all access of an account to a channel back at once.
    """
    credentials = credentials_of(attempt.client)
    if credentials is None:
        raise ConnectRefused(_("The Google client was removed meanwhile. Try again."))
    try:
        grant = client.exchange(
            credentials, code=code, verifier=attempt.verifier, redirect_uri=redirect_uri
        )
    except YouTubeError as error:
        logger.info("A code was not exchanged: %s.", error.code)
        raise ConnectRefused(_("Google did not confirm the connection. Try again.")) from None
    try:
        return _keep(attempt, grant, by=by)
    except ConnectRefused as refused:
        if attempt.channel is None and not isinstance(refused, _HeldElsewhere):
            client.revoke(grant.refresh_token or grant.access_token)
        raise


def _keep(attempt: ConnectionAttempt, grant: client.Grant, *, by: User) -> Channel:
    if not ENOUGH & set(grant.scopes):
        raise ConnectRefused(
            _(
                "The permission to manage your YouTube account was not ticked. Without it we "
                "can neither make broadcasts nor see whether they are live. Connect once more, and "
                "leave the box ticked."
            )
        )
    told = _own_channel(attempt, grant)
    youtube_id = str(told.get("id", ""))
    title = _title_in(told)
    # One that was forgotten meanwhile is known by what stands for it.
    ids = (youtube_id, forgetting.known_as(attempt.workspace_id, youtube_id))
    again = attempt.channel
    if again is not None and again.youtube_id not in ids:
        raise ConnectRefused(
            _(
                "You chose “%(chosen)s”, but this is the place of “%(wanted)s”. Choose that "
                "channel on Google's page, or connect the other one as a new channel."
            )
            % {"chosen": title, "wanted": again.title}
        )
    now = timezone.now()
    try:
        with transaction.atomic():
            channel = (
                Channel.objects.select_for_update()
                .filter(workspace=attempt.workspace, youtube_id__in=ids)
                .first()
            )
            if channel is None:
                channel = Channel(workspace=attempt.workspace)
            channel.youtube_id, channel.forgotten_at = youtube_id, None
            if not grant.refresh_token and not channel.sealed_refresh_token:
                raise ConnectRefused(
                    _("Google gave no lasting access. Remove it in your Google account, and try "
                      "again.")
                )  # fmt: skip
            channel.client = attempt.client
            channel.connected_by = by
            channel.state, channel.state_since = ChannelState.CONNECTED, now
            channel.scopes = list(grant.scopes)
            if grant.refresh_token:
                channel.refresh_token = grant.refresh_token
            channel.access_token = grant.access_token
            channel.access_expires_at = now + timedelta(seconds=grant.expires_in_s)
            channel.tested_at = now
            # A renewal of the old access that is on its way must not overwrite this one.
            channel.refreshing_until = None
            _take_in(channel, told, now)
            channel.save()
            alerts.resolve(channel.pk, "channel.reconnect")
            # What was parked goes on.
            Show.objects.filter(channel=channel, is_wanted=True).update(look_at=now, failures=0)
    except IntegrityError:
        raise _HeldElsewhere(
            _(
                "“%(title)s” is connected to another workspace of this installation. Disconnect "
                "it there first."
            )
            % {"title": title}
        ) from None
    return channel


def _title_in(told: dict[str, Any]) -> str:
    return str((told.get("snippet") or {}).get("title") or told.get("id", ""))[:200]


def _take_in(channel: Channel, told: dict[str, Any], now: datetime) -> None:
    """What YouTube says of a channel; not saved."""
    channel.title, channel.told_at = _title_in(told), now
    channel.handle = str((told.get("snippet") or {}).get("customUrl") or "")[:100]
    status = told.get("status") or {}
    if "longUploadsStatus" in status:
        channel.is_verified = status["longUploadsStatus"] in ("allowed", "eligible")


def _read_anew(channel: Channel, now: datetime) -> None:
    """Its title and the like, which people change at YouTube; one unit."""
    found = api_of(channel, Purpose.NICE).list("channels", "id,snippet,status", mine="true")
    told = next((one for one in found if one.get("id") == channel.youtube_id), None)
    if told is not None:
        _take_in(channel, told, now)
        channel.save(update_fields=["title", "handle", "is_verified", "told_at", "updated_at"])


def _own_channel(attempt: ConnectionAttempt, grant: client.Grant) -> dict[str, Any]:
    # Nobody to charge yet but the project: it is the workspace's first call.
    stand_in = Channel(workspace=attempt.workspace, client=attempt.client)
    api = client.Api(
        token=lambda _is_refused: grant.access_token,
        spend=lambda method, units: quota.spend(stand_in, method, units, purpose=Purpose.ASKED),
    )
    try:
        found = api.list("channels", "id,snippet,status", mine="true")
    except YouTubeError as error:
        if error.retry is Retry.RECONNECT or error.code == "channelNotFound":
            raise ConnectRefused(_NO_CHANNEL()) from None
        raise ConnectRefused(
            _("YouTube did not say which channel it is: %(reason)s Try again.")
            % {"reason": error.text}
        ) from None
    if not found:
        raise ConnectRefused(_NO_CHANNEL())
    first: dict[str, Any] = found[0]
    return first


def _NO_CHANNEL() -> str:
    return _("This Google account has no YouTube channel. Make one on YouTube, or choose another.")


def disconnect(*, channel: Channel) -> bool:
    """Give the access back and forget it. False when Google did not confirm; it is gone here.

    What is on air goes on: the ingest knows the key, and asks nobody.
    """
    token = channel.refresh_token or channel.access_token
    confirmed = client.revoke(token) if token else True
    with transaction.atomic():
        channel.state, channel.state_since = ChannelState.DISCONNECTED, timezone.now()
        channel.refresh_token = channel.access_token = ""
        channel.access_expires_at = channel.refreshing_until = None
        channel.save()
        alerts.resolve(channel.pk)
    return confirmed


def check_eligibility(*, channel: Channel, purpose: Purpose = Purpose.ASKED) -> Channel:
    """Ask whether the channel may go live now. Raises `YouTubeError` when nobody says."""
    verdict = Eligibility.READY
    try:
        api_of(channel, purpose).list("liveBroadcasts", "id", mine="true", maxResults=1)
    except YouTubeError as error:
        known = {
            "liveStreamingNotEnabled": Eligibility.NOT_ENABLED,
            "livePermissionBlocked": Eligibility.BARRED,
            "channelClosed": Eligibility.CLOSED,
            "channelSuspended": Eligibility.CLOSED,
            "authenticatedUserAccountSuspended": Eligibility.CLOSED,
        }
        if error.code not in known:
            raise
        verdict = known[error.code]
    if verdict is Eligibility.READY and channel.eligibility == Eligibility.BARRED:
        # Reading is allowed to who is barred: only a broadcast that can be made proves the end.
        verdict = Eligibility.BARRED
    Channel.objects.filter(pk=channel.pk).update(eligibility=verdict, checked_at=timezone.now())
    if verdict is Eligibility.READY:
        alerts.resolve(channel.pk, "channel.barred")
    channel.refresh_from_db()
    return channel


def advice_of(channel: Channel) -> str:
    """What to do about a channel that may not go live; empty when there is nothing."""
    if channel.eligibility == Eligibility.NOT_ENABLED:
        return _(
            "Open youtube.com/features, confirm a phone number and enable live streaming. The "
            "first time YouTube takes up to 24 hours; we look again each hour."
        )
    if channel.eligibility == Eligibility.BARRED:
        return _(
            "YouTube has barred this channel from going live for now, mostly after a strike or a "
            "copyright claim. YouTube Studio says until when. Using another channel meanwhile is "
            "against the rules of YouTube."
        )
    if channel.eligibility == Eligibility.CLOSED:
        return _("The channel is closed or suspended. Only YouTube can help.")
    if channel.is_verified is False:
        return _(
            "The channel's phone number is not confirmed: thumbnails of your own are refused until "
            "it is. See youtube.com/verify."
        )
    return ""


def use_due(*, now: datetime | None = None) -> int:
    """Use every access once a day, so that a dead one is known before it is needed.

    Once a week what YouTube told of the channel is read anew: it must not be kept for longer.
    """
    now = now or timezone.now()
    tested = 0
    for channel in Channel.objects.filter(state=ChannelState.CONNECTED):
        is_barred = channel.eligibility not in (Eligibility.READY, Eligibility.UNKNOWN)
        every = RECHECK_EVERY if is_barred else TEST_EVERY
        last = channel.checked_at
        if last is not None and now - last < every:
            continue
        tested += 1
        try:
            channel = check_eligibility(channel=channel, purpose=Purpose.NICE)
            if now - (channel.told_at or channel.created_at) >= retention.REREAD:
                _read_anew(channel, now)
        except ChannelLost:
            continue
        except YouTubeError as error:
            logger.info("Channel %s was not tested: %s.", channel.pk, error.code)
    return tested


def set_own_client(
    *, workspace: Workspace, client_id: str, secret: str, units_per_day: int
) -> OAuthClient:
    """Bring, or change, the workspace's own OAuth client; an empty secret keeps the old one."""
    with transaction.atomic():
        own = own_client_of(workspace) or OAuthClient(workspace=workspace)
        own.client_id, own.units_per_day = client_id, units_per_day
        if secret:
            own.secret = secret
        own.save()
    return own


def remove_own_client(*, workspace: Workspace) -> None:
    """Go back to the operator's. Raises `ConnectRefused` while a channel was connected by it."""
    own = own_client_of(workspace)
    if own is None:
        return
    used = own.channels.exclude(state=ChannelState.DISCONNECTED).exists()
    if used:
        raise ConnectRefused(
            _("Channels were connected by this client. Disconnect them first, then remove it.")
        )
    with transaction.atomic():
        own.channels.update(client=None)
        own.delete()


def _digest(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()
