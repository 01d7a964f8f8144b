"""One look at a show, from the lease of its row to when there has to be another."""

from __future__ import annotations

from datetime import datetime, timedelta
from uuid import UUID

from django.db.models import Q
from django.utils import timezone

from apps.youtube.client import YouTubeError
from apps.youtube.models import IngestKey, Reason, Show
from apps.youtube.selectors import open_broadcasts
from apps.youtube.services.shows.changing import apply_changes
from apps.youtube.services.shows.judging import judge, note_failure
from apps.youtube.services.shows.keys import close_key, key_of, open_key, read_ingest
from apps.youtube.services.shows.look import Look, encoder_of, waits
from apps.youtube.services.shows.planning import plan, rotate, unwish
from apps.youtube.services.shows.stepping import step_on

BUSY = timedelta(minutes=3)
"""Longer than all calls of one look may take."""
EARLY = timedelta(milliseconds=200)


def advance(subject: UUID, *, now: datetime | None = None) -> timedelta | None:
    """Bring the show of `subject` one step nearer; after how long to look again, None for later.

    Returns None at once while somebody else looks, or while it is too early: whoever asked for
    that look comes back.
    """
    started = now or timezone.now()
    free = Q(busy_until__isnull=True) | Q(busy_until__lt=started)
    due = Q(look_at__isnull=True) | Q(look_at__lte=started + EARLY)
    taken = Show.objects.filter(free, due, subject=subject).update(busy_until=started + BUSY)
    if not taken:
        return None
    show = Show.objects.select_related("channel", "channel__client", "workspace").get(
        subject=subject
    )
    look = Look(show, encoder_of(show), started, waits())
    try:
        _look(look)
        Show.objects.filter(pk=show.pk).update(failures=0)
    except YouTubeError as error:
        note_failure(look, error)
    except Exception:
        # Ours, or the database's: nobody else would look at it again.
        look.within(look.waits.retry_most)
        raise
    finally:
        again = look.again
        mine = Show.objects.filter(pk=show.pk, look_at=show.look_at)
        if show.look_at is None:
            mine = Show.objects.filter(pk=show.pk, look_at__isnull=True)
        next_at = (now or timezone.now()) + again if again is not None else None
        if not mine.update(busy_until=None, look_at=next_at):
            # Somebody wished something meanwhile, and was turned away at the lease.
            Show.objects.filter(pk=show.pk).update(busy_until=None)
            again = timedelta(0)
    return again


def _look(look: Look) -> None:
    show = look.show
    look.broadcasts = open_broadcasts(show)
    is_wanted = show.is_wanted and (show.is_start_pending or look.encoder.is_wanted)
    if show.is_wanted and not is_wanted:
        # Its subject was stopped: that is a wish as well.
        Show.objects.filter(pk=show.pk).update(is_wanted=False)
        show.is_wanted = False
        look.say("youtube.ending", "The broadcast is being ended, since the stream was stopped.")
    if not is_wanted:
        for row in look.broadcasts:
            unwish(row)
        for row in look.broadcasts:
            step_on(look, row)
        if not any(row.ended_at is None for row in look.broadcasts):
            for opened in show.keys.filter(is_open=True):
                close_key(look, opened)
        apply_changes(look)
        judge(look)
        return
    keys = _keys_in_use(look)
    if not keys:
        return
    for key in keys:
        open_key(look, key)
    if show.is_start_pending:
        look.encoder = encoder_of(show)
        if not look.encoder.is_wanted:
            # It could not be started; its own page says why.
            look.within(look.waits.retry_most)
            return
        Show.objects.filter(pk=show.pk).update(is_start_pending=False)
        show.is_start_pending = False
    for row in look.broadcasts:
        if row.is_wanted and row.ingest_key is None:
            # Adopted: it has had a key of somebody else's.
            row.ingest_key = keys[-1]
            row.save(update_fields=["ingest_key", "updated_at"])
    if not any(row.is_wanted for row in look.broadcasts):
        plan(look, keys[-1], Reason.START)
    read_ingest(look)
    for row in list(look.broadcasts):
        step_on(look, row)
    if show.is_wanted:
        rotate(look, keys[-1])
    apply_changes(look)
    judge(look)


def _keys_in_use(look: Look) -> list[IngestKey]:
    """What is to be sent to: the keys of the broadcasts that are wanted, else the first one.

    Empty while that is not known yet.
    """
    found = {
        row.ingest_key.pk: row.ingest_key
        for row in look.broadcasts
        if row.is_wanted
        and row.ingest_key is not None
        and row.ingest_key.channel_id == look.show.channel_id
    }
    first = None if found else key_of(look, 1)
    return [first] if first is not None else list(found.values())
