"""What YouTube says of a broadcast, and what that settles."""

from __future__ import annotations

import logging
import unicodedata
from collections.abc import Callable
from datetime import datetime
from typing import Any

from apps.youtube import merging, truth
from apps.youtube.models import Broadcast, Doubt, Sent, Show
from apps.youtube.services.shows.intents import end_call, is_absent
from apps.youtube.services.shows.look import Look
from apps.youtube.truth import Lifecycle

logger = logging.getLogger(__name__)


def read(look: Look, row: Broadcast) -> None:
    """Read one broadcast as its owner sees it; what was in doubt may be settled by it."""
    parts = "id,snippet,status,contentDetails"
    if row.youtube_id:
        found = look.api().list("liveBroadcasts", parts, id=row.youtube_id)
    else:
        found = [one for one in _upcoming(look) if _is_ours(one, row)]
    row.read_at = look.now
    if found:
        row.missing_at = None
        note(look, row, found[0])
        for extra in found[1:]:
            _remove_twin(look, row, str(extra.get("id", "")))
    elif row.youtube_id:
        known_since = row.lifecycle_at or row.created_at
        absent = truth.is_absent(
            doubted_at=row.missing_at, sent_at=known_since, now=look.now, waits=look.waits
        )
        if absent:
            move(row, Lifecycle.MISSING, look.now)
        elif absent is False:
            row.missing_at = row.missing_at or look.now
        look.within(look.waits.agree)
    row.save()
    if row.sent:
        _settle(look, row)


def _upcoming(look: Look) -> list[dict[str, Any]]:
    """Every broadcast of the channel that could be one whose making was not answered.

    Those that have ended, of which a channel that rotates soon has hundreds, are none of them.
    """
    parts = "id,snippet,status,contentDetails"
    return look.api().all("liveBroadcasts", parts, broadcastStatus="upcoming", broadcastType="all")


def _is_ours(told: dict[str, Any], row: Broadcast) -> bool:
    snippet = told.get("snippet") or {}
    scheduled = _moment(snippet.get("scheduledStartTime"))
    return _plain(snippet.get("title")) == _plain(row.title) and scheduled == row.scheduled_start


def _moment(text: object) -> datetime | None:
    try:
        return datetime.fromisoformat(str(text))
    except ValueError:
        return None


def _plain(title: object) -> str:
    """A title as it is compared: who keeps it may have composed its letters, or cut blanks."""
    return " ".join(unicodedata.normalize("NFKC", str(title)).split())


def _remove_twin(look: Look, row: Broadcast, twin_id: str) -> None:
    """Two were made of one wish, by whatever accident: the second goes."""
    if twin_id and twin_id != row.youtube_id:
        logger.warning("Show %s: a second broadcast of one wish is removed.", look.show.pk)
        look.api().delete("liveBroadcasts", twin_id)


def note(look: Look, row: Broadcast, told: dict[str, Any]) -> None:
    """Take in what YouTube says of a broadcast, be it an answer or a read."""
    if not row.youtube_id:
        row.youtube_id = str(told.get("id", ""))
    status = told.get("status") or {}
    details = told.get("contentDetails") or {}
    raw = str(status.get("lifeCycleStatus", ""))
    read = Lifecycle(raw) if raw in set(Lifecycle) else Lifecycle.NONE
    monitor = (details.get("monitorStream") or {}).get("enableMonitorStream")
    if isinstance(monitor, bool):
        row.has_monitor = monitor
    if row.ingest_key is not None and details.get("boundStreamId") == row.ingest_key.youtube_id:
        row.is_bound = True
    move(row, truth.later(Lifecycle(row.lifecycle), read), look.now)
    if read is Lifecycle.LIVE:
        row.is_suspect = False
        Show.objects.filter(pk=look.show.pk).update(seen_at=look.now, doubt=Doubt.NONE)
    began_at = _moment((told.get("snippet") or {}).get("actualStartTime"))
    if began_at is not None and row.live_at is not None:
        # The archive's length counts from there, however late we came to know of it.
        row.live_at = min(row.live_at, began_at)
    if row.is_unsettled and details:
        has_begun = Lifecycle(row.lifecycle).has_begun
        if merging.is_left_alone(details, has_begun=has_begun):
            row.is_unsettled = False
        monitor = details.get("monitorStream") or {}
        row.has_monitor = bool(monitor.get("enableMonitorStream", True))


def move(row: Broadcast, lifecycle: Lifecycle, now: datetime) -> None:
    """Note how far it is, and since when; not saved."""
    if lifecycle != row.lifecycle:
        row.lifecycle, row.lifecycle_at = lifecycle.value, now
        if lifecycle is Lifecycle.LIVE and row.live_at is None:
            row.live_at = now


_REACHED: dict[str, Callable[[Broadcast], bool]] = {
    Sent.INSERT: lambda row: bool(row.youtube_id),
    Sent.BIND: lambda row: row.is_bound,
    Sent.SETTLE: lambda row: not row.is_unsettled,
    Sent.TESTING: lambda row: row.lifecycle not in ("", "created", "ready"),
    Sent.LIVE: lambda row: row.lifecycle not in ("", "created", "ready", "testStarting", "testing"),
    Sent.COMPLETE: lambda row: Lifecycle(row.lifecycle).is_over,
    Sent.DELETE: lambda row: Lifecycle(row.lifecycle).is_over,
    Sent.THUMBNAIL: lambda row: True,
}


def _settle(look: Look, row: Broadcast) -> None:
    """Decide whether what was sent without an answer has happened, as far as reads can tell."""
    if _REACHED[row.sent](row):
        end_call(row)
    elif is_absent(look, row):
        # Two reads agree that nothing happened: it may be asked again.
        end_call(row)
    else:
        look.within(look.waits.agree)
