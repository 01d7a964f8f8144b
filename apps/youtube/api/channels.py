"""Channels: listed, read, checked, disconnected. They are connected in a browser only."""

from __future__ import annotations

from datetime import datetime
from typing import Any, Literal, cast
from uuid import UUID

from django.http import HttpRequest
from ninja.responses import Status
from pydantic import Field

from apps.accounts.api.door import Endpoints, caller
from apps.accounts.models import Role, Scope
from apps.core.cursors import newest_first
from apps.core.problems import Kind, Problem
from apps.core.rest import Cursor, Limit, Page, Told, page_of
from apps.youtube import models, quota
from apps.youtube.access import get_channel_for
from apps.youtube.client import Retry, YouTubeError
from apps.youtube.services import adopting, connecting, listing

endpoints = Endpoints(tags=["channels"])

RECONNECT = Kind(
    "channel.reconnect",
    409,
    "The channel has to be connected again.",
    "An owner opens Channels and presses Reconnect. What is on air stays on air.",
)
SILENT = Kind(
    "youtube.no_answer",
    503,
    "YouTube did not answer, or the quota of today is used up.",
    "Try again later; `detail` says when that makes sense.",
)


class ChannelTold(Told):
    """A connected channel. Its tokens are never told."""

    id: UUID
    youtube_id: str = Field(
        examples=["UCharbourradio0000000000"],
        description="Empty once what YouTube told of it was deleted.",
    )
    title: str
    handle: str
    state: Literal["connected", "reconnect", "disconnected"]
    eligibility: Literal["unknown", "ready", "not_enabled", "barred", "closed"]
    advice: str = Field(description="What to do so that it may go live; empty for nothing.")
    checked_at: datetime | None
    created_at: datetime


class ChannelPage(Page[ChannelTold]):
    """Some channels."""


class QuotaTold(Told):
    """The units of one Google project today."""

    project: Literal["operator", "own"]
    limit: int
    used: int
    used_by_workspace: int
    is_exhausted: bool = Field(description="Google said that nothing is left.")
    resets_at: datetime


class QuotaList(Told):
    """The projects that the workspace uses."""

    items: list[QuotaTold]


class FoundTold(Told):
    """A broadcast at YouTube that no stream keeps."""

    id: str = Field(examples=["a1B2c3D4e5F"])
    title: str
    privacy: str
    has_begun: bool = Field(description="It is tested or live, and keeps its stream key.")
    starts_at: datetime | None
    watch_url: str


class FoundList(Told):
    """What could be taken over."""

    items: list[FoundTold]


class ListedTold(Told):
    """A playlist at YouTube."""

    id: str = Field(examples=["PLharbourradio0000000000"])
    title: str
    count: int = Field(description="Videos in it.")


class ListedList(Told):
    """The playlists of a channel at YouTube."""

    items: list[ListedTold]


def channel_told(channel: models.Channel) -> ChannelTold:
    """As it is told."""
    return ChannelTold(
        id=channel.pk,
        youtube_id=channel.youtube_id if channel.forgotten_at is None else "",
        title=channel.title,
        handle=channel.handle,
        state=cast(Any, channel.state),
        eligibility=cast(Any, channel.eligibility),
        advice=connecting.advice_of(channel),
        checked_at=channel.checked_at,
        created_at=channel.created_at,
    )


@endpoints.read("/channels", response=ChannelPage)
def list_channels(request: HttpRequest, cursor: Cursor = "", limit: Limit = 50) -> ChannelPage:
    """List the channels of the workspace, newest first."""
    found = models.Channel.objects.filter(workspace=caller(request).workspace)
    return page_of(newest_first(found, cursor=cursor, limit=limit), channel_told, ChannelPage)


@endpoints.read("/channels/{uuid:channel_id}", response=ChannelTold)
def get_channel(request: HttpRequest, channel_id: UUID) -> ChannelTold:
    """Read a channel."""
    return channel_told(get_channel_for(caller(request), channel_id))


@endpoints.change(
    "POST",
    "/channels/{uuid:channel_id}/check",
    Scope.STREAMS,
    response=ChannelTold,
    refusals=[RECONNECT, SILENT],
)
def check_channel(request: HttpRequest, channel_id: UUID) -> ChannelTold:
    """Ask YouTube whether a channel may go live now."""
    channel = get_channel_for(caller(request), channel_id, Role.EDITOR)
    try:
        return channel_told(connecting.check_eligibility(channel=channel))
    except YouTubeError as error:
        kind = RECONNECT if error.retry is Retry.RECONNECT else SILENT
        raise Problem(kind, error.text) from None


@endpoints.change(
    "POST",
    "/channels/{uuid:channel_id}/look",
    Scope.STREAMS,
    response=FoundList,
    refusals=[RECONNECT, SILENT],
)
def look_for_broadcasts(request: HttpRequest, channel_id: UUID) -> FoundList:
    """Ask YouTube which broadcasts are upcoming or live and could be taken over.

    Two units of the quota. Those that a stream keeps already are left out.
    """
    channel = get_channel_for(caller(request), channel_id, Role.EDITOR)
    try:
        found = adopting.look_for(channel)
    except YouTubeError as error:
        kind = RECONNECT if error.retry is Retry.RECONNECT else SILENT
        raise Problem(kind, error.text) from None
    return FoundList(
        items=[
            FoundTold(
                id=one.youtube_id,
                title=one.title,
                privacy=one.privacy,
                has_begun=one.has_begun,
                starts_at=one.starts_at,
                watch_url=one.watch_url,
            )
            for one in found
        ]
    )


@endpoints.change(
    "POST",
    "/channels/{uuid:channel_id}/playlists",
    Scope.STREAMS,
    response=ListedList,
    refusals=[RECONNECT, SILENT],
)
def look_for_playlists(request: HttpRequest, channel_id: UUID) -> ListedList:
    """Ask YouTube which playlists a channel has; one can be followed by a playlist here.

    A unit of the quota for each fifty.
    """
    channel = get_channel_for(caller(request), channel_id, Role.EDITOR)
    try:
        found = listing.look_for_lists(channel)
    except YouTubeError as error:
        kind = RECONNECT if error.retry is Retry.RECONNECT else SILENT
        raise Problem(kind, error.text) from None
    return ListedList(
        items=[ListedTold(id=one.youtube_id, title=one.title, count=one.count) for one in found]
    )


@endpoints.change("DELETE", "/channels/{uuid:channel_id}", Scope.ADMIN, response={204: None})
def disconnect_channel(request: HttpRequest, channel_id: UUID) -> Status[None]:
    """Give the access to a channel back and forget it.

    What is on air stays on air.
    """
    connecting.disconnect(channel=get_channel_for(caller(request), channel_id, Role.OWNER))
    return Status(204, None)


@endpoints.read("/youtube/quota", response=QuotaList)
def get_quota(request: HttpRequest) -> QuotaList:
    """Read how many units of the YouTube API are left today."""
    workspace = caller(request).workspace
    own = models.OAuthClient.objects.filter(workspace=workspace).first()
    names: list[tuple[Literal["operator", "own"], str]] = [("operator", models.OPERATOR)]
    if own is not None:
        names.append(("own", own.project))
    items = []
    for name, project in names:
        standing = quota.standing(project)
        items.append(
            QuotaTold(
                project=name,
                limit=standing.limit,
                used=standing.used,
                used_by_workspace=quota.used_by(workspace.pk, project, quota.today()),
                is_exhausted=standing.is_exhausted,
                resets_at=standing.resets_at,
            )
        )
    return QuotaList(items=items)
