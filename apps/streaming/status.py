"""What a user sees of a stream: desired × reported, computed here and nowhere else.

Pure: the time is an argument. "On air" is said only when a node has reported, lately, that the
receiver acknowledges our bytes; never because somebody wishes it.
"""

from __future__ import annotations

import enum
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Protocol

from django.utils.translation import gettext as _
from django.utils.translation import gettext_noop

STALE_AFTER = timedelta(seconds=15)
"""A report older than this says nothing about now."""

NEVER_CLAIMED_AFTER = timedelta(seconds=60)
"""Nobody took the stream for so long after its start that people should be told."""


class Shown(enum.Enum):
    """The states that a user sees, worst first where one must stand for several outputs."""

    FAILED = "failed"
    RESTARTING = "restarting"
    RECONNECTING = "reconnecting"
    PARTLY = "partly"
    DEGRADED = "degraded"
    STOPPING = "stopping"
    PREPARING = "preparing"
    STARTING = "starting"
    CONNECTING = "connecting"
    ON_AIR = "on_air"
    OFF = "off"


LABELS = {
    Shown.FAILED: gettext_noop("Needs attention"),
    Shown.RESTARTING: gettext_noop("Restarting"),
    Shown.RECONNECTING: gettext_noop("Reconnecting"),
    Shown.PARTLY: gettext_noop("Partly on air"),
    Shown.DEGRADED: gettext_noop("On air, slow line"),
    Shown.STOPPING: gettext_noop("Stopping"),
    Shown.PREPARING: gettext_noop("Preparing"),
    Shown.STARTING: gettext_noop("Starting"),
    Shown.CONNECTING: gettext_noop("Connecting"),
    Shown.ON_AIR: gettext_noop("On air"),
    Shown.OFF: gettext_noop("Off"),
}

TONES = {
    Shown.FAILED: "error",
    Shown.RESTARTING: "warning",
    Shown.RECONNECTING: "warning",
    Shown.PARTLY: "warning",
    Shown.DEGRADED: "warning",
    Shown.STOPPING: "busy",
    Shown.PREPARING: "busy",
    Shown.STARTING: "busy",
    Shown.CONNECTING: "busy",
    Shown.ON_AIR: "live",
    Shown.OFF: "neutral",
}


class OutputFacts(Protocol):
    """What is read of an `Output`."""

    desired: str
    generation: int
    node: str
    state: str
    reported_generation: int
    reported_at: datetime | None
    on_air_since: datetime | None
    kbps: int
    error_text: str
    error_code: str
    retry_at: datetime | None


@dataclass(frozen=True, slots=True)
class Status:
    """One state with one sentence of plain words."""

    shown: Shown
    sentence: str
    on_air_since: datetime | None = None
    kbps: int = 0
    retry_at: datetime | None = None
    is_reported: bool = False
    """Whether the sentence is a node's, which knows no reader and speaks English."""

    @property
    def label(self) -> str:
        """Two or three words for a badge."""
        return _(LABELS[self.shown])

    @property
    def tone(self) -> str:
        """Which look the badge has: live, busy, warning, error or neutral."""
        return TONES[self.shown]

    @property
    def is_on_air(self) -> bool:
        """Whether a receiver takes our picture right now."""
        return self.shown in (Shown.ON_AIR, Shown.DEGRADED, Shown.PARTLY)

    @property
    def is_settled(self) -> bool:
        """Whether nothing is expected to change by itself."""
        return self.shown is Shown.OFF


@dataclass(frozen=True, slots=True)
class Deviation:
    """Why something was not aired as written, and what to do about it."""

    cause: str
    advice: str


_DEVIATIONS = {
    "track.corrupt": (
        gettext_noop("The prepared file was damaged; something else was shown."),
        gettext_noop("Prepare the file again from its page."),
    ),
    "track.not_found": (
        gettext_noop("The prepared file was not on the machine that sends; we bridged the time."),
        gettext_noop("Nothing, if it happened once. Else check the disk and the storage."),
    ),
    "track.quarantined": (
        gettext_noop("The prepared file crashed its sender twice and is left out."),
        gettext_noop("Prepare the file again from its page, or take it out of the playlist."),
    ),
    "track.disagree": (
        gettext_noop("The file was prepared in another format than the rest."),
        gettext_noop("Prepare the file again from its page."),
    ),
    "ingest.key_rejected": (
        gettext_noop("The receiver refused the stream key, and the item was cut off."),
        gettext_noop("Check the stream key at the service."),
    ),
}


def deviation(code: str) -> Deviation | None:
    """What a cause in the record of what was aired means; None for the empty one."""
    if not code:
        return None
    if code in _DEVIATIONS:
        cause, advice = _DEVIATIONS[code]
        return Deviation(_(cause), _(advice))
    if code.startswith("ingest."):
        return Deviation(
            _("The connection to the receiver broke."), _("Nothing: we connected again.")
        )
    if code.startswith("track."):
        return Deviation(
            _("The prepared file could not be used; something else was shown."),
            _("Prepare the file again from its page."),
        )
    return Deviation(
        _("It was interrupted (%(code)s).") % {"code": code}, _("Look at what happened then.")
    )


def of_output(output: OutputFacts, *, wanted_since: datetime | None, now: datetime) -> Status:
    """What to show for one output. `wanted_since` is when its stream was last started."""
    fresh = output.reported_at is not None and now - output.reported_at <= STALE_AFTER
    if output.desired != "on":
        return _unwanted(output, fresh=fresh)
    if not fresh:
        return _silent(output, wanted_since=wanted_since, now=now)
    state = output.state
    # A report about an earlier wish: the last Stop, while this Start is on its way.
    if output.reported_generation < output.generation and state in ("idle", "stopping", "failed"):
        return Status(Shown.STARTING, _("Starting: a node is about to take the stream."))
    if state == "on_air":
        return Status(
            Shown.ON_AIR,
            _("The receiver confirms that it gets picture and sound."),
            on_air_since=output.on_air_since,
            kbps=output.kbps,
        )
    if state == "degraded":
        return Status(
            Shown.DEGRADED,
            _("On air, but the line to the receiver is slower than the stream needs."),
            on_air_since=output.on_air_since,
            kbps=output.kbps,
        )
    if state == "reconnecting":
        return Status(
            Shown.RECONNECTING,
            output.error_text or _("The connection to the receiver was lost; we connect again."),
            is_reported=bool(output.error_text),
            retry_at=output.retry_at,
        )
    if state == "failed":
        return Status(
            Shown.FAILED,
            output.error_text
            or _("The settings of this stream do not work. Correct them and start."),
            is_reported=bool(output.error_text),
        )
    if state == "preparing":
        return Status(
            Shown.PREPARING, _("Bringing the prepared media to the machine that will send them.")
        )
    if state == "connecting":
        return Status(
            Shown.CONNECTING, output.error_text or _("Connecting to the receiver."),
            is_reported=bool(output.error_text),
            retry_at=output.retry_at,
        )  # fmt: skip
    if state == "stopping":
        return Status(Shown.STARTING, _("Starting again: the last session is being closed first."))
    return Status(Shown.STARTING, _("Starting: a node is about to take the stream."))


def _unwanted(output: OutputFacts, *, fresh: bool) -> Status:
    if fresh and output.state not in ("idle", "failed"):
        return Status(Shown.STOPPING, _("Stopping: the last seconds are being sent."))
    if output.node and not fresh and output.state not in ("idle", "failed"):
        # Nobody tells us that it ended; its node will stop by itself when its lease runs out.
        return Status(Shown.OFF, _("Off. The machine that sent it has not answered since."))
    return Status(Shown.OFF, _("Nothing is sent until it is started."))


def _silent(output: OutputFacts, *, wanted_since: datetime | None, now: datetime) -> Status:
    began_long_ago = wanted_since is not None and now - wanted_since > NEVER_CLAIMED_AFTER
    reported_this_time = output.reported_at is not None and (
        wanted_since is None or output.reported_at >= wanted_since
    )
    if reported_this_time:
        return Status(
            Shown.RESTARTING,
            _("The machine that sends this stream has gone quiet. We are restarting it."),
        )
    if began_long_ago:
        return Status(
            Shown.RESTARTING, _("No machine has taken this stream yet. We keep trying to start it.")
        )
    return Status(Shown.STARTING, _("Starting: a node is about to take the stream."))


_SEVERITY = {shown: rank for rank, shown in enumerate(Shown)}


def of_statuses(statuses: Sequence[Status], *, wanted: bool) -> Status:
    """What to show for a stream that goes where these are, in one sentence.

    It is on air while anybody gets it; the worst counts only when nobody does.
    """
    if not statuses:
        if wanted:
            return Status(
                Shown.FAILED, _("This stream has no destination. Add one and start again.")
            )
        return Status(Shown.OFF, _("Off. It has no destination yet."))
    if len(statuses) == 1:
        return statuses[0]
    on_air = [status for status in statuses if status.is_on_air]
    worst = min(statuses, key=lambda status: _SEVERITY[status.shown])
    if not on_air or not wanted:
        return worst
    numbers = {"on_air": len(on_air), "all": len(statuses)}
    if len(on_air) < len(statuses):
        shown = Shown.PARTLY
        sentence = _("%(on_air)s of %(all)s receivers get picture and sound.") % numbers
    elif worst.shown is Shown.DEGRADED:
        shown = Shown.DEGRADED
        sentence = _("On air, but the line to a receiver is slower than the stream needs.")
    else:
        shown = Shown.ON_AIR
        sentence = _("All %(all)s receivers confirm that they get picture and sound.") % numbers
    return Status(
        shown,
        sentence,
        on_air_since=min((s.on_air_since for s in on_air if s.on_air_since), default=None),
        kbps=sum(status.kbps for status in on_air),
    )
