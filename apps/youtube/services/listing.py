"""The playlists of a channel: their names, and what is in them in which order. Nothing is fetched
of the videos themselves, which YouTube does not allow."""

from __future__ import annotations

import re
from dataclasses import asdict, dataclass
from typing import Any

from django.core.cache import cache

from apps.youtube.client import PAGE, Api
from apps.youtube.models import Channel
from apps.youtube.quota import Purpose
from apps.youtube.services.tokens import api_of

MOST_LISTS = 200
MOST_VIDEOS = 1000
_REMEMBERED_SECONDS = 600
_DURATION = re.compile(r"P(?:(\d+)D)?(?:T(?:(\d+)H)?(?:(\d+)M)?(?:(\d+)S)?)?")


@dataclass(frozen=True, slots=True)
class ListedPlaylist:
    """A playlist of a channel."""

    youtube_id: str
    title: str
    count: int


@dataclass(frozen=True, slots=True)
class ListedVideo:
    """An entry of a playlist."""

    youtube_id: str
    title: str
    is_gone: bool
    """Deleted or private: only a gap is told of it."""
    duration_s: float | None = None


def look_for_lists(channel: Channel) -> list[ListedPlaylist]:
    """Ask YouTube for the channel's playlists; a unit for each fifty. Raises `YouTubeError`."""
    api = api_of(channel, Purpose.ASKED)
    told = _all(api, "playlists", "id,snippet,contentDetails", MOST_LISTS, mine="true")
    found = [
        ListedPlaylist(
            youtube_id=str(one.get("id", "")),
            title=str((one.get("snippet") or {}).get("title", ""))[:150],
            count=int((one.get("contentDetails") or {}).get("itemCount") or 0),
        )
        for one in told
    ]
    cache.set(_key(channel), [asdict(one) for one in found], _REMEMBERED_SECONDS)
    return found


def known_lists(channel: Channel) -> list[ListedPlaylist] | None:
    """What `look_for_lists` found within the last ten minutes; None when nobody looked."""
    told = cache.get(_key(channel))
    return None if told is None else [ListedPlaylist(**one) for one in told]


def title_of_list(channel: Channel, youtube_id: str) -> str | None:
    """The playlist's title; None when the channel has no such one. One unit."""
    found = api_of(channel, Purpose.ASKED).list("playlists", "id,snippet", id=youtube_id)
    for one in found:
        snippet = one.get("snippet") or {}
        if snippet.get("channelId") == channel.youtube_id:
            return str(snippet.get("title", ""))[:150]
    return None


def videos_of(channel: Channel, youtube_id: str) -> list[ListedVideo]:
    """What is in a playlist, in its order, a thousand at most; two units for each fifty.

    Raises `YouTubeError`.
    """
    api = api_of(channel, Purpose.ASKED)
    told = _all(
        api, "playlistItems", "id,snippet,contentDetails", MOST_VIDEOS, playlistId=youtube_id
    )
    entries = [(one.get("snippet") or {}, one.get("contentDetails") or {}) for one in told]
    ids = list(
        dict.fromkeys(
            str(details.get("videoId", ""))
            for _snippet, details in entries
            if details.get("videoPublishedAt")
        )
    )
    lengths: dict[str, float | None] = {}
    for start in range(0, len(ids), PAGE):
        for video in api.list("videos", "id,contentDetails", id=ids[start : start + PAGE]):
            details = video.get("contentDetails") or {}
            lengths[str(video.get("id"))] = seconds_of(str(details.get("duration", "")))
    return [
        ListedVideo(
            youtube_id=str(details.get("videoId", "")),
            title=str(snippet.get("title", ""))[:200],
            is_gone=not details.get("videoPublishedAt"),
            duration_s=lengths.get(str(details.get("videoId", ""))),
        )
        for snippet, details in entries
    ]


def seconds_of(duration: str) -> float | None:
    """`PT1H2M3S` in seconds; None for what is not told, such as a live video's."""
    found = _DURATION.fullmatch(duration)
    if found is None or not any(found.groups()):
        return None
    days, hours, minutes, seconds = (int(part or 0) for part in found.groups())
    total = ((days * 24 + hours) * 60 + minutes) * 60 + seconds
    return float(total) or None


def _all(api: Api, resource: str, parts: str, most: int, **query: Any) -> list[dict[str, Any]]:
    items: list[dict[str, Any]] = []
    more: dict[str, Any] = {}
    while len(items) < most:
        page = api.page(resource, parts, cached=True, **query, **more)
        items += page.get("items", [])
        if not page.get("nextPageToken"):
            break
        more = {"pageToken": str(page["nextPageToken"])}
    return items[:most]


def _key(channel: Channel) -> str:
    return f"youtube:playlists:{channel.pk}"
