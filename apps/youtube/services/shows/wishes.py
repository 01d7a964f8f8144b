"""What somebody wishes of a show. Nothing happens by it but that somebody looks."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any
from uuid import UUID

from django.db import transaction
from django.utils import timezone

from apps.accounts.models import User, Workspace
from apps.core.wake import wake_task_on_commit
from apps.youtube import texts
from apps.youtube.models import (
    Broadcast,
    Change,
    Channel,
    ChannelState,
    Doubt,
    OnAir,
    Origin,
    Show,
)
from apps.youtube.services import alerts
from apps.youtube.services.shows.changing import ask_change
from apps.youtube.services.shows.look import encoder_of

DESCRIBING = (
    "title", "description", "tags", "category_id", "privacy", "made_for_kids", "latency", "dvr",
    "policy", "on_end", "after_title", "after_privacy", "after_playlist",
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


def picture(*, show: Show, thumbnail: bytes) -> None:
    """Give `show` another picture for the broadcasts to come: one of `pictures.drawn_anew`."""
    Show.objects.filter(pk=show.pk).update(thumbnail=thumbnail)
    show.thumbnail = thumbnail


def go_live(*, show: Show, is_rehearsal: bool = False) -> None:
    """Wish it live. Its subject starts as soon as it has a key; returns before anything happens."""
    now = timezone.now()
    with transaction.atomic():
        Show.objects.filter(pk=show.pk).update(
            is_wanted=True, is_start_pending=True, is_rehearsal=is_rehearsal, wanted_since=now,
            look_at=now, failures=0, on_air=OnAir.UNKNOWN, on_air_text="", on_air_at=now,
            seen_at=None, doubt=Doubt.NONE,
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


def change(
    *,
    show: Show,
    row: Broadcast,
    wishes: Mapping[str, Any],
    thumbnail: bytes = b"",
    by: User | None = None,
) -> Change | None:
    """Wish that YouTube shows other texts of a broadcast; None when nothing is wished.

    `wishes` has some of title, description, tags, category_id and privacy, as they are typed:
    what stands in braces is filled now, with what is on at this moment. Returns before YouTube
    is asked.
    """
    values = texts.values_of(
        stream=show.name, channel=show.channel.title, at=timezone.now(),
        item=encoder_of(show).item,
    )  # fmt: skip
    fill: dict[str, tuple[str, Callable[[str], Any]]] = {
        "title": ("title", lambda text: texts.title_of(text, values)),
        "description": ("description", lambda text: texts.description_of(text, values)),
        "tags": ("tags", texts.tags_of),
        "category_id": ("categoryId", str),
        "privacy": ("privacyStatus", str),
    }
    wish = {fill[name][0]: fill[name][1](text) for name, text in wishes.items()}
    with transaction.atomic():
        asked = ask_change(row=row, origin=Origin.ASKED, wish=wish, thumbnail=thumbnail, by=by)
        if asked is not None:
            follow(subject=show.subject)
    return asked


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
        on_air_text="", on_air_at=now, seen_at=None, doubt=Doubt.NONE,
    )  # fmt: skip
    follow(subject=subject)


def wake(subject: UUID) -> None:
    """Have somebody look at it at once."""
    wake_task_on_commit("apps.youtube.tasks.advance_show", str(subject))
