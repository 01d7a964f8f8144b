"""Broadcasts that somebody else made: found on a channel, and taken over instead of a new one."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from datetime import datetime, timedelta
from typing import Any

from django.conf import settings
from django.core.cache import cache
from django.db import IntegrityError, transaction
from django.utils import timezone
from django.utils.translation import gettext as _

from apps.youtube import merging
from apps.youtube.client import Api
from apps.youtube.models import Broadcast, Channel, IngestKey, Privacy, Reason, Sent, Show
from apps.youtube.quota import Purpose
from apps.youtube.services import shows
from apps.youtube.services.tokens import api_of
from apps.youtube.truth import Lifecycle

_PARTS = "id,snippet,status,contentDetails"
_PAGES = 4
_REMEMBERED_SECONDS = 600


class AdoptRefused(Exception):
    """It cannot be taken over; the text says why, and what to do."""


@dataclass(frozen=True, slots=True)
class Found:
    """A broadcast that is upcoming or live at YouTube, and not one of ours."""

    youtube_id: str
    title: str
    privacy: str
    lifecycle: str
    starts_at: datetime | None
    """When it is scheduled; it may begin earlier."""
    began_at: datetime | None = None

    @property
    def has_begun(self) -> bool:
        """Whether it is tested or live, so that it keeps the key that it has."""
        return Lifecycle(self.lifecycle).has_begun

    @property
    def watch_url(self) -> str:
        """Where viewers see it."""
        return f"{settings.YOUTUBE_WATCH_BASE}{self.youtube_id}"


def look_for(channel: Channel) -> list[Found]:
    """Ask YouTube what is upcoming or live on the channel; two units. Raises `YouTubeError`."""
    api = api_of(channel, Purpose.ASKED)
    told = [one for status in ("active", "upcoming") for one in _pages(api, status)]
    found = [_found(one) for one in told]
    cache.set(_key(channel), [asdict(one) for one in found], _REMEMBERED_SECONDS)
    return _without_ours(channel, found)


def known_on(channel: Channel) -> list[Found] | None:
    """What `look_for` found within the last ten minutes; None when nobody looked."""
    told = cache.get(_key(channel))
    if told is None:
        return None
    return _without_ours(channel, [Found(**one) for one in told])


def adopt(*, show: Show, youtube_id: str, at_its_time: bool = False) -> Broadcast:
    """Take a broadcast over and wish it live, now or `at_its_time`.

    One that has not begun is bound to the show's own key. One that has keeps the key that it has
    and the show takes that key, since YouTube binds no live broadcast anew. Three units at most.
    Raises `AdoptRefused`, and `YouTubeError` when YouTube cannot be asked.
    """
    if show.is_wanted or show.broadcasts.filter(ended_at__isnull=True).exists():
        raise AdoptRefused(_("End the stream's present broadcast first."))
    api = api_of(show.channel, Purpose.ASKED)
    # Asked by id it answers to its owner alone.
    told = next(iter(api.list("liveBroadcasts", _PARTS, id=youtube_id)), None)
    owner = str(((told or {}).get("snippet") or {}).get("channelId", ""))
    if told is None or owner != show.channel.youtube_id:
        raise AdoptRefused(
            _("There is no such broadcast on the channel %(channel)s.")
            % {"channel": show.channel.title}
        )
    found = _found(told)
    lifecycle = Lifecycle(found.lifecycle)
    if lifecycle.is_over:
        raise AdoptRefused(_("That broadcast is over. Choose another one."))
    details = told.get("contentDetails") or {}
    stream = _stream_of(api, details) if lifecycle.has_begun else None
    with transaction.atomic():
        key = _take_key(show, stream) if stream is not None else None
        row = _row(show, found, key)
        row.is_bound = key is not None
        row.has_monitor = bool(
            (details.get("monitorStream") or {}).get("enableMonitorStream", True)
        )
        row.told = _texts_of(told)
        row.is_unsettled = not merging.is_left_alone(details, has_begun=lifecycle.has_begun)
        if at_its_time and found.starts_at is not None and not lifecycle.has_begun:
            row.not_before = found.starts_at
        row.save()
        shows.go_live(show=show)
    return row


def _pages(api: Api, status: str) -> list[dict[str, Any]]:
    items: list[dict[str, Any]] = []
    more: dict[str, Any] = {}
    for _page in range(_PAGES):
        page = api.page(
            "liveBroadcasts", _PARTS, broadcastStatus=status, broadcastType="all", **more
        )
        items += page.get("items", [])
        if not page.get("nextPageToken"):
            break
        more = {"pageToken": str(page["nextPageToken"])}
    return items


def _found(told: dict[str, Any]) -> Found:
    snippet, status = told.get("snippet") or {}, told.get("status") or {}
    raw = str(status.get("lifeCycleStatus", ""))
    return Found(
        youtube_id=str(told.get("id", "")),
        title=str(snippet.get("title", ""))[:100],
        privacy=str(status.get("privacyStatus", "")),
        lifecycle=raw if raw in set(Lifecycle) else Lifecycle.CREATED.value,
        starts_at=_moment(snippet.get("scheduledStartTime")),
        began_at=_moment(snippet.get("actualStartTime")),
    )


def _texts_of(told: dict[str, Any]) -> dict[str, Any]:
    snippet, status = told.get("snippet") or {}, told.get("status") or {}
    found = {name: snippet.get(name) for name in ("title", "description", "categoryId")}
    found["privacyStatus"] = status.get("privacyStatus")
    return {name: str(value) for name, value in found.items() if value is not None}


def _moment(text: object) -> datetime | None:
    try:
        return datetime.fromisoformat(str(text))
    except ValueError:
        return None


def _without_ours(channel: Channel, found: list[Found]) -> list[Found]:
    ids = [one.youtube_id for one in found]
    # Of all workspaces: what another stream keeps on air is not to be taken from it.
    ours = set(
        Broadcast.objects.filter(youtube_id__in=ids, ended_at__isnull=True).values_list(
            "youtube_id", flat=True
        )
    )
    return [
        one for one in found if one.youtube_id not in ours and not Lifecycle(one.lifecycle).is_over
    ]


def _stream_of(api: Api, details: dict[str, Any]) -> dict[str, Any]:
    """The liveStream that a broadcast under way is bound to."""
    bound = str(details.get("boundStreamId", ""))
    told = api.list("liveStreams", "id,snippet,cdn,status", id=bound) if bound else []
    if not told:
        raise AdoptRefused(
            _("Its stream key cannot be read. End it in YouTube Studio, and go live from here.")
        )
    found: dict[str, Any] = told[0]
    return found


def _take_key(show: Show, stream: dict[str, Any]) -> IngestKey:
    """The key of a broadcast under way, as the show's first one."""
    youtube_id = str(stream.get("id", ""))
    key = IngestKey.objects.filter(channel=show.channel, youtube_id=youtube_id).first()
    if key is not None and key.show_id not in (None, show.pk):
        raise AdoptRefused(
            _("It gets its picture from another stream of this workspace. Stop that one first.")
        )
    if key is None:
        key = IngestKey(workspace=show.workspace, channel=show.channel)
        key.marker = str((stream.get("snippet") or {}).get("title", ""))[:128]
    if key.show_id != show.pk or key.n != 1:
        show.keys.filter(n=1).exclude(pk=key.pk).update(show=None, is_open=False)
        key.show, key.n = show, 1
    shows.keep_key(key, stream)
    return key


def _row(show: Show, found: Found, key: IngestKey | None) -> Broadcast:
    now = timezone.now()
    row = Broadcast.objects.filter(youtube_id=found.youtube_id).first()
    if row is not None and (row.ended_at is None or row.workspace_id != show.workspace_id):
        raise AdoptRefused(_("Another stream keeps that broadcast already."))
    if row is None:
        row = Broadcast(workspace=show.workspace, channel=show.channel, youtube_id=found.youtube_id)
        row.scheduled_start = found.starts_at or now
    row.show, row.ingest_key, row.reason = show, key, Reason.ADOPTED
    row.is_wanted, row.ended_at, row.not_before = True, None, None
    row.sent, row.sent_at, row.doubted_at = Sent.NOTHING, None, None
    row.title, row.privacy = found.title, found.privacy or Privacy.PRIVATE
    row.lifecycle, row.lifecycle_at = found.lifecycle, now
    row.live_at = (found.began_at or now) if found.lifecycle == Lifecycle.LIVE else None
    row.is_suspect, row.missing_at = False, None
    # Its texts and its picture are those of whoever made it, until somebody changes them.
    row.has_thumbnail = row.has_tags = True
    for _attempt in range(120):
        try:
            with transaction.atomic():
                row.save()
        except IntegrityError:
            # Moments tell broadcasts apart that have no id yet; this one has an id.
            row.scheduled_start += timedelta(microseconds=1)
            continue
        return row
    raise AdoptRefused(_("Another stream keeps that broadcast already."))


def _key(channel: Channel) -> str:
    return f"youtube:found:{channel.pk}"
