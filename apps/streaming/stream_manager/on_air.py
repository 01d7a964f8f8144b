"""Edits of what is on air: each is versions appended, and takes effect at least 3 s ahead.

Whatever happens in between, the time line and the connections stay as they are.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import Any

from django.db import transaction
from django.utils import timezone
from django.utils.translation import gettext as _

from apps.accounts.models import User
from apps.library.models import Asset
from apps.streaming import events, schedule, selectors
from apps.streaming.models import (
    Desired,
    Event,
    Playlist,
    ProgrammeKind,
    ProgrammeVersion,
    Stream,
)
from apps.streaming.schedule import Part
from apps.streaming.stream_manager.playlists import request_renditions
from apps.streaming.stream_manager.programmes import (
    assets_of,
    at_frame,
    locked,
    programme_of,
    refresh_programme,
    standing,
    told,
    versions_before,
    write_edit,
)


class EditRefused(Exception):
    """The edit cannot be made now; the text says why and what to do."""


@dataclass(frozen=True, slots=True)
class Edited:
    """An edit that was written down."""

    version: int
    """Its first version, by which it is undone."""
    part: Part
    at: datetime
    """When it takes effect."""
    title: str
    """What is on then."""


Change = Callable[[Stream, schedule.Programme, int], schedule.Edit]
"""Stream, programme and the first frame that may change."""


def skip(*, stream: Stream, part: Part = "pictures", by: User | None = None) -> Edited:
    """Cut short what is on; what would come next comes now. Raises `EditRefused`."""
    return _edit(
        stream, part, by, "stream.skipped", "The item on air was skipped.",
        lambda _s, programme, frame: schedule.skip(programme, part, at_frame=frame),
        nothing=_("What is on ends within seconds by itself, or nothing else follows it."),
    )  # fmt: skip


def jump(
    *,
    stream: Stream,
    item_id: str,
    part: Part = "pictures",
    at: schedule.At = "key",
    by: User | None = None,
) -> Edited:
    """Go on with another item of the list, or bring forward what is to play once.

    Raises `EditRefused`.
    """
    return _edit(
        stream, part, by, "stream.jumped", "Another item was chosen.",
        lambda _s, programme, frame: schedule.jump(
            programme, part, item_id=item_id, at=at, at_frame=frame,
            now_ns=schedule.to_ns(timezone.now()),
        ),
    )  # fmt: skip


def play_next(
    *, stream: Stream, asset: Asset, part: Part = "pictures", by: User | None = None
) -> Edited:
    """Play a file once behind what is on, then go on as before. Raises `EditRefused`."""
    entry = selectors.ready_once(stream, asset, part)
    if entry is None:
        raise EditRefused(
            _("“%(title)s” is not prepared in the format of this stream yet.")
            % {"title": asset.title}
        )
    return _edit(
        stream, part, by, "stream.play_next", "A file plays once, behind what is on.",
        lambda _s, programme, frame: schedule.play_next(
            programme, part, entry=entry, at_frame=frame
        ),
        entries=[entry], nothing=_over(),
    )  # fmt: skip


def _over() -> str:
    return _("Nothing would be on air then: the programme comes to its end.")


def swap_playlist(
    *,
    stream: Stream,
    playlist: Playlist,
    part: Part = "pictures",
    at: schedule.At = "item",
    by: User | None = None,
) -> Edited:
    """Play another playlist from its top, and keep to it. Raises `EditRefused`."""
    entries = selectors.ready_list(stream, playlist, part)
    if not entries:
        raise EditRefused(
            _("Nothing of “%(name)s” is prepared for this stream yet.") % {"name": playlist.name}
        )
    column = "music" if part == "sound" else "playlist"
    before = stream.music_id if part == "sound" else stream.playlist_id

    def change(stream: Stream, programme: schedule.Programme, frame: int) -> schedule.Edit:
        if part == "pictures" and stream.paused_from is not None:
            raise EditRefused(_("The stream is paused. Resume it first."))
        setattr(stream, column, playlist)
        stream.save(update_fields=[column, "updated_at"])
        shuffled = stream.shuffle_music if part == "sound" else stream.shuffle
        return schedule.swap(
            programme, part, entries=entries, at=at,
            loop=part == "sound" or stream.loop, seed=stream.seed if shuffled else None,
            at_frame=frame,
        )  # fmt: skip

    with transaction.atomic():
        edited = _edit(
            stream, part, by, "stream.playlist_swapped", "Another playlist takes over.", change,
            entries=entries, nothing=_over(), playlist=str(playlist.pk),
            before=str(before) if before else None,
        )  # fmt: skip
        request_renditions(playlist)
    return edited


def pause(*, stream: Stream, by: User | None = None) -> Edited:
    """Show the filler until `resume`; what was cut off waits. Raises `EditRefused`."""
    entries = selectors.ready_lists(stream).filler
    if not entries:
        raise EditRefused(
            _("A pause shows the filler playlist, and nothing of one is prepared. Choose one.")
        )

    def change(stream: Stream, programme: schedule.Programme, frame: int) -> schedule.Edit:
        if stream.is_radio:
            raise EditRefused(_("In radio mode the music goes on; swap its playlist instead."))
        if stream.paused_from is not None:
            raise EditRefused(_("The stream is paused already."))
        edit = schedule.swap(programme, "pictures", entries=entries, at="key", at_frame=frame)
        stream.paused_from = edit.versions[0].effective_from
        stream.save(update_fields=["paused_from", "updated_at"])
        return edit

    return _edit(
        stream, "pictures", by, "stream.paused", "The programme was paused.", change,
        entries=entries, nothing=_over(),
    )  # fmt: skip


def resume(*, stream: Stream, by: User | None = None) -> Edited:
    """End a pause: go on where the programme was cut off. Raises `EditRefused`."""

    rows: list[ProgrammeVersion] = []

    def change(stream: Stream, programme: schedule.Programme, frame: int) -> schedule.Edit:
        since = stream.paused_from
        if since is None:
            raise EditRefused(_("The stream is not paused."))
        rows.extend(versions_before(stream, "pictures", n=_pause_of(stream, since), since=since))
        stream.paused_from = None
        stream.save(update_fields=["paused_from", "updated_at"])
        return schedule.undo(
            programme, "pictures", before=programme_of(stream, rows), since=since, at_frame=frame
        )

    with transaction.atomic():
        edited = _edit(
            stream, "pictures", by, "stream.resumed", "The programme goes on.", change,
            brought_back=rows, nothing=_over(),
        )  # fmt: skip
        return _with_changed_lists(stream, edited)


def _with_changed_lists(stream: Stream, edited: Edited) -> Edited:
    """What was brought back follows its playlist, which may have been changed meanwhile."""
    stream = locked(stream)
    if refresh_programme(stream=stream) is None:
        return edited
    programme = programme_of(stream, standing(stream))
    return replace(edited, title=schedule.title_at(programme, edited.part, edited.at))


def _pause_of(stream: Stream, since: int) -> int:
    """The version with which the pause began. What was chosen before that may begin there too."""
    paused = stream.events.filter(code="stream.paused").first()
    if paused is not None:
        return int(paused.data["version"])
    # So long ago that nobody remembers the event.
    rows = stream.versions.filter(kind=ProgrammeKind.PICTURES, effective_from=since)
    return rows.latest("n").n


UNDOABLE = {
    "stream.skipped",
    "stream.jumped",
    "stream.play_next",
    "stream.playlist_swapped",
    "stream.paused",
}
"""Events of edits that can be taken back while nothing was edited since."""


def undo(*, stream: Stream, version: int, by: User | None = None) -> Edited:
    """Take back the edit that began with `version`, the last one of its part.

    Before it took effect nothing of it is seen; afterwards what it cut off goes on from where it
    was cut. Raises `EditRefused`.
    """
    if not stream.is_wanted:
        raise EditRefused(_("The stream is off. Start it first."))
    event = undoable(stream, version=version)
    if event is None:
        raise EditRefused(_("That cannot be undone any more: something else was changed since."))
    if event.code == "stream.paused":
        return resume(stream=stream, by=by)
    part: Part = event.data["part"]
    rows: list[ProgrammeVersion] = []

    def change(stream: Stream, programme: schedule.Programme, frame: int) -> schedule.Edit:
        if undoable(stream, version=version) is None:
            raise EditRefused(_("Something else was changed since."))
        if event.code == "stream.playlist_swapped":
            column = "music_id" if part == "sound" else "playlist_id"
            kept = Playlist.objects.filter(pk=event.data["before"], workspace=stream.workspace_id)
            if event.data["before"] and not kept.exists():
                raise EditRefused(_("The playlist from before was deleted."))
            setattr(stream, column, event.data["before"])
            stream.save(update_fields=[column, "updated_at"])
        since = stream.versions.get(n=version).effective_from
        rows.extend(versions_before(stream, part, n=version, since=since))
        return schedule.undo(
            programme, part, before=programme_of(stream, rows), since=since, at_frame=frame
        )

    with transaction.atomic():
        edited = _edit(
            stream, part, by, "stream.edit_undone", "The last edit was undone.", change,
            brought_back=rows, nothing=_over(),
        )  # fmt: skip
        return _with_changed_lists(stream, edited)


UNDO_SHOWN = timedelta(minutes=10)


def last_edit(
    stream: Stream, recent: Sequence[Event], versions: Sequence[ProgrammeVersion]
) -> Event | None:
    """The last edit while it can be undone and is fresh enough to be offered: no query.

    `recent` are the latest events, `versions` what is on and to come.
    """
    last = next((event for event in recent if event.code in EDITS), None)
    if last is None or last.code not in UNDOABLE or not stream.is_wanted:
        return None
    newest = max((v.n for v in versions if v.kind != ProgrammeKind.FILLER), default=0)
    if newest != last.data.get("last") or timezone.now() - last.at > UNDO_SHOWN:
        return None
    return last


def undoable(stream: Stream, *, version: int | None = None) -> Event | None:
    """The last edit while it can be undone; with `version`, only when that is the one."""
    last = stream.events.filter(code__in=EDITS).first()
    if last is None or last.code not in UNDOABLE or stream.timeline_epoch is None:
        return None
    if version is not None and last.data.get("version") != version:
        return None
    later = stream.versions.exclude(kind=ProgrammeKind.FILLER).filter(n__gt=last.data["last"])
    if later.exists() or last.at < stream.timeline_epoch:
        return None
    return last


EDITS = {*UNDOABLE, "stream.resumed", "stream.edit_undone", "stream.programme_changed"}


def _edit(
    stream: Stream,
    part: Part,
    by: User | None,
    code: str,
    text: str,
    change: Change,
    *,
    entries: list[dict[str, Any]] | None = None,
    brought_back: Sequence[ProgrammeVersion] = (),
    nothing: str = "",
    **data: Any,
) -> Edited:
    """Write what `change` makes of the programme.

    `brought_back` is filled by `change` with what may be long over. `nothing` says why there may
    be nothing to do.
    """
    with transaction.atomic():
        stream = locked(stream)
        if stream.desired != Desired.ON or stream.timeline_epoch is None:
            raise EditRefused(_("The stream is off. Start it first."))
        if part == "sound" and not stream.is_radio:
            raise EditRefused(_("The stream has no music of its own."))
        rows = standing(stream)
        programme = programme_of(stream, rows)
        try:
            edit = change(stream, programme, at_frame(stream, programme, part))
        except schedule.BeginsByItself:
            raise EditRefused(_("That begins by itself, before anything may change.")) from None
        except schedule.NothingToChange:
            raise EditRefused(
                nothing or _("That is not in the list that is on air then, or nothing is.")
            ) from None
        written: list[ProgrammeVersion] = write_edit(
            stream, edit, assets_of([*rows, *brought_back], entries or [])
        )
        told(stream)
        events.record(
            stream,
            code,
            text,
            by=by,
            version=written[0].n,
            last=written[-1].n,
            part=part,
            effective_at=edit.at,
            title=edit.title,
            **data,
        )
    return Edited(written[0].n, part, edit.at, edit.title)
