"""What somebody wishes of a show. Nothing happens by it but that somebody looks."""

from __future__ import annotations

from typing import Any
from uuid import UUID

from django.db import transaction
from django.utils import timezone

from apps.accounts.models import Workspace
from apps.core.wake import wake_task_on_commit
from apps.youtube.models import Channel, ChannelState, OnAir, Show
from apps.youtube.services import alerts

DESCRIBING = (
    "title", "description", "tags", "category_id", "privacy", "made_for_kids", "latency", "dvr",
    "policy", "on_end",
)  # fmt: skip


def describe(
    *, workspace: Workspace, subject: UUID, name: str, channel: Channel, **wishes: Any
) -> Show:
    """Make or change the show of `subject`; it is not live by this."""
    with transaction.atomic():
        show = Show.objects.select_for_update().filter(subject=subject).first()
        if show is None:
            show = Show(workspace=workspace, subject=subject)
        show.name, show.channel = name, channel
        for wish in DESCRIBING:
            if wish in wishes:
                setattr(show, wish, wishes[wish])
        if "thumbnail" in wishes:
            show.thumbnail = wishes["thumbnail"]
        show.save()
    return show


def go_live(*, show: Show, is_rehearsal: bool = False) -> None:
    """Wish it live. Its subject starts as soon as it has a key; returns before anything happens."""
    now = timezone.now()
    with transaction.atomic():
        Show.objects.filter(pk=show.pk).update(
            is_wanted=True, is_start_pending=True, is_rehearsal=is_rehearsal, wanted_since=now,
            look_at=now, failures=0, on_air=OnAir.UNKNOWN, on_air_text="", on_air_at=now,
        )  # fmt: skip
        alerts.resolve(show.pk)
        wake(show.subject)
    show.refresh_from_db()


def end(*, show: Show) -> None:
    """Wish it off YouTube: its broadcasts are completed."""
    with transaction.atomic():
        Show.objects.filter(pk=show.pk).update(
            is_wanted=False, is_start_pending=False, look_at=timezone.now(), failures=0
        )
        alerts.resolve(show.pk)
        wake(show.subject)
    show.refresh_from_db()


def forget(*, subject: UUID) -> None:
    """The subject is gone: end what is live, and keep no wish."""
    show = Show.objects.filter(subject=subject).first()
    if show is not None:
        end(show=show)


def follow(*, subject: UUID) -> None:
    """Its owner wishes something else for `subject`: have somebody look. Nothing without a show."""
    if Show.objects.filter(subject=subject).update(look_at=timezone.now()):
        wake(subject)


def subject_started(*, subject: UUID) -> None:
    """Its owner put `subject` on air: its show, if it has one, goes live as well."""
    wished = Show.objects.filter(subject=subject)
    now = timezone.now()
    wished.filter(is_wanted=False, channel__state=ChannelState.CONNECTED).update(
        is_wanted=True, is_rehearsal=False, wanted_since=now, failures=0, on_air=OnAir.UNKNOWN,
        on_air_text="", on_air_at=now,
    )  # fmt: skip
    follow(subject=subject)


def wake(subject: UUID) -> None:
    """Have somebody look at it at once."""
    wake_task_on_commit("apps.youtube.tasks.advance_show", str(subject))
