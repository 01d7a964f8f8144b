"""Tracks that have brought pumps down, counted in a file of the node.

Two crashes within a day while the same track was being sent put it in quarantine: every pump of the
node then refuses it, and programmes step over it. A source that is prepared again gets a new
directory, and with it a clean record.
"""

from __future__ import annotations

import contextlib
import json
import logging
import os
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path

log = logging.getLogger(__name__)

CRASHES = 2
WITHIN_NS = 24 * 3600 * 10**9


@dataclass(frozen=True, slots=True)
class Suspicion:
    """How often a pump crashed while it sent a track, and when last (UTC nanoseconds)."""

    crashes: int
    at_ns: int


def counted(
    known: Mapping[str, Suspicion], tracks: Iterable[str], *, now_ns: int
) -> dict[str, Suspicion]:
    """`known` after one more crash while `tracks` were being sent.

    What was not confirmed within a day is forgotten; what is in quarantine stays there.
    """
    kept = {
        track: suspicion
        for track, suspicion in known.items()
        if suspicion.crashes >= CRASHES or now_ns - suspicion.at_ns <= WITHIN_NS
    }
    for track in tracks:
        before = kept[track].crashes if track in kept else 0
        kept[track] = Suspicion(before + 1, now_ns)
    return kept


class Quarantine:
    """The record of one node, kept in `path`."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._known = _read(path)

    @property
    def tracks(self) -> list[str]:
        """Directories that no pump may open."""
        return sorted(t for t, suspicion in self._known.items() if suspicion.crashes >= CRASHES)

    def crashed(self, tracks: Iterable[str], *, now_ns: int) -> list[str]:
        """Count a crash at UTC `now_ns`; returns the tracks that are in quarantine because of it.

        A disk that cannot be written costs the record, not the streams.
        """
        before = set(self.tracks)
        self._known = counted(self._known, tracks, now_ns=now_ns)
        values = {track: [s.crashes, s.at_ns] for track, s in self._known.items()}
        draft = self._path.with_suffix(".new")
        try:
            with draft.open("w", encoding="utf-8") as file:
                json.dump(values, file)
                file.flush()
                os.fsync(file.fileno())
            draft.replace(self._path)
        except OSError as error:
            log.warning("The record of crashes cannot be written: %s", error)
        return [track for track in self.tracks if track not in before]


def _read(path: Path) -> dict[str, Suspicion]:
    with contextlib.suppress(OSError, ValueError, TypeError, AttributeError):
        values = json.loads(path.read_text(encoding="utf-8"))
        return {str(t): Suspicion(int(count), int(at)) for t, (count, at) in values.items()}
    return {}
