"""What can go on air, what was written down to be on air, and what comes."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime
from itertools import groupby
from typing import Any
from uuid import UUID

from django.db.models import Case, F, Q, QuerySet, Subquery, When
from django.db.models.functions import Coalesce
from django.utils import timezone

from apps.library.models import (
    Asset,
    AssetKind,
    AssetState,
    TitleCard,
    TrackKind,
    TrackState,
)
from apps.streaming import schedule
from apps.streaming.models import (
    Desired,
    Playlist,
    PlaylistItem,
    ProgrammeKind,
    ProgrammeVersion,
    Stream,
)

TITLES_COUNTED = 500

TITLES_NAMED = 5

COMING_SHOWN = 20


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
    is_video = Q(asset__tracks__kind=TrackKind.VIDEO, asset__tracks__profile=stream.profile)
    is_audio = Q(asset__tracks__kind=TrackKind.AUDIO)
    is_ready = Q(asset__tracks__state=TrackState.READY)
    rows = (
        PlaylistItem.objects.filter(
            # In radio mode nobody hears the sound of pictures, which need not be ready.
            is_video & is_ready | (is_audio if stream.is_radio else is_audio & is_ready),
            playlist__in=wanted,
            # The playlist of another tenant would be a fault of ours: it must not reach the air.
            playlist__workspace=stream.workspace_id,
            asset__workspace=stream.workspace_id,
            asset__deleted_at=None,
        )
        .order_by("position", "created_at", "pk", *_BEST_FIRST)
        .values_list(
            "playlist_id",
            "pk",
            "asset_id",
            "asset__title",
            "weight",
            "asset__tracks__kind",
            "asset__tracks__pk",
            "asset__tracks__frames",
        )
    )
    lists: dict[UUID | None, list[dict[str, Any]]] = {}
    for (playlist, pk, asset, title, weight), tracks in groupby(rows, key=lambda row: row[:5]):
        best: dict[str, tuple[UUID, int]] = {}
        for *_item, kind, track, frames in tracks:
            best.setdefault(kind, (track, frames))
        if TrackKind.VIDEO not in best or TrackKind.AUDIO not in best:
            continue
        (video, frames), (audio, _frames) = best[TrackKind.VIDEO], best[TrackKind.AUDIO]
        lists.setdefault(playlist, []).append(
            _entry(pk, asset, title, audio, frames, weight, video=str(video))
        )
    return lists


_BEST_FIRST = (
    Case(When(asset__tracks__state=TrackState.READY, then=0), default=1),
    F("asset__tracks__replaced_at").desc(nulls_first=True),
)
"""Of the tracks of a file the one to be played. While it is prepared again that is the one which
will be replaced: it is ready, and its successor is not."""


def ready_sounds(stream: Stream, playlist: UUID | None) -> list[dict[str, Any]]:
    """Entries of sound whose track is ready; any file that can be heard may be among them.

    The silence of a still picture is not.
    """
    if playlist is None:
        return []
    rows = (
        PlaylistItem.objects.filter(
            playlist=playlist,
            playlist__workspace=stream.workspace_id,
            asset__workspace=stream.workspace_id,
            asset__deleted_at=None,
            asset__tracks__kind=TrackKind.AUDIO,
            asset__tracks__state=TrackState.READY,
        )
        .exclude(asset__kind=AssetKind.PICTURE)
        .order_by("position", "created_at", "pk", *_BEST_FIRST)
        .values_list(
            "pk",
            "asset_id",
            "asset__title",
            "asset__tracks__pk",
            Coalesce("asset__tracks__heard_frames", "asset__tracks__frames"),
            "weight",
        )
    )
    return [_entry(*next(tracks)) for _pk, tracks in groupby(rows, key=lambda row: row[0])]


def ready_once(stream: Stream, asset: Asset, kind: str) -> dict[str, Any] | None:
    """An entry that plays a file once in this stream; None while it is not prepared for it.

    Its id is the file's: so no list takes it for one of its own.
    """
    tracks = asset.tracks.order_by(F("replaced_at").desc(nulls_first=True))
    ready = tracks.filter(state=TrackState.READY)
    sound = ready.filter(kind=TrackKind.AUDIO).first()
    if kind == "sound":
        if asset.kind == AssetKind.PICTURE or sound is None:
            return None
        frames = sound.heard_frames or sound.frames
        return _entry(asset.pk, asset.pk, asset.title, sound.pk, frames, 1)
    pictures = ready.filter(kind=TrackKind.VIDEO, profile=stream.profile).first()
    if stream.is_radio and sound is None:
        sound = tracks.filter(kind=TrackKind.AUDIO).first()
    if pictures is None or sound is None:
        return None
    return _entry(
        asset.pk, asset.pk, asset.title, sound.pk, pictures.frames, 1, video=str(pictures.pk)
    )


def _entry(
    pk: UUID,
    asset: UUID,
    title: str,
    audio: UUID,
    frames: int,
    weight: int,
    *,
    video: str = "",
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
        loop__replaced_at=None,
        style=stream.title_cards,
        keep_until__gt=timezone.now(),
    ).only("text", "state", "failure_message")[:TITLES_COUNTED]
    states = [card.state for card in cards]
    failed = [card for card in cards if card.state == TrackState.FAILED]
    ready = states.count(TrackState.READY)
    return TitlesTold(ready, len(states) - ready - len(failed), failed[:TITLES_NAMED])


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
