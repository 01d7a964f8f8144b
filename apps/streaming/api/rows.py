"""What the API reads: rows with everything that is told of them, in a fixed number of queries."""

from __future__ import annotations

from typing import Any

from django.db.models import (
    Count,
    OuterRef,
    Prefetch,
    Q,
    QuerySet,
    Subquery,
    Sum,
    prefetch_related_objects,
)
from django.db.models.functions import Coalesce

from apps.accounts.models import Workspace
from apps.core.cursors import Window, decode, encode, not_ours
from apps.streaming.models import Desired, Destination, Output, Playlist, PlaylistItem, Stream

_OUTPUTS = Prefetch(
    "outputs",
    Output.objects.filter(removed_at=None)
    .select_related("destination")
    .defer("destination__key")
    .order_by("created_at", "pk"),
)


def streams_of(
    workspace: Workspace, *, search: str = "", desired: Desired | None = None
) -> QuerySet[Stream]:
    """Streams with their outputs and destinations."""
    found = Stream.objects.filter(workspace=workspace).prefetch_related(_OUTPUTS)
    for word in search.split()[:8]:
        found = found.filter(title__icontains=word)
    return found.filter(desired=desired) if desired else found


def load_outputs(stream: Stream) -> None:
    """Read the outputs and destinations of one stream, in one query."""
    prefetch_related_objects([stream], _OUTPUTS)


def destinations_of(workspace: Workspace) -> QuerySet[Destination]:
    """Where the workspace's streams go; keys stay sealed in the table."""
    return Destination.objects.filter(workspace=workspace, outputs__removed_at=None).defer("key")


def playlists_of(workspace: Workspace, *, search: str = "") -> QuerySet[Any]:
    """Playlists with `item_count` and `duration_ms`."""
    found = with_sums(Playlist.objects.filter(workspace=workspace))
    for word in search.split()[:8]:
        found = found.filter(name__icontains=word)
    return found


def with_sums(playlists: QuerySet[Playlist]) -> QuerySet[Any]:
    """The same playlists with the number and the length of their items."""
    items = (
        PlaylistItem.objects.filter(playlist=OuterRef("pk"), asset__deleted_at=None)
        .order_by()
        .values("playlist")
    )
    sums: QuerySet[Any] = playlists.annotate(
        item_count=Coalesce(Subquery(items.annotate(n=Count("pk")).values("n")), 0),
        duration_ms=Coalesce(Subquery(items.annotate(n=Sum("asset__duration_ms")).values("n")), 0),
    )
    return sums


def items_of(playlist: Playlist, *, cursor: str, limit: int) -> Window[PlaylistItem]:
    """One page of a playlist, first item first.

    The next page begins behind the last item shown, wherever that was moved to meanwhile.
    """
    items = playlist.items.filter(asset__deleted_at=None)
    if cursor:
        position = _position(playlist, cursor)
        items = items.filter(Q(position__gt=position))
    found = list(items.select_related("asset").order_by("position", "created_at")[: limit + 1])
    page = found[:limit]
    more = len(found) > limit
    return Window(page, encode(str(page[-1].pk), str(page[-1].position)) if more else None)


def _position(playlist: Playlist, cursor: str) -> int:
    item_id, noted = decode(cursor, 2)
    try:
        now = playlist.items.filter(pk=item_id).values_list("position", flat=True).first()
        position = int(noted) if now is None else now
    except ValueError:
        raise not_ours() from None
    if not 0 <= position < 1 << 31:
        raise not_ours()
    # When that item is gone, the ones behind it have moved up by one.
    return position if now is not None else position - 1
