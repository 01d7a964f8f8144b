"""The library's only door to the engine: finds out what a source is and prepares it for air.

Everything here may be called twice, or by two workers at once: a row is worked on under a lease,
and only the holder's result is written down.
"""

from __future__ import annotations

import contextlib
import fcntl
import hashlib
import logging
import shutil
import tempfile
import time
import uuid
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path
from typing import Any

from django.conf import settings
from django.core.exceptions import ValidationError
from django.core.files import File
from django.core.files.storage import default_storage
from django.db import transaction
from django.db.models.functions import Now
from django.utils import timezone
from django.utils.translation import gettext as _

from apps.library import lease, signals
from apps.library.models import Asset, AssetKind, AssetState, Rendition, Track, TrackState
from apps.library.selectors import totals
from playout.errors import PlayoutError, PrepareCancelled, PrepareOutOfSpace, Retry, UnknownProfile
from playout.media import HOUSE_AUDIO, VIDEO_PROFILES, video_profile
from playout.prepare.plan import PrepareOptions
from playout.prepare.run import Prepared, Progress
from playout.prepare.run import prepare as prepare_tracks
from playout.prepare.thumbnail import thumbnail
from playout.probe.describe import describe
from playout.probe.parse import MediaInfo
from playout.probe.run import probe

logger = logging.getLogger(__name__)

AUDIO_PROFILE_ID = HOUSE_AUDIO.id

ATTEMPTS = 5
"""Claims after which a row that keeps failing, or keeps killing its worker, is given up."""

_HASH_BYTES = 1 << 20


@dataclass(frozen=True, slots=True)
class ProfileChoice:
    """A house format, as a person chooses it."""

    id: str
    """With its version: what rows hold."""
    label: str
    width: int
    height: int
    fps: int
    kbps: int


def profile_choices() -> list[ProfileChoice]:
    """All house formats, smallest first."""
    choices = [
        ProfileChoice(
            id=profile.id,
            label=_("%(name)s — %(width)d×%(height)d, %(fps)d pictures a second, %(mbps)s Mbit/s")
            % {
                "name": profile.name,
                "width": profile.width,
                "height": profile.height,
                "fps": profile.fps,
                "mbps": f"{profile.kbps / 1000:g}",
            },
            width=profile.width,
            height=profile.height,
            fps=profile.fps,
            kbps=profile.kbps,
        )
        for profile in VIDEO_PROFILES.values()
    ]
    return sorted(choices, key=lambda one: (one.width < one.height, one.width, one.fps, one.kbps))


def profile_id(name: str) -> str:
    """The full name of the profile called `name`, with or without its version.

    Raises:
        ValidationError: there is none.
    """
    try:
        return video_profile(name).id
    except UnknownProfile as error:
        raise ValidationError(str(error)) from error


def default_profile_id() -> str:
    """The format that every new file is prepared in."""
    return profile_id(settings.DEFAULT_PROFILE)


def local_track_directory(track: Track) -> Path | None:
    """The folder with `<kind>.track` and `<kind>.index` on this machine; None when it is elsewhere.

    Elsewhere, fetch `track_names` from storage.
    """
    if not track.prefix or not is_local():
        return None
    return Path(default_storage.path(track.prefix))


def track_names(track: Track) -> tuple[str, str]:
    """Storage names of the track's bytes and of its index."""
    return f"{track.prefix}/{track.kind}.track", f"{track.prefix}/{track.kind}.index"


def is_local() -> bool:
    """Whether storage is a disk of this machine."""
    try:
        default_storage.path("probe")
    except NotImplementedError:
        return False
    return True


# -- checking ------------------------------------------------------------------------------------


def check(asset_id: uuid.UUID) -> AssetState | None:
    """Find out what the file is and note it; None when it was not our turn.

    The row ends as ready or failed, or stays as it is for a later attempt.
    """
    owner = lease.new_owner()
    waiting = Asset.objects.filter(pk=asset_id, state=AssetState.CHECKING, deleted_at__isnull=True)
    if not lease.claim(waiting, owner):
        return None
    asset = Asset.objects.get(pk=asset_id)
    mine = Asset.objects.filter(pk=asset_id, lease_owner=owner, state=AssetState.CHECKING)
    with _released(asset, owner):
        keeper = _Keeper(asset, owner)
        try:
            _give_up_after(asset.attempt)
            found = _look_at(asset, keeper)
        except PlayoutError as error:
            if _will_try_again(error, asset.attempt) or keeper.lost:
                return None
            return _note_unusable(asset, mine, error)
        if keeper.lost:
            return None
        changed = mine.update(
            state=AssetState.READY,
            **found,
            failure_code="",
            failure_message="",
            failure_advice="",
            updated_at=Now(),
        )
        totals.forget(asset.workspace_id)
        return AssetState.READY if changed else None


def _look_at(asset: Asset, keeper: _Keeper) -> dict[str, Any]:
    """The facts about a source, as columns of its row."""
    with source_file(asset, keeper.keep) as path:
        info = probe(
            path, stills=True
        )  # First, since it refuses in seconds what takes minutes to read.
        _require(keeper.keep)
        digest = _sha256(path, keeper.keep)
        thumbnail_key = _make_thumbnail(asset, path, info, keeper.keep)
    video = info.video
    turned = video is not None and video.turn.swaps_sides
    return {
        "sha256": digest,
        "kind": _kind_of(info),
        "duration_ms": round(info.duration * 1000) if info.duration else None,
        "width": (video.height if turned else video.width) if video is not None else None,
        "height": (video.width if turned else video.height) if video is not None else None,
        "probe": {**info.to_json(), "summary": describe(info).summary},
        "thumbnail_key": thumbnail_key,
    }


def _kind_of(info: MediaInfo) -> AssetKind:
    if info.is_still:
        return AssetKind.PICTURE
    return AssetKind.VIDEO if info.video is not None else AssetKind.AUDIO


def _make_thumbnail(asset: Asset, path: Path, info: MediaInfo, keep: Callable[[], bool]) -> str:
    """Storage name of a picture of the asset; empty when there is none, which is no failure."""
    name = f"thumbnails/{asset.workspace_id}/{asset.pk}.jpg"
    with tempfile.TemporaryDirectory(dir=_scratch()) as directory:
        picture = Path(directory) / "thumbnail.jpg"
        try:
            at_seconds = min((info.duration or 0.0) / 10, 60.0)
            if not thumbnail(path, picture, at_seconds, info=info, cancelled=lambda: not keep()):
                return ""
        except PrepareCancelled:
            raise
        except PlayoutError as error:
            logger.info("Asset %s has no thumbnail: %s", asset.pk, error.code)
            return ""
        _put(picture, name)
    return name


def _note_unusable(asset: Asset, mine: Any, error: PlayoutError) -> AssetState | None:
    """Write down why, and free the disk of a file that nothing can ever be made of."""
    hopeless = error.code.startswith("source.")
    changed = mine.update(
        state=AssetState.FAILED,
        **_failure(error),
        **({"storage_key": "", "size_bytes": 0} if hopeless else {}),
        updated_at=Now(),
    )
    if not changed:
        return None
    totals.forget(asset.workspace_id)
    if hopeless:
        default_storage.delete(asset.storage_key)
    logger.info("Asset %s cannot be used: %s", asset.pk, error.code)
    return AssetState.FAILED


# -- preparing -----------------------------------------------------------------------------------


def prepare(rendition_id: uuid.UUID) -> TrackState | None:
    """Make both tracks of a rendition; None when it was not our turn or the work was interrupted.

    The tracks end as ready or failed, or wait for a later attempt.
    """
    rendition = (
        Rendition.objects.select_related("asset", "video", "audio").filter(pk=rendition_id).first()
    )
    if rendition is None or not rendition.asset.is_ready or rendition.asset.deleted_at is not None:
        return None
    if rendition.state == TrackState.READY:
        return TrackState.READY
    owner = lease.new_owner()
    waiting = Track.objects.filter(
        pk=rendition.video_id, state__in=(TrackState.QUEUED, TrackState.RUNNING)
    )
    if not lease.claim(waiting, owner):
        return None
    rendition.refresh_from_db()
    video = rendition.video
    with _released(video, owner):
        return _prepare_claimed(rendition, owner)


def _prepare_claimed(rendition: Rendition, owner: str) -> TrackState | None:
    asset, video = rendition.asset, rendition.video
    if video.prefix:
        _remove_tree(video.prefix)  # What a killed worker left behind.
    # A folder of our own: whoever lost the lease without noticing cannot write into it.
    prefix = f"tracks/{uuid.uuid4()}"
    Track.objects.filter(pk=video.pk, lease_owner=owner).update(
        state=TrackState.RUNNING, progress=0, prefix=prefix, updated_at=Now()
    )
    Track.objects.filter(pk=rendition.audio_id, state=TrackState.QUEUED).update(
        state=TrackState.RUNNING, updated_at=Now()
    )
    keeper = _Keeper(video, owner)
    try:
        _give_up_after(video.attempt)
        with source_file(asset, keeper.keep) as path, _output(prefix) as directory:
            prepared = prepare_tracks(
                path,
                video_profile(rendition.profile),
                directory,
                options=PrepareOptions(preset=settings.ENCODE_PRESET),
                stills=True,
                on_progress=keeper.note_progress,
                cancelled=lambda: not keeper.keep(),
            )
            sizes = {
                kind: sum(
                    (directory / f"{kind}.{part}").stat().st_size for part in ("track", "index")
                )
                for kind in ("video", "audio")
            }
    except PlayoutError as error:
        _remove_tree(prefix)
        return _note_failure(rendition, owner, keeper, error)
    except BaseException:
        _remove_tree(prefix)
        raise
    if not _note_ready(rendition, owner, prefix, prepared, sizes):
        _remove_tree(prefix)
        return None
    signals.rendition_changed.send(sender=Rendition, asset_id=asset.pk, rendition_id=rendition.pk)
    return TrackState.READY


def _note_ready(
    rendition: Rendition, owner: str, prefix: str, prepared: Prepared, sizes: dict[str, int]
) -> bool:
    ready = {
        "state": TrackState.READY,
        "progress": 100,
        "prefix": prefix,
        "failure_code": "",
        "failure_message": "",
        "failure_advice": "",
        "updated_at": timezone.now(),
    }
    with transaction.atomic():
        won = Track.objects.filter(
            pk=rendition.video_id, lease_owner=owner, state=TrackState.RUNNING
        ).update(**ready, frames=prepared.frames, size_bytes=sizes["video"])
        if not won:
            return False
        # One sound track serves all formats of the asset, so the longest of them is kept: it has
        # to reach the end of the pictures at every frame rate.
        audio = Track.objects.select_for_update().get(pk=rendition.audio_id)
        if not audio.is_ready or audio.frames < prepared.audio_frames:
            Track.objects.filter(pk=audio.pk).update(
                **ready, frames=prepared.audio_frames, size_bytes=sizes["audio"]
            )
        asset = rendition.asset
        report = {"notes": list(prepared.notes), "changes": list(prepared.report.changes),
                  "mode": prepared.mode}  # fmt: skip
        current = Asset.objects.select_for_update().get(pk=asset.pk)
        current.probe.setdefault("prepared", {})[rendition.profile] = report
        Asset.objects.filter(pk=asset.pk).update(
            probe=current.probe,
            duration_ms=current.duration_ms or max(1, round(prepared.seconds * 1000)),
        )
        totals.forget(current.workspace_id)
    return True


def _note_failure(
    rendition: Rendition, owner: str, keeper: _Keeper, error: PlayoutError
) -> TrackState | None:
    video = rendition.video
    mine = Track.objects.filter(pk=video.pk, lease_owner=owner)
    with transaction.atomic():
        audio = Track.objects.filter(pk=rendition.audio_id, state=TrackState.RUNNING)
        others = Track.objects.filter(
            video_of__audio_id=rendition.audio_id,
            state__in=(TrackState.QUEUED, TrackState.RUNNING),
        ).exclude(pk=video.pk)
        again = keeper.lost or isinstance(error, PrepareCancelled)
        if again or _will_try_again(error, video.attempt):
            state, failure = TrackState.QUEUED, {}
        else:
            state, failure = TrackState.FAILED, _failure(error)
        if not mine.update(state=state, progress=0, prefix="", **failure, updated_at=Now()):
            return None
        if not others.exists():
            audio.update(state=state, **failure, updated_at=Now())
    if state != TrackState.FAILED:
        return None
    logger.info("Rendition %s failed: %s", rendition.pk, error.code)
    signals.rendition_changed.send(
        sender=Rendition, asset_id=rendition.asset_id, rendition_id=rendition.pk
    )
    return TrackState.FAILED


# -- files ---------------------------------------------------------------------------------------


@contextlib.contextmanager
def source_file(asset: Asset, keep: Callable[[], bool] = lambda: True) -> Iterator[Path]:
    """The source as a file on this machine; fetched first when storage is elsewhere.

    Raises `PrepareCancelled` when `keep` says no, `PrepareOutOfSpace` when there is no room.
    """
    if is_local():
        yield Path(default_storage.path(asset.storage_key))
        return
    if shutil.disk_usage(_scratch()).free < asset.size_bytes + (256 << 20):
        raise PrepareOutOfSpace("There is no room to fetch the source file.")
    with tempfile.TemporaryDirectory(dir=_scratch()) as directory:
        path = Path(directory) / "source"
        with (
            _download_slot(keep),
            path.open("wb") as local,
        ):
            for piece in _pieces_of(asset.storage_key):
                local.write(piece)
                _require(keep)
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
    for path in _scratch().iterdir():
        with contextlib.suppress(FileNotFoundError):
            if path.stat().st_mtime < oldest:
                shutil.rmtree(path) if path.is_dir() else path.unlink()
                removed += 1
    return removed


def remove_files(asset: Asset) -> None:
    """Remove the source, the thumbnail and all tracks of an asset from storage."""
    for name in (asset.storage_key, asset.thumbnail_key):
        if name:
            default_storage.delete(name)
    for track in asset.tracks.all():
        if track.prefix:
            _remove_tree(track.prefix)


@contextlib.contextmanager
def _output(prefix: str) -> Iterator[Path]:
    """A folder to write tracks into: already their place on a local disk, else copied there."""
    if is_local():
        yield Path(default_storage.path(prefix))
        return
    with tempfile.TemporaryDirectory(dir=_scratch()) as directory:
        yield Path(directory)
        for path in sorted(Path(directory).iterdir()):
            # A stamp means nothing away from the file that it was written beside.
            if path.suffix != ".verified":
                _put(path, f"{prefix}/{path.name}")


def _put(path: Path, name: str) -> None:
    """Store the file under exactly this name, in place of an older one."""
    if is_local():
        target = Path(default_storage.path(name))
        target.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        path.chmod(0o600)
        shutil.move(path, target)
        return
    with path.open("rb") as file:
        default_storage.save(name, File(file))


def _remove_tree(prefix: str) -> None:
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
        _require(keep)
        time.sleep(0.2)


def _scratch() -> Path:
    directory: Path = settings.DATA_DIR / "tmp"
    directory.mkdir(mode=0o700, parents=True, exist_ok=True)
    return directory


def _sha256(path: Path, keep: Callable[[], bool]) -> str:
    digest = hashlib.sha256()
    with path.open("rb") as file:
        while piece := file.read(_HASH_BYTES):
            digest.update(piece)
            _require(keep)
    return digest.hexdigest()


def _require(keep: Callable[[], bool]) -> None:
    if not keep():
        raise PrepareCancelled("The work was interrupted.")


# -- leases and failures -------------------------------------------------------------------------


class _Keeper:
    """Renews a lease while work goes on, and notes progress, both no oftener than is of use."""

    def __init__(self, row: Asset | Track, owner: str) -> None:
        self._row = row
        self._owner = owner
        self._asset_id = row.pk if isinstance(row, Asset) else row.asset_id
        self._renew_at = time.monotonic() + lease.RENEW_EVERY_SECONDS
        self._note_at = 0.0
        self._noted = 0
        self.lost = False
        """Somebody else has the row, or the asset was deleted: stop and write nothing."""

    def keep(self) -> bool:
        """Whether to go on; asks the database every few seconds only."""
        if not self.lost and time.monotonic() >= self._renew_at:
            self._renew_at = time.monotonic() + lease.RENEW_EVERY_SECONDS
            wanted = Asset.objects.filter(pk=self._asset_id, deleted_at__isnull=True).exists()
            self.lost = not (wanted and lease.renew(self._row, self._owner))
        return not self.lost

    def note_progress(self, progress: Progress) -> None:
        """Write whole per cent, at most one a second."""
        percent = min(99, int(progress.fraction * 100))
        now = time.monotonic()
        if percent > self._noted and now >= self._note_at:
            self._noted, self._note_at = percent, now + 1.0
            Track.objects.filter(pk=self._row.pk, lease_owner=self._owner).update(progress=percent)


@contextlib.contextmanager
def _released(row: Asset | Track, owner: str) -> Iterator[None]:
    try:
        yield
    finally:
        lease.release(row, owner)


class _GivenUp(PlayoutError):
    """The work was tried too often."""

    code = "prepare.gave_up"
    retry = Retry.NEVER
    advice = "Try it once more; if it stays, export the file again as MP4 and upload that."


def _give_up_after(attempt: int) -> None:
    if attempt > ATTEMPTS:
        raise _GivenUp(f"Working on this file was begun {ATTEMPTS} times and never ended.")


def _will_try_again(error: PlayoutError, attempt: int) -> bool:
    return error.retry is Retry.SOON and attempt < ATTEMPTS


def _failure(error: PlayoutError) -> dict[str, str]:
    """An engine error as columns. Paths of this machine are nobody's business."""
    message = str(error.args[0])
    for root in (str(settings.MEDIA_ROOT), str(settings.DATA_DIR)):
        message = message.replace(root, "…")
    return {
        "failure_code": error.code,
        "failure_message": message[:500],
        "failure_advice": error.advice[:500],
    }
