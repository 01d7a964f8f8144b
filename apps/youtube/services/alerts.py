"""What waits for a person: one row each while it lasts, one grouped mail, one reminder a day."""

from __future__ import annotations

import logging
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

from django.conf import settings
from django.core.mail import send_mail
from django.db import IntegrityError, transaction
from django.db.models import Q
from django.template.loader import render_to_string
from django.utils import timezone
from django.utils.translation import gettext as _
from django.utils.translation import gettext_noop, ngettext

from apps.accounts.models import Membership, Role, Workspace
from apps.core.wake import wake_task_on_commit
from apps.youtube.models import Alert

logger = logging.getLogger(__name__)

GATHER = timedelta(seconds=45)
"""What happens within this goes into one mail."""
REMIND = timedelta(days=1)

SAID: dict[str, tuple[str, str]] = {
    "channel.reconnect": (
        gettext_noop("Reconnect the channel %(name)s"),
        gettext_noop(
            "YouTube no longer accepts our access to it. What is on air stays on air, but titles, "
            "new broadcasts and repairs have to wait. Open Channels and press Reconnect."
        ),
    ),
    "channel.barred": (
        gettext_noop("YouTube does not let %(name)s go live"),
        gettext_noop("Look in YouTube Studio what is missing; we look again each hour."),
    ),
    "show.blocked": (
        gettext_noop("YouTube has blocked %(name)s"),
        gettext_noop(
            "The broadcast was removed. Look in YouTube Studio why, take the item out of the "
            "playlist, and go live again."
        ),
    ),
    "show.ended": (
        gettext_noop("%(name)s was ended on YouTube"),
        gettext_noop(
            "We do not begin another broadcast: its settings say so, or three were ended within a "
            "day. Look in YouTube Studio why, and go live again."
        ),
    ),
    "show.key_refused": (
        gettext_noop("YouTube refuses the stream key of %(name)s"),
        gettext_noop(
            "We keep trying. Check in YouTube Studio that live streaming is allowed, or press Go "
            "live again to get a new key."
        ),
    ),
    "show.refused": (
        gettext_noop("YouTube does not take %(name)s as it is described"),
        gettext_noop(
            "The page of the stream says what YouTube refused. Change its title, description or "
            "settings there; we try again each hour."
        ),
    ),
    "show.stuck": (
        gettext_noop("YouTube does not start a broadcast for %(name)s"),
        gettext_noop(
            "Three of them hung while starting, on two stream keys. What is sent arrives, and we "
            "try again each hour. Look in YouTube Studio whether the channel may go live."
        ),
    ),
    "show.limit": (
        gettext_noop("YouTube does not let us begin a broadcast for %(name)s"),
        gettext_noop(
            "The channel has too many broadcasts at once or in a day. End or delete some in "
            "YouTube Studio; we try again each hour."
        ),
    ),
}
"""Title and advice of each code, with `%(name)s` for what it is about."""


def title_of(alert: Alert) -> str:
    """One line, in the reader's language."""
    return _(SAID[alert.code][0]) % {"name": alert.name}


def advice_of(alert: Alert) -> str:
    """What to do, in the reader's language."""
    return _(SAID[alert.code][1])


def open_alert(code: str, workspace_id: UUID, about: UUID, name: str, **data: Any) -> None:
    """Something needs a person; without effect while it is open already."""
    try:
        with transaction.atomic():
            Alert.objects.create(
                workspace_id=workspace_id, code=code, about=str(about), name=name, data=data,
                opened_at=timezone.now(),
            )  # fmt: skip
    except IntegrityError:
        return
    wake_task_on_commit("apps.youtube.tasks.send_mail_alerts", countdown=GATHER.total_seconds() + 1)


def resolve(about: UUID, *codes: str) -> None:
    """It is well again; all codes when none is given."""
    rows = Alert.objects.filter(about=str(about), resolved_at__isnull=True)
    if codes:
        rows = rows.filter(code__in=codes)
    rows.update(resolved_at=timezone.now())


def mail_due(*, now: datetime | None = None) -> int:
    """One mail for each workspace with something new; the number of mails.

    A row is marked before its mail leaves: a mail that fails is told again a day later, and no
    crash can send one over and over.
    """
    now = now or timezone.now()
    due = Alert.objects.filter(resolved_at__isnull=True).filter(
        Q(mailed_at__isnull=True, opened_at__lte=now - GATHER) | Q(mailed_at__lte=now - REMIND)
    )
    sent = 0
    for workspace in Workspace.objects.filter(pk__in=due.values("workspace_id")):
        with transaction.atomic():
            ids = list(due.filter(workspace=workspace).values_list("pk", flat=True))
            # Reminders ride along; what is too young comes along as well, and not once more.
            open_now = Alert.objects.filter(workspace=workspace, resolved_at__isnull=True)
            rows = list(open_now.filter(Q(pk__in=ids) | Q(mailed_at__isnull=True)))
            taken = [
                row
                for row in rows
                if Alert.objects.filter(pk=row.pk, mailed_at=row.mailed_at).update(mailed_at=now)
            ]
        if taken:
            _mail(workspace, taken)
            sent += 1
    return sent


def _mail(workspace: Workspace, alerts: list[Alert]) -> None:
    members = Membership.objects.filter(
        workspace=workspace, role__in=[Role.OWNER, Role.EDITOR], user__is_active=True
    )
    people = list(members.values_list("user__email", flat=True))
    count = len(alerts)
    subject = (
        title_of(alerts[0])
        if count == 1
        else ngettext(
            "%(count)d thing needs you in %(workspace)s",
            "%(count)d things need you in %(workspace)s",
            count,
        )
        % {"count": count, "workspace": workspace.name}
    )
    body = render_to_string(
        "youtube/email/alerts.txt",
        {
            "workspace": workspace,
            "alerts": [(title_of(one), advice_of(one), one) for one in alerts],
            "base": settings.SITE_ADDRESS,
        },
    )
    for person in people:
        try:
            send_mail(" ".join(subject.split()), body, None, [person])
        except OSError as error:
            logger.warning(
                "An alert of %s was not mailed (%s).", workspace.pk, type(error).__name__
            )
