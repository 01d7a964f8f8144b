"""What is written down before YouTube is asked, and what is believed when no answer came."""

from __future__ import annotations

from datetime import datetime

from apps.youtube import truth
from apps.youtube.models import Broadcast, Intended, Sent
from apps.youtube.services.shows.look import Look


def begin(row: Intended, sent: Sent, now: datetime) -> None:
    """Write down what is about to be asked. A crash from here on leaves a doubt, never a twin."""
    row.sent, row.sent_at, row.doubted_at = sent, now, None
    row.save(update_fields=["sent", "sent_at", "doubted_at", "updated_at"])


def is_absent(look: Look, row: Intended) -> bool:
    """Whether reads have shown that what was sent did not happen; else there will be another."""
    absent = truth.is_absent(
        doubted_at=row.doubted_at, sent_at=row.sent_at, now=look.now, waits=look.waits
    )
    if absent is False and row.doubted_at is None:
        row.doubted_at = look.now
        row.save(update_fields=["doubted_at", "updated_at"])
    if not absent:
        look.within(look.waits.agree)
    return bool(absent)


def end_call(row: Broadcast) -> None:
    """It was answered, or reads have settled it; saves the whole row."""
    row.sent, row.sent_at, row.doubted_at = Sent.NOTHING, None, None
    row.save()
