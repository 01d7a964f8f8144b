"""The slate of each profile on this node, unpacked when a stream first needs it."""

from __future__ import annotations

import logging
from dataclasses import replace
from pathlib import Path

from playout.errors import PlayoutError
from playout.media import video_profile
from playout.pump.slate import slate_item
from playout.timeline.programme import Item, Programme

log = logging.getLogger(__name__)


class Slates:
    """Gives programmes the last rung of the ladder; without room on the disk they go without."""

    def __init__(self, directory: Path) -> None:
        self._directory = directory
        self._known: dict[str, Item | None] = {}

    def added(self, programme: Programme) -> Programme:
        """The programme with a slate of its profile, when it has none."""
        if programme.slate is not None:
            return programme
        profile = programme.profile
        if profile not in self._known:
            self._known[profile] = self._unpacked(profile)
        slate = self._known[profile]
        return programme if slate is None else replace(programme, slate=slate)

    def _unpacked(self, profile: str) -> Item | None:
        try:
            return slate_item(video_profile(profile), self._directory)
        except (PlayoutError, OSError) as error:
            log.warning("There is no slate for %s: %s", profile or "a programme", error)
            return None
