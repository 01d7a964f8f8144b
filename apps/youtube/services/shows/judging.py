"""What is on air by all three levels; and what a failed look means."""

from __future__ import annotations

import logging
import random
from typing import Any

from apps.youtube import quota, truth
from apps.youtube.client import Retry, YouTubeError
from apps.youtube.models import Broadcast, Channel, OnAir, Show
from apps.youtube.services import alerts
from apps.youtube.services.shows.keys import ingest_of, reread_key
from apps.youtube.services.shows.look import Look
from apps.youtube.services.tokens import mark_lost
from apps.youtube.truth import Encoder, Ingest, Lifecycle, Repair

logger = logging.getLogger(__name__)
_LIMITS = ("userBroadcastsExceedLimit", "concurrentBroadcastsExceedLimit")
_ACCESS_LOST = frozenset(
    {"authError", "unauthorized", "UNAUTHENTICATED", "insufficientPermissions",
     "insufficientLivePermissions", "forbidden", "youtubeSignupRequired",
     "NoLinkedYouTubeAccount"}
)  # fmt: skip
"""What Google says of an access that works no more, though it gave us a token for it."""
_BARRED = {
    "liveStreamingNotEnabled": "not_enabled",
    "livePermissionBlocked": "barred",
    "channelClosed": "closed",
    "channelSuspended": "closed",
    "authenticatedUserAccountSuspended": "closed",
}


def judge(look: Look) -> None:
    """Write down what is on air by all three levels, and mend what is not the broadcast's."""
    show = look.show
    show.refresh_from_db()
    if not show.is_wanted and show.on_air in (OnAir.BLOCKED, OnAir.ENDED) and show.on_air_text:
        return
    rows = [row for row in look.broadcasts if row.ended_at is None] or look.broadcasts[-1:]
    row = next((one for one in rows if one.lifecycle == Lifecycle.LIVE), rows[-1] if rows else None)
    was_live = row is not None and row.lifecycle == Lifecycle.LIVE
    ingest = ingest_of(row.ingest_key.ingest if row is not None and row.ingest_key else "")
    if was_live and look.encoder.encoder is Encoder.SENDING and _is_old(look, row):
        ingest = Ingest.UNKNOWN
    wanted = look.encoder.encoder if show.is_wanted else Encoder.OFF
    judged = truth.judge(
        wanted, ingest, Lifecycle(row.lifecycle) if row is not None else Lifecycle.NONE
    )
    if show.on_air != judged.on_air:
        if judged.on_air == OnAir.LIVE and row is not None and show.on_air != OnAir.LIVE:
            _went_live(look, row)
        show.on_air_at = look.now
    show.on_air, show.on_air_text = judged.on_air, judged.said
    if show.encoder != look.encoder.encoder:
        show.encoder, show.encoder_since = look.encoder.encoder.value, look.now
    show.save(
        update_fields=[
            "on_air", "on_air_text", "on_air_at", "encoder", "encoder_since", "updated_at"
        ]
    )  # fmt: skip
    if judged.on_air == OnAir.LIVE and judged.repair is Repair.NONE:
        alerts.resolve(show.pk, "show.key_refused")
    if judged.repair is Repair.READ_KEY:
        _mend_key(look)


def _went_live(look: Look, row: Broadcast) -> None:
    alerts.resolve(look.show.pk)
    look.say("youtube.live", "The broadcast is live on YouTube.")


def _is_old(look: Look, row: Broadcast | None) -> bool:
    read_at = row.ingest_key.ingest_at if row is not None and row.ingest_key else None
    return read_at is None or look.now - read_at > look.waits.retry_most


def _mend_key(look: Look) -> None:
    """Not at once: a session of our own that was lost may hold the key for a minute."""
    waited = look.now - (look.encoder.since or look.now)
    if waited < look.waits.retry_most:
        look.within(look.waits.retry_most)
        return
    reread_key(look)
    if look.encoder.encoder is Encoder.REFUSED:
        alerts.open_alert("show.key_refused", look.show.workspace_id, look.show.pk, look.show.name)
    look.within(look.waits.patient(waited, look.waits.retry_most))


def note_failure(look: Look, error: YouTubeError) -> None:
    """Say when to try again, and who has to be told. What is on air is not touched."""
    show, pace = look.show, look.waits
    failures = show.failures + 1
    text = error.text
    if error.retry is Retry.AT_RESET:
        if error.code != "quota.reserved":
            quota.note_exhausted(show.channel, now=look.now)
        look.again = pace.park
    elif error.code in _BARRED:
        Channel.objects.filter(pk=show.channel_id).update(
            eligibility=_BARRED[error.code], checked_at=look.now
        )
        alerts.open_alert("channel.barred", show.workspace_id, show.channel_id, show.channel.title)
        look.again = pace.park
    elif error.code in _LIMITS or error.code.endswith("ExceedLimit"):
        alerts.open_alert("show.limit", show.workspace_id, show.pk, show.name)
        look.again = pace.park
    elif error.retry is Retry.RECONNECT:
        if error.code in _ACCESS_LOST:
            mark_lost(show.channel)
        look.again = pace.park
    elif error.retry is Retry.NEVER:
        # It will be refused as it is, at 50 units each time.
        alerts.open_alert("show.refused", show.workspace_id, show.pk, show.name)
        look.again = pace.park
    elif error.retry in (Retry.SLOWLY, Retry.REPLAN):
        look.again = min(pace.slowly * 2 ** min(failures, 3), pace.slowly * 8)
    else:
        # With chance, so that many shows do not come back in step.
        step = pace.poll * 2 ** min(failures, 6)
        look.again = min(step, pace.retry_most) * random.uniform(0.7, 1.3)  # noqa: S311
    logger.info("Show %s: %s; again in %s.", show.pk, error.code, look.again)
    values: dict[str, Any] = {"failures": failures}
    if show.on_air != OnAir.LIVE:
        values |= {"on_air_text": text[:300], "on_air_at": look.now}
    Show.objects.filter(pk=show.pk).update(**values)
    if failures == 1:
        look.say("youtube.waiting", text)
