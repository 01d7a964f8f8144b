"""Playlists and their items."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from datetime import datetime
from typing import Annotated, Any
from uuid import UUID

from django.http import Http404, HttpRequest, HttpResponse
from django.urls import reverse
from ninja.responses import Status
from pydantic import Field

from apps.accounts.api.door import Endpoints, caller
from apps.accounts.models import Role, Scope
from apps.core.cursors import newest_first
from apps.core.etags import unless_changed
from apps.core.problems import CHANGED, INVALID, Fault, Kind, Problem
from apps.core.rest import Asked, Cursor, Limit, Search, Told, page_of, rendered
from apps.library.access import get_assets_for
from apps.streaming import models, stream_manager
from apps.streaming.access import get_playlist_for
from apps.streaming.api import rows
from apps.streaming.api.schemas import (
    ItemChange,
    ItemList,
    ItemMove,
    ItemPage,
    ItemsNew,
    Order,
    PlaylistPage,
    PlaylistTold,
    PlaylistWish,
    item_told,
    playlist_told,
)
from apps.streaming.api.streams import ON_AIR
from apps.streaming.stream_manager import ListRefused, StreamIsOnAir
from apps.youtube.api.channels import RECONNECT, SILENT
from apps.youtube.client import Retry, YouTubeError
from apps.youtube.models import Channel

endpoints = Endpoints(tags=["playlists"])

NO_LIST = Kind(
    "playlist.not_on_youtube",
    409,
    "The playlist cannot follow one at YouTube.",
    "`detail` says why. `POST /channels/{id}/playlists` tells which there are.",
)


class FollowWish(Asked):
    """Which list at YouTube to follow."""

    channel_id: UUID
    youtube_id: Annotated[
        str, Field(pattern=r"^[A-Za-z0-9_-]{1,64}$", examples=["PLharbourradio0000000000"])
    ]


class MissingTold(Told):
    """A video that the library has no file of."""

    id: str
    title: str


class FollowedTold(Told):
    """What a playlist took from its list at YouTube."""

    playlist_id: UUID
    youtube_id: str
    title: str
    read_at: datetime
    found: int = Field(description="Videos that the library has a file of.")
    gone: int = Field(description="Deleted or private at YouTube.")
    missing_count: int
    missing: list[MissingTold] = Field(description="The first 200 of them.")


@endpoints.read("/playlists", response=PlaylistPage)
def list_playlists(
    request: HttpRequest, cursor: Cursor = "", limit: Limit = 50, q: Search = ""
) -> PlaylistPage:
    """List the playlists of the workspace, newest first."""
    found = rows.playlists_of(caller(request).workspace, search=q)
    return page_of(newest_first(found, cursor=cursor, limit=limit), playlist_told, PlaylistPage)


@endpoints.change("POST", "/playlists", Scope.STREAMS, response={201: PlaylistTold})
def create_playlist(
    request: HttpRequest, body: PlaylistWish, response: HttpResponse
) -> Status[Any]:
    """Make an empty playlist."""
    made = stream_manager.create_playlist(workspace=caller(request).workspace, name=body.name)
    response["Location"] = reverse("api:get_playlist", args=[made.pk])
    return Status(201, _told(made))


@endpoints.read("/playlists/{uuid:playlist_id}", response=PlaylistTold)
def get_playlist(request: HttpRequest, playlist_id: UUID) -> PlaylistTold:
    """Read a playlist without its items."""
    return _told(get_playlist_for(caller(request), playlist_id))


@endpoints.change(
    "PATCH",
    "/playlists/{uuid:playlist_id}",
    Scope.STREAMS,
    response=PlaylistTold,
    refusals=[CHANGED],
)
def rename_playlist(request: HttpRequest, playlist_id: UUID, body: PlaylistWish) -> PlaylistTold:
    """Give a playlist another name."""
    found = get_playlist_for(caller(request), playlist_id, Role.EDITOR)
    with unless_changed(request, found, _represent):
        stream_manager.rename_playlist(playlist=found, name=body.name)
    return _told(found)


@endpoints.change(
    "DELETE",
    "/playlists/{uuid:playlist_id}",
    Scope.STREAMS,
    response={204: None},
    refusals=[ON_AIR, CHANGED],
)
def delete_playlist(request: HttpRequest, playlist_id: UUID) -> Status[None]:
    """Delete a playlist that no stream on air plays.

    The files stay in the library.
    """
    found = get_playlist_for(caller(request), playlist_id, Role.EDITOR)
    with unless_changed(request, found, _represent):
        try:
            stream_manager.delete_playlist(playlist=found)
        except StreamIsOnAir as refused:
            raise Problem(ON_AIR, str(refused)) from None
    return Status(204, None)


@endpoints.change(
    "POST",
    "/playlists/from-youtube",
    Scope.STREAMS,
    response={201: FollowedTold},
    refusals=[NO_LIST, RECONNECT, SILENT],
)
def make_from_youtube(
    request: HttpRequest, body: FollowWish, response: HttpResponse
) -> Status[Any]:
    """Make a playlist in the order of one at YouTube, of the files that the library has of it.

    Nothing is downloaded: a file stands for a video when its name holds the video's id, or when it
    has the same title and length. Two units of the quota for each fifty videos.
    """
    channel = Channel.objects.filter(
        workspace=caller(request).workspace, pk=body.channel_id
    ).first()
    if channel is None:
        raise Problem(INVALID, faults=[Fault("There is no such channel.", "/channel_id")])
    with _youtube_asked():
        made = stream_manager.make_from_youtube(
            workspace=channel.workspace, channel=channel, youtube_id=body.youtube_id
        )
    response["Location"] = reverse("api:get_playlist", args=[made.pk])
    return Status(201, _followed_told(made.source))


@endpoints.change(
    "POST",
    "/playlists/{uuid:playlist_id}/refresh",
    Scope.STREAMS,
    response=FollowedTold,
    refusals=[NO_LIST, RECONNECT, SILENT],
)
def refresh_from_youtube(request: HttpRequest, playlist_id: UUID) -> FollowedTold:
    """Bring a playlist into the order that its list at YouTube has now.

    What was added by hand stays, behind the others.
    """
    found = get_playlist_for(caller(request), playlist_id, Role.EDITOR)
    with _youtube_asked():
        return _followed_told(stream_manager.refresh_from_youtube(playlist=found))


@contextmanager
def _youtube_asked() -> Iterator[None]:
    try:
        yield
    except ListRefused as refused:
        raise Problem(NO_LIST, str(refused)) from None
    except YouTubeError as error:
        raise Problem(RECONNECT if error.retry is Retry.RECONNECT else SILENT, error.text) from None


def _followed_told(source: models.PlaylistSource) -> FollowedTold:
    return FollowedTold(
        playlist_id=source.playlist_id,
        youtube_id=source.youtube_id,
        title=source.title,
        read_at=source.read_at,
        found=source.found_count,
        gone=source.gone_count,
        missing_count=source.missing_count,
        missing=[MissingTold(id=one["id"], title=one["title"]) for one in source.missing],
    )


@endpoints.read("/playlists/{uuid:playlist_id}/items", response=ItemPage)
def list_items(
    request: HttpRequest, playlist_id: UUID, cursor: Cursor = "", limit: Limit = 50
) -> ItemPage:
    """List the items of a playlist, first one first."""
    found = get_playlist_for(caller(request), playlist_id)
    return page_of(rows.items_of(found, cursor=cursor, limit=limit), item_told, ItemPage)


@endpoints.change(
    "POST",
    "/playlists/{uuid:playlist_id}/items",
    Scope.STREAMS,
    response={201: ItemList},
    refusals=[CHANGED],
)
def add_items(request: HttpRequest, playlist_id: UUID, body: ItemsNew) -> Status[Any]:
    """Put files into a playlist.

    They are prepared for every stream that plays it. The same file may stand in it more than once.
    """
    token = caller(request)
    found = get_playlist_for(token, playlist_id, Role.EDITOR)
    assets = get_assets_for(token, found.workspace, body.asset_ids)
    with unless_changed(request, found, _represent):
        added = stream_manager.add_items(playlist=found, assets=assets, position=body.position)
    return Status(201, ItemList(items=[item_told(item) for item in added]))


@endpoints.change(
    "DELETE",
    "/playlists/{uuid:playlist_id}/items/{uuid:item_id}",
    Scope.STREAMS,
    response={204: None},
    refusals=[CHANGED],
)
def remove_item(request: HttpRequest, playlist_id: UUID, item_id: UUID) -> Status[None]:
    """Take an item out of a playlist."""
    found = get_playlist_for(caller(request), playlist_id, Role.EDITOR)
    with unless_changed(request, found, _represent):
        if stream_manager.remove_item(playlist=found, item_id=item_id) is None:
            raise Http404("There is no such item.")
    return Status(204, None)


@endpoints.change(
    "PATCH",
    "/playlists/{uuid:playlist_id}/items/{uuid:item_id}",
    Scope.STREAMS,
    response={204: None},
    refusals=[CHANGED],
)
def change_item(
    request: HttpRequest, playlist_id: UUID, item_id: UUID, body: ItemChange
) -> Status[None]:
    """Say how often an item plays in each shuffled round."""
    found = get_playlist_for(caller(request), playlist_id, Role.EDITOR)
    with unless_changed(request, found, _represent):
        if not stream_manager.set_weight(playlist=found, item_id=item_id, weight=body.weight):
            raise Http404("There is no such item.")
    return Status(204, None)


@endpoints.change(
    "POST",
    "/playlists/{uuid:playlist_id}/items/{uuid:item_id}/move",
    Scope.STREAMS,
    response={204: None},
    refusals=[CHANGED],
)
def move_item(
    request: HttpRequest, playlist_id: UUID, item_id: UUID, body: ItemMove
) -> Status[None]:
    """Move an item up or down."""
    found = get_playlist_for(caller(request), playlist_id, Role.EDITOR)
    with unless_changed(request, found, _represent):
        if not stream_manager.move_item(playlist=found, item_id=item_id, by=body.by):
            raise Http404("There is no such item.")
    return Status(204, None)


@endpoints.change(
    "PUT",
    "/playlists/{uuid:playlist_id}/order",
    Scope.STREAMS,
    response={204: None},
    refusals=[CHANGED],
)
def order_items(request: HttpRequest, playlist_id: UUID, body: Order) -> Status[None]:
    """Put the items of a playlist into an order."""
    found = get_playlist_for(caller(request), playlist_id, Role.EDITOR)
    with unless_changed(request, found, _represent):
        stream_manager.set_order(playlist=found, item_ids=body.item_ids)
    return Status(204, None)


def _told(playlist: models.Playlist) -> PlaylistTold:
    return playlist_told(rows.with_sums(models.Playlist.objects.filter(pk=playlist.pk)).get())


def _represent(playlist: models.Playlist) -> bytes:
    return rendered(_told(playlist))
