"""What people see of an asset: one word, one tone, one sentence, computed here only."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import timedelta

from django.utils import timezone
from django.utils.translation import gettext as _
from django.utils.translation import ngettext

from apps.library.models import (
    UPLOAD_LIFETIME,
    Asset,
    AssetState,
    Failable,
    Rendition,
    TrackState,
)

_STILL_SENDING = UPLOAD_LIFETIME - timedelta(minutes=1)


@dataclass(frozen=True, slots=True)
class Status:
    """How an asset or one of its renditions is."""

    tone: str
    """neutral, busy, success, warning or error."""
    label: str
    text: str = ""
    """A sentence more, when the label does not say it all."""
    advice: str = ""
    percent: int | None = None
    """Of what goes on now; None when it cannot be told or nothing goes on."""

    @property
    def is_busy(self) -> bool:
        """Whether it changes by itself."""
        return self.tone == "busy"


def asset_status(asset: Asset) -> Status:
    """Of the file and of what is being made from it; reads `asset.renditions.all()`."""
    if asset.state == AssetState.UPLOADING:
        upload = getattr(asset, "upload", None)
        if upload is not None and upload.expires_at - timezone.now() > _STILL_SENDING:
            return Status("busy", _("Uploading"), percent=upload.percent)
        return Status(
            "neutral",
            _("Not finished"),
            _("The upload stopped part way. Choose the same file again and it goes on."),
            percent=upload.percent if upload is not None else 0,
        )
    if asset.state == AssetState.CHECKING:
        return Status("busy", _("Checking"), _("We find out what the file is."))
    if asset.state == AssetState.FAILED:
        return _failed(asset, _("Cannot be used"))
    renditions = list(asset.renditions.all())
    if not renditions:
        # Every file gets a format once it is checked, a moment later: the page asks on until then.
        return Status("busy", _("Waiting"))
    states = [rendition_status(rendition) for rendition in renditions]
    for status in states:
        if status.is_busy:
            return status
    failed = [status for status in states if status.tone == "error"]
    if failed and len(failed) == len(states):
        return failed[0]
    if failed:
        return Status(
            "warning",
            _("Ready in part"),
            ngettext(
                "One format could not be prepared.",
                "%(count)s formats could not be prepared.",
                len(failed),
            )
            % {"count": len(failed)},
            failed[0].advice,
        )
    return Status("success", _("Ready"), _("It can go on air at once."))


def rendition_status(rendition: Rendition) -> Status:
    """Of one format."""
    state = rendition.state
    if state == TrackState.QUEUED:
        return Status("busy", _("Waiting"), _("Preparing begins when a worker is free."))
    if state == TrackState.RUNNING:
        return Status("busy", _("Preparing"), percent=rendition.progress)
    if state == TrackState.FAILED:
        return _failed(rendition.failure, _("Not prepared"))
    return Status("success", _("Ready"))


def _failed(row: Failable | None, label: str) -> Status:
    if row is None:
        return Status("error", label)
    return Status("error", label, row.failure_message, row.failure_advice)
