"""Playlists that follow one at YouTube: its order and its titles, with files of the library."""

from __future__ import annotations

from collections import defaultdict
from dataclasses import dataclass
from uuid import uuid4

from django.db import transaction
from django.utils import timezone
from django.utils.translation import gettext as _

from apps.accounts.models import Workspace
from apps.library.models import Asset
from apps.streaming.matching import File, Video, matched
from apps.streaming.models import Playlist, PlaylistItem, PlaylistSource
from apps.streaming.stream_manager.playlists import put_order
from apps.youtube.models import Channel
from apps.youtube.services import listing
from apps.youtube.services.listing import ListedVideo

MOST_TOLD = 200
"""Videos without a file that are named."""


class ListRefused(Exception):
    """The list at YouTube cannot be followed; the text says why."""


@dataclass(frozen=True, slots=True)
class _Entry:
    video: ListedVideo
    asset: Asset


def make_from_youtube(*, workspace: Workspace, channel: Channel, youtube_id: str) -> Playlist:
    """A new playlist in the order of one of the channel's.

    Raises `ListRefused`, and `YouTubeError` when YouTube cannot be asked.
    """
    title = listing.title_of_list(channel, youtube_id)
    if title is None:
        raise ListRefused(
            _("There is no such playlist on the channel %(channel)s.") % {"channel": channel.title}
        )
    videos = listing.videos_of(channel, youtube_id)
    with transaction.atomic():
        playlist = Playlist.objects.create(workspace=workspace, name=title[:120] or youtube_id)
        source = PlaylistSource(
            playlist=playlist, channel=channel, youtube_id=youtube_id, title=title
        )
        _take_up(playlist, source, videos)
    return playlist


def refresh_from_youtube(*, playlist: Playlist) -> PlaylistSource:
    """Bring a playlist into the order that its list at YouTube has now.

    What stands for a video that is there still stays the same item, so that what is on air is not
    disturbed. What was added by hand stays, behind the others. Raises as `make_from_youtube` does.
    """
    source = (
        PlaylistSource.objects.select_related("channel__client").filter(playlist=playlist).first()
    )
    if source is None or source.channel is None:
        raise ListRefused(_("This playlist does not follow one at YouTube any more."))
    title = listing.title_of_list(source.channel, source.youtube_id)
    if title is None:
        raise ListRefused(_("The playlist is not on YouTube any more. This one stays as it is."))
    videos = listing.videos_of(source.channel, source.youtube_id)
    source.title = title
    with transaction.atomic():
        _take_up(playlist, source, videos)
    return source


def forget_lists(*, channel: Channel) -> None:
    """Let playlists follow the channel's lists no more; they stay as people have them here."""
    PlaylistSource.objects.filter(channel=channel).delete()


def _take_up(playlist: Playlist, source: PlaylistSource, videos: list[ListedVideo]) -> None:
    playlist = Playlist.objects.select_for_update().get(pk=playlist.pk)
    there = [video for video in videos if not video.is_gone]
    assets = {
        asset.pk: asset
        for asset in Asset.objects.filter(
            workspace=playlist.workspace_id, deleted_at=None, state="ready"
        ).only("pk", "title", "original_name", "duration_ms")
    }
    files = [
        File(
            asset.pk, asset.title, asset.original_name,
            asset.duration_ms / 1000 if asset.duration_ms else None,
        )
        for asset in assets.values()
    ]  # fmt: skip
    wanted = [Video(video.youtube_id, video.title, video.duration_s) for video in there]
    found = matched(wanted, files)
    entries = [
        _Entry(video, assets[asset_id])
        for video, asset_id in zip(there, found, strict=True)
        if asset_id is not None
    ]
    put_order(playlist, _items(playlist, entries))
    missing = [video for video, asset_id in zip(there, found, strict=True) if asset_id is None]
    source.missing = [
        {"id": video.youtube_id, "title": video.title} for video in missing[:MOST_TOLD]
    ]
    source.missing_count, source.gone_count = len(missing), len(videos) - len(there)
    source.found_count = len(entries)
    source.read_at = timezone.now()
    source.save()


def _items(playlist: Playlist, entries: list[_Entry]) -> list[PlaylistItem]:
    """The items in the new order: those that were there, as often as they are needed, first."""
    known: dict[tuple[str, object], list[PlaylistItem]] = defaultdict(list)
    by_hand = []
    for item in playlist.items.all():
        if item.video_id:
            known[item.video_id, item.asset_id].append(item)
        else:
            by_hand.append(item)
    order = []
    for entry in entries:
        same = known[entry.video.youtube_id, entry.asset.pk]
        item = (
            same.pop(0)
            if same
            else PlaylistItem(
                pk=uuid4(), playlist=playlist, asset=entry.asset, video_id=entry.video.youtube_id
            )
        )
        item.video_title = entry.video.title
        order.append(item)
    return order + by_hand
