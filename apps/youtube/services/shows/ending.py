"""A broadcast that is over: as wished, or answered by the show's policy."""

from __future__ import annotations

from datetime import timedelta

from django.utils import timezone

from apps.youtube import signals
from apps.youtube.models import Broadcast, IngestKey, OnAir, OnEnd, Reason, Show
from apps.youtube.services import alerts
from apps.youtube.services.shows.changing import ask_after_end
from apps.youtube.services.shows.keys import close_key, key_of, open_key
from apps.youtube.services.shows.look import Look
from apps.youtube.services.shows.planning import plan
from apps.youtube.truth import Lifecycle

REPAIRS_A_DAY = 3


def over(look: Look, row: Broadcast) -> None:
    """A broadcast has come to its end; when nobody wished that, the show's policy answers."""
    was_wished = not row.is_wanted
    row.ended_at = look.now if look.now > row.created_at else timezone.now()
    row.save()
    ask_after_end(look.show, row)
    key = row.ingest_key
    # Without a successor its key stays open: one that ended by itself is replaced on it.
    is_followed = was_wished and look.show.is_wanted
    if key is not None and is_followed and _is_left(look, key):
        close_key(look, key)
    if was_wished or not look.show.is_wanted:
        if row.youtube_id:
            look.say("youtube.ended", "The broadcast has ended.")
        return
    show = look.show
    if row.lifecycle == Lifecycle.REVOKED:
        alerts.open_alert("show.blocked", show.workspace_id, show.pk, show.name)
        _give_up(look, "YouTube has removed the broadcast.", OnAir.BLOCKED)
        return
    since = look.now - look.waits.budget
    repairs = show.broadcasts.filter(reason=Reason.REPAIR, created_at__gt=since).count()
    if show.on_end == OnEnd.STOP or repairs >= REPAIRS_A_DAY:
        alerts.open_alert("show.ended", show.workspace_id, show.pk, show.name)
        _give_up(look, "The broadcast was ended on YouTube.", OnAir.ENDED)
        return
    following = [one for one in look.broadcasts if one.is_wanted and one.ended_at is None]
    if following:
        # What was to follow in a while follows now, and is as urgent as a repair.
        for other in following:
            other.not_before, other.reason = None, Reason.REPAIR
            other.save(update_fields=["not_before", "reason", "updated_at"])
        look.within(timedelta(0))
        return
    look.say("youtube.replaced", "YouTube ended the broadcast; a new one is made.")
    target = key or key_of(look, 1)
    if target is not None:
        if not target.is_open:
            open_key(look, target)
        plan(look, target, Reason.REPAIR)
    look.within(timedelta(0))


def _is_left(look: Look, key: IngestKey) -> bool:
    """Whether nothing is on `key` any more, and what follows is on another one."""
    open_rows = look.show.broadcasts.filter(ended_at__isnull=True)
    on_others = open_rows.filter(is_wanted=True).exclude(ingest_key=key)
    return not open_rows.filter(ingest_key=key).exists() and on_others.exists()


def _give_up(look: Look, text: str, on_air: OnAir) -> None:
    Show.objects.filter(pk=look.show.pk).update(
        is_wanted=False, is_start_pending=False, on_air=on_air, on_air_text=text,
        on_air_at=look.now,
    )  # fmt: skip
    look.show.is_wanted = False
    look.show.on_air = on_air
    signals.stop_wished.send(sender=Show, show=look.show, reason=text)
