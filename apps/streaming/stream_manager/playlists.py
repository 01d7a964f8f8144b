"""Playlists and their items. What is on air follows them."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from uuid import UUID, uuid4

from django.db import transaction
from django.db.models import Q, QuerySet
from django.utils import timezone
from django.utils.translation import gettext as _

from apps.accounts.models import Workspace
from apps.library.models import Asset
from apps.library.preparation import default_profile_id
from apps.library.services import request_rendition
from apps.streaming import selectors
from apps.streaming.models import Desired, Playlist, PlaylistItem, Stream
from apps.streaming.stream_manager.programmes import StreamIsOnAir, refresh_programme


def create_playlist(*, workspace: Workspace, name: str) -> Playlist:
    """A new, empty playlist."""
    return Playlist.objects.create(workspace=workspace, name=name)


def rename_playlist(*, playlist: Playlist, name: str) -> None:
    """Give a playlist another name."""
    Playlist.objects.filter(pk=playlist.pk).update(name=name, updated_at=timezone.now())


def delete_playlist(*, playlist: Playlist) -> None:
    """Remove a playlist. Raises `StreamIsOnAir` while a wanted stream plays it."""
    with transaction.atomic():
        user = _users(playlist).select_for_update().filter(desired=Desired.ON).first()
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


def set_order(
    *, playlist: Playlist, item_ids: Sequence[UUID], others_stay: bool = False
) -> Moved | None:
    """Put items into the given order. Ids that are not there are ignored; items not named follow.

    With `others_stay` items not named keep their places, and those named share the places that
    they hold. So an order sent from a page that is a little old, or shows a part of the list,
    neither loses nor invents anything. Returns what was moved when that was one item, as it is
    when somebody drags.
    """
    rank = {item_id: n for n, item_id in enumerate(item_ids)}
    with transaction.atomic():
        playlist = Playlist.objects.select_for_update().get(pk=playlist.pk)
        before = list(playlist.items.all())
        order = sorted(before, key=lambda item: (rank.get(item.pk, len(rank)), item.position))
        if others_stay:
            named = iter(order)
            order = [next(named) if item.pk in rank else item for item in before]
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


def put_order(playlist: Playlist, order: Sequence[PlaylistItem]) -> None:
    """Make `order` the whole playlist: items that are new are added, those left out removed.

    Inside a transaction that holds the playlist.
    """
    there = {item.pk for item in playlist.items.all()}
    kept = {item.pk for item in order}
    PlaylistItem.objects.filter(playlist=playlist, pk__in=there - kept).delete()
    for position, item in enumerate(order):
        item.position = position
    PlaylistItem.objects.bulk_create([item for item in order if item.pk not in there])
    PlaylistItem.objects.bulk_update(
        [item for item in order if item.pk in there], ["position", "video_title"]
    )
    _playlist_changed(playlist)


def _number(order: Sequence[PlaylistItem]) -> None:
    moved = []
    for position, item in enumerate(order):
        if item.position != position:
            item.position = position
            moved.append(item)
    PlaylistItem.objects.bulk_update(moved, ["position"])


def set_weight(*, playlist: Playlist, item_id: UUID, weight: int) -> bool:
    """How often an item plays in each shuffled round; False when it is not in the playlist."""
    with transaction.atomic():
        playlist = Playlist.objects.select_for_update().get(pk=playlist.pk)
        changed = playlist.items.filter(pk=item_id).update(weight=weight)
        if changed:
            _playlist_changed(playlist)
    return bool(changed)


def _playlist_changed(playlist: Playlist) -> None:
    Playlist.objects.filter(pk=playlist.pk).update(updated_at=timezone.now())
    request_renditions(playlist)
    for stream in _users(playlist).filter(desired=Desired.ON):
        refresh_programme(stream=stream)


def _users(playlist: Playlist) -> QuerySet[Stream]:
    """Streams that play it, for pictures, for sound or as a filler."""
    return Stream.objects.filter(Q(playlist=playlist) | Q(music=playlist) | Q(filler=playlist))


def request_renditions(playlist: Playlist | None) -> None:
    """Have every item prepared for every stream that plays it, and only what of it is played.

    Pictures are made in the format of each stream. Sound is the same in all of them, so for a
    stream that only hears the playlist any format that was asked for will do.
    """
    if playlist is None:
        return
    shown = Stream.objects.filter(Q(playlist=playlist) | Q(filler=playlist))
    for profile in sorted(set(shown.values_list("profile", flat=True))):
        for asset in selectors.assets_without_rendition(playlist, profile):
            request_rendition(asset=asset, profile=profile)
    if playlist.music_streams.exists():
        for asset in selectors.assets_without_sound(playlist):
            request_rendition(asset=asset, profile=default_profile_id())
