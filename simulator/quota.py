"""What calls cost, and the day over which they are counted."""

from __future__ import annotations

from datetime import datetime
from zoneinfo import ZoneInfo

PACIFIC = ZoneInfo("America/Los_Angeles")

DEFAULT_UNITS_PER_DAY = 10_000

READ_UNITS = 1
WRITE_UNITS = 50
COSTS = {
    "channels.list": READ_UNITS,
    "liveBroadcasts.list": READ_UNITS,
    "liveBroadcasts.insert": WRITE_UNITS,
    "liveBroadcasts.update": WRITE_UNITS,
    "liveBroadcasts.bind": WRITE_UNITS,
    "liveBroadcasts.transition": WRITE_UNITS,
    "liveBroadcasts.delete": WRITE_UNITS,
    "liveStreams.list": READ_UNITS,
    "liveStreams.insert": WRITE_UNITS,
    "liveStreams.update": WRITE_UNITS,
    "liveStreams.delete": WRITE_UNITS,
    "playlistItems.insert": WRITE_UNITS,
    "playlistItems.list": READ_UNITS,
    "playlists.list": READ_UNITS,
    "thumbnails.set": WRITE_UNITS,
    "videos.list": READ_UNITS,
    "videos.update": WRITE_UNITS,
}
"""Units of one call; one that fails costs as much, one that is not understood costs 1."""


def pacific_day(now: datetime) -> str:
    """The day that `now` is counted in: it begins at midnight in California."""
    return now.astimezone(PACIFIC).date().isoformat()
