"""Writes about files that have arrived: rename, delete and undo, prepare, try again."""

from __future__ import annotations

import logging
from collections.abc import Sequence
from datetime import timedelta

from django.core.exceptions import ValidationError
from django.db import transaction
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
            asset=asset, kind=TrackKind.VIDEO, profile=profile_id
        )
        audio, _made = Track.objects.get_or_create(
            asset=asset, kind=TrackKind.AUDIO, profile=preparation.AUDIO_PROFILE_ID
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
