"""Titles of songs in the picture of a radio channel: asking for what is due, and telling nodes."""

from __future__ import annotations

from datetime import timedelta
from uuid import UUID

from django.db import transaction
from django.db.models import F
from django.utils import timezone

from apps.core.wake import wake_on_commit
from apps.library.models import TrackState
from apps.library.services import WantedCard, request_cards
from apps.streaming import schedule
from apps.streaming.models import Desired, Stream
from apps.streaming.stream_manager.programmes import CHANNEL, programme_of, standing

KEPT_WHOLE = timedelta(days=2)
"""A short clip with a title is of use when the song is heard again."""

KEPT_PIECE = timedelta(minutes=10)
"""A piece of a long clip will hardly ever meet that song again."""

TOLD_EVERY = timedelta(minutes=30)
"""Nodes look no further ahead than `schedule.CARDS_NS` from when they were told last."""

_OVERLAP = timedelta(seconds=5)
"""A card may have been written down while we were looking."""


def plan_cards(*, stream: Stream) -> None:
    """Ask for the title cards of the next 90 minutes, and tell nodes of those that are new.

    The programme itself is not touched: it has no new version, and nothing to undo.
    """
    if not stream.shows_titles or stream.desired != Desired.ON:
        return
    rows = standing(stream)
    if not rows:
        return
    now = timezone.now()
    wishes = schedule.card_wishes(programme_of(stream, rows), now_ns=schedule.to_ns(now))
    cards = request_cards(
        style=stream.title_cards,
        wanted=[
            WantedCard(
                loop=UUID(wish.loop),
                text=wish.text,
                group=wish.group,
                frames=wish.frames,
                keep_until=now + KEPT_WHOLE if wish.is_whole else wish.last_at + KEPT_PIECE,
            )
            for wish in wishes
        ],
    )
    ready = [card.ready_at for card in cards if card.state == TrackState.READY and card.ready_at]
    told = stream.cards_told_at
    if ready and (told is None or max(ready) >= told or now - told >= TOLD_EVERY):
        tell_cards(stream=stream)


def tell_cards(*, stream: Stream) -> None:
    """Have every node that sends the stream look anew for its title cards."""
    with transaction.atomic():
        # Not `told`: nobody edited anything, and an edit that is under way must not be refused.
        Stream.objects.filter(pk=stream.pk).update(cards_told_at=timezone.now() - _OVERLAP)
        stream.outputs.filter(desired=Desired.ON).update(generation=F("generation") + 1)
        wake_on_commit(CHANNEL, stream.pk)
