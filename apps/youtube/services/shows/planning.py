"""Which broadcasts there shall be: written down here, and asked for later."""

from __future__ import annotations

from datetime import datetime, timedelta

from django.db import IntegrityError, transaction

from apps.youtube import signals, texts, truth
from apps.youtube.models import STUCK, Broadcast, IngestKey, Policy, Privacy, Reason, Show
from apps.youtube.services import alerts
from apps.youtube.services.shows.keys import key_of, open_key
from apps.youtube.services.shows.look import Look
from apps.youtube.truth import Lifecycle, Remedy

BROADCASTS_A_DAY = 10
"""Of one channel; how many YouTube allows is not published."""
SCHEDULE_AHEAD = timedelta(minutes=2)
"""YouTube takes no start that is over; going live earlier is allowed."""


def plan(
    look: Look, key: IngestKey, reason: Reason, *, not_before: datetime | None = None
) -> Broadcast | None:
    """Write down a broadcast that shall be; None when the day's budget is used up, or others hung.

    It is on `key`, unless what hung there asks for another one.
    """
    show, now = look.show, look.now
    since = now - look.waits.budget
    made = Broadcast.objects.filter(channel=show.channel, created_at__gt=since)
    if made.exclude(reason=Reason.ADOPTED).count() >= BROADCASTS_A_DAY:
        alerts.open_alert("show.limit", show.workspace_id, show.pk, show.name)
        look.within(look.waits.park)
        return None
    chosen = _key_after_hangs(look, key)
    if chosen is None:
        return None
    values = texts.values_of(stream=show.name, channel=show.channel.title, at=now)
    scheduled = _scheduled(now)
    for _attempt in range(120):
        try:
            with transaction.atomic():
                row = Broadcast.objects.create(
                    workspace=show.workspace,
                    channel=show.channel,
                    show=show,
                    ingest_key=chosen,
                    reason=reason,
                    title=texts.title_of(show.title, values),
                    privacy=Privacy.UNLISTED if show.is_rehearsal else show.privacy,
                    scheduled_start=scheduled,
                    not_before=not_before,
                    lifecycle_at=now,
                )
        except IntegrityError:
            scheduled += timedelta(seconds=1)
            continue
        look.broadcasts.append(row)
        look.within(timedelta(0))
        return row
    return None


def _key_after_hangs(look: Look, key: IngestKey) -> IngestKey | None:
    """`key`, or another one after broadcasts have hung on it; None while it is not to be tried.

    The connection to `key` is not broken for that: it may carry another broadcast that is live.
    """
    show, now, pace = look.show, look.now, look.waits
    rows = show.broadcasts.filter(created_at__gt=now - pace.budget)
    newest_live = rows.exclude(live_at=None).order_by("-created_at").first()
    hung = rows.filter(error_code=STUCK).order_by("-created_at")
    if newest_live is not None:
        hung = hung.filter(created_at__gt=newest_live.created_at)
    last = hung.first()
    remedy = truth.remedy(hung.count())
    if last is None or remedy is Remedy.SAME_KEY:
        return key
    if remedy is Remedy.PERSON:
        alerts.open_alert("show.stuck", show.workspace_id, show.pk, show.name)
        wait = last.created_at + pace.park - now
        if wait > timedelta(0):
            look.within(wait)
            return None
    on = last.ingest_key
    if on is None or on.pk != key.pk:
        return key
    other = key_of(look, 2 if key.n == 1 else 1)
    if other is not None:
        open_key(look, other)
    return other


def reschedule(look: Look, row: Broadcast) -> None:
    """Give a broadcast that YouTube has not got yet a start that is still to come.

    It may have waited for hours, for YouTube or for units; YouTube takes no start that is over.
    """
    if row.scheduled_start > look.now + SCHEDULE_AHEAD / 2:
        return
    row.scheduled_start = _scheduled(look.now)
    for _attempt in range(120):
        try:
            with transaction.atomic():
                row.save(update_fields=["scheduled_start", "updated_at"])
        except IntegrityError:
            row.scheduled_start += timedelta(seconds=1)
            continue
        return


def _scheduled(now: datetime) -> datetime:
    # In real time, whatever pace the rest has.
    return (now + SCHEDULE_AHEAD).replace(microsecond=0)


def rotate(look: Look, key: IngestKey) -> None:
    """Have the next broadcast ready before the archive of this one would be lost."""
    show, now, pace = look.show, look.now, look.waits
    live = [row for row in look.broadcasts if row.is_wanted and row.lifecycle == Lifecycle.LIVE]
    newest = max(live, key=lambda row: row.live_at or now, default=None)
    # The new one is proven live before the old one ends.
    for row in live:
        if row is not newest:
            unwish(row)
            look.within(timedelta(0))
            look.say("youtube.followed", "The next broadcast is live; the one before is ended.")
    if show.policy != Policy.ARCHIVES or newest is None or newest.live_at is None:
        return
    due = newest.live_at + pace.rotate
    pending = [row for row in look.broadcasts if row.is_wanted and row is not newest]
    if pending:
        return
    if now < due - pace.prepare:
        look.within(due - pace.prepare - now)
        return
    latest = newest.live_at + pace.rotate_latest
    at = latest
    for _receiver, answer in signals.boundary_asked.send(
        sender=Show, subject=show.subject, earliest=max(due, now), latest=latest
    ):
        if isinstance(answer, datetime):
            at = min(max(answer, now), latest)
    if show.shares_key:
        plan(look, key, Reason.ROTATION, not_before=at)
        return
    # One key cannot carry both: the other of two keys, and a second output, take over.
    other = key_of(look, 2 if newest.ingest_key is None or newest.ingest_key.n == 1 else 1)
    if other is not None:
        open_key(look, other)
        plan(look, other, Reason.ROTATION, not_before=at)
    look.within(pace.poll)


def unwish(row: Broadcast) -> None:
    """It shall end."""
    if row.is_wanted:
        row.is_wanted = False
        row.save(update_fields=["is_wanted", "updated_at"])
