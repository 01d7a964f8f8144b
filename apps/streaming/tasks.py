"""Housekeeping in the background. A task never is a stream: it only tidies rows."""

from __future__ import annotations

import logging
from datetime import timedelta

from celery import shared_task
from django.utils import timezone

from apps.streaming import schedule, selectors, stream_manager
from apps.streaming.models import Desired, Event, ProgrammeKind, Sample, Session, Stream

logger = logging.getLogger(__name__)

EVENTS_KEPT = timedelta(days=90)
VERSIONS_KEPT = EVENTS_KEPT
"""An edit can be taken back while its event is there."""
SESSIONS_KEPT = timedelta(days=400)
SAMPLES_KEPT = timedelta(hours=48)


@shared_task(name="apps.streaming.tasks.sweep")
def sweep() -> None:
    """Switch off what is over, take up what became ready, forget removed destinations."""
    stream_manager.forget_removed()
    for stream in Stream.objects.filter(desired=Desired.ON).iterator():
        rows = selectors.standing_versions(stream, since=timezone.now())
        pictures = [row for row in rows if row.kind == ProgrammeKind.PICTURES]
        if pictures and stream.timeline_epoch is not None and not pictures[-1].loop:
            programme = schedule.programme(
                epoch=stream.timeline_epoch, profile=stream.profile, versions=rows
            )
            if schedule.has_ended(programme, now_ns=schedule.to_ns(timezone.now())):
                stream_manager.stop_stream(
                    stream=stream, reason="The programme has come to its end."
                )
                continue
        stream_manager.refresh_programme(stream=stream)
        stream_manager.plan_cards(stream=stream)


@shared_task(name="apps.streaming.tasks.prune")
def prune() -> None:
    """Remove events, sessions, samples and versions that nobody looks at any more."""
    now = timezone.now()
    events, _ = Event.objects.filter(at__lt=now - EVENTS_KEPT).delete()
    sessions, _ = Session.objects.filter(ended_at__lt=now - SESSIONS_KEPT).delete()
    samples, _ = Sample.objects.filter(hour__lt=now - SAMPLES_KEPT).delete()
    versions = stream_manager.forget_replaced(before=now - VERSIONS_KEPT)
    if events or sessions or samples or versions:
        logger.info(
            "Removed %d old events, %d old sessions, %d hours of samples and %d versions.",
            events,
            sessions,
            samples,
            versions,
        )
