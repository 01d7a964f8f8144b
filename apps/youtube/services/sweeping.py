"""The sweep: what viewers can see of every show, asked for fifty at a time."""

from __future__ import annotations

import logging
from collections import defaultdict
from collections.abc import Iterable, Sequence
from datetime import UTC, datetime, timedelta
from typing import Any

from django.utils import timezone

from apps.core.wake import wake_task_on_commit
from apps.youtube import quota, signals
from apps.youtube.client import PAGE, Retry, YouTubeError
from apps.youtube.models import (
    Broadcast,
    Channel,
    ChannelState,
    Doubt,
    IngestKey,
    Privacy,
    Show,
)
from apps.youtube.quota import Purpose
from apps.youtube.services import shows
from apps.youtube.services.tokens import api_of
from apps.youtube.services.watching import note_viewers
from apps.youtube.truth import Encoder, WasOn

logger = logging.getLogger(__name__)

MOST_SILENCES = 2
"""Channels that are asked in vain about one page, each until its time-out."""
STALE_VERDICT = timedelta(seconds=90)
"""YouTube's verdict on the picture is believed for about a minute, plus what reads lag."""


def sweep(*, now: datetime | None = None) -> list[Show]:
    """Look at everything that should be live, and at what is due; the shows to advance now.

    What it reads takes the same statements for one show and for a thousand; YouTube is asked about
    fifty at a time, and what has not changed is not written.
    """
    now = now or timezone.now()
    due = list(Show.objects.filter(look_at__lte=now))
    live = list(
        Broadcast.objects.filter(
            is_wanted=True, ended_at__isnull=True, lifecycle="live", show__isnull=False
        ).select_related("show", "channel", "channel__client")
    )
    suspects = _see(live, now)
    # Wishes that nobody woke anybody for: a start or stop whose message was lost.
    settled = list(Show.objects.filter(look_at__isnull=True).filter(is_wanted=True))
    found = {show.pk: show for show in [*due, *suspects, *_changed(settled)]}
    if found:
        Show.objects.filter(pk__in=list(found)).exclude(look_at__lte=now).update(look_at=now)
    for show in found.values():
        wake_task_on_commit("apps.youtube.tasks.advance_show", str(show.subject))
    return list(found.values())


def _see(rows: Sequence[Broadcast], now: datetime) -> list[Show]:
    """Ask `videos.list` about all; the shows of those that are not seen live."""
    groups: dict[object, list[Broadcast]] = defaultdict(list)
    for row in rows:
        # Private ones answer to their owner alone; the rest to anybody of the same project.
        private = row.privacy == Privacy.PRIVATE
        groups[row.channel_id if private else row.channel.project].append(row)
    suspects = []
    for members in groups.values():
        for start in range(0, len(members), PAGE):
            suspects += _see_page(members[start : start + PAGE], now)
    return suspects


def _see_page(rows: Sequence[Broadcast], now: datetime) -> list[Show]:
    told = _ask([row.youtube_id for row in rows], _askers(rows))
    if isinstance(told, Doubt):
        # What was known stays, and people are told how old it is.
        unsure = [row.show.pk for row in rows if row.show is not None and row.show.doubt != told]
        if unsure:
            Show.objects.filter(pk__in=unsure).update(doubt=told)
        return []
    suspects: list[Broadcast] = []
    seen: list[Broadcast] = []
    counts: dict[Show, int | None] = {}
    for row in rows:
        assert row.show is not None  # noqa: S101 - filtered
        video = told.get(row.youtube_id)
        state = str((video or {}).get("snippet", {}).get("liveBroadcastContent", "none"))
        details = (video or {}).get("liveStreamingDetails") or {}
        rejected = (video or {}).get("status", {}).get("rejectionReason")
        if state == "live" and not details.get("actualEndTime") and not rejected:
            viewers = str(details.get("concurrentViewers", ""))
            counts[row.show] = int(viewers) if viewers.isdigit() else None
            seen.append(row)
        else:
            suspects.append(row)
    _suspect([row for row in seen if row.is_suspect], is_suspect=False)
    _suspect([row for row in suspects if not row.is_suspect], is_suspect=True)
    if seen:
        Show.objects.filter(pk__in=[show.pk for show in counts]).update(
            seen_at=now, doubt=Doubt.NONE
        )
    note_viewers(counts, now=now)
    return [row.show for row in suspects if row.show is not None]


def _suspect(rows: Sequence[Broadcast], *, is_suspect: bool) -> None:
    if rows:
        Broadcast.objects.filter(pk__in=[row.pk for row in rows]).update(is_suspect=is_suspect)


def _askers(rows: Sequence[Broadcast]) -> Iterable[Channel]:
    """Channels whose access may be used, connected ones, each once."""
    channels = {row.channel_id: row.channel for row in rows}
    return [one for one in channels.values() if one.state == ChannelState.CONNECTED]


def _ask(ids: Sequence[str], askers: Iterable[Channel]) -> dict[str, dict[str, Any]] | Doubt:
    """The videos by id; or why nobody could ask."""
    silences = 0
    for channel in askers:
        try:
            found = api_of(channel, Purpose.WATCH).list(
                "videos", "id,snippet,status,liveStreamingDetails", id=list(ids)
            )
        except YouTubeError as error:
            if error.retry is Retry.AT_RESET:
                if error.code != "quota.reserved":
                    quota.note_exhausted(channel)
                return Doubt.QUOTA
            logger.info("The sweep was not answered to %s: %s.", channel.pk, error.code)
            silences += error.retry is not Retry.RECONNECT
            if silences == MOST_SILENCES:
                # It is YouTube that is silent, and not one channel's access that is dead.
                return Doubt.SILENT
            continue
        quota.note_answer(channel)
        return {str(one.get("id")): one for one in found}
    return Doubt.SILENT if silences else Doubt.ACCESS


def _changed(settled: Sequence[Show]) -> list[Show]:
    """Those of `settled` shows about which there is something to do all the same."""
    if not settled:
        return []
    facts = shows.encoders_of(settled)
    kept = set(
        Broadcast.objects.filter(
            show__in=[show.pk for show in settled], is_wanted=True, ended_at__isnull=True
        ).values_list("show_id", flat=True)
    )
    return [
        show
        for show in settled
        if (not facts[show.pk].is_wanted and not show.is_start_pending)
        or facts[show.pk].encoder is Encoder.REFUSED
        or show.pk not in kept
    ]


def read_health(*, now: datetime | None = None, only: Sequence[Show] | None = None) -> int:
    """What YouTube says about the picture: on doubt, and else every two hours; calls made."""
    now = now or timezone.now()
    keys = IngestKey.objects.filter(is_open=True, show__isnull=False, show__on_air="live")
    keys = keys.select_related("show", "channel", "channel__client").exclude(youtube_id="")
    if only is not None:
        keys = keys.filter(show__in=only)
    groups: dict[object, list[IngestKey]] = defaultdict(list)
    pace = shows.waits()
    aged = []
    for key in keys:
        assert key.show is not None  # noqa: S101 - filtered
        age = now - (key.show.health_at or key.created_at - pace.health)
        if only is not None or age >= pace.health:
            groups[key.channel_id].append(key)
        elif age >= pace.doubt:
            aged.append(key)
    facts = shows.encoders_of([key.show for key in aged if key.show is not None])
    for key in aged:
        assert key.show is not None  # noqa: S101 - filtered
        if facts[key.show.pk].encoder is Encoder.TROUBLED:
            groups[key.channel_id].append(key)
    calls = 0
    for members in groups.values():
        channel = members[0].channel
        if channel.state != ChannelState.CONNECTED:
            continue
        for start in range(0, len(members), PAGE):
            part = members[start : start + PAGE]
            try:
                found = api_of(channel, Purpose.NICE).list(
                    "liveStreams", "id,status", id=[key.youtube_id for key in part]
                )
            except YouTubeError as error:
                logger.info("Health of %s was not read: %s.", channel.pk, error.code)
                continue
            calls += 1
            told = {str(one.get("id")): one.get("status") or {} for one in found}
            for key in part:
                _note_health(key, told.get(key.youtube_id, {}), now)
    return calls


def _note_health(key: IngestKey, status: dict[str, Any], now: datetime) -> None:
    assert key.show is not None  # noqa: S101 - filtered
    health = status.get("healthStatus") or {}
    judged_at = _moment(health.get("lastUpdateTimeSeconds"), now)
    shows.note_ingest(key, str(status.get("streamStatus", "")), now)
    if now - judged_at > STALE_VERDICT:
        # Of a connection that is gone, perhaps: what was known stays.
        Show.objects.filter(pk=key.show.pk).update(health_at=now)
        return
    known = {one["type"]: one for one in key.show.health_issues if one.get("since")}
    told = (health.get("configurationIssues") or [])[:20]
    aired = _aired(key.show, judged_at) if told else None
    issues = []
    for one in told:
        kind = str(one.get("type", ""))[:40]
        issue = known.get(kind) or {
            # What was on when it was first seen is what it is about, whatever plays since.
            "item": aired.title if aired is not None else "",
            "asset": aired.asset_id if aired is not None else "",
            "since": judged_at.isoformat(),
        }
        issues.append(
            issue
            | {
                "type": kind,
                "severity": str(one.get("severity", ""))[:10],
                "at": now.isoformat(),
            }
        )
    Show.objects.filter(pk=key.show.pk).update(
        health=str(health.get("status", ""))[:12], health_issues=issues, health_at=now
    )


def _moment(seconds: object, now: datetime) -> datetime:
    """When YouTube judged; now, when it does not say."""
    text = str(seconds or "")
    return min(now, datetime.fromtimestamp(int(text), UTC)) if text.isdigit() else now


def _aired(show: Show, at: datetime) -> WasOn | None:
    """What was on then, as it was reported."""
    for _receiver, answer in signals.aired_asked.send(sender=Show, subject=show.subject, at=at):
        if isinstance(answer, WasOn):
            return answer
    return None
