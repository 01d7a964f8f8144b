"""Makes title cards: groups of a prepared loop with the title of a song on them."""

from __future__ import annotations

import logging
import uuid

from django.conf import settings
from django.db.models.functions import Now
from django.utils import timezone

from apps.library import lease
from apps.library.models import TitleCard, TrackState
from apps.library.preparation.claimed import (
    Keeper,
    failure_of,
    give_up_after,
    released,
    will_try_again,
)
from apps.library.preparation.files import output, remove_tree, track_piece
from playout.errors import PlayoutError, PrepareCancelled
from playout.media import video_profile
from playout.prepare.cards import prepare_card as letter
from playout.prepare.lettering import CardStyle, Fonts, fonts_here
from playout.prepare.plan import PrepareOptions

logger = logging.getLogger(__name__)

_LEAST_WALL_SECONDS, _WALL_SHARE = 60, 60
"""A card may take so long, and so many seconds more for each second of it."""

__all__ = ["Fonts", "fonts_here", "prepare_card"]


def prepare_card(card_id: uuid.UUID) -> TrackState | None:
    """Make a title card; None when it was not our turn, or nobody needs it any more.

    It ends as ready or failed, or waits for a later attempt.
    """
    waiting = TitleCard.objects.filter(
        pk=card_id,
        state__in=(TrackState.QUEUED, TrackState.RUNNING),
        keep_until__gt=timezone.now(),
        loop__state=TrackState.READY,
        loop__asset__deleted_at__isnull=True,
    )
    owner = lease.new_owner()
    if not lease.claim(waiting, owner):
        return None
    card = TitleCard.objects.select_related("loop").get(pk=card_id)
    with released(card, owner):
        return _prepare_claimed(card, owner)


def _prepare_claimed(card: TitleCard, owner: str) -> TrackState | None:
    if card.prefix:
        remove_tree(card.prefix)  # What a killed worker left behind.
    # A folder of our own: whoever lost the lease without noticing cannot write into it.
    prefix = f"tracks/{uuid.uuid4()}"
    mine = TitleCard.objects.filter(pk=card.pk, lease_owner=owner)
    mine.update(state=TrackState.RUNNING, prefix=prefix, updated_at=Now())
    keeper, profile = Keeper(card, owner), video_profile(card.loop.profile)
    first = card.group * profile.gop_frames
    try:
        give_up_after(card.attempt)
        with track_piece(card.loop, first, card.frames) as loop, output(prefix) as directory:
            letter(
                loop,
                profile,
                directory,
                words=card.text,
                group=card.group,
                frames=card.frames,
                style=CardStyle(card.style),
                options=PrepareOptions(preset=settings.ENCODE_PRESET),
                wall_seconds=_LEAST_WALL_SECONDS + _WALL_SHARE * card.frames / profile.fps,
                cancelled=lambda: not keeper.keep(),
            )
            size = sum((directory / f"video.{part}").stat().st_size for part in ("track", "index"))
    except PlayoutError as error:
        remove_tree(prefix)
        return _note_failure(card, owner, keeper, error)
    except BaseException:
        remove_tree(prefix)
        raise
    if not mine.update(
        state=TrackState.READY, size_bytes=size, ready_at=Now(), updated_at=Now(),
        failure_code="", failure_message="", failure_advice="",
    ):  # fmt: skip
        remove_tree(prefix)
        return None
    return TrackState.READY


def _note_failure(
    card: TitleCard, owner: str, keeper: Keeper, error: PlayoutError
) -> TrackState | None:
    again = keeper.lost or isinstance(error, PrepareCancelled)
    if again or will_try_again(error, card.attempt):
        state, failure = TrackState.QUEUED, {}
    else:
        state, failure = TrackState.FAILED, failure_of(error)
    mine = TitleCard.objects.filter(pk=card.pk, lease_owner=owner)
    if not mine.update(state=state, prefix="", **failure, updated_at=Now()):
        return None
    if state != TrackState.FAILED:
        return None
    logger.info("Title card %s failed: %s", card.pk, error.code)
    return TrackState.FAILED
