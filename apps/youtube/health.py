"""What YouTube says about the picture, in words: the cause, and what to do about it."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from django.utils.translation import gettext as _
from django.utils.translation import gettext_noop

_PREPARED = gettext_noop("Prepare the file anew; send only prepared files.")

ISSUES: dict[str, tuple[str, str]] = {
    "videoIngestionStarved": (
        gettext_noop("The picture arrives slower than it plays; viewers see it stall."),
        gettext_noop("Look at the line of the node that sends it, or take a smaller format."),
    ),
    "videoIngestionFasterThanRealtime": (
        gettext_noop("The picture arrives faster than it plays."),
        gettext_noop("It passes after a reconnect. If it stays, tell the operator."),
    ),
    "noVideoStream": (gettext_noop("No picture arrives."), _PREPARED),
    "noAudioStream": (gettext_noop("No sound arrives."), _PREPARED),
    "multipleVideoStreams": (
        gettext_noop("More than one picture arrives with this key."),
        gettext_noop("Something else sends with the same key. Stop it, or get a new key."),
    ),
    "multipleAudioStreams": (
        gettext_noop("More than one sound arrives with this key."),
        gettext_noop("Something else sends with the same key. Stop it, or get a new key."),
    ),
    "gopSizeLong": (gettext_noop("Key frames are more than two seconds apart."), _PREPARED),
    "gopSizeOver": (
        gettext_noop("Key frames are more than four seconds apart; viewers wait."),
        _PREPARED,
    ),
    "gopSizeShort": (gettext_noop("Key frames come too often, which wastes bits."), _PREPARED),
    "openGop": (gettext_noop("Pictures refer across key frames."), _PREPARED),
    "bitrateLow": (
        gettext_noop("The bit rate is low for this size."),
        gettext_noop("It is only advice: an economy format does this on purpose."),
    ),
    "bitrateHigh": (
        gettext_noop("The bit rate is high for this size."),
        gettext_noop("Take an economy format if viewers report trouble."),
    ),
    "audioBitrateLow": (gettext_noop("The sound has a low bit rate."), _PREPARED),
    "audioBitrateHigh": (gettext_noop("The sound has a high bit rate."), _PREPARED),
    "audioSampleRate": (gettext_noop("The sound has an unusual sample rate."), _PREPARED),
    "audioCodec": (gettext_noop("YouTube does not take this sound."), _PREPARED),
    "videoCodec": (gettext_noop("YouTube does not take this picture."), _PREPARED),
    "audioTooManyChannels": (gettext_noop("The sound has too many channels."), _PREPARED),
    "badContainer": (gettext_noop("YouTube cannot read what arrives."), _PREPARED),
    "interlacedVideo": (gettext_noop("The picture is interlaced."), _PREPARED),
    "frameRateHigh": (gettext_noop("There are too many frames a second."), _PREPARED),
    "videoResolutionSuboptimal": (gettext_noop("The picture has an unusual size."), _PREPARED),
    "videoResolutionUnsupported": (
        gettext_noop("YouTube does not take pictures of this size."),
        _PREPARED,
    ),
}
_MISMATCH = (
    gettext_noop("The backup entry gets something else than the first one."),
    gettext_noop("Send both from one stream, with a backup made on its page."),
)
_UNKNOWN = (
    gettext_noop("YouTube reports something that we do not know."),
    gettext_noop("YouTube Studio explains it."),
)


@dataclass(frozen=True, slots=True)
class Explained:
    """One thing that YouTube does not like."""

    type: str
    severity: str
    cause: str
    fix: str
    item: str
    """What was on air when it was first seen."""
    asset: str = ""
    """Id of that in the library."""
    since: datetime | None = None

    @property
    def tone(self) -> str:
        """How it looks."""
        return {"error": "error", "warning": "warning"}.get(self.severity, "info")


def explained(issues: Iterable[Mapping[str, Any]]) -> list[Explained]:
    """The stored issues, worst first, in the reader's language."""
    order = {"error": 0, "warning": 1}
    found = []
    for one in issues:
        kind = str(one.get("type", ""))
        cause, fix = ISSUES.get(kind, _MISMATCH if kind.endswith("Mismatch") else _UNKNOWN)
        severity = str(one.get("severity", "info"))
        since = one.get("since")
        found.append(
            Explained(
                type=kind,
                severity=severity,
                cause=_(cause),
                fix=_(fix),
                item=str(one.get("item", "")),
                asset=str(one.get("asset", "")),
                since=datetime.fromisoformat(since) if since else None,
            )
        )
    return sorted(found, key=lambda one: order.get(one.severity, 2))
