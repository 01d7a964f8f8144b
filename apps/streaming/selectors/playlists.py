"""Playlists and their items, in windows that do not grow with them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from django.db.models import Count, Q, QuerySet, Subquery, Sum

from apps.accounts.models import Workspace
from apps.core.cursors import in_order
from apps.library.models import Asset, AssetState
from apps.streaming.models import Playlist, PlaylistItem, Stream

PLAYLISTS_SHOWN = 50

ITEMS_SHOWN = 100


def playlist_names(workspace: Workspace, *, limit: int = 200) -> list[Playlist]:
    """Playlists to choose from, by name."""
    return list(Playlist.objects.filter(workspace=workspace).order_by("name", "created_at")[:limit])


@dataclass(frozen=True, slots=True)
class PlaylistPage:
    """Some playlists of a workspace, and whether there are others around them."""

    rows: Sequence[Playlist]
    before: str
    """Cursors of the neighbouring pages; empty for none."""
    after: str


def playlist_page(
    workspace: Workspace, *, before: str = "", after: str = "", size: int = PLAYLISTS_SHOWN
) -> PlaylistPage:
    """Playlists with their number of items and their length: one query."""
    shown = Q(items__asset__deleted_at=None)
    lists: QuerySet[Any] = Playlist.objects.filter(workspace=workspace).annotate(
        item_count=Count("items", filter=shown),
        duration_ms=Sum("items__asset__duration_ms", filter=shown),
    )
    order = ("name", "created_at", "pk")
    found = in_order(lists, order, before=before, after=after, limit=size)
    return PlaylistPage(rows=found.rows, before=found.before, after=found.after)


def is_shuffled(playlist: Playlist) -> bool:
    """Whether a stream shuffles it, so that weights mean something."""
    pictures, music = Q(playlist=playlist, shuffle=True), Q(music=playlist, shuffle_music=True)
    return Stream.objects.filter(pictures | music).exists()


@dataclass(frozen=True, slots=True)
class ItemWindow:
    """Some items of a playlist that lie one behind the other, and the sums of all of them."""

    items: Sequence[PlaylistItem]
    first: int
    """Place of the first one, counted from 0."""
    total: int
    duration_ms: int

    @property
    def last_place(self) -> int:
        """Place of the playlist's last item."""
        return self.total - 1

    @property
    def before(self) -> int | None:
        """Where the window before begins; None for none."""
        return max(0, self.first - ITEMS_SHOWN) if self.first else None

    @property
    def after(self) -> int | None:
        """Where the next window begins; None for none."""
        following = self.first + ITEMS_SHOWN
        return following if following < self.total else None


def item_window(playlist: Playlist, *, place: int = 0) -> ItemWindow:
    """The window of a playlist that holds `place`, or its last one: one query, or two for that."""
    shown = playlist.items.filter(asset__deleted_at=None)
    every = shown.order_by().values("playlist")
    first = max(0, place) // ITEMS_SHOWN * ITEMS_SHOWN
    # Places are dense, so that a window is a range of an index and never counts from the top.
    items = list(
        shown.filter(position__gte=first)
        .select_related("asset")
        .annotate(
            total=Subquery(every.annotate(n=Count("pk")).values("n")),
            sum_ms=Subquery(every.annotate(n=Sum("asset__duration_ms")).values("n")),
        )
        .order_by("position", "created_at")[:ITEMS_SHOWN]
    )
    if not items and first:
        return item_window(playlist, place=max(0, shown.count() - 1))
    total, duration_ms = (items[0].total, items[0].sum_ms) if items else (0, 0)
    return ItemWindow(items, first=first, total=total, duration_ms=duration_ms or 0)


def playlist_items(playlist: Playlist) -> list[PlaylistItem]:
    """All items with their assets, in order."""
    return list(
        playlist.items.filter(asset__deleted_at=None)
        .select_related("asset")
        .order_by("position", "created_at")
    )


def addable_assets(workspace: Workspace, *, search: str = "", limit: int = 50) -> list[Asset]:
    """Assets that can be put into a playlist, newest first."""
    found = Asset.objects.filter(workspace=workspace, deleted_at=None).exclude(
        state=AssetState.FAILED
    )
    if search:
        found = found.filter(title__icontains=search)
    return list(found[:limit])
