"""Writes about files that have arrived: rename, delete and undo, prepare, try again."""

from __future__ import annotations

import logging
from collections.abc import Sequence
from datetime import timedelta
from uuid import UUID

from django.core.exceptions import ValidationError
from django.db import transaction
from django.db.models import Exists, OuterRef
from django.utils import timezone
from django.utils.translation import gettext as _

from apps.accounts.models import User
from apps.core.wake import wake_task_on_commit
from apps.library import preparation, signals
from apps.library.models import Asset, AssetState, Rendition, Track, TrackKind, TrackState
from apps.library.selectors import totals

logger = logging.getLogger(__name__)

UNDO_TIME = timedelta(minutes=15)
"""How long a deleted file can come back; its bytes go afterwards."""

REPLACED_TIME = timedelta(days=2)
"""How long tracks are kept when others took their place: streams on air follow at a join."""


class AssetInUse(Exception):
    """The file cannot be deleted; `uses` says what needs it, in words for people."""

    def __init__(self, uses: Sequence[str]) -> None:
        super().__init__(_("It is used by %(uses)s.") % {"uses": ", ".join(uses)})
        self.uses = tuple(uses)


def rename_asset(*, asset: Asset, title: str) -> None:
    """Change the name people see.

    Raises:
        ValidationError: the name is empty or too long.
    """
    title = " ".join(title.split())
    if not title:
        raise ValidationError(_("Enter a name."))
    if len(title) > 200:
        raise ValidationError(_("A name has at most 200 characters."))
    asset.title = title
    asset.save(update_fields=["title", "updated_at"])


def uses_of(asset: Asset) -> list[str]:
    """Who needs the file, in words for people; asked of whoever listens."""
    uses: list[str] = []
    for _receiver, answer in signals.asset_uses_asked.send(sender=Asset, asset=asset):
        uses += [str(use) for use in answer or ()]
    return uses


def delete_asset(*, asset: Asset, by: User | None = None) -> None:
    """Take the file out of the library; it can be restored until `UNDO_TIME` has passed.

    Raises:
        AssetInUse: something needs it.
    """
    with transaction.atomic():
        uses = uses_of(asset)
        if uses:
            raise AssetInUse(uses)
        now = timezone.now()
        changed = Asset.objects.filter(pk=asset.pk, deleted_at__isnull=True).update(
            deleted_at=now, updated_at=now
        )
        totals.forget(asset.workspace_id)
    if changed:
        asset.deleted_at = now
        logger.info("Asset %s was deleted by %s.", asset.pk, by.pk if by else "the system")
        signals.asset_deleted.send(sender=Asset, asset=asset)


def restore_asset(*, asset: Asset) -> None:
    """Undo a deletion, and go on with whatever it had interrupted.

    Raises:
        ValidationError: the time to undo is over.
    """
    with transaction.atomic():
        kept = Asset.objects.filter(
            pk=asset.pk, deleted_at__isnull=False, deleted_at__gt=timezone.now() - UNDO_TIME
        )
        if not kept.update(deleted_at=None, updated_at=timezone.now()):
            raise ValidationError(_("It is too late to bring this file back."))
        asset.deleted_at = None
        totals.forget(asset.workspace_id)
        wake_work(asset=asset)


def purge_deleted() -> int:
    """Remove rows and bytes of files whose time to undo is over; how many."""
    purged = 0
    late = Asset.objects.filter(deleted_at__lt=timezone.now() - UNDO_TIME)
    for asset in late.prefetch_related("tracks")[:100]:
        # Rows last: a failure half way leaves a row that the next sweep finds again.
        preparation.remove_files(asset)
        asset.delete()
        totals.forget(asset.workspace_id)
        purged += 1
    return purged


def request_rendition(*, asset: Asset, profile: str) -> Rendition:
    """Ask for `asset` in `profile` (with or without its version); the same one however often asked.

    A rendition that failed is queued again. Returns before it is prepared: look at its `state`.

    Raises:
        ValidationError: there is no such profile.
    """
    profile_id = preparation.profile_id(profile)
    with transaction.atomic():
        video, _made = Track.objects.get_or_create(
            asset=asset, kind=TrackKind.VIDEO, profile=profile_id, replaced_at=None
        )
        audio, _made = Track.objects.get_or_create(
            asset=asset,
            kind=TrackKind.AUDIO,
            profile=preparation.AUDIO_PROFILE_ID,
            replaced_at=None,
        )
        rendition, _made = Rendition.objects.get_or_create(
            asset=asset, profile=profile_id, defaults={"video": video, "audio": audio}
        )
        for track in (video, audio):
            if track.state == TrackState.FAILED:
                requeue(track)
        if asset.state == AssetState.READY and rendition.state != TrackState.READY:
            wake_task_on_commit("apps.library.tasks.prepare_rendition", str(rendition.pk))
    return Rendition.objects.select_related("video", "audio").get(pk=rendition.pk)


def retry_asset(*, asset: Asset) -> bool:
    """Try again what failed, from the check or from the preparation; False when nothing had."""
    with transaction.atomic():
        if asset.state == AssetState.FAILED and asset.storage_key:
            changed = Asset.objects.filter(pk=asset.pk, state=AssetState.FAILED).update(
                state=AssetState.CHECKING,
                attempt=0,
                failure_code="",
                failure_message="",
                failure_advice="",
                updated_at=timezone.now(),
            )
            asset.refresh_from_db()
        else:
            changed = 0
            for track in asset.tracks.filter(state=TrackState.FAILED):
                requeue(track)
                changed += 1
        if changed:
            wake_work(asset=asset)
    return bool(changed)


def prepare_again(*, asset: Asset) -> bool:
    """Prepare all formats of `asset` anew; False when none is ready, or one is being prepared.

    For tracks that were found damaged. A track never changes once it is ready, so others take the
    place of these, which programmes play until they follow.
    """
    with transaction.atomic():
        # Whoever asks at the same time waits here, and then finds it being prepared.
        asset = Asset.objects.select_for_update().get(pk=asset.pk)
        renditions = list(asset.renditions.select_related("video", "audio"))
        states = {rendition.state for rendition in renditions}
        if TrackState.READY not in states or states - {TrackState.READY, TrackState.FAILED}:
            return False
        replacing: dict[UUID, Track] = {}
        for rendition in renditions:
            rendition.video = _anew(rendition.video, replacing)
            rendition.audio = _anew(rendition.audio, replacing)
            rendition.save(update_fields=["video", "audio", "updated_at"])
        wake_work(asset=asset)
    logger.info("Asset %s is prepared again.", asset.pk)
    return True


def _anew(track: Track, replacing: dict[UUID, Track]) -> Track:
    """The track to be prepared in the place of `track`; formats that shared that one share it."""
    if track.state == TrackState.FAILED:
        requeue(track)
    elif track.is_ready and track.pk not in replacing:
        Track.objects.filter(pk=track.pk).update(replaced_at=timezone.now())
        replacing[track.pk] = Track.objects.create(
            asset_id=track.asset_id, kind=track.kind, profile=track.profile
        )
    return replacing.get(track.pk, track)


def remove_replaced() -> int:
    """Remove tracks whose place another one, ready by now, took long ago, and their bytes."""
    ready = Track.objects.filter(
        asset=OuterRef("asset"),
        kind=OuterRef("kind"),
        profile=OuterRef("profile"),
        replaced_at=None,
        state=TrackState.READY,
    )
    late = Track.objects.filter(Exists(ready), replaced_at__lt=timezone.now() - REPLACED_TIME)
    removed = 0
    for track in late.select_related("asset")[:100]:
        # Both tracks of a rendition lie in one folder: it goes with the last of them.
        if Track.objects.filter(prefix=track.prefix).exclude(pk=track.pk).exists():
            preparation.remove_cards(track)
        else:
            preparation.remove_track(track)
        track.delete()
        totals.forget(track.asset.workspace_id)
        removed += 1
    return removed


def requeue(track: Track) -> None:
    """Make a failed track wait for a worker again."""
    Track.objects.filter(pk=track.pk, state=TrackState.FAILED).update(
        state=TrackState.QUEUED,
        progress=0,
        attempt=0,
        failure_code="",
        failure_message="",
        failure_advice="",
        updated_at=timezone.now(),
    )
    track.refresh_from_db()


def wake_work(*, asset: Asset) -> None:
    """Queue the tasks of everything about `asset` that is not finished."""
    if asset.state == AssetState.CHECKING:
        wake_task_on_commit("apps.library.tasks.check_asset", str(asset.pk))
    for rendition in asset.renditions.select_related("video", "audio"):
        if rendition.state in (TrackState.QUEUED, TrackState.RUNNING):
            wake_task_on_commit("apps.library.tasks.prepare_rendition", str(rendition.pk))
