"""Shows: wished, and brought one step nearer to what is wished at each look.

`advance` may be called at any time, by anybody, as often as one likes: it holds a lease of the row,
writes down what it is about to ask, asks, and says when to look again. An answer that got lost is
never asked for twice before reads have shown that nothing happened.
"""

from __future__ import annotations

import logging
import random
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

from django.conf import settings
from django.db import IntegrityError, transaction
from django.db.models import Q
from django.utils import timezone

from apps.accounts.models import Workspace
from apps.core.wake import wake_task_on_commit
from apps.youtube import quota, signals, texts, truth
from apps.youtube.client import Api, Retry, YouTubeError
from apps.youtube.models import (
    Broadcast,
    Channel,
    ChannelState,
    Eligibility,
    IngestKey,
    Intended,
    OnAir,
    OnEnd,
    Policy,
    Privacy,
    Reason,
    Sent,
    Show,
)
from apps.youtube.quota import Purpose
from apps.youtube.selectors import open_broadcasts
from apps.youtube.services import alerts
from apps.youtube.services.tokens import api_of
from apps.youtube.truth import (
    BroadcastFacts,
    Encoder,
    EncoderFacts,
    Ingest,
    Lifecycle,
    Repair,
    Step,
    Waits,
    next_step,
)

logger = logging.getLogger(__name__)

BUSY = timedelta(minutes=3)
"""Longer than all calls of one look may take."""
EARLY = timedelta(milliseconds=200)
REPAIRS_A_DAY = 3
BROADCASTS_A_DAY = 10
"""Of one channel; how many YouTube allows is not published."""
SCHEDULE_AHEAD = timedelta(minutes=2)
"""YouTube takes no start that is over; going live earlier is allowed."""

_LIMITS = ("userBroadcastsExceedLimit", "concurrentBroadcastsExceedLimit")
_BARRED = {
    "liveStreamingNotEnabled": "not_enabled",
    "livePermissionBlocked": "barred",
    "channelClosed": "closed",
    "channelSuspended": "closed",
    "authenticatedUserAccountSuspended": "closed",
}


def waits() -> Waits:
    """How long things take, at the pace of this installation."""
    return Waits().scaled(settings.YOUTUBE_TIME_SCALE)


# -- wishes -------------------------------------------------------------------------------------

DESCRIBING = (
    "title", "description", "tags", "category_id", "privacy", "made_for_kids", "latency", "dvr",
    "policy", "on_end",
)  # fmt: skip


def describe(
    *, workspace: Workspace, subject: UUID, name: str, channel: Channel, **wishes: Any
) -> Show:
    """Make or change the show of `subject`; it is not live by this."""
    with transaction.atomic():
        show = Show.objects.select_for_update().filter(subject=subject).first()
        if show is None:
            show = Show(workspace=workspace, subject=subject)
        show.name, show.channel = name, channel
        for wish in DESCRIBING:
            if wish in wishes:
                setattr(show, wish, wishes[wish])
        if "thumbnail" in wishes:
            show.thumbnail = wishes["thumbnail"]
        show.save()
    return show


def go_live(*, show: Show, is_rehearsal: bool = False) -> None:
    """Wish it live. Its subject starts as soon as it has a key; returns before anything happens."""
    now = timezone.now()
    with transaction.atomic():
        Show.objects.filter(pk=show.pk).update(
            is_wanted=True, is_start_pending=True, is_rehearsal=is_rehearsal, wanted_since=now,
            look_at=now, failures=0, on_air=OnAir.UNKNOWN, on_air_text="", on_air_at=now,
        )  # fmt: skip
        alerts.resolve(show.pk)
        wake(show.subject)
    show.refresh_from_db()


def end(*, show: Show) -> None:
    """Wish it off YouTube: its broadcasts are completed."""
    with transaction.atomic():
        Show.objects.filter(pk=show.pk).update(
            is_wanted=False, is_start_pending=False, look_at=timezone.now(), failures=0
        )
        alerts.resolve(show.pk)
        wake(show.subject)
    show.refresh_from_db()


def forget(*, subject: UUID) -> None:
    """The subject is gone: end what is live, and keep no wish."""
    show = Show.objects.filter(subject=subject).first()
    if show is not None:
        end(show=show)


def follow(*, subject: UUID) -> None:
    """Its owner wishes something else for `subject`: have somebody look. Nothing without a show."""
    if Show.objects.filter(subject=subject).update(look_at=timezone.now()):
        wake(subject)


def subject_started(*, subject: UUID) -> None:
    """Its owner put `subject` on air: its show, if it has one, goes live as well."""
    wished = Show.objects.filter(subject=subject)
    now = timezone.now()
    wished.filter(is_wanted=False, channel__state=ChannelState.CONNECTED).update(
        is_wanted=True, is_rehearsal=False, wanted_since=now, failures=0, on_air=OnAir.UNKNOWN,
        on_air_text="", on_air_at=now,
    )  # fmt: skip
    follow(subject=subject)


def wake(subject: UUID) -> None:
    """Have somebody look at it at once."""
    wake_task_on_commit("apps.youtube.tasks.advance_show", str(subject))


# -- looks --------------------------------------------------------------------------------------


@dataclass
class _Look:
    """One look at one show: what was read, and when to look again."""

    show: Show
    encoder: EncoderFacts
    now: datetime
    waits: Waits
    again: timedelta | None = None
    broadcasts: list[Broadcast] = field(default_factory=list)
    _apis: dict[Purpose, Api] = field(default_factory=dict)

    def within(self, wait: timedelta) -> None:
        """Look again after `wait` at the latest."""
        self.again = wait if self.again is None else min(self.again, wait)

    def api(self, purpose: Purpose = Purpose.KEEP) -> Api:
        """Calls on behalf of the show's channel."""
        if purpose not in self._apis:
            self._apis[purpose] = api_of(self.show.channel, purpose)
        return self._apis[purpose]

    def say(self, code: str, text: str) -> None:
        """Put something into the log of whoever owns the subject."""
        signals.show_changed.send(sender=Show, show=self.show, code=code, text=text)


def advance(subject: UUID, *, now: datetime | None = None) -> timedelta | None:
    """Bring the show of `subject` one step nearer; after how long to look again, None for later.

    Returns None at once while somebody else looks, or while it is too early: whoever asked for
    that look comes back.
    """
    started = now or timezone.now()
    free = Q(busy_until__isnull=True) | Q(busy_until__lt=started)
    due = Q(look_at__isnull=True) | Q(look_at__lte=started + EARLY)
    taken = Show.objects.filter(free, due, subject=subject).update(busy_until=started + BUSY)
    if not taken:
        return None
    show = Show.objects.select_related("channel", "channel__client", "workspace").get(
        subject=subject
    )
    look = _Look(show, _encoder_of(show), started, waits())
    try:
        _look(look)
        Show.objects.filter(pk=show.pk).update(failures=0)
    except YouTubeError as error:
        _failed(look, error)
    finally:
        again = look.again
        mine = Show.objects.filter(pk=show.pk, look_at=show.look_at)
        if show.look_at is None:
            mine = Show.objects.filter(pk=show.pk, look_at__isnull=True)
        next_at = (now or timezone.now()) + again if again is not None else None
        if not mine.update(busy_until=None, look_at=next_at):
            # Somebody wished something meanwhile, and was turned away at the lease.
            Show.objects.filter(pk=show.pk).update(busy_until=None)
            again = timedelta(0)
    return again


def _encoder_of(show: Show) -> EncoderFacts:
    for _receiver, answer in signals.encoder_asked.send(sender=Show, subject=show.subject):
        if isinstance(answer, EncoderFacts):
            return answer
    return EncoderFacts(is_wanted=False, encoder=Encoder.OFF)


def _look(look: _Look) -> None:
    show = look.show
    look.broadcasts = open_broadcasts(show)
    is_wanted = show.is_wanted and (show.is_start_pending or look.encoder.is_wanted)
    if show.is_wanted and not is_wanted:
        # Its subject was stopped: that is a wish as well.
        Show.objects.filter(pk=show.pk).update(is_wanted=False)
        show.is_wanted = False
        look.say("youtube.ending", "The broadcast is being ended, since the stream was stopped.")
    if not is_wanted:
        for row in look.broadcasts:
            _unwish(row)
        for row in look.broadcasts:
            _step(look, row)
        if not any(row.ended_at is None for row in look.broadcasts):
            for opened in show.keys.filter(is_open=True):
                _close_key(look, opened)
        _judge(look)
        return
    key = _key(look, 1)
    if key is None:
        return
    _open_key(look, key)
    if show.is_start_pending:
        look.encoder = _encoder_of(show)
        if not look.encoder.is_wanted:
            # It could not be started; its own page says why.
            look.within(look.waits.retry_most)
            return
        Show.objects.filter(pk=show.pk).update(is_start_pending=False)
        show.is_start_pending = False
    if not any(row.is_wanted for row in look.broadcasts):
        _plan(look, key, Reason.START)
    _read_ingest(look)
    for row in list(look.broadcasts):
        _step(look, row)
    if show.is_wanted:
        _rotate(look, key)
    _judge(look)


# -- keys ---------------------------------------------------------------------------------------


def _key(look: _Look, n: int) -> IngestKey | None:
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
            for one in look.api().list("liveStreams", "id,snippet,cdn,status", mine="true")
            if (one.get("snippet") or {}).get("title") == key.marker
        ]
        if found:
            return _keep_key(key, found[0])
        if not _is_absent(look, key):
            return None
    _begin(key, Sent.INSERT, look.now)
    try:
        made = look.api().insert(
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
    return _keep_key(key, made)


def _new_key(show: Show, n: int) -> IngestKey:
    key = IngestKey(workspace=show.workspace, channel=show.channel, show=show, n=n)
    key.marker = f"{show.name[:80]} · {str(key.pk)[:8]}"
    key.save()
    return key


def _keep_key(key: IngestKey, told: dict[str, Any]) -> IngestKey:
    info = (told.get("cdn") or {}).get("ingestionInfo") or {}
    key.youtube_id = str(told.get("id", ""))
    key.key = str(info.get("streamName", ""))
    key.address = str(info.get("rtmpsIngestionAddress") or info.get("ingestionAddress") or "")
    key.backup_address = str(
        info.get("rtmpsBackupIngestionAddress") or info.get("backupIngestionAddress") or ""
    )
    key.sent, key.sent_at, key.doubted_at = Sent.NOTHING, None, None
    key.save()
    return key


def _open_key(look: _Look, key: IngestKey) -> None:
    if not key.is_open:
        key.is_open = True
        IngestKey.objects.filter(pk=key.pk).update(is_open=True, active_at=None, ingest="")
    signals.key_ready.send(sender=Show, show=look.show, ingest_key=key)


def _close_key(look: _Look, key: IngestKey) -> None:
    IngestKey.objects.filter(pk=key.pk).update(is_open=False, active_at=None, ingest="")
    signals.key_released.send(sender=Show, show=look.show, ingest_key=key)


def _reread_key(look: _Look) -> None:
    """Compare our keys with YouTube's: a person may have reset one in Studio."""
    for key in look.show.keys.filter(is_open=True).exclude(youtube_id=""):
        found = look.api().list("liveStreams", "id,cdn,status", id=key.youtube_id)
        if not found:
            continue
        info = (found[0].get("cdn") or {}).get("ingestionInfo") or {}
        if info.get("streamName") and info["streamName"] != key.key:
            _keep_key(key, found[0])
            look.say("youtube.key_changed", "The stream key was reset at YouTube; we use the new.")
            signals.key_ready.send(sender=Show, show=look.show, ingest_key=key)


def _read_ingest(look: _Look) -> None:
    """How the ingest is, while a broadcast waits for it."""
    waiting = {
        str(row.ingest_key_id)
        for row in look.broadcasts
        if row.is_wanted and row.is_bound and row.lifecycle in ("created", "ready", "testing")
        and _is_due(look, row)
    }  # fmt: skip
    for key in look.show.keys.filter(pk__in=waiting):
        if look.encoder.encoder is Encoder.OFF:
            continue
        found = look.api().list("liveStreams", "id,status", id=key.youtube_id)
        status = str((found[0].get("status") or {}).get("streamStatus", "")) if found else ""
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


# -- broadcasts ---------------------------------------------------------------------------------


def _plan(
    look: _Look, key: IngestKey, reason: Reason, *, not_before: datetime | None = None
) -> Broadcast | None:
    """Write down a broadcast that shall be; None when the day's budget is used up."""
    show, now = look.show, look.now
    since = now - look.waits.budget
    made = Broadcast.objects.filter(channel=show.channel, created_at__gt=since)
    if made.exclude(reason=Reason.ADOPTED).count() >= BROADCASTS_A_DAY:
        alerts.open_alert("show.limit", show.workspace_id, show.pk, show.name)
        look.within(look.waits.park)
        return None
    values = texts.values_of(stream=show.name, channel=show.channel.title, at=now)
    # Scheduled times are in real time, whatever pace the rest has.
    scheduled = (now + SCHEDULE_AHEAD).replace(microsecond=0)
    for _attempt in range(120):
        try:
            with transaction.atomic():
                row = Broadcast.objects.create(
                    workspace=show.workspace,
                    channel=show.channel,
                    show=show,
                    ingest_key=key,
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


def _rotate(look: _Look, key: IngestKey) -> None:
    """Have the next broadcast ready before the archive of this one would be lost."""
    show, now, pace = look.show, look.now, look.waits
    live = [row for row in look.broadcasts if row.is_wanted and row.lifecycle == Lifecycle.LIVE]
    newest = max(live, key=lambda row: row.live_at or now, default=None)
    # The new one is proven live before the old one ends.
    for row in live:
        if row is not newest:
            _unwish(row)
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
        _plan(look, key, Reason.ROTATION, not_before=at)
        return
    # One key cannot carry both: the other of two keys, and a second output, take over.
    other = _key(look, 2 if newest.ingest_key is None or newest.ingest_key.n == 1 else 1)
    if other is not None:
        _open_key(look, other)
        _plan(look, other, Reason.ROTATION, not_before=at)
    look.within(pace.poll)


def _is_due(look: _Look, row: Broadcast) -> bool:
    return row.not_before is None or row.not_before <= look.now


def _unwish(row: Broadcast) -> None:
    if row.is_wanted:
        row.is_wanted = False
        row.save(update_fields=["is_wanted", "updated_at"])


def _facts(look: _Look, row: Broadcast) -> BroadcastFacts:
    ingest = row.ingest_key.ingest if row.ingest_key is not None else ""
    return BroadcastFacts(
        is_wanted=row.is_wanted,
        lifecycle=Lifecycle(row.lifecycle),
        is_bound=row.is_bound,
        has_monitor=row.has_monitor,
        is_in_doubt=bool(row.sent),
        is_due=_is_due(look, row),
        ingest=_ingest(ingest),
        for_so_long=look.now - (row.lifecycle_at or look.now),
    )


def _ingest(text: str) -> Ingest:
    try:
        return Ingest(text)
    except ValueError:
        return Ingest.UNKNOWN


def _step(look: _Look, row: Broadcast) -> None:
    """Do the one thing that is to be done about a broadcast now."""
    if row.ended_at is not None:
        return
    step = next_step(_facts(look, row), look.waits)
    # Given up only on a read: what was starting when we lost sight of it may be live by now.
    if step in (Step.WAIT, Step.REST, Step.RESOLVE, Step.GIVE_UP) and _wants_read(look, row, step):
        _read(look, row)
        step = next_step(_facts(look, row), look.waits)
    if step is Step.OVER:
        _over(look, row)
    elif step is Step.WAIT:
        _wait(look, row)
    elif step is Step.GIVE_UP:
        _unwish(row)
        look.say("youtube.stuck", "YouTube did not start the broadcast; another one is made.")
        look.within(look.waits.poll)
    elif step is Step.REST:
        _decorate(look, row)
    elif step is not Step.RESOLVE:
        _call(look, row, step)
    else:
        look.within(look.waits.agree)


def _wait(look: _Look, row: Broadcast) -> None:
    if row.is_wanted and not _is_due(look, row) and row.is_bound:
        assert row.not_before is not None  # noqa: S101 - else it would be due
        look.within(max(row.not_before - look.now, look.waits.poll / 8))
    elif row.lifecycle in ("testStarting", "liveStarting") or look.encoder.encoder in (
        Encoder.SENDING, Encoder.STARTING,
    ):  # fmt: skip
        look.within(look.waits.poll)
    else:
        look.within(look.waits.retry_most)


def _wants_read(look: _Look, row: Broadcast, step: Step) -> bool:
    if step is Step.RESOLVE:
        return True
    if step is Step.REST:
        return row.is_suspect
    return row.lifecycle in ("testStarting", "liveStarting")


def _read(look: _Look, row: Broadcast) -> None:
    """Read one broadcast as its owner sees it; what was in doubt may be settled by it."""
    parts = "id,snippet,status,contentDetails"
    if row.youtube_id:
        found = look.api().list("liveBroadcasts", parts, id=row.youtube_id)
    else:
        found = [one for one in _all_broadcasts(look) if _is_ours(one, row)]
    row.read_at = look.now
    if found:
        row.missing_at = None
        _note(look, row, found[0])
        for extra in found[1:]:
            _remove_twin(look, row, str(extra.get("id", "")))
    elif row.youtube_id:
        known_since = row.lifecycle_at or row.created_at
        absent = truth.is_absent(
            doubted_at=row.missing_at, sent_at=known_since, now=look.now, waits=look.waits
        )
        if absent:
            _move(row, Lifecycle.MISSING, look.now)
        elif absent is False:
            row.missing_at = row.missing_at or look.now
        look.within(look.waits.agree)
    row.save()
    if row.sent:
        _settle(look, row)


def _all_broadcasts(look: _Look) -> list[dict[str, Any]]:
    """Every broadcast of the channel that could be one we asked for, newest pages first."""
    found: list[dict[str, Any]] = []
    token = ""
    for _page in range(4):
        more: dict[str, Any] = {"pageToken": token} if token else {}
        page = look.api().page(
            "liveBroadcasts", "id,snippet,status,contentDetails",
            mine="true", broadcastType="all", **more,
        )  # fmt: skip
        found += page.get("items", [])
        token = str(page.get("nextPageToken", ""))
        if not token:
            break
    return found


def _is_ours(told: dict[str, Any], row: Broadcast) -> bool:
    snippet = told.get("snippet") or {}
    try:
        scheduled = datetime.fromisoformat(str(snippet.get("scheduledStartTime", "")))
    except ValueError:
        return False
    return snippet.get("title") == row.title and scheduled == row.scheduled_start


def _remove_twin(look: _Look, row: Broadcast, twin_id: str) -> None:
    """Two were made of one wish, by whatever accident: the second goes."""
    if twin_id and twin_id != row.youtube_id:
        logger.warning("Show %s: a second broadcast of one wish is removed.", look.show.pk)
        look.api().delete("liveBroadcasts", twin_id)


def _note(look: _Look, row: Broadcast, told: dict[str, Any]) -> None:
    """Take in what YouTube says of a broadcast, be it an answer or a read."""
    if not row.youtube_id:
        row.youtube_id = str(told.get("id", ""))
    status = told.get("status") or {}
    details = told.get("contentDetails") or {}
    raw = str(status.get("lifeCycleStatus", ""))
    read = Lifecycle(raw) if raw in set(Lifecycle) else Lifecycle.NONE
    if row.ingest_key is not None and details.get("boundStreamId") == row.ingest_key.youtube_id:
        row.is_bound = True
    _move(row, truth.later(Lifecycle(row.lifecycle), read), look.now)
    if read is Lifecycle.LIVE:
        row.is_suspect = False


def _move(row: Broadcast, lifecycle: Lifecycle, now: datetime) -> None:
    if lifecycle != row.lifecycle:
        row.lifecycle, row.lifecycle_at = lifecycle.value, now
        if lifecycle is Lifecycle.LIVE and row.live_at is None:
            row.live_at = now


_REACHED: dict[str, Callable[[Broadcast], bool]] = {
    Sent.INSERT: lambda row: bool(row.youtube_id),
    Sent.BIND: lambda row: row.is_bound,
    Sent.TESTING: lambda row: row.lifecycle not in ("", "created", "ready"),
    Sent.LIVE: lambda row: row.lifecycle not in ("", "created", "ready", "testStarting", "testing"),
    Sent.COMPLETE: lambda row: Lifecycle(row.lifecycle).is_over,
    Sent.DELETE: lambda row: Lifecycle(row.lifecycle).is_over,
    Sent.THUMBNAIL: lambda row: True,
}


def _settle(look: _Look, row: Broadcast) -> None:
    """Decide whether what was sent without an answer has happened, as far as reads can tell."""
    if _REACHED[row.sent](row):
        _end_call(row)
    elif _is_absent(look, row):
        # Two reads agree that nothing happened: it may be asked again.
        _end_call(row)
    else:
        look.within(look.waits.agree)


def _is_absent(look: _Look, row: Intended) -> bool:
    absent = truth.is_absent(
        doubted_at=row.doubted_at, sent_at=row.sent_at, now=look.now, waits=look.waits
    )
    if absent is False and row.doubted_at is None:
        row.doubted_at = look.now
        row.save(update_fields=["doubted_at", "updated_at"])
    if not absent:
        look.within(look.waits.agree)
    return bool(absent)


def _begin(row: Intended, sent: Sent, now: datetime) -> None:
    """Write down what is about to be asked. A crash from here on leaves a doubt, never a twin."""
    row.sent, row.sent_at, row.doubted_at = sent, now, None
    row.save(update_fields=["sent", "sent_at", "doubted_at", "updated_at"])


def _end_call(row: Broadcast) -> None:
    row.sent, row.sent_at, row.doubted_at = Sent.NOTHING, None, None
    row.save()


def _call(look: _Look, row: Broadcast, step: Step) -> None:
    api = look.api()
    _begin(row, Sent(step.value), look.now)
    try:
        if step is Step.INSERT:
            _note(look, row, api.insert("liveBroadcasts", _PARTS, _body(look.show, row)))
            look.say("youtube.created", "A broadcast was made at YouTube.")
            _may_live(row.channel)
        elif step is Step.BIND:
            assert row.ingest_key is not None  # noqa: S101 - planned with one
            _note(look, row, api.bind(row.youtube_id, row.ingest_key.youtube_id))
            row.is_bound = True
        elif step is Step.DELETE:
            api.delete("liveBroadcasts", row.youtube_id)
            _move(row, Lifecycle.MISSING, look.now)
        else:
            _note(look, row, api.transition(row.youtube_id, step.value))
    except YouTubeError as error:
        if error.retry is Retry.READ:
            # The intent stays: the next look reads, and decides then.
            look.within(look.waits.agree)
            logger.info("Show %s: no answer to %s; it will be read.", look.show.pk, step.value)
            return
        _end_call(row)
        if not _understood(look, row, step, error):
            raise
        return
    quota.note_answer(row.channel)
    _end_call(row)
    look.within(look.waits.poll if step is Step.GO_LIVE else timedelta(0))


def _may_live(channel: Channel) -> None:
    """A broadcast could be made: whatever barred the channel is over."""
    barred = Channel.objects.filter(pk=channel.pk).exclude(eligibility=Eligibility.READY)
    if barred.update(eligibility=Eligibility.READY, checked_at=timezone.now()):
        alerts.resolve(channel.pk, "channel.barred")


def _understood(look: _Look, row: Broadcast, step: Step, error: YouTubeError) -> bool:
    """Refusals that say where a broadcast really is, or what else to try."""
    code = error.code
    if code == "errorStreamInactive":
        if row.ingest_key is not None:
            IngestKey.objects.filter(pk=row.ingest_key.pk).update(ingest="")
        look.within(look.waits.poll * 2)
        return True
    if code == "sharedIngestionBroadcastsExceedLimit":
        _unshare(look, row)
        return True
    if code in ("redundantTransition", "invalidTransition", "liveBroadcastBindingNotAllowed",
                "liveBroadcastDeletionNotAllowed"):  # fmt: skip
        _read(look, row)
        if code == "redundantTransition" and step is Step.GO_LIVE:
            _move(row, truth.later(Lifecycle(row.lifecycle), Lifecycle.LIVE_STARTING), look.now)
            row.save()
        look.within(look.waits.slowly if step is Step.COMPLETE else look.waits.poll * 2)
        return True
    if code in ("liveBroadcastNotFound", "liveStreamNotFound") and row.youtube_id:
        row.is_suspect = True
        _read(look, row)
        look.within(look.waits.agree)
        return True
    return False


def _unshare(look: _Look, row: Broadcast) -> None:
    """YouTube takes no second live broadcast on one key here: a second key has to take over."""
    Show.objects.filter(pk=look.show.pk).update(shares_key=False)
    look.show.shares_key = False
    look.say("youtube.second_key", "YouTube does not share the stream key; a second one is used.")
    current = row.ingest_key.n if row.ingest_key is not None else 1
    other = _key(look, 2 if current == 1 else 1)
    if other is None:
        return
    _open_key(look, other)
    # A broadcast that is not live yet may be bound anew.
    row.ingest_key, row.is_bound = other, False
    row.save()
    look.within(look.waits.poll)


def _went_live(look: _Look, row: Broadcast) -> None:
    alerts.resolve(look.show.pk)
    look.say("youtube.live", "The broadcast is live on YouTube.")


def _over(look: _Look, row: Broadcast) -> None:
    """A broadcast has come to its end; when nobody wished that, the show's policy answers."""
    was_wished = not row.is_wanted
    row.ended_at = look.now if look.now > row.created_at else timezone.now()
    row.save()
    key = row.ingest_key
    if key is not None and not look.show.shares_key:
        others = Broadcast.objects.filter(ingest_key=key, ended_at__isnull=True)
        if not others.exists():
            _close_key(look, key)
    if was_wished or not look.show.is_wanted:
        if row.youtube_id:
            look.say("youtube.ended", "The broadcast has ended.")
        return
    show = look.show
    if row.lifecycle == Lifecycle.REVOKED:
        alerts.open_alert("show.blocked", show.workspace_id, show.pk, show.name)
        _give_up(look, "YouTube has removed the broadcast.", OnAir.BLOCKED)
        return
    since = look.now - look.waits.budget
    repairs = show.broadcasts.filter(reason=Reason.REPAIR, created_at__gt=since).count()
    if show.on_end == OnEnd.STOP or repairs >= REPAIRS_A_DAY:
        alerts.open_alert("show.ended", show.workspace_id, show.pk, show.name)
        _give_up(look, "The broadcast was ended on YouTube.", OnAir.ENDED)
        return
    if any(other.is_wanted and other.ended_at is None for other in look.broadcasts):
        return
    look.say("youtube.replaced", "YouTube ended the broadcast; a new one is made.")
    target = key or _key(look, 1)
    if target is not None:
        if not target.is_open:
            _open_key(look, target)
        _plan(look, target, Reason.REPAIR)
    look.within(timedelta(0))


def _give_up(look: _Look, text: str, on_air: OnAir) -> None:
    Show.objects.filter(pk=look.show.pk).update(
        is_wanted=False, is_start_pending=False, on_air=on_air, on_air_text=text,
        on_air_at=look.now,
    )  # fmt: skip
    look.show.is_wanted = False
    look.show.on_air = on_air
    signals.stop_wished.send(sender=Show, show=look.show, reason=text)


def _decorate(look: _Look, row: Broadcast) -> None:
    """What a live broadcast still lacks; not worth failing over."""
    if not row.has_thumbnail and look.show.thumbnail:
        row.has_thumbnail = True
        row.save(update_fields=["has_thumbnail", "updated_at"])
        try:
            look.api(Purpose.ASKED).set_thumbnail(row.youtube_id, bytes(look.show.thumbnail))
        except YouTubeError as error:
            look.say(
                "youtube.thumbnail_refused", f"YouTube did not take the thumbnail: {error.text}"
            )
    tags = texts.tags_of(look.show.tags)
    if not row.has_tags and tags:
        row.has_tags = True
        row.save(update_fields=["has_tags", "updated_at"])
        # A broadcast has none: they belong to the video, whose other texts must be sent along.
        snippet = _body(look.show, row)["snippet"]
        del snippet["scheduledStartTime"]
        try:
            look.api(Purpose.ASKED).update(
                "videos", "snippet", {"id": row.youtube_id, "snippet": {**snippet, "tags": tags}}
            )
        except YouTubeError as error:
            look.say("youtube.tags_refused", f"YouTube did not take the tags: {error.text}")


_PARTS = "id,snippet,status,contentDetails"


def _body(show: Show, row: Broadcast) -> dict[str, Any]:
    values = texts.values_of(stream=show.name, channel=show.channel.title, at=row.scheduled_start)
    return {
        "snippet": {
            "title": row.title,
            "description": texts.description_of(show.description, values),
            "scheduledStartTime": row.scheduled_start.strftime("%Y-%m-%dT%H:%M:%SZ"),
            "categoryId": show.category_id,
        },
        "status": {
            "privacyStatus": row.privacy,
            "selfDeclaredMadeForKids": show.made_for_kids,
        },
        "contentDetails": {
            # With the monitor it would have to be tested by hand first, and auto-stop would end
            # it for good a minute after any drop.
            "monitorStream": {"enableMonitorStream": False, "broadcastStreamDelayMs": 0},
            "enableAutoStart": False,
            "enableAutoStop": False,
            "enableDvr": show.dvr,
            "recordFromStart": True,
            "enableEmbed": True,
            "latencyPreference": show.latency,
        },
    }


# -- truth and failures -------------------------------------------------------------------------


def _judge(look: _Look) -> None:
    """Write down what is on air by all three levels, and mend what is not the broadcast's."""
    show = look.show
    show.refresh_from_db()
    if not show.is_wanted and show.on_air in (OnAir.BLOCKED, OnAir.ENDED) and show.on_air_text:
        return
    rows = [row for row in look.broadcasts if row.ended_at is None] or look.broadcasts[-1:]
    row = next((one for one in rows if one.lifecycle == Lifecycle.LIVE), rows[-1] if rows else None)
    was_live = row is not None and row.lifecycle == Lifecycle.LIVE
    ingest = _ingest(row.ingest_key.ingest if row is not None and row.ingest_key else "")
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
    show.save(update_fields=["on_air", "on_air_text", "on_air_at", "updated_at"])
    if judged.repair is Repair.READ_KEY:
        _mend_key(look)


def _is_old(look: _Look, row: Broadcast | None) -> bool:
    read_at = row.ingest_key.ingest_at if row is not None and row.ingest_key else None
    return read_at is None or look.now - read_at > look.waits.retry_most


def _mend_key(look: _Look) -> None:
    since = look.encoder.since
    if look.encoder.encoder is Encoder.REFUSED:
        if since is not None and look.now - since < look.waits.retry_most:
            look.within(look.waits.retry_most)
            return
        _reread_key(look)
        alerts.open_alert("show.key_refused", look.show.workspace_id, look.show.pk, look.show.name)
    elif since is not None and look.now - since > look.waits.retry_most:
        _reread_key(look)
    look.within(look.waits.retry_most)


def _failed(look: _Look, error: YouTubeError) -> None:
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
        look.again = pace.park
    elif error.retry is Retry.SLOWLY:
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
