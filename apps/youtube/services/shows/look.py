"""One look at one show: what it knows, and when there has to be another."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from uuid import UUID

from django.conf import settings

from apps.youtube import signals
from apps.youtube.client import Api
from apps.youtube.models import Broadcast, Show
from apps.youtube.quota import Purpose
from apps.youtube.services.tokens import api_of
from apps.youtube.truth import Encoder, EncoderFacts, Waits


def waits() -> Waits:
    """How long things take, at the pace of this installation."""
    return Waits().scaled(settings.YOUTUBE_TIME_SCALE)


@dataclass
class Look:
    """One look at one show: what was read, and when to look again."""

    show: Show
    encoder: EncoderFacts
    now: datetime
    waits: Waits
    again: timedelta | None = None
    broadcasts: list[Broadcast] = field(default_factory=list)
    _apis: dict[Purpose, Api] = field(default_factory=dict)

    def within(self, wait: timedelta) -> None:
        """Look again after `wait` at the latest."""
        self.again = wait if self.again is None else min(self.again, wait)

    def patiently(self, row: Broadcast, least: timedelta) -> None:
        """Look again after `least`, or later the longer `row` was waited for in vain."""
        begun = (row.lifecycle_at, row.not_before, self.encoder.since, row.created_at)
        waited = self.now - max(at for at in begun if at is not None)
        self.within(self.waits.patient(waited, least))

    def api(self, purpose: Purpose = Purpose.KEEP) -> Api:
        """Calls on behalf of the show's channel."""
        if purpose not in self._apis:
            self._apis[purpose] = api_of(self.show.channel, purpose)
        return self._apis[purpose]

    def say(self, code: str, text: str) -> None:
        """Put something into the log of whoever owns the subject."""
        signals.show_changed.send(sender=Show, show=self.show, code=code, text=text)


def encoders_of(shows: Collection[Show]) -> dict[UUID, EncoderFacts]:
    """What their owners say is sent, by show; off where nobody owns the subject any more.

    The same queries for one and for all.
    """
    told: dict[UUID, EncoderFacts] = {}
    if shows:
        subjects = [show.subject for show in shows]
        for _receiver, answer in signals.encoders_asked.send(sender=Show, subjects=subjects):
            if isinstance(answer, dict):
                told.update(answer)
    return {show.pk: _facts(show, told.get(show.subject)) for show in shows}


def encoder_of(show: Show) -> EncoderFacts:
    """What its owner says is sent; off when nobody owns its subject any more."""
    return encoders_of([show])[show.pk]


def _facts(show: Show, told: EncoderFacts | None) -> EncoderFacts:
    if told is None:
        return EncoderFacts(is_wanted=False, encoder=Encoder.OFF)
    if told.since is None and show.encoder == told.encoder:
        return replace(told, since=show.encoder_since)
    return told


def is_due(look: Look, row: Broadcast) -> bool:
    """Whether it may go live by now."""
    return row.not_before is None or row.not_before <= look.now
