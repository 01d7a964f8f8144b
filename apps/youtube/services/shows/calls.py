"""The calls that change a broadcast, and the refusals that say what else to try."""

from __future__ import annotations

import logging
from datetime import timedelta
from typing import Any

from django.utils import timezone

from apps.youtube import merging, quota, truth
from apps.youtube.client import Retry, YouTubeError
from apps.youtube.models import (
    Broadcast,
    Channel,
    Eligibility,
    IngestKey,
    OnAir,
    Reason,
    Sent,
    Show,
)
from apps.youtube.quota import Purpose
from apps.youtube.services import alerts
from apps.youtube.services.shows.dressing import PARTS, body_of
from apps.youtube.services.shows.intents import begin, end_call
from apps.youtube.services.shows.keys import key_of, open_key, reread_key
from apps.youtube.services.shows.look import Look
from apps.youtube.services.shows.planning import reschedule
from apps.youtube.services.shows.reading import move, note, read
from apps.youtube.truth import Lifecycle, Step

logger = logging.getLogger(__name__)


def call(look: Look, row: Broadcast, step: Step) -> None:
    """Ask YouTube for `step`, written down before; raises what no refusal here explains."""
    api = look.api()
    body: dict[str, Any] = {}
    if step is Step.INSERT:
        api = look.api(_urgency(look, row))
        reschedule(look, row)
    elif step is Step.BIND and not _has_key(look, row):
        return
    elif step is Step.SETTLE:
        # What is not sent along would be reset, so it is read first.
        found = api.list("liveBroadcasts", "id,contentDetails", id=row.youtube_id)
        if not found:
            read(look, row)
            look.within(look.waits.agree)
            return
        has_begun = Lifecycle(row.lifecycle).has_begun
        content = merging.left_alone(found[0].get("contentDetails") or {}, has_begun=has_begun)
        body = {"id": row.youtube_id, "contentDetails": content}
    begin(row, Sent(step.value), look.now)
    try:
        if step is Step.INSERT:
            body = body_of(look.show, row)
            note(look, row, api.insert("liveBroadcasts", PARTS, body))
            row.told, row.told_at = _texts_in(body), look.now
            look.say("youtube.created", "A broadcast was made at YouTube.")
            _may_live(row)
        elif step is Step.BIND:
            assert row.ingest_key is not None  # noqa: S101 - planned with one
            note(look, row, api.bind(row.youtube_id, row.ingest_key.youtube_id))
            row.is_bound = True
        elif step is Step.SETTLE:
            note(look, row, api.update("liveBroadcasts", "id,contentDetails", body))
        elif step is Step.DELETE:
            api.delete("liveBroadcasts", row.youtube_id)
            move(row, Lifecycle.MISSING, look.now)
        else:
            note(look, row, api.transition(row.youtube_id, step.value))
    except YouTubeError as error:
        if error.retry is Retry.READ:
            # The intent stays: the next look reads, and decides then.
            look.within(look.waits.agree)
            logger.info("Show %s: no answer to %s; it will be read.", look.show.pk, step.value)
            return
        end_call(row)
        if not _understood(look, row, step, error):
            raise
        return
    quota.note_answer(row.channel)
    end_call(row)
    look.within(look.waits.poll if step is Step.GO_LIVE else timedelta(0))


def _texts_in(body: dict[str, Any]) -> dict[str, Any]:
    """What an insert said that a change may be about."""
    snippet = {name: body["snippet"][name] for name in ("title", "description", "categoryId")}
    return snippet | {"privacyStatus": body["status"]["privacyStatus"]}


def _urgency(look: Look, row: Broadcast) -> Purpose:
    """What is on air may use the last units; what only begins, or follows, leaves them to it."""
    if row.reason == Reason.REPAIR:
        return Purpose.KEEP
    was_live = row.reason == Reason.START and look.show.on_air == OnAir.LIVE
    return Purpose.KEEP if was_live else Purpose.ASKED


def _has_key(look: Look, row: Broadcast) -> bool:
    """Whether there is something to bind it to; made anew when somebody deleted it in Studio."""
    if row.ingest_key is not None and not row.ingest_key.youtube_id:
        row.ingest_key = key_of(look, row.ingest_key.n)
        if row.ingest_key is not None:
            open_key(look, row.ingest_key)
    return row.ingest_key is not None


def _may_live(row: Broadcast) -> None:
    """A broadcast could be made: whatever barred the channel, or the show, is over."""
    channel = row.channel
    if row.show_id is not None:
        alerts.resolve(row.show_id, "show.limit", "show.refused")
    barred = Channel.objects.filter(pk=channel.pk).exclude(eligibility=Eligibility.READY)
    if barred.update(eligibility=Eligibility.READY, checked_at=timezone.now()):
        alerts.resolve(channel.pk, "channel.barred")


def _understood(look: Look, row: Broadcast, step: Step, error: YouTubeError) -> bool:
    """Refusals that say where a broadcast really is, or what else to try."""
    code = error.code
    if step is Step.SETTLE and error.retry in (Retry.NEVER, Retry.REPLAN):
        # It goes on as it is: an end that we did not ask for is noticed all the same.
        row.is_unsettled = False
        row.save(update_fields=["is_unsettled", "updated_at"])
        look.say("youtube.settings_kept", f"YouTube did not change its settings: {error.text}")
        look.within(timedelta(0))
        return True
    if code == "errorStreamInactive":
        if row.ingest_key is not None:
            IngestKey.objects.filter(pk=row.ingest_key.pk).update(ingest="")
        look.patiently(row, look.waits.poll * 2)
        return True
    if code == "sharedIngestionBroadcastsExceedLimit":
        _unshare(look, row)
        return True
    if code in ("redundantTransition", "invalidTransition", "liveBroadcastBindingNotAllowed",
                "liveBroadcastDeletionNotAllowed"):  # fmt: skip
        read(look, row)
        if code == "redundantTransition" and step is Step.GO_LIVE:
            move(row, truth.later(Lifecycle(row.lifecycle), Lifecycle.LIVE_STARTING), look.now)
            row.save()
        look.patiently(row, look.waits.slowly if step is Step.COMPLETE else look.waits.poll * 2)
        return True
    if code == "liveStreamNotFound":
        reread_key(look)
        look.patiently(row, look.waits.agree)
        return True
    if code == "liveBroadcastNotFound" and row.youtube_id:
        row.is_suspect = True
        read(look, row)
        look.within(look.waits.agree)
        return True
    return False


def _unshare(look: Look, row: Broadcast) -> None:
    """YouTube takes no second live broadcast on one key here: a second key has to take over."""
    Show.objects.filter(pk=look.show.pk).update(shares_key=False)
    look.show.shares_key = False
    look.say("youtube.second_key", "YouTube does not share the stream key; a second one is used.")
    current = row.ingest_key.n if row.ingest_key is not None else 1
    other = key_of(look, 2 if current == 1 else 1)
    if other is None:
        return
    open_key(look, other)
    # A broadcast that is not live yet may be bound anew.
    row.ingest_key, row.is_bound = other, False
    row.save()
    look.within(look.waits.poll)
