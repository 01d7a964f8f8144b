"""Rows by the thousand, for tests and measurements: one large workspace beside noisy others."""

from __future__ import annotations

import uuid
from datetime import timedelta
from typing import Any

from django.utils import timezone

from apps.accounts import services
from apps.accounts.models import User, Workspace
from apps.library.models import Asset, Rendition, Track
from apps.streaming.models import (
    Desired,
    Destination,
    Event,
    Output,
    Playlist,
    PlaylistItem,
    State,
    Stream,
)
from apps.youtube import quota
from apps.youtube.models import OPERATOR, Broadcast, Channel, QuotaEntry, Show

PROFILE = "480p30-economy@1"
BATCH = 500
"""Rows of one INSERT; SQLite counts each value."""


def fill(
    workspace: Workspace,
    *,
    assets: int,
    streams: int,
    playlists: int,
    items: int = 25,
    events: int = 40,
) -> Stream | None:
    """Fill a workspace; the first stream has `events` events, and is returned.

    Every third stream is wished on air and reported as being there.
    """
    now = timezone.now()
    start = now - timedelta(days=90)
    made = [
        Asset(
            workspace=workspace, title=f"Recording {n:05} {'night' if n % 2 else 'day'}",
            original_name=f"recording-{n}.mp4", state="ready", kind="video", storage_key="x",
            size_bytes=5_000_000 + n, duration_ms=60_000 + n, width=1280, height=720,
        )
        for n in range(assets)
    ]  # fmt: skip
    _insert(Asset, made)
    for n, asset in enumerate(made):
        asset.created_at = start + timedelta(seconds=300 * n)
    Asset.objects.bulk_update(made, ["created_at"], batch_size=BATCH)
    ready: dict[str, Any] = {"state": "ready", "prefix": "tracks/x", "size_bytes": 1_000_000}
    videos = [Track(asset=a, kind="video", profile=PROFILE, frames=1800, **ready) for a in made]
    sounds = [
        Track(asset=a, kind="audio", profile="aac-44100-stereo@1", frames=2585, **ready)
        for a in made
    ]
    _insert(Track, [*videos, *sounds])
    _insert(
        Rendition,
        [
            Rendition(asset=a, profile=PROFILE, video=v, audio=s)
            for a, v, s in zip(made, videos, sounds, strict=True)
        ],
    )
    lists = [Playlist(workspace=workspace, name=f"Playlist {n:03}") for n in range(playlists)]
    _insert(Playlist, lists)
    entries = [
        PlaylistItem(playlist=one, asset=made[(7 * n + place) % len(made)], position=place)
        for n, one in enumerate(lists)
        for place in range(min(items, len(made)))
    ]
    _insert(PlaylistItem, entries)
    return _streams(workspace, streams, lists, entries, events, items)


def _streams(
    workspace: Workspace,
    count: int,
    lists: list[Playlist],
    entries: list[PlaylistItem],
    events: int,
    items: int,
) -> Stream | None:
    now = timezone.now()
    made = [
        Stream(
            workspace=workspace, title=f"Channel {n:04}", playlist=lists[n % len(lists)],
            profile=PROFILE, desired=Desired.OFF if n % 3 else Desired.ON,
            started_at=now - timedelta(hours=n + 1), timeline_epoch=now - timedelta(hours=n + 1),
        )
        for n in range(count)
    ]  # fmt: skip
    _insert(Stream, made)
    places = [
        Destination(
            workspace=workspace, name="YouTube", key=f"key-{uuid.uuid4()}",
            address="rtmps://a.rtmps.youtube.com:443/live2", fingerprint=uuid.uuid4().hex,
        )
        for _ in made
    ]  # fmt: skip
    _insert(Destination, places)
    _insert(
        Output,
        [
            Output(
                stream=stream, destination=place, profile=PROFILE, desired=stream.desired,
                publishing_point=place.fingerprint if stream.is_wanted else "", node="n1",
                state=State.ON_AIR if stream.is_wanted else State.IDLE, kbps=2500,
                reported_at=now, on_air_since=now - timedelta(minutes=5),
                item_id=str(entries[n * items % len(entries)].pk),
                next_item_id=str(entries[(n * items + 1) % len(entries)].pk),
            )
            for n, (stream, place) in enumerate(zip(made, places, strict=True))
        ],
    )  # fmt: skip
    if not made:
        return None
    _insert(
        Event,
        [
            Event(
                workspace=workspace, stream=stream, code="stream.start_requested",
                text="Start was asked for.", at=now - timedelta(minutes=k),
            )
            for n, stream in enumerate(made)
            for k in range(events if n == 0 else 3)
        ],
    )  # fmt: skip
    return made[0]


def _insert(model: Any, rows: list[Any]) -> None:
    model.objects.bulk_create(rows, batch_size=BATCH)


def noisy(count: int = 20, *, assets: int = 300, streams: int = 40, playlists: int = 10) -> None:
    """Other tenants, whose rows every query has to leave out."""
    for n in range(count):
        user = services.create_user(email=f"noise-{n}@example.org")
        fill(user.workspaces.get(), assets=assets, streams=streams, playlists=playlists, events=5)


def large(owner: User, *, rows: int = 10_000) -> tuple[Workspace, Stream]:
    """The owner's workspace with `rows` assets, a tenth of streams, a fiftieth of playlists."""
    workspace = owner.workspaces.get()
    stream = fill(workspace, assets=rows, streams=max(1, rows // 10), playlists=max(1, rows // 50))
    assert stream is not None
    _broadcasts(workspace)
    return workspace, stream


def _broadcasts(workspace: Workspace, *, shows: int = 20, over: int = 100) -> None:
    """A channel with so many streams that are live, and so many broadcasts that are over."""
    now = timezone.now()
    # A row is created when it is written, and ends after that.
    end = now + timedelta(minutes=5)
    channel = Channel.objects.create(
        workspace=workspace, youtube_id=f"UC{uuid.uuid4().hex[:22]}", title="Night Harbour",
        state_since=now,
    )  # fmt: skip
    streams = Stream.objects.filter(workspace=workspace).exclude(
        pk__in=Show.objects.values("subject")
    )
    made = [
        Show(
            workspace=workspace, channel=channel, subject=stream.pk, name=stream.title,
            is_wanted=True, on_air="live", on_air_at=now, seen_at=now,
        )
        for stream in streams.order_by("title")[:shows]
    ]  # fmt: skip
    _insert(Show, made)

    def broadcast(show: Show, number: int, **values: Any) -> Broadcast:
        begun = now - timedelta(hours=number + 1)
        return Broadcast(
            workspace=workspace, channel=channel, show=show, reason="start", title=show.name,
            youtube_id=uuid.uuid4().hex[:11], privacy="public", scheduled_start=begun,
            live_at=begun, **values,
        )  # fmt: skip

    live = [broadcast(show, n, lifecycle="live", is_bound=True) for n, show in enumerate(made)]
    ended = [
        broadcast(
            made[n % len(made)], shows + n, lifecycle="complete", ended_at=end, is_wanted=False
        )
        for n in range(over)
    ]
    _insert(Broadcast, [*live, *ended])
    QuotaEntry.objects.bulk_create(
        [
            QuotaEntry(
                project=OPERATOR, day=quota.day_of(now), workspace=workspace, method=method,
                units=50, calls=1,
            )
            for method in ("liveBroadcasts.insert", "liveBroadcasts.transition", "videos.list")
        ],
        # A day has one row for each, however often the workspace is filled.
        ignore_conflicts=True,
    )  # fmt: skip
