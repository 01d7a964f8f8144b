"""Work in the background. Each may run twice, late, or never: the sweep finds what was missed."""

from __future__ import annotations

from datetime import timedelta
from uuid import UUID

from celery import shared_task
from django.utils import timezone

from apps.core.fields import is_newest
from apps.core.wake import wake_task_on_commit
from apps.youtube.models import ConnectionAttempt, QuotaEntry, ViewerHour, sealed_rows
from apps.youtube.services import alerts, connecting, forgetting, shows, sweeping

QUOTA_KEPT = timedelta(days=90)
VIEWERS_KEPT = timedelta(days=400)


@shared_task(name="apps.youtube.tasks.advance_show")
def advance_show(subject: str) -> None:
    """Bring one show nearer to what is wished, and have it looked at again when it is due."""
    again = shows.advance(UUID(subject))
    if again is not None and again < timedelta(minutes=1):
        wake_task_on_commit(
            "apps.youtube.tasks.advance_show", subject, countdown=again.total_seconds()
        )


@shared_task(name="apps.youtube.tasks.sweep")
def sweep() -> None:
    """Compare what should be live with what viewers can see."""
    sweeping.sweep()
    sweeping.read_health()


@shared_task(name="apps.youtube.tasks.send_mail_alerts")
def send_mail_alerts() -> None:
    """Tell people what only they can mend."""
    alerts.mail_due()


@shared_task(name="apps.youtube.tasks.test_channels")
def test_channels() -> None:
    """Use every access once a day, and look hourly whether barred channels may go live again."""
    connecting.use_due()


@shared_task(name="apps.youtube.tasks.forget_channels")
def forget_channels() -> None:
    """Delete what YouTube told of channels that nobody can ask about any more."""
    forgetting.forget_due()


@shared_task(name="apps.youtube.tasks.prune")
def prune() -> None:
    """Remove what is over, and seal anew what an older key still opens."""
    now = timezone.now()
    ConnectionAttempt.objects.filter(created_at__lt=now - ConnectionAttempt.LIFETIME * 2).delete()
    ViewerHour.objects.filter(hour__lt=now - VIEWERS_KEPT).delete()
    QuotaEntry.objects.filter(day__lt=(now - QUOTA_KEPT).date()).delete()
    for row, name, column in sealed_rows():
        sealed = getattr(row, column)
        if sealed and not is_newest(sealed):
            setattr(row, name, getattr(row, name))
            # Only if nobody has written a newer secret meanwhile.
            type(row).objects.filter(pk=row.pk, **{column: sealed}).update(
                **{column: getattr(row, column)}
            )
