"""Writes about title cards: what streams wish, and what nobody wishes any more."""

from __future__ import annotations

import logging
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from uuid import UUID

from django.db import transaction
from django.utils import timezone

from apps.core.wake import wake_task_on_commit
from apps.library import lease, preparation
from apps.library.models import TitleCard, TrackState

logger = logging.getLogger(__name__)

MOST_WAITING = 40
"""Cards of one request that may wait at a time: what airs soonest is encoded first."""

RETRY_AFTER = timedelta(hours=6)
"""A card that failed is tried again then; a font may have been installed."""

_SLACK = timedelta(hours=12)
"""The time until which a card is kept is written anew only when it is off by so much."""

_ROWS = 200


@dataclass(frozen=True, slots=True)
class WantedCard:
    """A card that a programme could show; in the words of `TitleCard`."""

    loop: UUID
    """Id of the track."""
    text: str
    group: int
    frames: int
    keep_until: datetime


def request_cards(*, style: str, wanted: Sequence[WantedCard]) -> list[TitleCard]:
    """Ask for cards, the first to air first; those of them that are known, ready or not.

    May be called as often as one likes: a card is made once, and kept as long as it is wanted.
    """
    if not wanted:
        return []
    now = timezone.now()
    loops, texts = {each.loop for each in wanted}, {each.text for each in wanted}
    known = {
        (card.loop_id, card.text, card.group, card.frames): card
        for card in TitleCard.objects.filter(style=style, loop__in=loops, text__in=texts)
    }
    found, waiting = [], 0
    for each in wanted:
        card = known.get((each.loop, each.text, each.group, each.frames))
        if card is None:
            if waiting >= MOST_WAITING:
                continue
            card = _begin(style, each)
        elif card.keep_until < min(each.keep_until, now + _SLACK):
            TitleCard.objects.filter(pk=card.pk).update(keep_until=each.keep_until)
        if card.state == TrackState.FAILED and card.updated_at < now - RETRY_AFTER:
            _requeue(card)
        waiting += card.state in (TrackState.QUEUED, TrackState.RUNNING)
        found.append(card)
    return found


def _begin(style: str, wanted: WantedCard) -> TitleCard:
    with transaction.atomic():
        card, made = TitleCard.objects.get_or_create(
            loop_id=wanted.loop,
            style=style,
            text=wanted.text,
            group=wanted.group,
            frames=wanted.frames,
            defaults={"keep_until": wanted.keep_until},
        )
        if made:
            wake_task_on_commit("apps.library.tasks.prepare_card", str(card.pk))
    return card


def _requeue(card: TitleCard) -> None:
    with transaction.atomic():
        TitleCard.objects.filter(pk=card.pk, state=TrackState.FAILED).update(
            state=TrackState.QUEUED,
            attempt=0,
            failure_code="",
            failure_message="",
            failure_advice="",
            updated_at=timezone.now(),
        )
        wake_task_on_commit("apps.library.tasks.prepare_card", str(card.pk))
    card.refresh_from_db()


def wake_cards() -> None:
    """Queue the tasks of cards that nobody works on."""
    for card in _unfinished():
        if lease.is_free(card):
            wake_task_on_commit("apps.library.tasks.prepare_card", str(card.pk))


def _unfinished() -> Iterable[TitleCard]:
    return TitleCard.objects.filter(
        state__in=(TrackState.QUEUED, TrackState.RUNNING), keep_until__gt=timezone.now()
    ).order_by("created_at")[:_ROWS]


def remove_old_cards() -> int:
    """Remove cards that nobody has planned to show any more, with their bytes; how many."""
    removed = 0
    for card in TitleCard.objects.filter(keep_until__lt=timezone.now())[:_ROWS]:
        # The row last: a failure half way leaves one that the next sweep finds again. Somebody may
        # wish for it at this moment; then it stays, and is made again.
        if card.prefix:
            preparation.remove_tree(card.prefix)
        gone = TitleCard.objects.filter(pk=card.pk, keep_until=card.keep_until)
        if not gone.delete()[0]:
            TitleCard.objects.filter(pk=card.pk, prefix=card.prefix).update(
                state=TrackState.QUEUED, prefix="", ready_at=None, attempt=0
            )
            continue
        removed += 1
    return removed
