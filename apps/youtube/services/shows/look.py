"""One look at one show: what it knows, and when there has to be another."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta

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


def encoder_of(show: Show) -> EncoderFacts:
    """What its owner says is sent; off when nobody owns its subject any more."""
    for _receiver, answer in signals.encoder_asked.send(sender=Show, subject=show.subject):
        if isinstance(answer, EncoderFacts):
            if answer.since is None and show.encoder == answer.encoder:
                return replace(answer, since=show.encoder_since)
            return answer
    return EncoderFacts(is_wanted=False, encoder=Encoder.OFF)


def is_due(look: Look, row: Broadcast) -> bool:
    """Whether it may go live by now."""
    return row.not_before is None or row.not_before <= look.now
