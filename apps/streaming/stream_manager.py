"""The only writer of desired state: streams, their destinations, playlists and programmes.

Nobody "starts" a stream here: we write down what is wished, and nodes close the difference.
Every function is one transaction, may be called twice, and returns before anything is on air.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Literal
from uuid import UUID, uuid4

from django.db import IntegrityError, transaction
from django.db.models import F, Max, Q
from django.db.models.functions import Now
from django.utils import timezone
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from apps.accounts.models import User, Workspace
from apps.core.wake import wake_on_commit
from apps.library.models import Asset
from apps.library.services import request_rendition
from apps.streaming import destinations, events, schedule, selectors
from apps.streaming.models import (
    Desired,
    Destination,
    Output,
    Playlist,
    PlaylistItem,
    ProgrammeVersion,
    StartPolicy,
    Stream,
)

CHANNEL = "playout"
"""The wake channel that node control listens to."""


class StartRefused(Exception):
    """The stream cannot be started as it is; `problems` says in plain words what is missing."""

    def __init__(self, problems: Sequence[str]) -> None:
        super().__init__(" ".join(problems))
        self.problems = tuple(problems)


class StreamIsOnAir(Exception):
    """The change has to wait until the stream is stopped."""


# -- start and stop -----------------------------------------------------------------------------


def start_stream(*, stream: Stream, by: User | None = None) -> bool:
    """Ask for `stream` to be on air. Returns before it is; False when it was wished already.

    Raises `StartRefused` and changes nothing when something is missing.
    """
    with transaction.atomic():
        stream = _locked(stream)
        if stream.desired == Desired.ON:
            return False
        outputs = list(stream.outputs.select_related("destination").defer("destination__key"))
        items = selectors.ready_items(stream)
        problems = _problems(stream, items, outputs)
        if problems:
            raise StartRefused(problems)
        now = timezone.now()
        _begin_programme(stream, items, now=now)
        stream.desired = Desired.ON
        stream.generation += 1
        stream.started_at, stream.stopped_at = now, None
        stream.save(
            update_fields=[
                "desired", "generation", "started_at", "stopped_at", "timeline_epoch", "updated_at",
            ]
        )  # fmt: skip
        try:
            with transaction.atomic():
                for output in outputs:
                    Output.objects.filter(pk=output.pk).update(
                        desired=Desired.ON,
                        generation=F("generation") + 1,
                        profile=stream.profile,
                        publishing_point=output.destination.fingerprint,
                    )
        except IntegrityError:
            # Somebody else started the same publishing point since we looked.
            raise StartRefused([str(_KEY_IN_USE)]) from None
        events.record(stream, "stream.start_requested", "Start was asked for.", by=by)
        wake_on_commit(CHANNEL, stream.pk)
    return True


def stop_stream(
    *, stream: Stream, by: User | None = None, reason: str = "Stop was asked for."
) -> bool:
    """Ask for `stream` to be off. Returns before it is; False when it was off already."""
    with transaction.atomic():
        stream = _locked(stream)
        if stream.desired == Desired.OFF:
            return False
        stream.desired = Desired.OFF
        stream.generation += 1
        stream.stopped_at = timezone.now()
        stream.save(update_fields=["desired", "generation", "stopped_at", "updated_at"])
        stream.outputs.update(
            desired=Desired.OFF, generation=F("generation") + 1, publishing_point=""
        )
        events.record(stream, "stream.stop_requested", reason, by=by)
        wake_on_commit(CHANNEL, stream.pk)
    return True


_KEY_IN_USE = gettext_lazy(
    "Another stream uses this stream key. Stop that one first, or use another key."
)


@dataclass(frozen=True, slots=True)
class Check:
    """One thing that a stream needs before it can start."""

    what: Literal["playlist", "videos", "destination", "key"]
    problems: tuple[str, ...]
    """What is missing and what to do, in plain words."""
    waits: bool = False
    """It cannot be told before another check is well."""

    @property
    def is_well(self) -> bool:
        """Whether nothing is missing here."""
        return not self.problems and not self.waits


def checks(stream: Stream) -> list[Check]:
    """Whether `stream` is ready to go live: what `start_stream` would refuse, and what is well.

    Six queries or fewer, whatever is in the playlist, while there is one output.
    """
    outputs = list(stream.outputs.select_related("destination").defer("destination__key"))
    return _checks(stream, selectors.ready_items(stream), outputs)


def _problems(
    stream: Stream, items: Sequence[selectors.ReadyItem], outputs: Sequence[Output]
) -> list[str]:
    return [text for check in _checks(stream, items, outputs) for text in check.problems]


def _checks(
    stream: Stream, items: Sequence[selectors.ReadyItem], outputs: Sequence[Output]
) -> list[Check]:
    playlist, videos, destination, key = [], [], [], []
    if stream.playlist_id is None:
        playlist.append(_("The stream has no playlist. Choose one."))
    elif not items:
        if selectors.is_playlist_empty(stream.playlist_id):
            playlist.append(_("The playlist is empty. Add at least one video to it."))
        else:
            videos.append(
                _("No video of the playlist is prepared yet. Wait until one is, then start.")
            )
    if not outputs:
        destination.append(_("The stream has no destination. Give an address and a stream key."))
    for output in outputs:
        try:
            destinations.check(output.destination.address)
        except destinations.DestinationRefused as refused:
            destination.append(str(refused))
        busy = (
            Output.objects.filter(destination__fingerprint=output.destination.fingerprint)
            .exclude(stream=stream)
            .filter(Q(desired=Desired.ON) | ~Q(node="") & Q(expires_at__gt=Now()))
            .select_related("stream")
            .first()
        )
        if busy is None:
            continue
        if busy.stream.workspace_id != stream.workspace_id:
            key.append(str(_KEY_IN_USE))
        elif busy.desired == Desired.ON:
            key.append(
                _(
                    "The stream “%(title)s” is using this stream key. Stop it first, or use "
                    "another key."
                )
                % {"title": busy.stream.title}
            )
        else:
            key.append(
                _(
                    "The stream “%(title)s” is still closing its session with this stream key. "
                    "Try again in a few seconds."
                )
                % {"title": busy.stream.title}
            )
    return [
        Check("playlist", tuple(playlist)),
        Check("videos", tuple(videos), waits=bool(playlist)),
        Check("destination", tuple(destination)),
        Check("key", tuple(key), waits=not outputs),
    ]


def _locked(stream: Stream) -> Stream:
    return Stream.objects.select_for_update().get(pk=stream.pk)


# -- the programme ------------------------------------------------------------------------------


def refresh_programme(*, stream: Stream) -> ProgrammeVersion | None:
    """Write a new version of what a wanted stream shows, when its playlist says something else.

    It takes effect at the next join at least 3 s ahead. None when nothing changed, or when
    nothing new could be shown (then the old programme goes on).
    """
    # Looked at without a lock first: most calls find nothing to do, and writers queue.
    if not _is_outdated(stream, selectors.versions_of_epoch(stream)):
        return None
    with transaction.atomic():
        stream = _locked(stream)
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


def _begin_programme(
    stream: Stream, items: Sequence[selectors.ReadyItem], *, now: datetime
) -> None:
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


# -- streams and destinations -------------------------------------------------------------------


def create_stream(
    *,
    workspace: Workspace,
    title: str,
    playlist: Playlist | None,
    profile: str,
    loop: bool = True,
    start_policy: str = StartPolicy.TOP,
    address: str = "",
    key: str = "",
    by: User | None = None,
) -> Stream:
    """A new stream, off, with one destination when an address and a key are given.

    Raises `destinations.DestinationRefused`.
    """
    with transaction.atomic():
        stream = Stream.objects.create(
            workspace=workspace,
            title=title,
            playlist=playlist,
            profile=profile,
            loop=loop,
            start_policy=start_policy,
        )
        if address:
            _connect(stream, address=address, key=key)
        events.record(stream, "stream.created", "The stream was created.", by=by)
        _request_renditions(playlist)
    return stream


def update_stream(
    *,
    stream: Stream,
    title: str,
    playlist: Playlist | None,
    profile: str,
    loop: bool,
    start_policy: str,
    address: str = "",
    key: str = "",
    by: User | None = None,
) -> Stream:
    """Change a stream. While it is wished on air only title, playlist, loop and policy may change.

    An empty key keeps the old one. Raises `StreamIsOnAir`, `destinations.DestinationRefused`.
    """
    with transaction.atomic():
        stream = _locked(stream)
        old = _destination_of(stream)
        redirected = bool(key) or bool(address and (old is None or old.address != address))
        if stream.desired == Desired.ON and (redirected or profile != stream.profile):
            raise StreamIsOnAir(
                _("Format and destination cannot change on air. Stop the stream first.")
            )
        stream.title, stream.playlist, stream.profile = title, playlist, profile
        stream.loop, stream.start_policy = loop, start_policy
        stream.save(
            update_fields=["title", "playlist", "profile", "loop", "start_policy", "updated_at"]
        )
        if redirected:
            _connect(stream, address=address, key=key or (old.key if old else ""))
        stream.outputs.update(profile=profile)
        events.record(stream, "stream.updated", "The settings were changed.", by=by)
        _request_renditions(playlist)
        refresh_programme(stream=stream)
    return stream


def delete_stream(*, stream: Stream, by: User | None = None) -> None:
    """Remove a stream that is off, and its destinations when nothing else uses them.

    Raises `StreamIsOnAir` while it is wished, or while a node still holds it.
    """
    with transaction.atomic():
        stream = _locked(stream)
        held = stream.outputs.exclude(node="").filter(expires_at__gt=Now()).exists()
        if stream.desired == Desired.ON or held:
            raise StreamIsOnAir(_("Stop the stream, wait until it is off, and delete it then."))
        used = list(stream.outputs.values_list("destination_id", flat=True))
        stream.delete()
        Destination.objects.filter(pk__in=used, outputs=None).delete()


def _destination_of(stream: Stream) -> Destination | None:
    outputs = stream.outputs.select_related("destination").defer("destination__key")
    output = outputs.order_by("created_at").first()
    return output.destination if output else None


def _connect(stream: Stream, *, address: str, key: str) -> None:
    """Send the stream to `address` with `key`, instead of where it went before."""
    parts = destinations.check(address)
    if not key:
        raise destinations.DestinationRefused(_("The stream key is missing."))
    values: dict[str, Any] = {
        "name": parts.host,
        "address": address,
        "key": key,
        "key_hint": destinations.key_hint(key),
        "fingerprint": destinations.fingerprint(address, key),
    }
    outputs = stream.outputs.select_related("destination").defer("destination__key")
    output = outputs.order_by("created_at").first()
    if output is None:
        destination = Destination.objects.create(workspace_id=stream.workspace_id, **values)
        Output.objects.create(stream=stream, destination=destination, profile=stream.profile)
    else:
        for name, value in values.items():
            setattr(output.destination, name, value)
        output.destination.save()
        Output.objects.filter(pk=output.pk).update(generation=F("generation") + 1)


# -- playlists ----------------------------------------------------------------------------------


def create_playlist(*, workspace: Workspace, name: str) -> Playlist:
    """A new, empty playlist."""
    return Playlist.objects.create(workspace=workspace, name=name)


def rename_playlist(*, playlist: Playlist, name: str) -> None:
    """Give a playlist another name."""
    Playlist.objects.filter(pk=playlist.pk).update(name=name, updated_at=timezone.now())


def delete_playlist(*, playlist: Playlist) -> None:
    """Remove a playlist. Raises `StreamIsOnAir` while a wanted stream plays it."""
    with transaction.atomic():
        user = playlist.streams.select_for_update().filter(desired=Desired.ON).first()
        if user is not None:
            raise StreamIsOnAir(
                _("The stream “%(title)s” is playing this list. Stop it first.")
                % {"title": user.title}
            )
        playlist.delete()


def restore_item(
    *, playlist: Playlist, asset: Asset, item_id: UUID, position: int
) -> PlaylistItem | None:
    """Put an item back that was taken out, as the same item; None when it is there already.

    Being the same, it leaves a programme as it was that has not followed the removal yet.
    """
    if PlaylistItem.objects.filter(pk=item_id).exists():
        return None
    (item,) = add_items(playlist=playlist, assets=[asset], position=position, ids=[item_id])
    return item


def add_items(
    *,
    playlist: Playlist,
    assets: Iterable[Asset],
    position: int | None = None,
    ids: Iterable[UUID] | None = None,
) -> list[PlaylistItem]:
    """Put assets into the playlist, at `position` or at the end; have them prepared."""
    assets = list(assets)
    ids = list(ids) if ids is not None else [uuid4() for _n in assets]
    with transaction.atomic():
        playlist = Playlist.objects.select_for_update().get(pk=playlist.pk)
        order = list(playlist.items.all())
        at = len(order) if position is None else max(0, min(position, len(order)))
        added = PlaylistItem.objects.bulk_create(
            PlaylistItem(pk=item_id, playlist=playlist, asset=asset, position=at + n)
            for n, (item_id, asset) in enumerate(zip(ids, assets, strict=True))
        )
        _number(order[:at] + added + order[at:])
        _playlist_changed(playlist)
    return added


def remove_items(*, playlist: Playlist, item_ids: Iterable[UUID]) -> list[PlaylistItem]:
    """Take items out and return those that were there, each with its old position."""
    wanted = set(item_ids)
    with transaction.atomic():
        playlist = Playlist.objects.select_for_update().get(pk=playlist.pk)
        order = list(playlist.items.select_related("asset"))
        gone = []
        for position, item in enumerate(order):
            if item.pk in wanted:
                item.position = position
                gone.append(item)
        if gone:
            PlaylistItem.objects.filter(pk__in=[item.pk for item in gone]).delete()
            _number([item for item in order if item.pk not in wanted])
            _playlist_changed(playlist)
    return gone


def remove_item(*, playlist: Playlist, item_id: UUID) -> PlaylistItem | None:
    """Take one item out and return it with its old position; None when it was not there."""
    gone = remove_items(playlist=playlist, item_ids=[item_id])
    return gone[0] if gone else None


@dataclass(frozen=True, slots=True)
class Moved:
    """An item that changed its place, so that the change can be taken back."""

    item_id: UUID
    old: int
    new: int


def move_item(*, playlist: Playlist, item_id: UUID, by: int) -> bool:
    """Move one item up (negative) or down; False when it is not in the playlist."""
    return _move(playlist, item_id, lambda old: old + by) is not None


def place_item(*, playlist: Playlist, item_id: UUID, at: int) -> Moved | None:
    """Move one item to the place `at`, counted from 0; None when it is not in the playlist."""
    return _move(playlist, item_id, lambda _old: at)


def _move(playlist: Playlist, item_id: UUID, place: Callable[[int], int]) -> Moved | None:
    with transaction.atomic():
        playlist = Playlist.objects.select_for_update().get(pk=playlist.pk)
        order = list(playlist.items.all())
        old = next((n for n, item in enumerate(order) if item.pk == item_id), None)
        if old is None:
            return None
        item = order.pop(old)
        new = max(0, min(place(old), len(order)))
        order.insert(new, item)
        _number(order)
        _playlist_changed(playlist)
    return Moved(item_id, old, new)


def set_order(*, playlist: Playlist, item_ids: Sequence[UUID]) -> Moved | None:
    """Put items into the given order. Ids that are not there are ignored; items not named follow.

    So an order sent from a page that is a little old neither loses nor invents anything. Returns
    what was moved when that was one item, as it is when somebody drags.
    """
    rank = {item_id: n for n, item_id in enumerate(item_ids)}
    with transaction.atomic():
        playlist = Playlist.objects.select_for_update().get(pk=playlist.pk)
        before = list(playlist.items.all())
        order = sorted(before, key=lambda item: (rank.get(item.pk, len(rank)), item.position))
        moved = _one_moved([item.pk for item in before], [item.pk for item in order])
        _number(order)
        _playlist_changed(playlist)
    return moved


def _one_moved(before: Sequence[UUID], after: Sequence[UUID]) -> Moved | None:
    """The one item whose move makes `after` of `before`; None when there is none such."""
    changed = [n for n, (old, new) in enumerate(zip(before, after, strict=True)) if old != new]
    if not changed:
        return None
    first, last = changed[0], changed[-1]
    old, new = list(before[first : last + 1]), list(after[first : last + 1])
    if old[1:] + old[:1] == new:
        return Moved(before[first], first, last)
    if old[-1:] + old[:-1] == new:
        return Moved(before[last], last, first)
    return None


def _number(order: Sequence[PlaylistItem]) -> None:
    moved = []
    for position, item in enumerate(order):
        if item.position != position:
            item.position = position
            moved.append(item)
    PlaylistItem.objects.bulk_update(moved, ["position"])


def _playlist_changed(playlist: Playlist) -> None:
    Playlist.objects.filter(pk=playlist.pk).update(updated_at=timezone.now())
    _request_renditions(playlist)
    for stream in playlist.streams.filter(desired=Desired.ON):
        refresh_programme(stream=stream)


def _request_renditions(playlist: Playlist | None) -> None:
    """Have every item of the playlist prepared for every stream that plays it."""
    if playlist is None:
        return
    profiles = set(playlist.streams.values_list("profile", flat=True))
    for profile in sorted(profiles):
        for asset in selectors.assets_without_rendition(playlist, profile):
            request_rendition(asset=asset, profile=profile)
