"""The ledger of API units: reserved before a call, by project and workspace and Pacific day.

A project's units are shared by all its workspaces. What a call is for decides how much must be
left for it: ending and repairing broadcasts may use the last unit, everything else stops earlier,
so that a stream on air is never touched by somebody else's curiosity.
"""

from __future__ import annotations

import enum
from dataclasses import dataclass
from datetime import date, datetime, time, timedelta
from uuid import UUID
from zoneinfo import ZoneInfo

from django.conf import settings
from django.db import IntegrityError, transaction
from django.db.models import F, Q, Sum
from django.utils import timezone
from django.utils.translation import gettext as _

from apps.accounts.models import Workspace
from apps.youtube.client import QuotaSpent
from apps.youtube.models import OPERATOR, Channel, OAuthClient, QuotaEntry

PACIFIC = ZoneInfo("America/Los_Angeles")
PROBE_EVERY = timedelta(hours=1)


class Purpose(enum.Enum):
    """What a call is for; the value is the share of the day's units that it may use up."""

    KEEP = 1.0
    """Repairing and ending what is on air."""
    WATCH = 0.95
    """The sweep that proves what is on air."""
    ASKED = 0.85
    """Somebody pressed a button."""
    NICE = 0.6
    """Health by the way, viewers, playlists."""


@dataclass(frozen=True, slots=True)
class Standing:
    """How much of a day is left."""

    project: str
    limit: int
    used: int
    resets_at: datetime
    is_exhausted: bool

    @property
    def left(self) -> int:
        """Units that may still be used."""
        return 0 if self.is_exhausted else max(0, self.limit - self.used)

    @property
    def percent(self) -> int:
        """Used, of the whole."""
        return min(100, round(100 * self.used / self.limit)) if self.limit else 100

    def allows(self, purpose: Purpose) -> bool:
        """Whether a call for `purpose` would be made now."""
        return not self.is_exhausted and self.used < self.limit * purpose.value


def day_of(moment: datetime) -> date:
    """The day in California, whose midnight resets the quota."""
    return moment.astimezone(PACIFIC).date()


def today() -> date:
    """The day in California that it is now."""
    return day_of(timezone.now())


def resets_at(moment: datetime) -> datetime:
    """The next midnight in California: 23, 24 or 25 hours after the last one."""
    tomorrow = day_of(moment) + timedelta(days=1)
    return datetime.combine(tomorrow, time(), tzinfo=PACIFIC).astimezone(ZoneInfo("UTC"))


def limit_of(project: str) -> int:
    """Units a day."""
    if project == OPERATOR:
        return int(settings.YOUTUBE_QUOTA_PER_DAY)
    client = OAuthClient.objects.filter(pk=project.removeprefix("client:")).first()
    return client.units_per_day if client else 0


def spend(
    channel: Channel, method: str, units: int, *, purpose: Purpose, now: datetime | None = None
) -> None:
    """Reserve `units` for a call that is about to be made.

    Raises `QuotaSpent` when what is left is kept for something more urgent, or when Google said
    that nothing is left; then one call an hour is let through, to find out when that is over.
    """
    now = now or timezone.now()
    project, day = channel.project, day_of(now)
    limit = limit_of(project)
    total = _row(project, day, None, "")
    own = _row(project, day, channel.workspace_id, method)
    if total.exhausted_at is not None:
        probed = total.probed_at or total.exhausted_at
        probing = QuotaEntry.objects.filter(pk=total.pk).filter(
            Q(probed_at__isnull=True) | Q(probed_at=total.probed_at)
        )
        pause = PROBE_EVERY / settings.YOUTUBE_TIME_SCALE
        may_probe = purpose in (Purpose.KEEP, Purpose.WATCH) and now - probed >= pause
        if not may_probe or not probing.update(probed_at=now):
            _refuse(own, now)
    ceiling = int(limit * purpose.value)
    share = int(settings.YOUTUBE_QUOTA_PER_WORKSPACE) if project == OPERATOR else 0
    with transaction.atomic():
        # The row of all is the lock: what is left is looked at and taken by one at a time.
        spent = QuotaEntry.objects.select_for_update().get(pk=total.pk).units
        fits = spent + units <= ceiling
        if fits and share and purpose is not Purpose.KEEP:
            fits = used_by(channel.workspace_id, project, day) + units <= share
        if fits:
            QuotaEntry.objects.filter(pk__in=[total.pk, own.pk]).update(
                units=F("units") + units, calls=F("calls") + 1
            )
    if not fits:
        _refuse(own, now)


def note_exhausted(channel: Channel, *, now: datetime | None = None) -> None:
    """Google said that the day's units are used up, whatever we counted."""
    now = now or timezone.now()
    total = _row(channel.project, day_of(now), None, "")
    QuotaEntry.objects.filter(pk=total.pk, exhausted_at__isnull=True).update(exhausted_at=now)


def note_answer(channel: Channel, *, now: datetime | None = None) -> None:
    """A call was answered: whatever was used up is not any more."""
    now = now or timezone.now()
    QuotaEntry.objects.filter(
        project=channel.project, day=day_of(now), workspace__isnull=True,
        exhausted_at__isnull=False, exhausted_at__lt=now - timedelta(minutes=1),
    ).update(exhausted_at=None, probed_at=None)  # fmt: skip


def standing(project: str, *, now: datetime | None = None) -> Standing:
    """How much of today is left in a project."""
    now = now or timezone.now()
    total = QuotaEntry.objects.filter(
        project=project, day=day_of(now), workspace__isnull=True
    ).first()
    return Standing(
        project=project,
        limit=limit_of(project),
        used=total.units if total else 0,
        resets_at=resets_at(now),
        is_exhausted=bool(total and total.exhausted_at),
    )


def used_by(workspace_id: UUID, project: str, day: date) -> int:
    """Units that one workspace used of a project on a day."""
    rows = QuotaEntry.objects.filter(project=project, day=day, workspace_id=workspace_id)
    return rows.aggregate(total=Sum("units"))["total"] or 0


def entries_of(workspace: Workspace, *, now: datetime | None = None) -> list[QuotaEntry]:
    """What the workspace used today, by method, most first."""
    day = day_of(now or timezone.now())
    return list(QuotaEntry.objects.filter(workspace=workspace, day=day).order_by("-units"))


def _refuse(own: QuotaEntry, now: datetime) -> None:
    QuotaEntry.objects.filter(pk=own.pk).update(refused=F("refused") + 1)
    raise QuotaSpent(
        _("The YouTube quota of today is nearly used up. It begins anew at %(time)s UTC.")
        % {"time": f"{resets_at(now):%H:%M}"}
    )


def _row(project: str, day: date, workspace_id: object, method: str) -> QuotaEntry:
    key = {"project": project, "day": day, "workspace_id": workspace_id, "method": method}
    found = QuotaEntry.objects.filter(**key).first()
    if found is not None:
        return found
    try:
        with transaction.atomic():
            return QuotaEntry.objects.create(**key)
    except IntegrityError:
        return QuotaEntry.objects.get(**key)
