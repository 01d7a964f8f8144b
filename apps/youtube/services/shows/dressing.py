"""How a broadcast is described to YouTube, and what is added once it is live."""

from __future__ import annotations

from typing import Any

from apps.youtube import texts
from apps.youtube.client import Retry, YouTubeError
from apps.youtube.models import Broadcast, Origin, Show
from apps.youtube.quota import Purpose
from apps.youtube.services.shows.changing import ask_change
from apps.youtube.services.shows.look import Look

PARTS = "id,snippet,status,contentDetails"
_LATER = frozenset({Retry.AT_RESET, Retry.SLOWLY, Retry.SOON})


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
    """What a live broadcast still lacks, once; not worth failing over.

    What its show gets later is for the broadcasts to come, unless somebody asks for more.
    """
    if not row.has_thumbnail:
        row.has_thumbnail = True
        row.save(update_fields=["has_thumbnail", "updated_at"])
        if look.show.thumbnail:
            _show_picture(look, row, bytes(look.show.thumbnail))
    if not row.has_tags:
        row.has_tags = True
        row.save(update_fields=["has_tags", "updated_at"])
        if tags := texts.tags_of(look.show.tags):
            # A broadcast has none: they belong to the video.
            ask_change(row=row, origin=Origin.START, wish={"tags": tags})


def _show_picture(look: Look, row: Broadcast, picture: bytes) -> None:
    """Set it, once: whether a call without an answer was carried out cannot be read."""
    try:
        look.api(Purpose.ASKED).set_thumbnail(row.youtube_id, picture)
    except YouTubeError as error:
        if error.retry in _LATER:
            # It was not carried out, and waits for its time like any other change.
            ask_change(row=row, origin=Origin.START, wish={}, thumbnail=picture)
        else:
            look.say(
                "youtube.thumbnail_refused", f"YouTube did not take the thumbnail: {error.text}"
            )
