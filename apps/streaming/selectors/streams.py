"""A workspace's streams in rows and sums, and its first steps."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from uuid import UUID

from django.db.models import (
    BooleanField,
    Count,
    Exists,
    ExpressionWrapper,
    OuterRef,
    Prefetch,
    Q,
    Sum,
)
from django.utils import timezone

from apps.accounts.models import Membership, User, Workspace
from apps.core.cursors import in_order
from apps.library.models import Asset, AssetState, Rendition, TrackState
from apps.streaming import status
from apps.streaming.models import Desired, Output, PlaylistItem, State, Stream
from apps.streaming.selectors.outputs import reported_uuid, status_of, telling_output
from apps.youtube.models import Show

STREAMS_SHOWN = 50


@dataclass(frozen=True, slots=True)
class Airing:
    """What a stream plays, as its node reported it, or where it would begin."""

    title: str = ""
    position_ms: int = 0
    length_ms: int = 0
    next_title: str = ""
    picture_of: UUID | None = None
    """The asset whose thumbnail stands for the stream."""


@dataclass(frozen=True, slots=True)
class StreamRow:
    """A stream in a list, with what is shown of it."""

    stream: Stream
    status: status.Status
    airing: Airing = Airing()


@dataclass(frozen=True, slots=True)
class StreamPage:
    """Some streams of a workspace, and whether there are others around them."""

    rows: list[StreamRow]
    before: str
    """Cursors of the neighbouring pages; empty for none."""
    after: str


def stream_page(
    workspace: Workspace,
    *,
    before: str = "",
    after: str = "",
    size: int = STREAMS_SHOWN,
    now: datetime | None = None,
) -> StreamPage:
    """Streams with their states, wanted ones first: two queries, whatever their number."""
    now = now or timezone.now()
    streams = (
        Stream.objects.filter(workspace=workspace)
        .select_related("playlist")
        .prefetch_related(
            Prefetch(
                "outputs",
                queryset=Output.objects.filter(removed_at=None)
                .select_related("destination")
                .defer("destination__key")
                .order_by("created_at", "pk"),
            )
        )
    )
    order = ("-desired", "title", "created_at", "pk")
    found = in_order(streams, order, before=before, after=after, limit=size)
    rows = [StreamRow(stream=stream, status=status_of(stream, now=now)) for stream in found.rows]
    return StreamPage(rows=rows, before=found.before, after=found.after)


def with_airing(rows: Sequence[StreamRow]) -> list[StreamRow]:
    """The same rows with what each plays now and next: one query, whatever their number."""
    wanted = {
        row.stream.pk: [(output.item_id, output.next_item_id, output.item_position_ms)]
        for row in rows
        if row.status.is_on_air and (output := telling_output(row.stream.outputs.all()))
    }
    ids = {
        known
        for outputs in wanted.values()
        for now, following, _position in outputs
        for known in (reported_uuid(now), reported_uuid(following))
        if known is not None
    }
    items = {
        item.pk: item
        for item in PlaylistItem.objects.filter(pk__in=ids).select_related("asset")
    }  # fmt: skip
    return [replace(row, airing=_airing(wanted.get(row.stream.pk), items)) for row in rows]


def _airing(reported: list[tuple[str, str, int]] | None, items: dict[UUID, PlaylistItem]) -> Airing:
    if not reported:
        return Airing()
    now, following, position_ms = reported[0]
    playing, after = (
        items.get(known) if (known := reported_uuid(i)) else None for i in (now, following)
    )
    if playing is None:
        return Airing()
    return Airing(
        title=playing.asset.title,
        position_ms=position_ms,
        length_ms=playing.asset.duration_ms or 0,
        next_title=after.asset.title if after else "",
        picture_of=playing.asset_id if playing.asset.thumbnail_key else None,
    )


@dataclass(frozen=True, slots=True)
class Figures:
    """The sums of a workspace."""

    streams: int
    wanted: int
    on_air: int
    troubled: int
    kbps: int


def figures(workspace: Workspace, *, now: datetime | None = None) -> Figures:
    """What the whole workspace sends now: one query, whatever the number of streams."""
    now = now or timezone.now()
    wanted = Q(desired=Desired.ON)
    asked = wanted & Q(outputs__desired=Desired.ON)
    fresh = Q(outputs__reported_at__gt=now - status.STALE_AFTER)
    silent = Q(outputs__reported_at__lte=now - status.STALE_AFTER) | Q(outputs__reported_at=None)
    flowing = asked & fresh & Q(outputs__state__in=[State.ON_AIR, State.DEGRADED])
    before = now - status.NEVER_CLAIMED_AFTER
    long_asked = Q(started_at__lt=before) & (
        Q(outputs__joined_at=None) | Q(outputs__joined_at__lt=before)
    )
    troubled = asked & (
        fresh & Q(outputs__state__in=[State.DEGRADED, State.RECONNECTING, State.FAILED])
        | silent & long_asked
    )
    sums = Stream.objects.filter(workspace=workspace).aggregate(
        streams=Count("pk", distinct=True),
        wanted=Count("pk", filter=wanted, distinct=True),
        on_air=Count("pk", filter=flowing, distinct=True),
        troubled=Count("pk", filter=troubled, distinct=True),
        kbps=Sum("outputs__kbps", filter=flowing),
    )
    return Figures(**{name: value or 0 for name, value in sums.items()})


@dataclass(frozen=True, slots=True)
class FirstSteps:
    """How far a workspace has come on its way to the first start."""

    has_key: bool
    has_files: bool
    has_playlist: bool
    is_ready: bool
    has_started: bool
    is_hidden: bool
    """This person does not want to see them here."""
    stream: Stream | None
    """The one to look at next."""

    @property
    def done(self) -> int:
        """How many of the five are done."""
        return sum(
            (self.has_key, self.has_files, self.has_playlist, self.is_ready, self.has_started)
        )

    @property
    def is_shown(self) -> bool:
        """Whether the list still helps."""
        return not self.is_hidden and not self.has_started

    @property
    def next(self) -> str:
        """The first that is not done."""
        steps = {
            "key": self.has_key,
            "files": self.has_files,
            "playlist": self.has_playlist,
            "ready": self.is_ready,
        }
        return next((name for name, is_done in steps.items() if not is_done), "start")


def first_steps(workspace: Workspace, user: User) -> FirstSteps:
    """What to do first in a workspace: two queries, whatever is in it."""
    streams = Stream.objects.filter(workspace=workspace)
    ready = Rendition.objects.filter(
        profile=OuterRef("profile"),
        asset__playlist_items__playlist=OuterRef("playlist"),
        asset__deleted_at=None,
        video__state=TrackState.READY,
        audio__state=TrackState.READY,
    )
    items = PlaylistItem.objects.filter(playlist__workspace=workspace, asset__deleted_at=None)
    files = Asset.objects.filter(workspace=workspace, deleted_at=None)
    hidden = Membership.objects.filter(workspace=workspace, user=user, first_steps_hidden=True)
    outputs = Output.objects.filter(stream__workspace=workspace)
    goes_somewhere = Q(Exists(outputs)) | Q(Exists(Show.objects.filter(workspace=workspace)))
    found = (
        Workspace.objects.filter(pk=workspace.pk)
        .values(
            key=ExpressionWrapper(goes_somewhere, output_field=BooleanField()),
            files=Exists(files.exclude(state=AssetState.FAILED)),
            playlist=Exists(items),
            started=Exists(streams.exclude(started_at=None)),
            hidden=Exists(hidden),
        )
        .get()
    )
    stream = (
        streams.annotate(is_ready=Exists(ready)).order_by("-is_ready", "created_at").first()
        if found["key"]
        else None
    )
    return FirstSteps(
        has_key=found["key"],
        has_files=found["files"],
        has_playlist=found["playlist"],
        is_ready=bool(stream and stream.is_ready),
        has_started=found["started"],
        is_hidden=found["hidden"],
        stream=stream,
    )
