"""Finds out what a source file is."""

from __future__ import annotations

import hashlib
import logging
import tempfile
import uuid
from collections.abc import Callable
from pathlib import Path
from typing import Any

from django.core.files.storage import default_storage
from django.db.models.functions import Now

from apps.library import lease
from apps.library.models import Asset, AssetKind, AssetState
from apps.library.preparation.claimed import (
    Keeper,
    failure_of,
    give_up_after,
    released,
    require,
    will_try_again,
)
from apps.library.preparation.files import put, scratch, source_file
from apps.library.selectors import totals
from playout.errors import PlayoutError, PrepareCancelled
from playout.prepare.thumbnail import thumbnail
from playout.probe.describe import describe
from playout.probe.parse import MediaInfo
from playout.probe.run import probe

logger = logging.getLogger(__name__)

_HASH_BYTES = 1 << 20


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
    with released(asset, owner):
        keeper = Keeper(asset, owner)
        try:
            give_up_after(asset.attempt)
            found = _look_at(asset, keeper)
        except PlayoutError as error:
            if will_try_again(error, asset.attempt) or keeper.lost:
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


def _look_at(asset: Asset, keeper: Keeper) -> dict[str, Any]:
    """The facts about a source, as columns of its row."""
    with source_file(asset, keeper.keep) as path:
        info = probe(
            path, stills=True
        )  # First, since it refuses in seconds what takes minutes to read.
        require(keeper.keep)
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
    with tempfile.TemporaryDirectory(dir=scratch()) as directory:
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
        put(picture, name)
    return name


def _note_unusable(asset: Asset, mine: Any, error: PlayoutError) -> AssetState | None:
    """Write down why, and free the disk of a file that nothing can ever be made of."""
    hopeless = error.code.startswith("source.")
    changed = mine.update(
        state=AssetState.FAILED,
        **failure_of(error),
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


def _sha256(path: Path, keep: Callable[[], bool]) -> str:
    digest = hashlib.sha256()
    with path.open("rb") as file:
        while piece := file.read(_HASH_BYTES):
            digest.update(piece)
            require(keep)
    return digest.hexdigest()
