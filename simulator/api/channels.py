"""channels, playlists and their items: what a user has, and in which order."""

from __future__ import annotations

from typing import Any

from simulator.api.broadcasts import thumbnails_of
from simulator.api.call import Call, resource, section
from simulator.failures import ApiError, bad_request
from simulator.world import Channel, Record

CHANNEL_PARTS = ("id", "snippet", "contentDetails", "statistics", "status", "brandingSettings")
PLAYLIST_PARTS = ("id", "snippet", "status", "contentDetails", "player")
ITEM_PARTS = ("id", "snippet", "contentDetails", "status")
ITEM_DOMAIN = "youtube.playlistItem"


def listed(call: Call) -> dict[str, Any]:
    """channels.list: one's own, or by id."""
    parts = call.parts(CHANNEL_PARTS)
    _exactly_one(call, "id", "mine", "forHandle")
    channels = call.world.channels
    if call.request.value("mine"):
        if call.grant.channel_id:
            _ = call.channel  # a suspended one answers an error
        wanted = [call.grant.channel_id] if call.wants("mine") else []
    elif handle := call.request.value("forHandle"):
        wanted = [e.id for e in channels.values() if e.handle.lstrip("@") == handle.lstrip("@")]
    else:
        wanted = call.ids()
    found = [channels[channel_id] for channel_id in wanted if channel_id in channels]
    return call.page("channel", found, lambda channel: _channel(call, channel, parts))


def playlists(call: Call) -> dict[str, Any]:
    """playlists.list: one's own, of a channel, or by id."""
    parts = call.parts(PLAYLIST_PARTS)
    _exactly_one(call, "id", "mine", "channelId")
    seen = _visible(call, call.world.playlists)
    if call.request.value("mine"):
        channel = call.channel
        # The list of all uploads is not among the playlists that one has made.
        found = [e for e in seen if e[0].channel_id == channel.id and e[0].id != channel.uploads]
    elif channel_id := call.request.value("channelId"):
        if channel_id not in call.world.channels:
            raise ApiError(404, "channelNotFound", "The channel was not found.")
        found = [e for e in seen if e[0].channel_id == channel_id and e[0].id[:2] != "UU"]
    else:
        ids = call.ids()
        found = [e for e in seen if e[0].id in ids]

    def show(each: tuple[Record, dict[str, Any]]) -> dict[str, Any]:
        record, truth = each
        count = len(_items(call, record.id))
        view = {
            **truth,
            "snippet": {
                **truth["snippet"],
                "thumbnails": thumbnails_of(call.request.base, record.id),
                "localized": {n: truth["snippet"][n] for n in ("title", "description")},
            },
            "contentDetails": {"itemCount": count},
        }
        return resource("playlist", record.id, view, parts)

    return call.page("playlist", found, show)


def playlist_items(call: Call) -> dict[str, Any]:
    """playlistItems.list: in order, deleted and private ones as gaps with a title."""
    parts = call.parts(ITEM_PARTS)
    _exactly_one(call, "id", "playlistId")
    if playlist_id := call.request.value("playlistId"):
        playlist = call.world.playlists.get(playlist_id)
        if playlist is None or call.world.seen(playlist) is None:
            raise ApiError(
                404, "playlistNotFound", "The playlist was not found.",
                domain="youtube.playlistItem", location="playlistId",
            )  # fmt: skip
        is_private = playlist.truth["status"]["privacyStatus"] == "private"
        if is_private and playlist.channel_id != call.grant.channel_id:
            raise ApiError(
                403, "playlistItemsNotAccessible", "The playlist is private.",
                domain="youtube.playlistItem", location="playlistId",
            )  # fmt: skip
        found = _items(call, playlist_id)
        if video_id := call.request.value("videoId"):
            found = [e for e in found if e[1]["contentDetails"]["videoId"] == video_id]
    else:
        ids = call.ids()
        found = [e for e in _visible(call, call.world.playlist_items) if e[0].id in ids]

    def show(each: tuple[Record, dict[str, Any]]) -> dict[str, Any]:
        record, truth = each
        snippet = dict(truth["snippet"])
        has_gone = "videoPublishedAt" not in truth["contentDetails"]
        video_id = truth["contentDetails"]["videoId"]
        snippet["thumbnails"] = {} if has_gone else thumbnails_of(call.request.base, video_id)
        return resource("playlistItem", record.id, {**truth, "snippet": snippet}, parts)

    return call.page("playlistItem", found, show)


MAX_ITEMS = 5000


def insert_item(call: Call) -> dict[str, Any]:
    """playlistItems.insert: a video at the end of one's own playlist, or at `position`.

    The same video may stand there twice: who asks twice gets two.
    """
    parts = call.parts(ITEM_PARTS)
    world, given = call.world, section(call.body, "snippet")
    playlist_id = given.get("playlistId")
    if not playlist_id:
        raise bad_request("playlistIdRequired", "playlistId is missing.", domain=ITEM_DOMAIN)
    playlist = world.playlists.get(str(playlist_id))
    if playlist is None or playlist.is_deleted:
        raise ApiError(404, "playlistNotFound", "The playlist was not found.", domain=ITEM_DOMAIN)
    channel = call.channel
    if playlist.channel_id != channel.id:
        raise ApiError(
            403, "playlistItemsNotAccessible", "The playlist is another channel's.",
            domain=ITEM_DOMAIN,
        )  # fmt: skip
    if playlist.id == channel.uploads:
        raise bad_request(
            "playlistOperationUnsupported", "Uploads put themselves there.", domain=ITEM_DOMAIN
        )
    resource_id = section(given, "resourceId")
    video_id = str(resource_id.get("videoId") or "")
    video = world.broadcasts.get(video_id) or world.videos.get(video_id)
    if resource_id.get("kind") != "youtube#video" or not video_id:
        raise bad_request("resourceIdRequired", "resourceId is no video's.", domain=ITEM_DOMAIN)
    if video is None or video.is_deleted:
        raise ApiError(404, "videoNotFound", "The video was not found.", domain=ITEM_DOMAIN)
    order = sorted(
        (
            item
            for item in world.playlist_items.values()
            if not item.is_deleted and item.truth["snippet"]["playlistId"] == playlist.id
        ),
        key=lambda item: item.truth["snippet"]["position"],
    )
    if len(order) >= MAX_ITEMS:
        raise ApiError(
            403, "playlistContainsMaximumNumberOfVideos", "The playlist is full.",
            domain=ITEM_DOMAIN,
        )  # fmt: skip
    position = given.get("position", len(order))
    if isinstance(position, bool) or not isinstance(position, int) or position < 0:
        raise bad_request("invalidPlaylistItemPosition", "position is unclear.", domain=ITEM_DOMAIN)
    position = min(position, len(order))
    for later in order[position:]:
        later.truth["snippet"]["position"] += 1
        world.changed(later)
    truth: dict[str, Any] = {
        "snippet": {
            "publishedAt": world.text_time(),
            "channelId": channel.id,
            "title": video.truth["snippet"]["title"],
            "description": video.truth["snippet"]["description"],
            "channelTitle": channel.title,
            "videoOwnerChannelId": video.channel_id,
            "videoOwnerChannelTitle": world.channels[video.channel_id].title,
            "playlistId": playlist.id,
            "position": position,
            "resourceId": {"kind": "youtube#video", "videoId": video.id},
        },
        "contentDetails": {
            "videoId": video.id,
            "videoPublishedAt": video.truth["snippet"]["publishedAt"],
        },
        "status": {"privacyStatus": video.truth["status"]["privacyStatus"]},
    }
    item = Record("playlistItem", f"{playlist.id}.{world.new_name(12)}", channel.id, truth)
    world.add(item)
    return resource("playlistItem", item.id, item.truth, parts)


def _exactly_one(call: Call, *names: str) -> None:
    given = [name for name in names if call.request.value(name)]
    if len(given) != 1:
        reason = "incompatibleParameters" if given else "missingRequiredParameter"
        raise bad_request(reason, f"Give one of {', '.join(names)}.")


def _visible(call: Call, table: dict[str, Record]) -> list[tuple[Record, dict[str, Any]]]:
    return [
        (record, truth)
        for record in table.values()
        if (truth := call.world.seen(record)) is not None
        and (
            record.channel_id == call.grant.channel_id
            or truth.get("status", {}).get("privacyStatus") != "private"
        )
    ]


def _items(call: Call, playlist_id: str) -> list[tuple[Record, dict[str, Any]]]:
    found = [
        (record, truth)
        for record in call.world.playlist_items.values()
        if (truth := call.world.seen(record)) is not None
        and truth["snippet"]["playlistId"] == playlist_id
    ]
    return sorted(found, key=lambda each: each[1]["snippet"]["position"])


def _channel(call: Call, channel: Channel, parts: list[str]) -> dict[str, Any]:
    videos = sum(e.channel_id == channel.id for e in call.world.videos.values())
    view = {
        "snippet": {
            "title": channel.title,
            "description": "",
            "customUrl": channel.handle,
            "publishedAt": "2026-01-01T12:00:00Z",
            "thumbnails": thumbnails_of(call.request.base, channel.id),
            "localized": {"title": channel.title, "description": ""},
        },
        "contentDetails": {"relatedPlaylists": {"likes": "", "uploads": channel.uploads}},
        "statistics": {
            "viewCount": "0",
            "subscriberCount": "0",
            "hiddenSubscriberCount": False,
            "videoCount": str(videos),
        },
        "status": {
            "privacyStatus": "public",
            "isLinked": True,
            "longUploadsStatus": "allowed" if channel.is_verified else "eligible",
            "madeForKids": False,
        },
        "brandingSettings": {"channel": {"title": channel.title}},
    }
    return resource("channel", channel.id, view, parts)
