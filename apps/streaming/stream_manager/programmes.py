"""The programme of a stream: versions that are written once and never changed.

Each one is anchored where the one before it lets go, at least `schedule.LEAD_NS` ahead.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import Any

from django.db import transaction
from django.db.models import F, Max
from django.utils import timezone

from apps.core.wake import wake_on_commit
from apps.streaming import events, schedule, selectors
from apps.streaming.models import Desired, ProgrammeVersion, StartPolicy, Stream

CHANNEL = "playout"
"""The wake channel that node control listens to."""


class StreamIsOnAir(Exception):
    """The change has to wait until the stream is stopped."""


def locked(stream: Stream) -> Stream:
    """The row as it is now, and nobody else's until the transaction ends."""
    return Stream.objects.select_for_update().get(pk=stream.pk)


def refresh_programme(*, stream: Stream) -> ProgrammeVersion | None:
    """Write a new version of what a wanted stream shows, when its playlist says something else.

    It takes effect at the next join at least 3 s ahead. None when nothing changed, or when
    nothing new could be shown (then the old programme goes on).
    """
    # Looked at without a lock first: most calls find nothing to do, and writers queue.
    if not _is_outdated(stream, selectors.versions_of_epoch(stream)):
        return None
    with transaction.atomic():
        stream = locked(stream)
        if stream.desired != Desired.ON:
            return None
        rows = selectors.versions_of_epoch(stream)
        if stream.timeline_epoch is None or not _is_outdated(stream, rows):
            return None
        items = selectors.ready_items(stream)
        entries = [item.as_json() for item in items]
        programme = schedule.programme(
            epoch=stream.timeline_epoch, profile=stream.profile, versions=rows
        )
        now_ns = schedule.to_ns(timezone.now())
        # Changes that have not begun yet are replaced by this one, not followed by it.
        programme = schedule.until(programme, now_ns=now_ns)
        anchor = schedule.anchor_edit(
            programme, items=[item.id for item in items], loop=stream.loop, now_ns=now_ns
        )
        if anchor is None:
            return None
        version = _write_version(stream, entries, anchor, epoch=stream.timeline_epoch)
        stream.generation += 1
        stream.save(update_fields=["generation", "updated_at"])
        stream.outputs.filter(desired=Desired.ON).update(generation=F("generation") + 1)
        due = schedule.due_at(programme, anchor.effective_from)
        events.record(
            stream,
            "stream.programme_changed",
            "The programme was changed; the new one begins with the next item.",
            version=version.n,
            effective_at=due,
        )
        wake_on_commit(CHANNEL, stream.pk)
    return version


def _is_outdated(stream: Stream, rows: Sequence[ProgrammeVersion]) -> bool:
    """Whether the playlist, as far as it is ready, says something else than the last version.

    An emptied playlist does not: what is on air goes on.
    """
    if stream.desired != Desired.ON or not rows:
        return False
    entries = [item.as_json() for item in selectors.ready_items(stream)]
    return bool(entries) and (rows[-1].items != entries or rows[-1].loop != stream.loop)


def begin_programme(stream: Stream, items: Sequence[selectors.ReadyItem], *, now: datetime) -> None:
    """Set the stream's time line and write the version that a start begins with."""
    entries = [item.as_json() for item in items]
    rows = selectors.versions_of_epoch(stream)
    now_ns = schedule.to_ns(now)
    before = None
    if stream.timeline_epoch is not None and rows and rows[-1].profile == stream.profile:
        before = schedule.programme(
            epoch=stream.timeline_epoch, profile=stream.profile, versions=rows
        )
    anchor = schedule.Anchor(0)
    if (
        before is not None
        and stream.timeline_epoch is not None
        and stream.start_policy == StartPolicy.CLOCK
    ):
        if not schedule.has_ended(before, now_ns=now_ns):
            if rows[-1].items != entries or rows[-1].loop != stream.loop:
                anchor = schedule.anchor_now(before, now_ns=now_ns)
                _write_version(stream, entries, anchor, epoch=stream.timeline_epoch)
            return
    elif before is not None and stream.start_policy == StartPolicy.RESUME and stream.stopped_at:
        anchor = schedule.anchor_resume(
            before,
            items=[(item.id, item.frames) for item in items],
            stopped_ns=schedule.to_ns(stream.stopped_at),
        )
    stream.timeline_epoch = now
    _write_version(stream, entries, anchor, epoch=now)


def _write_version(
    stream: Stream, entries: list[dict[str, Any]], anchor: schedule.Anchor, *, epoch: datetime
) -> ProgrammeVersion:
    last = stream.versions.aggregate(last=Max("n"))["last"] or 0
    return ProgrammeVersion.objects.create(
        stream=stream,
        n=last + 1,
        epoch=epoch,
        profile=stream.profile,
        effective_from=anchor.effective_from,
        entry=anchor.entry,
        offset=anchor.offset,
        loop=stream.loop,
        items=entries,
    )
