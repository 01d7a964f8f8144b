"""The slate of each profile on this node, unpacked when a stream first needs it."""

from __future__ import annotations

import logging
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

from playout import clock
from playout.errors import PlayoutError
from playout.media import video_profile
from playout.pump.slate import slate_item
from playout.timeline.programme import Item, Programme

log = logging.getLogger(__name__)

LOOK_AGAIN_NS = 60_000_000_000
"""A slate may be deleted, and a full disk have room again: so often it is looked for."""


class Slates:
    """Gives programmes the last rung of the ladder; without room on the disk they go without."""

    def __init__(
        self, directory: Path, *, monotonic_ns: Callable[[], int] = clock.monotonic_ns
    ) -> None:
        self._directory = directory
        self._monotonic_ns = monotonic_ns
        self._known: dict[str, tuple[int, Item | None]] = {}
        """The slate of each profile, and when it was looked for."""

    def added(self, programme: Programme) -> Programme:
        """The programme with a slate of its profile, when it has none."""
        if programme.slate is not None:
            return programme
        profile = programme.profile
        now, known = self._monotonic_ns(), self._known.get(profile)
        if known is None or now - known[0] >= LOOK_AGAIN_NS:
            self._known[profile] = known = now, self._unpacked(profile)
        _, slate = known
        return programme if slate is None else replace(programme, slate=slate)

    def _unpacked(self, profile: str) -> Item | None:
        try:
            return slate_item(video_profile(profile), self._directory)
        except (PlayoutError, OSError) as error:
            log.warning("There is no slate for %s: %s", profile or "a programme", error)
            return None
