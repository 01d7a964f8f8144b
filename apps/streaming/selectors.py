"""Reads that several pages or processes share."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

from django.conf import settings
from django.db.models import (
    BooleanField,
    Count,
    Exists,
    ExpressionWrapper,
    F,
    OuterRef,
    Prefetch,
    Q,
    QuerySet,
    Subquery,
    Sum,
)
from django.db.models.functions import Coalesce, Now
from django.utils import timezone

from apps.accounts.models import Membership, User, Workspace
from apps.core.cursors import in_order
from apps.library.models import (
    Asset,
    AssetKind,
    AssetState,
    Rendition,
    TitleCard,
    TrackKind,
    TrackState,
)
from apps.streaming import events, samples, schedule, status
from apps.streaming.models import (
    AsRun,
    Desired,
    Event,
    Leg,
    Node,
    Output,
    Playlist,
    PlaylistItem,
    ProgrammeKind,
    ProgrammeVersion,
    Sample,
    State,
    Stream,
)
from apps.youtube import selectors as youtube_selectors
from apps.youtube.audience import Audience
from apps.youtube.models import Show
from apps.youtube.truth import Encoder, EncoderFacts, WasOn

KEY_REFUSED = "ingest.key_rejected"
"""What a node reports when the ingest does not take the key."""

NODE_ALIVE = timedelta(seconds=20)
"""A node that has not renewed for this long is called silent."""

REPORTS_LAG = timedelta(seconds=10)
"""Reports may be behind the clock by so much, and still be believed."""

EVENTS_SHOWN = 20
STREAMS_SHOWN = 50
PLAYLISTS_SHOWN = 50
ITEMS_SHOWN = 100
TITLES_COUNTED = 500
TITLES_NAMED = 5


@dataclass(frozen=True, slots=True)
class ReadyLists:
    """What of a stream's playlists can go on air, as entries of a `ProgrammeVersion`."""

    pictures: list[dict[str, Any]]
    sound: list[dict[str, Any]]
    """In radio mode; empty in any other."""
    filler: list[dict[str, Any]]

    def of(self, kind: str) -> list[dict[str, Any]]:
        """The list of one kind of version."""
        return {"pictures": self.pictures, "sound": self.sound, "filler": self.filler}[kind]


# -- outputs ------------------------------------------------------------------------------------


def outputs_of(stream: Stream) -> QuerySet[Output]:
    """Where the stream goes, first one first, with destinations and without their keys.

    No page needs a key, and a page about a key that cannot be read must still open.
    """
    return (
        stream.outputs.filter(removed_at=None)
        .select_related("destination")
        .defer("destination__key")
        .order_by("created_at", "pk")
    )


def busy_outputs(fingerprints: Sequence[str], *, besides: Stream) -> QuerySet[Output]:
    """Outputs that use one of these publishing points, or may still be closing their session.

    Those that `besides` has now are left out; one that it gave up a moment ago is not.
    """
    return (
        Output.objects.filter(destination__fingerprint__in=fingerprints)
        .exclude(stream=besides, removed_at=None)
        .filter(Q(desired=Desired.ON) | ~Q(node="") & Q(expires_at__gt=Now()))
        .select_related("stream")
        .order_by("-desired", "created_at")
    )


# -- what can go on air -------------------------------------------------------------------------


def ready_lists(stream: Stream) -> ReadyLists:
    """Everything of the stream's playlists that is prepared, in order: two queries at most."""
    lists = _ready_pictures(stream, [stream.playlist_id, stream.filler_id])
    return ReadyLists(
        pictures=lists.get(stream.playlist_id, []),
        sound=ready_sounds(stream, stream.music_id),
        filler=lists.get(stream.filler_id, []),
    )


def ready_list(stream: Stream, playlist: Playlist, kind: str) -> list[dict[str, Any]]:
    """What of another playlist could go on air in this stream."""
    if kind == "sound":
        return ready_sounds(stream, playlist.pk)
    return _ready_pictures(stream, [playlist.pk]).get(playlist.pk, [])


def _ready_pictures(
    stream: Stream, playlists: list[UUID | None]
) -> dict[UUID | None, list[dict[str, Any]]]:
    wanted = [playlist for playlist in playlists if playlist is not None]
    if not wanted:
        return {}
    ready = {"asset__renditions__video__state": TrackState.READY}
    if not stream.is_radio:
        ready["asset__renditions__audio__state"] = TrackState.READY
    items = (
        PlaylistItem.objects.filter(
            playlist__in=wanted,
            # The playlist of another tenant would be a fault of ours: it must not reach the air.
            playlist__workspace=stream.workspace_id,
            asset__workspace=stream.workspace_id,
            asset__deleted_at=None,
            asset__renditions__profile=stream.profile,
            **ready,
        )
        .order_by("position", "created_at")
        # The joins of the filter above: an asset has one rendition in a profile.
        .values_list(
            "playlist_id",
            "pk",
            "asset_id",
            "asset__title",
            "asset__renditions__video_id",
            "asset__renditions__audio_id",
            "asset__renditions__video__frames",
            "weight",
        )
    )
    lists: dict[UUID | None, list[dict[str, Any]]] = {}
    for playlist, pk, asset, title, video, audio, frames, weight in items:
        lists.setdefault(playlist, []).append(
            _entry(pk, asset, title, audio, frames, weight, video=str(video))
        )
    return lists


def ready_sounds(stream: Stream, playlist: UUID | None) -> list[dict[str, Any]]:
    """Entries of sound whose track is ready; any file that can be heard may be among them.

    The silence of a still picture is not.
    """
    if playlist is None:
        return []
    items = (
        PlaylistItem.objects.filter(
            playlist=playlist,
            playlist__workspace=stream.workspace_id,
            asset__workspace=stream.workspace_id,
            asset__deleted_at=None,
            asset__tracks__kind=TrackKind.AUDIO,
            asset__tracks__state=TrackState.READY,
        )
        .exclude(asset__kind=AssetKind.PICTURE)
        .order_by("position", "created_at")
        .values_list(
            "pk", "asset_id", "asset__title", "asset__tracks__pk", "asset__tracks__frames", "weight"
        )
    )
    return [_entry(*found) for found in items]


def ready_once(stream: Stream, asset: Asset, kind: str) -> dict[str, Any] | None:
    """An entry that plays a file once in this stream; None while it is not prepared for it.

    Its id is the file's: so no list takes it for one of its own.
    """
    if kind == "sound":
        if asset.kind == AssetKind.PICTURE:
            return None
        sound = asset.tracks.filter(kind=TrackKind.AUDIO, state=TrackState.READY).first()
        if sound is None:
            return None
        return _entry(asset.pk, asset.pk, asset.title, sound.pk, sound.frames, 1)
    rendition = (
        asset.renditions.filter(profile=stream.profile, video__state=TrackState.READY)
        .select_related("video", "audio")
        .first()
    )
    if rendition is None or not (stream.is_radio or rendition.audio.is_ready):
        return None
    return _entry(
        asset.pk, asset.pk, asset.title, rendition.audio_id, rendition.video.frames, 1,
        video=str(rendition.video_id),
    )  # fmt: skip


def _entry(
    pk: UUID, asset: UUID, title: str, audio: UUID, frames: int, weight: int, *, video: str = ""
) -> dict[str, Any]:
    values: dict[str, Any] = {"id": str(pk), "asset": str(asset), "title": title}
    if video:
        values["video"] = video
    values |= {"audio": str(audio), "frames": frames}
    return values | ({"weight": weight} if weight != 1 else {})


def is_playlist_empty(playlist_id: UUID) -> bool:
    """Whether nothing stands in the playlist, prepared or not."""
    return not PlaylistItem.objects.filter(playlist=playlist_id, asset__deleted_at=None).exists()


def assets_without_rendition(playlist: Playlist, profile: str) -> QuerySet[Asset]:
    """Assets of the playlist that nobody has asked to be prepared in `profile`."""
    return (
        Asset.objects.filter(playlist_items__playlist=playlist, deleted_at=None)
        .exclude(state=AssetState.FAILED)
        .exclude(renditions__profile=profile)
        .distinct()
    )


def assets_without_sound(playlist: Playlist) -> QuerySet[Asset]:
    """Assets of the playlist whose sound nobody has asked to be prepared."""
    return (
        Asset.objects.filter(playlist_items__playlist=playlist, deleted_at=None)
        .exclude(state=AssetState.FAILED)
        .exclude(kind=AssetKind.PICTURE)
        .exclude(tracks__kind=TrackKind.AUDIO)
        .distinct()
    )


def versions_of_epoch(stream: Stream) -> list[ProgrammeVersion]:
    """The versions that count from the stream's present time line, in the order of `n`."""
    if stream.timeline_epoch is None:
        return []
    return list(stream.versions.filter(epoch=stream.timeline_epoch).order_by("n"))


def standing_versions(
    stream: Stream, *, since: datetime, before: int | None = None
) -> list[ProgrammeVersion]:
    """Those that say what is on at `since` and later, in the order of `n`: one query.

    What is older than the last one that had begun then has been replaced, or is over. With
    `before`, those that said so until version `before` was written.
    """
    if stream.timeline_epoch is None:
        return []
    rows = stream.versions.filter(epoch=stream.timeline_epoch)
    if before is not None:
        rows = rows.filter(n__lt=before)
    wanted = Q()
    for kind in ProgrammeKind.values:
        begun = rows.filter(
            kind=kind,
            effective_from__lte=schedule.frame_of(
                kind, stream.timeline_epoch, stream.profile, since
            ),
        )
        last = Subquery(begun.order_by("-n").values("n")[:1])
        wanted |= Q(kind=kind, n__gte=Coalesce(last, 0))
    return list(rows.filter(wanted).order_by("n"))


def standing_versions_of(
    streams: Iterable[Stream], *, since: datetime
) -> dict[UUID, list[ProgrammeVersion]]:
    """The same for many streams: two queries, and of rows that are over no list of items."""
    frames = {
        (stream.pk, kind): schedule.frame_of(kind, stream.timeline_epoch, stream.profile, since)
        for stream in streams
        if stream.timeline_epoch is not None
        for kind in ProgrammeKind.values
    }
    of_epoch = ProgrammeVersion.objects.filter(
        stream__in={pk for pk, _ in frames}, epoch=F("stream__timeline_epoch")
    )
    numbers = of_epoch.order_by("n").values_list("pk", "stream_id", "kind", "effective_from")
    standing: dict[tuple[UUID, str], list[int]] = {}
    for pk, stream_id, kind, effective_from in numbers.iterator():
        rows = standing.setdefault((stream_id, kind), [])
        if effective_from <= frames[stream_id, kind]:
            rows.clear()
        rows.append(pk)
    wanted = [pk for rows in standing.values() for pk in rows]
    found: dict[UUID, list[ProgrammeVersion]] = {}
    for version in ProgrammeVersion.objects.filter(pk__in=wanted).order_by("n").iterator():
        found.setdefault(version.stream_id, []).append(version)
    return found


def ready_cards(
    programmes: Mapping[UUID, schedule.Programme], styles: Mapping[UUID, str]
) -> dict[UUID, list[TitleCard]]:
    """Title cards that are ready for these programmes, by the same ids: one query, or none."""
    loops = {
        key: {item.video for version in programmes[key].versions for item in version.items}
        for key in styles
        if key in programmes
    }
    if not loops:
        return {}
    cards = TitleCard.objects.filter(
        state=TrackState.READY,
        style__in=set(styles.values()),
        loop__in=set().union(*loops.values()),
    ).only("loop_id", "style", "text", "group", "frames", "ready_at")
    by_loop: dict[tuple[str, str], list[TitleCard]] = {}
    for card in cards:
        by_loop.setdefault((str(card.loop_id), card.style), []).append(card)
    return {
        key: [card for loop in found for card in by_loop.get((loop, styles[key]), ())]
        for key, found in loops.items()
    }


@dataclass(frozen=True, slots=True)
class TitlesTold:
    """How far the title cards of a radio channel have come."""

    ready: int
    waiting: int
    failed: list[TitleCard]
    """Those that cannot be shown, with why."""


def titles_told(stream: Stream) -> TitlesTold | None:
    """The title cards of the stream's pictures: one query; none when it shows none."""
    if not stream.shows_titles:
        return None
    pictures = PlaylistItem.objects.filter(playlist=stream.playlist_id).values("asset")
    cards = TitleCard.objects.filter(
        loop__asset__in=pictures,
        loop__profile=stream.profile,
        style=stream.title_cards,
        keep_until__gt=timezone.now(),
    ).only("text", "state", "failure_message")[:TITLES_COUNTED]
    states = [card.state for card in cards]
    failed = [card for card in cards if card.state == TrackState.FAILED]
    ready = states.count(TrackState.READY)
    return TitlesTold(ready, len(states) - ready - len(failed), failed[:TITLES_NAMED])


def publishing_points_in_use(fingerprints: Collection[str]) -> set[str]:
    """Those of them that some output has of its own, on air or not: one query."""
    if not fingerprints:
        return set()
    rows = Output.objects.filter(
        Q(removed_at=None) | ~Q(node="") & Q(expires_at__gt=Now()),
        destination__fingerprint__in=fingerprints,
    )
    return set(rows.order_by().values_list("destination__fingerprint", flat=True))


def lead_ns(stream: Stream) -> int:
    """How far ahead an edit has to be, by how many nodes have to know it: one query."""
    nodes = stream.outputs.filter(desired=Desired.ON).exclude(node="")
    several = nodes.order_by().values("node").distinct().count() > 1
    return schedule.FAR_LEAD_NS if several else schedule.LEAD_NS


def streams_playing(asset_id: UUID) -> QuerySet[Stream]:
    """Wanted streams one of whose playlists holds the asset."""
    return Stream.objects.filter(
        Q(playlist__items__asset=asset_id)
        | Q(music__items__asset=asset_id)
        | Q(filler__items__asset=asset_id),
        desired=Desired.ON,
    ).distinct()


# -- pages --------------------------------------------------------------------------------------


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
        for known in (_uuid(now), _uuid(following))
        if known is not None
    }
    items = {
        item.pk: item
        for item in PlaylistItem.objects.filter(pk__in=ids).select_related("asset")
    }  # fmt: skip
    return [replace(row, airing=_airing(wanted.get(row.stream.pk), items)) for row in rows]


def telling_output(outputs: Iterable[Output]) -> Output | None:
    """The output whose report says what the stream plays: one that is on air, else the first."""
    found = list(outputs)
    on_air = (o for o in found if o.state in (State.ON_AIR, State.DEGRADED) and o.item_id)
    return next(on_air, found[0] if found else None)


def _airing(reported: list[tuple[str, str, int]] | None, items: dict[UUID, PlaylistItem]) -> Airing:
    if not reported:
        return Airing()
    now, following, position_ms = reported[0]
    playing, after = (items.get(known) if (known := _uuid(i)) else None for i in (now, following))
    if playing is None:
        return Airing()
    return Airing(
        title=playing.asset.title,
        position_ms=position_ms,
        length_ms=playing.asset.duration_ms or 0,
        next_title=after.asset.title if after else "",
        picture_of=playing.asset_id if playing.asset.thumbnail_key else None,
    )


def _uuid(text: str) -> UUID | None:
    try:
        return UUID(text)
    except ValueError:
        return None


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


def status_of(stream: Stream, *, now: datetime | None = None) -> status.Status:
    """What a user sees of the stream."""
    now = now or timezone.now()
    statuses = [output_status(output, stream, now=now) for output in stream.outputs.all()]
    return status.of_statuses(statuses, wanted=stream.is_wanted)


@dataclass(frozen=True, slots=True)
class Receiver:
    """One destination of a stream, and how it is there."""

    output: Output
    status: status.Status
    is_simulated: bool


@dataclass(frozen=True, slots=True)
class Live:
    """What the moving part of a stream's page shows."""

    stream: Stream
    status: status.Status
    receivers: list[Receiver]
    output: Output | None
    """The one whose report says what is on."""
    on_air: schedule.Moment | None
    song: schedule.Moment | None = None
    """In radio mode, what is heard."""
    versions: Sequence[ProgrammeVersion] = ()
    """What is on now and what is to come."""

    @property
    def is_simulated(self) -> bool:
        """Whether the receiver of this installation gets it."""
        return any(receiver.is_simulated for receiver in self.receivers)

    @property
    def bytes_sent(self) -> int:
        """In all sessions that are open."""
        return sum(each.output.bytes_sent for each in self.receivers if each.status.is_on_air)

    @property
    def reconnects(self) -> int:
        """Of all destinations that are on air, since their nodes took them."""
        return sum(each.output.reconnects for each in self.receivers if each.status.is_on_air)


def live(stream: Stream, *, now: datetime | None = None) -> Live:
    """State, numbers, now and next of one stream: two queries.

    While a node reports an item or a song, that is what is on air. A song that it does not report,
    as those of an older release do not, is what the programme says.
    """
    now = now or timezone.now()
    outputs = list(outputs_of(stream))
    receivers = [
        Receiver(
            output,
            output_status(output, stream, now=now),
            is_simulated(output),
        )
        for output in outputs
    ]
    shown = status.of_statuses([receiver.status for receiver in receivers], wanted=stream.is_wanted)
    output = telling_output(outputs)
    on_air = song = None
    versions: list[ProgrammeVersion] = []
    if stream.is_wanted and stream.timeline_epoch:
        # Items that are reported now may be those of a moment ago.
        versions = standing_versions(stream, since=now - REPORTS_LAG)
    if output is not None and shown.is_on_air and output.item_id and stream.timeline_epoch:
        on_air = _reported_moment(output, versions, profile=stream.profile)
        song = _reported_song(output, versions)
        if song is None and stream.is_radio and versions:
            programme = schedule.programme(
                epoch=stream.timeline_epoch, profile=stream.profile, versions=versions
            )
            song = schedule.moment_of_sound(programme, now_ns=schedule.to_ns(now))
    return Live(stream, shown, receivers, output, on_air, song, versions)


ARRIVED_SHOWN = timedelta(hours=6)


@dataclass(frozen=True, slots=True)
class Line:
    """The numbers of one destination, one for each minute; None where nothing was reported."""

    label: str
    values: list[int | None]


@dataclass(frozen=True, slots=True)
class Arrived:
    """What the destinations of a stream took in the last hours, minute by minute."""

    minutes: list[datetime]
    """From the first of which anything is known; empty when nothing is."""
    acked_kbps: list[Line]
    unsent_bytes: list[Line]


def arrived(stream: Stream, *, now: datetime | None = None) -> Arrived:
    """What was acknowledged, by destination: one query."""
    now = now or timezone.now()
    since = now - ARRIVED_SHOWN
    rows = (
        Sample.objects.filter(
            output__stream=stream, output__removed_at=None, hour__gte=samples.hour_of(since)
        )
        .select_related("output__destination")
        .defer("output__destination__key")
        .order_by("output__created_at", "output_id", "hour")
    )
    outputs = {row.output_id: row.output for row in rows}
    minutes = samples.minutes_between(since, now.replace(second=0, microsecond=0))
    rates, waiting = (
        {
            pk: samples.numbers(
                {row.hour: getattr(row, column) for row in rows if row.output_id == pk}, minutes
            )
            for pk in outputs
        }
        for column in ("acked_kbps", "unsent_bytes")
    )
    known = [any(rates[pk][n] is not None for pk in outputs) for n in range(len(minutes))]
    first = known.index(True) if True in known else len(minutes)
    return Arrived(
        minutes[first:],
        *(
            [Line(_line_name(outputs[pk]), found[pk][first:]) for pk in outputs]
            for found in (rates, waiting)
        ),
    )


def _line_name(output: Output) -> str:
    name = output.destination.name
    return f"{name} · {output.get_leg_display()}" if output.leg == Leg.BACKUP else name


AIRED_SHOWN = 50


@dataclass(frozen=True, slots=True)
class AiredRow:
    """A stretch of an item that one destination got, and what went wrong with it."""

    row: AsRun
    output: Output
    deviation: status.Deviation | None
    audience: Audience | None = None
    """Who watched it on YouTube, where that is known."""


def was_on_at(stream: Stream, at: datetime) -> WasOn | None:
    """What was on at YouTube then, as it was reported; else what is on now."""
    rows = AsRun.objects.filter(
        Q(ended_at__isnull=True) | Q(ended_at__gt=at), output__stream=stream, started_at__lte=at
    ).exclude(output__destination__ingest_key=None)
    row = rows.order_by("-started_at", "-id").first()
    if row is None:
        title = encoder_facts([stream.pk])[stream.pk].item
        return WasOn(title) if title else None
    item_id = _uuid(row.item_id)
    item = PlaylistItem.objects.filter(pk=item_id).first() if item_id is not None else None
    return WasOn(row.title, str(item.asset_id) if item is not None else "")


def with_audience(stream: Stream, rows: Sequence[AiredRow]) -> list[AiredRow]:
    """The same with who watched on YouTube: one query."""
    to_youtube = [each for each in rows if each.output.destination.ingest_key]
    now = timezone.now()
    spans = [(each.row.started_at, each.row.ended_at or now) for each in to_youtube]
    found = dict(
        zip(
            (each.row.pk for each in to_youtube),
            youtube_selectors.audiences_of(stream.pk, spans),
            strict=True,
        )
    )
    return [replace(each, audience=found.get(each.row.pk)) for each in rows]


def aired(receivers: Sequence[Receiver], *, count: int = AIRED_SHOWN) -> list[AiredRow]:
    """What was aired last at these destinations, newest first: one query."""
    outputs = {receiver.output.pk: receiver.output for receiver in receivers}
    rows = AsRun.objects.filter(output__in=outputs).order_by("-started_at", "-id")[:count]
    return [AiredRow(row, outputs[row.output_id], status.deviation(row.cause)) for row in rows]


COMING_SHOWN = 20


@dataclass(frozen=True, slots=True)
class Coming:
    """What the clock brings, with pictures and sound apart in radio mode."""

    pictures: list[schedule.Play]
    sound: list[schedule.Play]


def coming(stream: Stream, *, now: datetime | None = None, count: int = COMING_SHOWN) -> Coming:
    """What is on and what comes while the stream is wanted: one query."""
    now = now or timezone.now()
    if not stream.is_wanted or stream.timeline_epoch is None:
        return Coming([], [])
    versions = standing_versions(stream, since=now)
    if not versions:
        return Coming([], [])
    programme = schedule.programme(
        epoch=stream.timeline_epoch, profile=stream.profile, versions=versions
    )
    at_ns = schedule.to_ns(now)
    return Coming(
        schedule.coming(programme, "pictures", now_ns=at_ns, count=count),
        schedule.coming(programme, "sound", now_ns=at_ns, count=count),
    )


def playlist_names(workspace: Workspace, *, limit: int = 200) -> list[Playlist]:
    """Playlists to choose from, by name."""
    return list(Playlist.objects.filter(workspace=workspace).order_by("name", "created_at")[:limit])


def output_status(
    output: Output, stream: Stream | None = None, *, now: datetime | None = None
) -> status.Status:
    """What a user sees of one output. It was asked for with its stream, or when it joined it."""
    return status.of_output(
        output,
        wanted_since=output.joined_at or (stream or output.stream).started_at,
        now=now or timezone.now(),
    )


_ENCODERS = {
    status.Shown.ON_AIR: Encoder.SENDING,
    status.Shown.DEGRADED: Encoder.TROUBLED,
    status.Shown.RECONNECTING: Encoder.TROUBLED,
    status.Shown.RESTARTING: Encoder.TROUBLED,
    status.Shown.FAILED: Encoder.REFUSED,
}
_BEST = [Encoder.SENDING, Encoder.TROUBLED, Encoder.STARTING, Encoder.REFUSED, Encoder.OFF]


def encoder_facts(
    streams: Collection[UUID], *, now: datetime | None = None
) -> dict[UUID, EncoderFacts]:
    """What each stream sends to keys of `apps.youtube`: the best, as the nodes report it.

    Three queries, whatever their number; without those that are gone.
    """
    now = now or timezone.now()
    keyed = Output.objects.filter(removed_at=None, destination__ingest_key__isnull=False)
    found = list(
        Stream.objects.filter(pk__in=streams).prefetch_related(
            Prefetch(
                "outputs",
                queryset=keyed.select_related("destination")
                .defer("destination__key")
                .order_by("created_at", "pk"),
            )
        )
    )
    states = {
        stream.pk: [(_encoder(output, stream, now), output) for output in stream.outputs.all()]
        for stream in found
    }
    playing = {
        pk: next((_uuid(o.item_id) for state, o in told if state is Encoder.SENDING), None)
        for pk, told in states.items()
    }
    item_ids = {item_id for item_id in playing.values() if item_id is not None}
    items = PlaylistItem.objects.filter(pk__in=item_ids).select_related("asset")
    titles: dict[UUID | None, str] = {}
    if item_ids:
        titles = {item.pk: item.asset.title for item in items}
    return {
        stream.pk: EncoderFacts(
            is_wanted=stream.is_wanted,
            encoder=min(
                (state for state, _output in states[stream.pk]),
                key=_BEST.index,
                default=Encoder.STARTING,
            )
            if stream.is_wanted
            else Encoder.OFF,
            item=titles.get(playing[stream.pk], ""),
        )
        for stream in found
    }


def _encoder(output: Output, stream: Stream, now: datetime) -> Encoder:
    if not stream.is_wanted:
        return Encoder.OFF
    shown = output_status(output, stream, now=now).shown
    if output.error_code == KEY_REFUSED and shown is status.Shown.RECONNECTING:
        return Encoder.REFUSED
    return _ENCODERS.get(shown, Encoder.STARTING)


def _reported_moment(
    output: Output, versions: list[ProgrammeVersion], *, profile: str
) -> schedule.Moment | None:
    return _moment_of(
        _entries(versions, ProgrammeKind.PICTURES),
        (output.item_id, output.item_position_ms, output.next_item_id),
        lambda frames: schedule.length_ms(frames, profile),
    )


def _reported_song(output: Output, versions: list[ProgrammeVersion]) -> schedule.Moment | None:
    return _moment_of(
        _entries(versions, ProgrammeKind.SOUND),
        (output.sound_id, output.sound_position_ms, output.next_sound_id),
        schedule.sound_ms,
    )


def _entries(versions: list[ProgrammeVersion], kind: ProgrammeKind) -> dict[str, dict[str, Any]]:
    return {item["id"]: item for one in versions if one.kind == kind for item in one.items}


def _moment_of(
    entries: dict[str, dict[str, Any]],
    reported: tuple[str, int, str],
    length_ms: Callable[[int], int],
) -> schedule.Moment | None:
    """What a node reported: the entry, its position in ms and the next; None for an unknown one."""
    item_id, position_ms, next_id = reported
    playing, following = entries.get(item_id), entries.get(next_id)
    if playing is None:
        return None
    return schedule.Moment(
        item_id=item_id,
        title=playing["title"],
        position_ms=position_ms,
        length_ms=length_ms(playing["frames"]),
        next_item_id=next_id,
        next_title=following["title"] if following else "",
    )


def is_simulated(output: Output) -> bool:
    """Whether the output goes to the receiver that comes with this installation."""
    return bool(
        settings.INGEST_SIMULATOR_URL
        and settings.INGEST_SIMULATOR_HTTP
        and output.destination.address.rstrip("/") == settings.INGEST_SIMULATOR_URL.rstrip("/")
    )


def simulated_output(stream: Stream) -> Output | None:
    """The stream's output to the receiver of this installation."""
    for output in stream.outputs.filter(removed_at=None).select_related("destination"):
        if is_simulated(output):
            return output
    return None


def recent_events(stream: Stream) -> list[Event]:
    """The latest events of a stream, newest first, each with `said` and `is_english`."""
    found = list(stream.events.select_related("by")[:EVENTS_SHOWN])
    for event in found:
        event.said, event.is_english = events.said(event)  # type: ignore[attr-defined]
    return found


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


def simulated_stream(workspace: Workspace) -> Stream | None:
    """A stream that the receiver of this installation gets; one that is wished on air first."""
    if not settings.INGEST_SIMULATOR_URL:
        return None
    return (
        Stream.objects.filter(
            workspace=workspace,
            outputs__destination__address=settings.INGEST_SIMULATOR_URL,
            outputs__removed_at=None,
        )
        .order_by("-desired", "created_at")
        .first()
    )


# -- operations ---------------------------------------------------------------------------------


def outputs_overview(*, now: datetime | None = None) -> dict[str, Any]:
    """How many outputs are wished, how many are really on air, and which nodes there are."""
    now = now or timezone.now()
    fresh = Q(reported_at__gt=now - status.STALE_AFTER)
    counts = Output.objects.filter(desired=Desired.ON).aggregate(
        desired=Count("pk"),
        on_air=Count("pk", filter=fresh & Q(state__in=[State.ON_AIR, State.DEGRADED])),
    )
    nodes = Node.objects.filter(last_seen__gt=now - timedelta(hours=1)).annotate(
        outputs=Subquery(
            Output.objects.filter(node=OuterRef("pk"))
            .order_by()
            .values("node")
            .annotate(held=Count("pk"))
            .values("held")
        )
    )
    return {
        "desired": counts["desired"],
        "on_air": counts["on_air"],
        "nodes": [
            {
                "name": node.name,
                "alive": node.last_seen is not None and now - node.last_seen <= NODE_ALIVE,
                "draining": node.draining,
                "outputs": node.outputs or 0,
                "last_seen": node.last_seen.isoformat() if node.last_seen else None,
            }
            for node in nodes
        ],
    }


def output_figures(*, now: datetime | None = None) -> list[dict[str, Any]]:
    """What each output that is wished or held last reported of itself, in numbers."""
    now = now or timezone.now()
    rows = Output.objects.filter(Q(desired=Desired.ON) | ~Q(node="")).values(
        "pk", "stream_id", "node", "state", "reported_at", "bytes_sent", "bytes_acked", "kbps",
        "unsent_bytes", "reconnects", "joins", "jumps", "substitutions", "late_ms",
        "cache_horizon_s",
    )  # fmt: skip
    return [
        row
        | {
            "on_air": row["state"] in (State.ON_AIR, State.DEGRADED)
            and row["reported_at"] is not None
            and now - row["reported_at"] <= status.STALE_AFTER
        }
        for row in rows.order_by("pk").iterator()
    ]


def pump_figures(*, now: datetime | None = None) -> list[tuple[Node, dict[str, dict[str, Any]]]]:
    """The nodes that renew, each with what its pumps last said of themselves, by name of pump."""
    now = now or timezone.now()
    nodes = Node.objects.filter(last_seen__gt=now - NODE_ALIVE).order_by("name")
    return [(node, dict(sorted(node.pumps.items()))) for node in nodes]
