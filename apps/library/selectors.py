"""Reads of the library."""

from __future__ import annotations

import base64
import binascii
import uuid
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime

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
from django.utils.dateparse import parse_datetime

from apps.accounts.models import Workspace
from apps.core.cache import Remembered
from apps.library.models import Asset, AssetState, Folder, Rendition, Track, TrackState

PAGE_ROWS = 40


@dataclass(frozen=True, slots=True)
class AssetPage:
    """Some assets, newest first, and where the neighbouring pages begin."""

    assets: Sequence[Asset]
    older: str
    """Cursor for `before`; empty on the last page."""
    newer: str
    """Cursor for `after`; empty on the first page."""


def assets_of(workspace: Workspace) -> QuerySet[Asset]:
    """What people see of a workspace's library; renditions and tracks come in one more query."""
    return with_renditions(Asset.objects.filter(workspace=workspace, deleted_at__isnull=True))


def assets_by_id(
    workspace: Workspace, ids: Sequence[uuid.UUID], *, deleted: bool = False
) -> list[Asset]:
    """The files of a workspace with these ids, newest first; with `deleted`, deleted ones."""
    return list(
        Asset.objects.filter(workspace=workspace, pk__in=ids, deleted_at__isnull=not deleted)
    )


def with_renditions(assets: QuerySet[Asset]) -> QuerySet[Asset]:
    """The same assets with everything that their state is computed from."""
    return assets.select_related("upload").prefetch_related(
        Prefetch("renditions", Rendition.objects.select_related("video", "audio"))
    )


def load_renditions(asset: Asset) -> None:
    """Read what the state of one asset is computed from, in one query."""
    prefetch_related_objects(
        [asset], Prefetch("renditions", Rendition.objects.select_related("video", "audio"))
    )


def ready_assets(workspace: Workspace) -> QuerySet[Asset]:
    """What can be put into a playlist."""
    return assets_of(workspace).filter(state=AssetState.READY)


def folders_of(workspace: Workspace) -> list[Folder]:
    """All folders of a workspace by name; there are few (`services.folders.MOST_FOLDERS`)."""
    return list(Folder.objects.filter(workspace=workspace).order_by("name", "pk"))


def files_in(folder: Folder) -> int:
    """How many files lie in a folder."""
    return Asset.objects.filter(folder=folder, deleted_at__isnull=True).count()


def asset_page(
    workspace: Workspace,
    *,
    search: str = "",
    folder: Folder | None = None,
    before: str = "",
    after: str = "",
    rows: int = PAGE_ROWS,
) -> AssetPage:
    """One page of a workspace's files, or of one folder, at most 100.

    The cursors are those that an earlier page gave.
    """
    rows = max(1, min(rows, 100))
    found = assets_of(workspace)
    if folder is not None:
        found = found.filter(folder=folder)
    for word in search.split()[:8]:
        found = found.filter(Q(title__icontains=word) | Q(original_name__icontains=word))
    back = _place(after) if after and not before else None
    place = _place(before) if before else None
    if back is not None:
        at, pk = back
        # The first condition is implied by the second; it lets an index find the place.
        found = found.filter(created_at__gte=at).filter(Q(created_at__gt=at) | Q(pk__gt=pk))
        window = list(found.order_by("created_at", "pk")[: rows + 1])
        more = len(window) > rows
        assets = window[:rows][::-1]
        return AssetPage(
            assets,
            older=_cursor(assets[-1]) if assets else "",
            newer=_cursor(assets[0]) if more else "",
        )
    if place is not None:
        at, pk = place
        found = found.filter(created_at__lte=at).filter(Q(created_at__lt=at) | Q(pk__lt=pk))
    window = list(found.order_by("-created_at", "-pk")[: rows + 1])
    assets = window[:rows]
    return AssetPage(
        assets,
        older=_cursor(assets[-1]) if len(window) > rows else "",
        newer=_cursor(assets[0]) if place is not None and assets else "",
    )


def storage_used(workspace: Workspace) -> int:
    """Bytes of sources, unfinished uploads at their full size, and prepared tracks.

    Deleted files count until their time to undo is over, since they still lie on the disk.
    """
    sources = Asset.objects.filter(workspace=workspace).aggregate(sum=Sum("size_bytes"))["sum"]
    tracks = Track.objects.filter(asset__workspace=workspace).aggregate(sum=Sum("size_bytes"))
    return int(sources or 0) + int(tracks["sum"] or 0)


@dataclass(frozen=True, slots=True)
class Totals:
    """The sums of a workspace's library."""

    files: int
    """Without deleted ones."""
    playable_ms: int
    source_bytes: int
    """Of everything that lies on the disk, deleted files included until they are purged."""
    prepared_bytes: int

    @property
    def used_bytes(self) -> int:
        """What counts against the plan; see `storage_used`."""
        return self.source_bytes + self.prepared_bytes


def _add_up(workspace_id: uuid.UUID) -> Totals:
    """One query, whatever the number of files."""
    tracks = (
        Track.objects.filter(asset=OuterRef("pk"))
        .order_by()
        .values("asset")
        .values(sum=Sum("size_bytes"))
    )
    here = Q(deleted_at__isnull=True)
    sums = (
        Asset.objects.filter(workspace=workspace_id)
        .annotate(prepared=Subquery(tracks))
        .aggregate(
            files=Count("pk", filter=here),
            playable_ms=Sum("duration_ms", filter=here & Q(state=AssetState.READY)),
            source_bytes=Sum("size_bytes"),
            prepared_bytes=Sum("prepared"),
        )
    )
    return Totals(**{name: int(value or 0) for name, value in sums.items()})


totals = Remembered("library.totals", _add_up)
"""`totals.of(workspace.pk)`; services and preparation make it forget what they change."""


def rendition_of(asset: Asset, profile: str) -> Rendition | None:
    """The asset in `profile` (with its version), with both tracks; None when not asked for."""
    return (
        Rendition.objects.select_related("video", "audio")
        .filter(asset=asset, profile=profile)
        .first()
    )


def renditions_for(asset_ids: Iterable[uuid.UUID], profile: str) -> dict[uuid.UUID, Rendition]:
    """By asset, the renditions in `profile` that exist, with both tracks; one query."""
    found = Rendition.objects.select_related("video", "audio").filter(
        asset_id__in=list(asset_ids), profile=profile
    )
    return {rendition.asset_id: rendition for rendition in found}


def is_busy(asset: Asset) -> bool:
    """Whether its state will change without anybody doing anything."""
    return asset.state == AssetState.CHECKING or any(
        rendition.state in (TrackState.QUEUED, TrackState.RUNNING)
        for rendition in asset.renditions.all()
    )


def _cursor(asset: Asset) -> str:
    text = f"{asset.created_at.isoformat()}|{asset.pk}"
    return base64.urlsafe_b64encode(text.encode()).decode().rstrip("=")


def _place(cursor: str) -> tuple[datetime, uuid.UUID] | None:
    """What a cursor points at; None for one that we did not write."""
    try:
        text = base64.urlsafe_b64decode(cursor + "=" * (-len(cursor) % 4)).decode()
        at, _, pk = text.partition("|")
        moment = parse_datetime(at)
        return (moment, uuid.UUID(pk)) if moment is not None and moment.tzinfo else None
    except (ValueError, binascii.Error):
        return None
