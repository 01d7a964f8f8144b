"""Makes the tracks of a rendition."""

from __future__ import annotations

import logging
import uuid

from django.conf import settings
from django.db import transaction
from django.db.models.functions import Now
from django.utils import timezone

from apps.library import lease, signals
from apps.library.models import Asset, Rendition, Track, TrackState
from apps.library.preparation.claimed import (
    Keeper,
    failure_of,
    give_up_after,
    released,
    will_try_again,
)
from apps.library.preparation.files import output, remove_tree, source_file
from apps.library.selectors import totals
from playout.errors import PlayoutError, PrepareCancelled
from playout.media import video_profile
from playout.prepare.plan import PrepareOptions
from playout.prepare.run import Prepared
from playout.prepare.run import prepare as prepare_tracks

logger = logging.getLogger(__name__)


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
    with released(video, owner):
        return _prepare_claimed(rendition, owner)


def _prepare_claimed(rendition: Rendition, owner: str) -> TrackState | None:
    asset, video = rendition.asset, rendition.video
    if video.prefix:
        remove_tree(video.prefix)  # What a killed worker left behind.
    # A folder of our own: whoever lost the lease without noticing cannot write into it.
    prefix = f"tracks/{uuid.uuid4()}"
    Track.objects.filter(pk=video.pk, lease_owner=owner).update(
        state=TrackState.RUNNING, progress=0, prefix=prefix, updated_at=Now()
    )
    Track.objects.filter(pk=rendition.audio_id, state=TrackState.QUEUED).update(
        state=TrackState.RUNNING, updated_at=Now()
    )
    keeper = Keeper(video, owner)
    try:
        give_up_after(video.attempt)
        with source_file(asset, keeper.keep) as path, output(prefix) as directory:
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
        remove_tree(prefix)
        return _note_failure(rendition, owner, keeper, error)
    except BaseException:
        remove_tree(prefix)
        raise
    if not _note_ready(rendition, owner, prefix, prepared, sizes):
        remove_tree(prefix)
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
                **ready,
                frames=prepared.audio_frames,
                heard_frames=prepared.heard_frames or None,
                size_bytes=sizes["audio"],
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
    rendition: Rendition, owner: str, keeper: Keeper, error: PlayoutError
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
        if again or will_try_again(error, video.attempt):
            state, failure = TrackState.QUEUED, {}
        else:
            state, failure = TrackState.FAILED, failure_of(error)
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
