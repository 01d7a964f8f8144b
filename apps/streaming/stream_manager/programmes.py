"""The programme of a stream: versions that are written once and never changed.

Each one is anchored where the one before it lets go, at least `schedule.LEAD_NS` ahead.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import Any, cast

from django.db import transaction
from django.db.models import F, Max
from django.utils import timezone

from apps.core.wake import wake_on_commit
from apps.streaming import events, schedule, selectors
from apps.streaming.models import Desired, ProgrammeKind, ProgrammeVersion, StartPolicy, Stream

CHANNEL = "playout"
"""The wake channel that node control listens to."""

KEPT = timedelta(seconds=60)
"""How far back the versions reach that an edit looks at."""


class StreamIsOnAir(Exception):
    """The change has to wait until the stream is stopped."""


def locked(stream: Stream) -> Stream:
    """The row as it is now, and nobody else's until the transaction ends."""
    return Stream.objects.select_for_update().get(pk=stream.pk)


def refresh_programme(*, stream: Stream) -> ProgrammeVersion | None:
    """Write a new version of what a wanted stream shows, when a playlist says something else.

    It takes effect at the next join at least 3 s ahead. None when nothing changed, or when
    nothing new could be shown (then the old programme goes on).
    """
    # Looked at without a lock first: most calls find nothing to do, and writers queue.
    if stream.desired != Desired.ON or not _outdated(stream, standing(stream)):
        return None
    with transaction.atomic():
        stream = locked(stream)
        if stream.desired != Desired.ON or stream.timeline_epoch is None:
            return None
        rows = standing(stream)
        written = [
            version
            for kind, entries in _outdated(stream, rows).items()
            if (version := _follow(stream, rows, kind, entries)) is not None
        ]
        if not written:
            return None
        told(stream)
        first = written[0]
        events.record(
            stream,
            "stream.programme_changed",
            "The programme was changed; the new one begins with the next item.",
            version=first.n,
            effective_at=due_at(stream, first),
        )
    return first


def standing(stream: Stream) -> list[ProgrammeVersion]:
    """The versions that an edit has to look at."""
    return selectors.standing_versions(stream, since=timezone.now() - KEPT)


def versions_before(
    stream: Stream, part: schedule.Part, *, n: int, since: int
) -> list[ProgrammeVersion]:
    """The versions older than `n` that said what is on at frame `since` of that part, and later."""
    at = schedule.time_of(part, _epoch(stream), stream.profile, since)
    return selectors.standing_versions(stream, since=at, before=n)


def _outdated(stream: Stream, rows: Sequence[ProgrammeVersion]) -> dict[str, list[dict[str, Any]]]:
    """The lists that, as far as they are ready, differ from the last version of their kind.

    An emptied playlist does not: what is on air goes on.
    """
    if not rows:
        return {}
    lists = selectors.ready_lists(stream)
    found = {}
    for kind in ProgrammeKind.values:
        last = next((row for row in reversed(rows) if row.kind == kind), None)
        entries = lists.of(kind)
        if kind == ProgrammeKind.FILLER:
            if entries != (last.items if last is not None else []):
                found[kind] = entries
            continue
        if kind == ProgrammeKind.PICTURES and stream.paused_from is not None:
            entries = lists.filler
        loop, seed = _manner(stream, kind)
        if last is None or not entries:
            continue
        if (last.items, last.loop, last.seed) != (entries, loop, seed):
            found[kind] = entries
    return found


def _manner(stream: Stream, kind: str) -> tuple[bool, int | None]:
    """Whether a list of that kind begins again, and how it is shuffled."""
    if kind == ProgrammeKind.SOUND:
        return True, stream.seed if stream.shuffle_music else None
    if kind == ProgrammeKind.FILLER or stream.paused_from is not None:
        return True, None
    return stream.loop, stream.seed if stream.shuffle else None


def _follow(
    stream: Stream,
    rows: Sequence[ProgrammeVersion],
    kind: str,
    entries: list[dict[str, Any]],
) -> ProgrammeVersion | None:
    if kind == ProgrammeKind.FILLER:
        return write_version(stream, kind, entries, schedule.Anchor(0))
    part = cast(schedule.Part, kind)
    loop, seed = _manner(stream, kind)
    programme = programme_of(stream, rows)
    try:
        edit = schedule.follow(
            programme, part, entries=entries, loop=loop, seed=seed,
            at_frame=at_frame(stream, programme, part),
        )  # fmt: skip
    except schedule.NothingToChange:
        return None
    return write_edit(stream, edit, assets_of(rows, entries))[0]


# -- the beginning ------------------------------------------------------------------------------


def begin_programme(stream: Stream, lists: selectors.ReadyLists, *, now: datetime) -> None:
    """Set the stream's time line and write the versions that a start begins with."""
    rows = selectors.versions_of_epoch(stream)
    now_ns = schedule.to_ns(now)
    kinds = [kind for kind in ProgrammeKind.values if lists.of(kind)]
    before = None
    was_radio = any(row.kind == ProgrammeKind.SOUND for row in rows)
    if rows and rows[-1].profile == stream.profile and was_radio == stream.is_radio:
        before = programme_of(stream, rows)
    by_the_clock = before is not None and stream.start_policy == StartPolicy.CLOCK
    if before is not None and by_the_clock and not schedule.has_ended(before, now_ns=now_ns):
        _go_on_by_the_clock(stream, rows, before, now_ns=now_ns)
        return
    stopped_ns = schedule.to_ns(stream.stopped_at) if stream.stopped_at else now_ns
    stream.timeline_epoch = now
    for kind in kinds:
        anchor = schedule.Anchor(0)
        if before is not None and kind != ProgrammeKind.FILLER:
            part, seed = cast(schedule.Part, kind), _manner(stream, kind)[1]
            if stream.start_policy == StartPolicy.RESUME and stream.stopped_at:
                anchor = schedule.anchor_resume(
                    before, part,
                    items=[(entry["id"], entry["frames"]) for entry in lists.of(kind)],
                    seed=seed, stopped_ns=stopped_ns,
                )  # fmt: skip
            elif seed is not None:
                anchor = schedule.Anchor(
                    0, cycle=schedule.next_cycle(before, part, at_ns=stopped_ns)
                )
        write_version(stream, kind, lists.of(kind), anchor)


def _go_on_by_the_clock(
    stream: Stream, rows: Sequence[ProgrammeVersion], before: schedule.Programme, *, now_ns: int
) -> None:
    """What nobody saw needs no version; what changed meanwhile takes over at the next key frame."""
    anchor = schedule.anchor_now(before, now_ns=now_ns)
    for kind, entries in _outdated(stream, rows).items():
        if kind == ProgrammeKind.FILLER:
            write_version(stream, kind, entries, schedule.Anchor(0))
        elif kind == ProgrammeKind.SOUND:
            frame = schedule.sound_frame(before, anchor.effective_from)
            write_version(stream, kind, entries, schedule.Anchor(frame))
        else:
            write_version(stream, kind, entries, anchor)


# -- rows ---------------------------------------------------------------------------------------


def forget_replaced(*, before: datetime) -> int:
    """Remove versions that say nothing about the time since `before`; returns how many.

    What a paused stream goes back to is kept, and what one that is off was stopped in.
    """
    old = ProgrammeVersion.objects.filter(created_at__lt=before)
    removed, _rows = old.exclude(epoch=F("stream__timeline_epoch")).delete()
    streams = Stream.objects.filter(pk__in=old.values("stream"), paused_from=None)
    for stream in streams.iterator():
        since = before
        if not stream.is_wanted and stream.stopped_at is not None:
            since = min(before, stream.stopped_at)
        first: dict[str, int] = {}
        for row in selectors.standing_versions(stream, since=since):
            first.setdefault(row.kind, row.n)
        for kind, n in first.items():
            replaced, _rows = old.filter(stream=stream, kind=kind, n__lt=n).delete()
            removed += replaced
    return removed


def programme_of(stream: Stream, rows: Sequence[ProgrammeVersion]) -> schedule.Programme:
    """The programme that these rows of the stream's time line describe."""
    return schedule.programme(epoch=_epoch(stream), profile=stream.profile, versions=rows)


def _epoch(stream: Stream) -> datetime:
    assert stream.timeline_epoch is not None  # noqa: S101 - versions count from it
    return stream.timeline_epoch


def at_frame(stream: Stream, programme: schedule.Programme, part: schedule.Part) -> int:
    """The first frame at which an edit asked for now may take effect."""
    return schedule.earliest(
        programme, part, now_ns=schedule.to_ns(timezone.now()), lead_ns=selectors.lead_ns(stream)
    )


def due_at(stream: Stream, version: ProgrammeVersion) -> datetime:
    """When a version takes effect."""
    if version.kind == ProgrammeKind.FILLER:
        return timezone.now()
    return schedule.time_of(version.kind, _epoch(stream), stream.profile, version.effective_from)


def assets_of(rows: Sequence[ProgrammeVersion], *lists: Sequence[dict[str, Any]]) -> dict[str, str]:
    """Which file each entry of a programme is of, by the entry's id."""
    entries = [entry for row in rows for entry in row.items]
    return {entry["id"]: entry["asset"] for entry in [*entries, *(e for one in lists for e in one)]}


def write_edit(
    stream: Stream, edit: schedule.Edit, assets: dict[str, str]
) -> list[ProgrammeVersion]:
    """Write the versions of an edit, which replace those that would begin with them or later."""
    last = _last_n(stream)
    return [
        ProgrammeVersion.objects.create(
            stream=stream,
            n=n,
            kind=version.kind,
            epoch=_epoch(stream),
            profile=stream.profile,
            effective_from=version.effective_from,
            entry=version.entry,
            offset=version.offset,
            loop=version.loop,
            seed=version.seed,
            cycle=version.cycle,
            items=[_with_asset(entry, assets) for entry in version.entries],
        )
        for n, version in enumerate(edit.versions, last + 1)
    ]


def _with_asset(entry: dict[str, Any], assets: dict[str, str]) -> dict[str, Any]:
    # In the order of `selectors`, so that equal entries are equal text too.
    return {"id": entry["id"], "asset": assets[entry["id"]], **entry}


def write_version(
    stream: Stream, kind: str, entries: list[dict[str, Any]], anchor: schedule.Anchor
) -> ProgrammeVersion:
    """Write one version as it stands."""
    loop, seed = _manner(stream, kind)
    return ProgrammeVersion.objects.create(
        stream=stream,
        n=_last_n(stream) + 1,
        kind=kind,
        epoch=_epoch(stream),
        profile=stream.profile,
        effective_from=anchor.effective_from,
        entry=anchor.entry,
        offset=anchor.offset,
        loop=loop,
        seed=seed,
        cycle=anchor.cycle,
        items=entries,
    )


def _last_n(stream: Stream) -> int:
    return stream.versions.aggregate(last=Max("n"))["last"] or 0


def told(stream: Stream) -> None:
    """Have every node that sends the stream read its programme anew."""
    stream.generation += 1
    stream.save(update_fields=["generation", "updated_at"])
    stream.outputs.filter(desired=Desired.ON).update(generation=F("generation") + 1)
    wake_on_commit(CHANNEL, stream.pk)
