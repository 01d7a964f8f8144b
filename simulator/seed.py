"""The accounts, channels and clients that a new world has."""

from __future__ import annotations

import dataclasses
from typing import Any

from simulator.world import Account, Channel, Client, Record, World

CLIENT_ID = "simulator.apps.googleusercontent.com"
CLIENT_SECRET = "simulator-secret"  # noqa: S105 - it opens nothing but a simulator
OTHER_CLIENT_ID = "workspace.apps.googleusercontent.com"
"""Of a project of its own, for a workspace that brings its own client."""
OTHER_CLIENT_SECRET = "workspace-secret"  # noqa: S105

HARBOUR = "UCharbourradio0000000000"
NIGHT = "UCnighttrain000000000000"
GARDEN = "UCgardenfilms00000000000"

_CHANNELS = (
    Channel(HARBOUR, "Harbour Radio", "@harbourradio"),
    Channel(NIGHT, "Night Train", "@nighttrain"),
    Channel(GARDEN, "Garden Films", "@gardenfilms"),
)
_ACCOUNTS = (
    Account("harbour@example.org", "Harbour", [HARBOUR, NIGHT]),
    Account("garden@example.org", "Garden", [GARDEN]),
    Account("nobody@example.org", "Without a channel", []),
)
_SONGS = 57
"""In the long playlist: more than one page of 50."""


def fill(world: World) -> None:
    """Put them into an empty world; nothing of it lags."""
    for channel in _CHANNELS:
        world.channels[channel.id] = dataclasses.replace(channel)
    for account in _ACCOUNTS:
        world.accounts[account.email] = dataclasses.replace(account)
    for client in (
        Client(CLIENT_ID, CLIENT_SECRET, "simulator"),
        Client(OTHER_CLIENT_ID, OTHER_CLIENT_SECRET, "workspace"),
    ):
        world.clients[client.id] = client
    for channel in _CHANNELS:
        videos = [_add_video(world, channel, number) for number in range(1, _SONGS + 1)]
        _add_playlist(world, channel, channel.uploads, f"Uploads of {channel.title}", videos)
        evening = "PL" + channel.id[2:]
        _add_playlist(world, channel, evening, "Evening programme", [*videos, *videos[:3]])
        _add_gap(world, channel, evening, 60, "Deleted video")
        _add_gap(world, channel, evening, 61, "Private video")


def _keep(world: World, record: Record) -> Record:
    world.add(record)
    record.history = [(0.0, record.history[-1][1])]
    return record


def _add_video(world: World, channel: Channel, number: int) -> Record:
    title = f"{channel.title}, piece {number}"
    truth: dict[str, Any] = {
        "snippet": {
            "publishedAt": f"2026-0{number % 9 + 1}-{number % 28 + 1:02}T12:00:00Z",
            "channelId": channel.id,
            "title": title,
            "description": "",
            "channelTitle": channel.title,
            "categoryId": "10",
            "liveBroadcastContent": "none",
        },
        "status": {
            "uploadStatus": "processed",
            "privacyStatus": "public",
            "license": "youtube",
            "embeddable": True,
            "publicStatsViewable": True,
            "madeForKids": False,
        },
        "contentDetails": {
            "duration": f"PT{number % 7 + 2}M{number % 60}S",
            "dimension": "2d",
            "definition": "hd",
            "caption": "false",
            "licensedContent": False,
            "projection": "rectangular",
        },
        "statistics": {"viewCount": str(number * 17), "likeCount": str(number)},
    }
    name = f"{channel.id[2:6]}piece{number:02}"
    return _keep(world, Record("video", name, channel.id, truth))


def _add_playlist(
    world: World, channel: Channel, playlist_id: str, title: str, videos: list[Record]
) -> None:
    truth: dict[str, Any] = {
        "snippet": {
            "publishedAt": "2026-01-01T12:00:00Z",
            "channelId": channel.id,
            "title": title,
            "description": "",
            "channelTitle": channel.title,
        },
        "status": {"privacyStatus": "public"},
    }
    _keep(world, Record("playlist", playlist_id, channel.id, truth))
    for position, video in enumerate(videos):
        snippet = video.truth["snippet"]
        item = _item(channel, playlist_id, position, snippet["title"], video.id)
        item["contentDetails"]["videoPublishedAt"] = snippet["publishedAt"]
        item["snippet"]["videoOwnerChannelId"] = channel.id
        item["snippet"]["videoOwnerChannelTitle"] = channel.title
        _keep(world, Record("playlistItem", f"{playlist_id}.{position}", channel.id, item))


def _add_gap(world: World, channel: Channel, playlist_id: str, position: int, title: str) -> None:
    item = _item(channel, playlist_id, position, title, f"gone{position:07}")
    item["status"]["privacyStatus"] = "private" if title.startswith("Private") else "public"
    _keep(world, Record("playlistItem", f"{playlist_id}.{position}", channel.id, item))


def _item(
    channel: Channel, playlist_id: str, position: int, title: str, video_id: str
) -> dict[str, Any]:
    return {
        "snippet": {
            "publishedAt": "2026-01-01T12:00:00Z",
            "channelId": channel.id,
            "title": title,
            "description": "",
            "channelTitle": channel.title,
            "playlistId": playlist_id,
            "position": position,
            "resourceId": {"kind": "youtube#video", "videoId": video_id},
        },
        "contentDetails": {"videoId": video_id},
        "status": {"privacyStatus": "public"},
    }
