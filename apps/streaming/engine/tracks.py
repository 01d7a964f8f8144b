"""The prepared tracks that lie on this machine, and the fetching of those that do not."""

from __future__ import annotations

import logging
import shutil
import threading
import uuid
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from django.conf import settings
from django.core.files.storage import default_storage
from django.db import connection

from apps.library.models import Track, TrackState
from apps.library.preparation import local_track_directory, track_names
from playout import clock
from playout.media import TrackKind
from playout.tracks.reader import Track as MappedTrack

log = logging.getLogger(__name__)

RETRY_NS = 10_000_000_000
"""A fetch that failed is tried again after this long."""


class TracksHere:
    """Where tracks lie, for programmes of this node.

    On a local disk they are used where preparing left them. From an object store each is fetched
    whole, in the background, into a directory of its own under `cache`, and is called here only
    after every block of it was verified.

    The methods are called from one thread; `close` ends the fetching.
    """

    def __init__(
        self,
        cache: Path,
        *,
        downloads: int | None = None,
        on_change: Callable[[], None] = lambda: None,
        boottime_ns: Callable[[], int] = clock.boottime_ns,
    ) -> None:
        self._cache = cache
        self._on_change = on_change
        self._boottime_ns = boottime_ns
        self._tracks: dict[str, Track] = {}
        self._here: set[str] = set()
        self._unknown: dict[str, int] = {}
        self._failed: dict[str, int] = {}
        self._fetching: set[str] = set()
        self._lock = threading.Lock()
        self._fetchers = ThreadPoolExecutor(
            max_workers=downloads or settings.MAX_CONCURRENT_DOWNLOADS,
            thread_name_prefix="fetch",
        )

    def bring(self, track_ids: set[str]) -> None:
        """Begin to fetch what is missing; returns at once."""
        track_ids = track_ids - self._here
        if not track_ids:
            return
        now = self._boottime_ns()
        self._learn(
            {
                track_id
                for track_id in track_ids - self._tracks.keys()
                if now - self._unknown.get(track_id, -RETRY_NS) >= RETRY_NS
            },
            now,
        )
        for track_id in track_ids & self._tracks.keys():
            if self.is_here(track_id) or local_track_directory(self._tracks[track_id]) is not None:
                continue
            with self._lock:
                if track_id in self._fetching:
                    continue
                if now - self._failed.get(track_id, -RETRY_NS) < RETRY_NS:
                    continue
                self._fetching.add(track_id)
            self._fetchers.submit(self._fetch, self._tracks[track_id])

    def is_here(self, track_id: str) -> bool:
        """Whether the whole track lies here, verified."""
        if track_id in self._here:
            return True
        track = self._tracks.get(track_id)
        if track is None:
            return False
        if not (Path(self.directory(track_id)) / f"{track.kind}.index").is_file():
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
        """End the fetching; what is half fetched is thrown away by its thread."""
        self._fetchers.shutdown(wait=False, cancel_futures=True)

    def _learn(self, track_ids: set[str], now: int) -> None:
        if not track_ids:
            return
        found = Track.objects.filter(pk__in=track_ids, state=TrackState.READY)
        self._tracks |= {str(track.pk): track for track in found}
        # Asked again later: a deleted track must not cost a query in every sweep.
        self._unknown |= dict.fromkeys(track_ids - self._tracks.keys(), now)

    def _cached(self, track: Track) -> Path:
        # Named after what was prepared, not after the row: a track that is prepared again is new.
        return self._cache / Path(track.prefix).name / track.kind

    def _fetch(self, track: Track) -> None:
        draft = self._cache / f"draft-{uuid.uuid4()}"
        target = self._cached(track)
        try:
            draft.mkdir(parents=True, mode=0o700)
            for name in track_names(track):
                with (
                    default_storage.open(name) as remote,
                    (draft / Path(name).name).open("wb") as f,
                ):
                    shutil.copyfileobj(remote, f, settings.CHUNK_SIZE)
            MappedTrack.open(draft, TrackKind(track.kind)).verify()
            target.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
            draft.rename(target)
        except Exception as error:  # noqa: BLE001 - the storage's driver may raise anything
            self._note_failure(track, error)
        else:
            self._on_change()
        finally:
            shutil.rmtree(draft, ignore_errors=True)
            connection.close()
            with self._lock:
                self._fetching.discard(str(track.pk))

    def _note_failure(self, track: Track, error: Exception) -> None:
        # The class alone: messages of drivers hold addresses and sometimes credentials.
        kind = getattr(error, "code", error.__class__.__name__)
        log.warning("Track %s could not be fetched (%s); it is tried again.", track.pk, kind)
        self._failed[str(track.pk)] = self._boottime_ns()
