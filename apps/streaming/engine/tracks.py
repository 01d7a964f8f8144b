"""The prepared tracks that lie on this machine, and the fetching of those that do not."""

from __future__ import annotations

import contextlib
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from botocore.exceptions import BotoCoreError, ClientError
from django.conf import settings
from django.core.files.storage import default_storage

from apps.library.models import TitleCard, Track, TrackState
from apps.library.preparation import local_track_directory, track_names
from playout import clock
from playout.cache.blocks import BlockCache, Source
from playout.media import TrackKind
from playout.timeline.programme import Programme

RETRY_NS = 10_000_000_000
"""A track that is not ready is looked for again after this long."""

START_NS = 120_000_000_000
"""An output starts when what it sends within this time lies here."""

FEW_TRACKS = 200
"""So many that nobody wishes for may be remembered."""

_PART_SECONDS = 20.0
"""A slow store is asked again for the rest after this long."""


class TracksHere:
    """Where tracks lie, for programmes of this node.

    On a local disk they are used where preparing left them. From an object store they come block
    by block into directories under `cache`, in the order in which the programmes that are followed
    need them.

    The methods are called from one thread; `close` ends the fetching. `on_change` may be called
    from others.
    """

    def __init__(
        self,
        cache: Path,
        *,
        downloads: int | None = None,
        on_change: Callable[[], None] = lambda: None,
        boottime_ns: Callable[[], int] = clock.boottime_ns,
        utc_ns: Callable[[], int] = clock.utc_ns,
    ) -> None:
        self._cache = cache
        self._boottime_ns = boottime_ns
        self._utc_ns = utc_ns
        self._tracks: dict[str, Track | TitleCard] = {}
        self._here: set[str] = set()
        self._unknown: dict[str, int] = {}
        self._blocks = BlockCache(
            _Storage(),
            cache,
            capacity_bytes=settings.TRACK_CACHE_BYTES,
            downloads=downloads or settings.MAX_CONCURRENT_DOWNLOADS,
            on_change=on_change,
            utc_ns=utc_ns,
        )

    def bring(self, track_ids: set[str]) -> None:
        """Learn where these tracks are, so that programmes that hold them can be followed.

        They are all that is wished for here; what is not among them is forgotten in time.
        """
        if len(self._tracks) > 2 * len(track_ids) + FEW_TRACKS:
            self._forget_others(track_ids)
        now = self._boottime_ns()
        unknown = {
            track_id
            for track_id in track_ids - self._tracks.keys()
            if now - self._unknown.get(track_id, -RETRY_NS) >= RETRY_NS
        }
        if not unknown:
            return
        found: list[Track | TitleCard] = [
            *Track.objects.filter(pk__in=unknown, state=TrackState.READY)
        ]
        if len(found) < len(unknown):
            found += TitleCard.objects.filter(pk__in=unknown, state=TrackState.READY)
        for track in found:
            self._tracks[str(track.pk)] = track
            if local_track_directory(track) is None:
                data, index = track_names(track)
                source = Source(self._cached(track), TrackKind(track.kind), data, index)
                self._blocks.know(str(track.pk), source)
        # Asked again later: a deleted track must not cost a query in every sweep.
        self._unknown |= dict.fromkeys(unknown - self._tracks.keys(), now)

    def _forget_others(self, track_ids: set[str]) -> None:
        """A channel that shows titles has hundreds of tracks a day, each for minutes."""
        for track_id in self._tracks.keys() - track_ids:
            # What lies in the cache has to be known there until it is evicted.
            if self._blocks.forget(track_id):
                del self._tracks[track_id]
        self._here &= self._tracks.keys()
        self._unknown = {key: at for key, at in self._unknown.items() if key in track_ids}

    def follow(self, programmes: Mapping[str, Programme]) -> None:
        """Fetch what these programmes need, what airs first before all; returns at once.

        Their `video` and `audio` are ids of tracks; the keys are ids of outputs.
        """
        self._blocks.follow(programmes, now_ns=self._utc_ns())

    def horizon_seconds(self, output_id: str) -> float | None:
        """Media on this disk from now on; None where all of it lies in the storage itself."""
        if default_storage_is_local(self._tracks):
            return None
        return self._blocks.horizon_seconds(output_id, now_ns=self._utc_ns())

    def is_here(self, track_id: str) -> bool:
        """Whether what is due of the track within two minutes lies here, verified."""
        if track_id in self._here:
            return True
        track = self._tracks.get(track_id)
        if track is None:
            return False
        local = local_track_directory(track)
        if local is None:
            return self._blocks.is_ready(track_id, until_ns=self._utc_ns() + START_NS)
        if not (local / f"{track.kind}.index").is_file():
            return False
        # Looked at once: should it vanish, whoever plays it says so.
        self._here.add(track_id)
        return True

    def directory(self, track_id: str) -> str:
        """Where the track lies, or will lie."""
        track = self._tracks.get(track_id)
        if track is None:
            return str(self._cache / "unknown" / track_id)
        return str(local_track_directory(track) or self._cached(track))

    def close(self) -> None:
        """End the fetching."""
        self._blocks.close()

    def _cached(self, track: Track | TitleCard) -> Path:
        # Named after what was prepared, not after the row: a track that is prepared again is new.
        return self._cache / Path(track.prefix).name / track.kind


def default_storage_is_local(tracks: Mapping[str, Track | TitleCard]) -> bool:
    """Whether the tracks that are known are used where they were prepared."""
    return all(local_track_directory(track) is not None for track in list(tracks.values())[:1])


class _Storage:
    """Ranges of objects in the installation's object store."""

    def read(self, name: str, start: int, end: int | None) -> bytes:
        """See `playout.cache.blocks.Store`."""
        storage: Any = default_storage
        last = "" if end is None else str(end - 1)
        try:
            answer = storage.connection.meta.client.get_object(
                Bucket=storage.bucket_name, Key=name, Range=f"bytes={start}-{last}"
            )
        except ClientError as error:
            if error.response.get("Error", {}).get("Code") == "InvalidRange":
                return b""
            raise
        parts: list[bytes] = []
        give_up = time.monotonic() + _PART_SECONDS
        with contextlib.closing(answer["Body"]) as body:
            try:
                while part := body.read(settings.CHUNK_SIZE):
                    parts.append(part)
                    if time.monotonic() > give_up:
                        break
            except (BotoCoreError, OSError):
                # What came is kept, and the rest asked for again.
                if not parts:
                    raise
        return b"".join(parts)
