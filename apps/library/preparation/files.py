"""Where sources and tracks lie, on a disk of this machine or in an object store."""

from __future__ import annotations

import contextlib
import fcntl
import shutil
import tempfile
import time
from collections.abc import Callable, Iterator
from datetime import timedelta
from pathlib import Path
from typing import Any

from django.conf import settings
from django.core.files import File
from django.core.files.storage import default_storage
from django.utils import timezone

from apps.library.models import Asset, TitleCard, Track
from apps.library.preparation.claimed import require
from playout.errors import PrepareOutOfSpace
from playout.tracks.format import decode_layout

Stored = Track | TitleCard
"""A row whose prepared bytes lie in storage."""


def local_track_directory(track: Stored) -> Path | None:
    """The folder with `<kind>.track` and `<kind>.index` on this machine; None when it is elsewhere.

    Elsewhere, fetch `track_names` from storage.
    """
    if not track.prefix or not is_local():
        return None
    return Path(default_storage.path(track.prefix))


def track_names(track: Stored) -> tuple[str, str]:
    """Storage names of the track's bytes and of its index."""
    return f"{track.prefix}/{track.kind}.track", f"{track.prefix}/{track.kind}.index"


def is_local() -> bool:
    """Whether storage is a disk of this machine."""
    try:
        default_storage.path("probe")
    except NotImplementedError:
        return False
    return True


@contextlib.contextmanager
def source_file(asset: Asset, keep: Callable[[], bool] = lambda: True) -> Iterator[Path]:
    """The source as a file on this machine; fetched first when storage is elsewhere.

    Raises `PrepareCancelled` when `keep` says no, `PrepareOutOfSpace` when there is no room.
    """
    if is_local():
        yield Path(default_storage.path(asset.storage_key))
        return
    if shutil.disk_usage(scratch()).free < asset.size_bytes + (256 << 20):
        raise PrepareOutOfSpace("There is no room to fetch the source file.")
    with tempfile.TemporaryDirectory(dir=scratch()) as directory:
        path = Path(directory) / "source"
        with (
            _download_slot(keep),
            path.open("wb") as local,
        ):
            for piece in _pieces_of(asset.storage_key):
                local.write(piece)
                require(keep)
        yield path


def _pieces_of(name: str) -> Iterator[bytes]:
    """The content of a stored file, CHUNK_SIZE bytes at a time."""
    bucket = getattr(default_storage, "bucket", None)
    if bucket is not None:
        # The storage's own file object would first take all of it into memory.
        yield from bucket.Object(name).get()["Body"].iter_chunks(settings.CHUNK_SIZE)
        return
    with default_storage.open(name) as file:
        yield from file.chunks(settings.CHUNK_SIZE)


def remove_scraps(older_than: timedelta) -> int:
    """Remove what killed workers left in the scratch folder; how many things that were."""
    removed = 0
    oldest = (timezone.now() - older_than).timestamp()
    for path in scratch().iterdir():
        with contextlib.suppress(FileNotFoundError):
            if path.stat().st_mtime < oldest:
                shutil.rmtree(path) if path.is_dir() else path.unlink()
                removed += 1
    return removed


def remove_files(asset: Asset) -> None:
    """Remove the source, the thumbnail, all tracks and title cards of an asset from storage."""
    for name in (asset.storage_key, asset.thumbnail_key):
        if name:
            default_storage.delete(name)
    for track in asset.tracks.all():
        remove_track(track)


def remove_track(track: Track) -> None:
    """Remove the folder that the track lies in, and its title cards, from storage."""
    if track.prefix:
        remove_tree(track.prefix)
    remove_cards(track)


def remove_cards(track: Track) -> None:
    """Remove the title cards of a track from storage."""
    for card in track.cards.exclude(prefix=""):
        remove_tree(card.prefix)


@contextlib.contextmanager
def track_piece(track: Track, first: int, frames: int) -> Iterator[Path]:
    """A folder with the track, in which at least `frames` messages from `first` on are whole.

    Of a track that lies elsewhere nothing else is fetched; its other bytes are zero.
    Raises `TrackCorrupt`.
    """
    local = local_track_directory(track)
    if local is not None:
        yield local
        return
    data_name, index_name = track_names(track)
    with tempfile.TemporaryDirectory(dir=scratch()) as directory:
        index = b"".join(_pieces_of(index_name))
        layout = decode_layout(index)
        offsets = memoryview(index)[layout.offsets_at : layout.timestamps_at].cast("Q")
        begin, end = (offsets[min(at, layout.messages)] for at in (first, first + frames))
        (Path(directory) / f"{track.kind}.index").write_bytes(index)
        with (Path(directory) / f"{track.kind}.track").open("wb") as file:
            file.truncate(layout.data_bytes)
            file.seek(begin)
            for piece in _range_of(data_name, begin, end):
                file.write(piece)
        yield Path(directory)


def _range_of(name: str, begin: int, end: int) -> Iterator[bytes]:
    """Bytes `begin` up to but not including `end` of an object in an object store."""
    storage: Any = default_storage
    answer = storage.bucket.Object(name).get(Range=f"bytes={begin}-{end - 1}")
    with contextlib.closing(answer["Body"]) as body:
        yield from body.iter_chunks(settings.CHUNK_SIZE)


@contextlib.contextmanager
def output(prefix: str) -> Iterator[Path]:
    """A folder to write tracks into: already their place on a local disk, else copied there."""
    if is_local():
        yield Path(default_storage.path(prefix))
        return
    with tempfile.TemporaryDirectory(dir=scratch()) as directory:
        yield Path(directory)
        for path in sorted(Path(directory).iterdir()):
            # A stamp means nothing away from the file that it was written beside.
            if path.suffix != ".verified":
                put(path, f"{prefix}/{path.name}")


def put(path: Path, name: str) -> None:
    """Store the file under exactly this name, in place of an older one."""
    if is_local():
        target = Path(default_storage.path(name))
        target.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        path.chmod(0o600)
        shutil.move(path, target)
        return
    with path.open("rb") as file:
        default_storage.save(name, File(file))


def remove_tree(prefix: str) -> None:
    """Remove the tracks in a folder of the storage."""
    if is_local():
        shutil.rmtree(default_storage.path(prefix), ignore_errors=True)
        return
    for kind in ("video", "audio"):
        for part in ("track", "index"):
            default_storage.delete(f"{prefix}/{kind}.{part}")


@contextlib.contextmanager
def _download_slot(keep: Callable[[], bool]) -> Iterator[None]:
    """One of the machine's MAX_CONCURRENT_DOWNLOADS places; the kernel frees a dead one's."""
    directory = settings.DATA_DIR / "run" / "downloads"
    directory.mkdir(mode=0o700, parents=True, exist_ok=True)
    while True:
        for number in range(settings.MAX_CONCURRENT_DOWNLOADS):
            with (directory / f"slot-{number}").open("w") as slot:
                try:
                    fcntl.flock(slot, fcntl.LOCK_EX | fcntl.LOCK_NB)
                except BlockingIOError:
                    continue
                yield
                return
        require(keep)
        time.sleep(0.2)


def scratch() -> Path:
    """Where workers keep what nobody needs after them."""
    directory: Path = settings.DATA_DIR / "tmp"
    directory.mkdir(mode=0o700, parents=True, exist_ok=True)
    return directory
