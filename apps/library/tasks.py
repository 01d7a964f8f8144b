"""Finite work in the background. Rows are the truth: each task may run twice, late or never."""

from __future__ import annotations

import logging
import uuid
from datetime import timedelta

from celery import shared_task

from apps.core.wake import wake_task_on_commit
from apps.library import lease, preparation, services
from apps.library.models import Asset, AssetState, Rendition, TrackState

logger = logging.getLogger(__name__)

LONGEST_PREPARATION_S = 24 * 3600
"""Films take hours on small machines; the engine's own limit, by duration, comes first."""

SWEEP_ROWS = 200


@shared_task(name="apps.library.tasks.check_asset")
def check_asset(asset_id: str) -> None:
    """Find out what a file is; prepare it in the default format when it can be used."""
    state = preparation.check(uuid.UUID(asset_id))
    if state == AssetState.READY:
        asset = Asset.objects.get(pk=asset_id)
        services.wake_work(asset=asset)  # What streams asked for while it was being checked.
        services.request_rendition(asset=asset, profile=preparation.default_profile_id())


@shared_task(
    name="apps.library.tasks.prepare_rendition",
    time_limit=LONGEST_PREPARATION_S + 60,
    soft_time_limit=LONGEST_PREPARATION_S,
)
def prepare_rendition(rendition_id: str) -> None:
    """Make the tracks of a rendition."""
    preparation.prepare(uuid.UUID(rendition_id))


@shared_task(name="apps.library.tasks.prepare_card")
def prepare_card(card_id: str) -> None:
    """Make a title card."""
    preparation.prepare_card(uuid.UUID(card_id))


@shared_task(name="apps.library.tasks.sweep")
def sweep() -> None:
    """Queue what was forgotten, throw away what nobody finished, purge what nobody needs."""
    checking = Asset.objects.filter(state=AssetState.CHECKING, deleted_at__isnull=True)
    for asset in checking.order_by("updated_at")[:SWEEP_ROWS]:
        if lease.is_free(asset):
            wake_task_on_commit("apps.library.tasks.check_asset", str(asset.pk))
    unfinished = Rendition.objects.select_related("video").filter(
        video__state__in=(TrackState.QUEUED, TrackState.RUNNING),
        asset__state=AssetState.READY,
        asset__deleted_at__isnull=True,
    )
    for rendition in unfinished.order_by("video__updated_at")[:SWEEP_ROWS]:
        if lease.is_free(rendition.video):
            wake_task_on_commit("apps.library.tasks.prepare_rendition", str(rendition.pk))
    unprepared = Asset.objects.filter(
        state=AssetState.READY, deleted_at__isnull=True, renditions__isnull=True
    )
    for asset in unprepared[:SWEEP_ROWS]:
        services.request_rendition(asset=asset, profile=preparation.default_profile_id())
    services.wake_cards()
    services.remove_old_cards()
    services.remove_replaced()
    thrown, purged = services.expire_uploads(), services.purge_deleted()
    scraps = preparation.remove_scraps(timedelta(seconds=2 * LONGEST_PREPARATION_S))
    if thrown or purged or scraps:
        logger.info(
            "Threw away %d unfinished uploads and %d scraps, purged %d deleted files.",
            thrown,
            scraps,
            purged,
        )
