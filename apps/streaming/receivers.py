"""News from the apps below: what the library says about media that streams use."""

from __future__ import annotations

from typing import Any
from uuid import UUID

from django.dispatch import receiver
from django.utils.translation import gettext

from apps.library.models import Asset
from apps.library.signals import asset_deleted, asset_uses_asked, rendition_changed
from apps.streaming import selectors, stream_manager


@receiver(asset_uses_asked)
def name_streams(*, asset: Asset, **_: Any) -> list[str]:
    """Streams that are wished on air and play the asset keep it from being deleted."""
    return [
        gettext("the stream “%(title)s”") % {"title": stream.title}
        for stream in selectors.streams_playing(asset.pk)
    ]


@receiver(rendition_changed)
def take_up(*, asset_id: UUID, **_: Any) -> None:
    """An item that has become ready joins the programmes that were waiting for it."""
    for stream in selectors.streams_playing(asset_id):
        stream_manager.refresh_programme(stream=stream)


@receiver(asset_deleted)
def leave_out(*, asset: Asset, **_: Any) -> None:
    """What was deleted leaves the programmes that still show it."""
    for stream in selectors.streams_playing(asset.pk):
        stream_manager.refresh_programme(stream=stream)
