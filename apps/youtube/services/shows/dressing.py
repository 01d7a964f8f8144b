"""How a broadcast is described to YouTube, and what is added once it is live."""

from __future__ import annotations

from typing import Any

from apps.youtube import texts
from apps.youtube.client import YouTubeError
from apps.youtube.models import Broadcast, Origin, Show
from apps.youtube.quota import Purpose
from apps.youtube.services.shows.changing import ask_change
from apps.youtube.services.shows.look import Look

PARTS = "id,snippet,status,contentDetails"


def body_of(show: Show, row: Broadcast) -> dict[str, Any]:
    """All that YouTube is told of a broadcast when it is made."""
    values = texts.values_of(stream=show.name, channel=show.channel.title, at=row.scheduled_start)
    return {
        "snippet": {
            "title": row.title,
            "description": texts.description_of(show.description, values),
            "scheduledStartTime": row.scheduled_start.strftime("%Y-%m-%dT%H:%M:%SZ"),
            "categoryId": show.category_id,
        },
        "status": {
            "privacyStatus": row.privacy,
            "selfDeclaredMadeForKids": show.made_for_kids,
        },
        "contentDetails": {
            # With the monitor it would have to be tested by hand first, and auto-stop would end
            # it for good a minute after any drop.
            "monitorStream": {"enableMonitorStream": False, "broadcastStreamDelayMs": 0},
            "enableAutoStart": False,
            "enableAutoStop": False,
            "enableDvr": show.dvr,
            "recordFromStart": True,
            "enableEmbed": True,
            "latencyPreference": show.latency,
        },
    }


def decorate(look: Look, row: Broadcast) -> None:
    """What a live broadcast still lacks; not worth failing over."""
    if not row.has_thumbnail and look.show.thumbnail:
        row.has_thumbnail = True
        row.save(update_fields=["has_thumbnail", "updated_at"])
        try:
            look.api(Purpose.ASKED).set_thumbnail(row.youtube_id, bytes(look.show.thumbnail))
        except YouTubeError as error:
            look.say(
                "youtube.thumbnail_refused", f"YouTube did not take the thumbnail: {error.text}"
            )
    tags = texts.tags_of(look.show.tags)
    if not row.has_tags and tags:
        row.has_tags = True
        row.save(update_fields=["has_tags", "updated_at"])
        # A broadcast has none: they belong to the video.
        ask_change(row=row, origin=Origin.START, wish={"tags": tags})
