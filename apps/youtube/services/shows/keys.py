"""Stream keys of shows: made once, opened and closed, read again when one is doubted."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Any

from django.utils import timezone

from apps.youtube import signals, truth
from apps.youtube.client import Retry, YouTubeError
from apps.youtube.models import IngestKey, OnAir, Sent, Show
from apps.youtube.quota import Purpose
from apps.youtube.services.shows.intents import begin, is_absent
from apps.youtube.services.shows.look import Look, is_due
from apps.youtube.truth import Encoder, Ingest


def key_of(look: Look, n: int) -> IngestKey | None:
    """The show's key, made when there is none; None while it is not known yet."""
    show = look.show
    key = show.keys.filter(n=n).first()
    if key is not None and key.channel_id != show.channel_id:
        # The show moved to another channel; that key stays with the old one.
        IngestKey.objects.filter(pk=key.pk).update(show=None)
        key = None
    key = key or _new_key(show, n)
    if key.youtube_id and key.sealed_key:
        return key
    if key.sent:
        found = [
            one
            for one in look.api().all("liveStreams", "id,snippet,cdn,status", mine="true")
            if (one.get("snippet") or {}).get("title") == key.marker
        ]
        if found:
            return keep_key(key, found[0])
        if not is_absent(look, key):
            return None
    # What is on air may use the last units; what only begins leaves them to it.
    api = look.api(Purpose.KEEP if show.on_air == OnAir.LIVE else Purpose.ASKED)
    begin(key, Sent.INSERT, look.now)
    try:
        made = api.insert(
            "liveStreams",
            "id,snippet,cdn,contentDetails,status",
            {
                "snippet": {"title": key.marker},
                "cdn": {"ingestionType": "rtmp", "resolution": "variable", "frameRate": "variable"},
                "contentDetails": {"isReusable": True},
            },
        )
    except YouTubeError as error:
        if error.retry is not Retry.READ:
            key.sent, key.sent_at = Sent.NOTHING, None
            key.save(update_fields=["sent", "sent_at", "updated_at"])
        raise
    return keep_key(key, made)


def _new_key(show: Show, n: int) -> IngestKey:
    key = IngestKey(workspace=show.workspace, channel=show.channel, show=show, n=n)
    key.marker = f"{show.name[:80]} · {str(key.pk)[:8]}"
    key.save()
    return key


def keep_key(key: IngestKey, told: dict[str, Any]) -> IngestKey:
    """Write down a liveStream as YouTube tells it, with the key itself."""
    info = (told.get("cdn") or {}).get("ingestionInfo") or {}
    key.youtube_id = str(told.get("id", ""))
    key.key = str(info.get("streamName", ""))
    key.address = str(info.get("rtmpsIngestionAddress") or info.get("ingestionAddress") or "")
    key.backup_address = str(
        info.get("rtmpsBackupIngestionAddress") or info.get("backupIngestionAddress") or ""
    )
    # Reads may not show it for a while from now on.
    key.sent, key.sent_at, key.doubted_at = Sent.NOTHING, timezone.now(), None
    key.save()
    return key


def open_key(look: Look, key: IngestKey) -> None:
    """Have something sent to it."""
    if not key.is_open:
        key.is_open = True
        IngestKey.objects.filter(pk=key.pk).update(is_open=True, active_at=None, ingest="")
    signals.key_ready.send(sender=Show, show=look.show, ingest_key=key)


def close_key(look: Look, key: IngestKey) -> None:
    """Have nothing sent to it any more."""
    IngestKey.objects.filter(pk=key.pk).update(is_open=False, active_at=None, ingest="")
    signals.key_released.send(sender=Show, show=look.show, ingest_key=key)


def reread_key(look: Look) -> None:
    """Compare our keys with YouTube's: a person may have reset one in Studio."""
    for key in look.show.keys.filter(is_open=True).exclude(youtube_id=""):
        found = look.api().list("liveStreams", "id,cdn,status", id=key.youtube_id)
        if not found:
            _doubt_key(look, key)
            continue
        if key.doubted_at is not None:
            IngestKey.objects.filter(pk=key.pk).update(doubted_at=None)
        info = (found[0].get("cdn") or {}).get("ingestionInfo") or {}
        if info.get("streamName") and info["streamName"] != key.key:
            keep_key(key, found[0])
            look.say("youtube.key_changed", "The stream key was reset at YouTube; we use the new.")
            signals.key_ready.send(sender=Show, show=look.show, ingest_key=key)


def _doubt_key(look: Look, key: IngestKey) -> None:
    """A read does not show the ingest point; when a second one agrees, there will be another.

    What has not begun is bound to that one. What is live cannot be: it is ended, and replaced.
    """
    absent = truth.is_absent(
        doubted_at=key.doubted_at, sent_at=key.sent_at, now=look.now, waits=look.waits
    )
    if not absent:
        if absent is False and key.doubted_at is None:
            IngestKey.objects.filter(pk=key.pk).update(doubted_at=look.now)
        look.within(look.waits.agree)
        return
    look.say("youtube.key_missing", "The stream key was deleted at YouTube; a new one is made.")
    key.youtube_id, key.key, key.doubted_at, key.sent_at = "", "", None, None
    key.save()
    for row in look.broadcasts:
        if row.ingest_key_id != key.pk or row.ended_at is not None:
            continue
        if row.lifecycle in ("", "created", "ready"):
            row.is_bound = False
            row.save(update_fields=["is_bound", "updated_at"])
        elif row.is_wanted:
            row.is_wanted = False
            row.save(update_fields=["is_wanted", "updated_at"])
    look.within(timedelta(0))


def read_ingest(look: Look) -> None:
    """How the ingest is, while a broadcast waits for it."""
    waiting = {
        str(row.ingest_key_id)
        for row in look.broadcasts
        if row.is_wanted and row.is_bound and row.lifecycle in ("created", "ready", "testing")
        and is_due(look, row)
    }  # fmt: skip
    for key in look.show.keys.filter(pk__in=waiting):
        if look.encoder.encoder is Encoder.OFF:
            continue
        found = look.api().list("liveStreams", "id,status", id=key.youtube_id)
        if not found:
            _doubt_key(look, key)
            continue
        status = str((found[0].get("status") or {}).get("streamStatus", ""))
        note_ingest(key, status, look.now)
    for row in look.broadcasts:
        if row.ingest_key is not None:
            row.ingest_key.refresh_from_db()


def note_ingest(key: IngestKey, status: str, now: datetime) -> None:
    """What a read said of an ingest point."""
    changes: dict[str, Any] = {"ingest": status, "ingest_at": now}
    if status == Ingest.ACTIVE and key.active_at is None:
        changes["active_at"] = now
    IngestKey.objects.filter(pk=key.pk).update(**changes)


def ingest_of(text: str) -> Ingest:
    """What a stored `streamStatus` means."""
    try:
        return Ingest(text)
    except ValueError:
        return Ingest.UNKNOWN
