"""The one thing that is to be done about a broadcast now."""

from __future__ import annotations

from apps.youtube.models import STUCK, Broadcast, Reason
from apps.youtube.services.shows.calls import call
from apps.youtube.services.shows.dressing import decorate
from apps.youtube.services.shows.ending import over
from apps.youtube.services.shows.keys import ingest_of
from apps.youtube.services.shows.look import Look, is_due
from apps.youtube.services.shows.reading import read
from apps.youtube.truth import BroadcastFacts, Encoder, Lifecycle, Step, next_step


def _facts(look: Look, row: Broadcast) -> BroadcastFacts:
    ingest = row.ingest_key.ingest if row.ingest_key is not None else ""
    return BroadcastFacts(
        is_wanted=row.is_wanted,
        lifecycle=Lifecycle(row.lifecycle),
        is_bound=row.is_bound,
        has_monitor=row.has_monitor,
        is_in_doubt=bool(row.sent),
        is_due=is_due(look, row),
        ingest=ingest_of(ingest),
        for_so_long=look.now - (row.lifecycle_at or look.now),
        is_adopted=row.reason == Reason.ADOPTED,
        is_unsettled=row.is_unsettled,
    )


def step_on(look: Look, row: Broadcast) -> None:
    """Do the one thing that is to be done about a broadcast now."""
    if row.ended_at is not None:
        return
    step = next_step(_facts(look, row), look.waits)
    # Given up only on a read: what was starting when we lost sight of it may be live by now.
    if step in (Step.WAIT, Step.REST, Step.RESOLVE, Step.GIVE_UP) and _wants_read(look, row, step):
        read(look, row)
        step = next_step(_facts(look, row), look.waits)
    if step is Step.OVER:
        over(look, row)
    elif step is Step.WAIT:
        _wait(look, row)
    elif step is Step.LEAVE:
        row.ended_at = max(look.now, row.created_at)
        row.save(update_fields=["ended_at", "updated_at"])
        look.say("youtube.left", "The broadcast that was taken over is left as it is at YouTube.")
    elif step is Step.GIVE_UP:
        row.error_code = STUCK
        row.is_wanted = False
        row.save(update_fields=["error_code", "is_wanted", "updated_at"])
        look.say("youtube.stuck", "YouTube did not start the broadcast; another one is made.")
        look.within(look.waits.poll)
    elif step is Step.REST:
        decorate(look, row)
    elif step is not Step.RESOLVE:
        call(look, row, step)
    else:
        look.within(look.waits.agree)


def _wait(look: Look, row: Broadcast) -> None:
    if row.is_wanted and not is_due(look, row) and row.is_bound:
        assert row.not_before is not None  # noqa: S101 - else it would be due
        look.within(max(row.not_before - look.now, look.waits.poll / 8))
    elif row.lifecycle in ("testStarting", "liveStarting"):
        look.within(look.waits.poll)
    elif look.encoder.encoder in (Encoder.SENDING, Encoder.STARTING):
        look.patiently(row, look.waits.poll)
    else:
        look.patiently(row, look.waits.retry_most)


def _wants_read(look: Look, row: Broadcast, step: Step) -> bool:
    if step is Step.RESOLVE:
        return True
    if step is Step.REST:
        return row.is_suspect
    return row.lifecycle in ("testStarting", "liveStarting")
