"""One output as a pump has it: its state, its events, and the report made of them."""

from __future__ import annotations

import asyncio
import logging
import uuid
from collections import deque
from collections.abc import Sequence
from typing import Protocol

from playout import clock
from playout.errors import PlayoutError
from playout.media import TrackKind
from playout.node.as_run import LONGEST_LOOP_SECONDS, AsRun
from playout.node.journal import Journal
from playout.node.placement import cost
from playout.publisher.address import Address
from playout.publisher.output import Output, OutputOptions
from playout.publisher.session import Progress
from playout.pump.aired import Aired, Substitution
from playout.pump.shelf import Shelf
from playout.pump.wheel import Wheel
from playout.supervisor.ports import DesiredOutput, OutputEvent, OutputReport
from playout.supervisor.states import Happening, OutputState, after
from playout.timebase import frame_ms
from playout.timeline.programme import Programme
from playout.tracks.reader import Track

log = logging.getLogger(__name__)

MAX_EVENTS = 200


class PumpContext(Protocol):
    """What all outputs of a pump share."""

    wheel: Wheel
    options: OutputOptions
    journal: Journal | None

    @property
    def shelf(self) -> Shelf:
        """Where tracks are opened."""
        ...

    def may_send(self) -> bool:
        """Whether the lease deadline allows another byte."""
        ...

    def report_soon(self, output_id: str | None = None) -> None:
        """Something changed: do not wait for the next regular report."""
        ...


class PumpedOutput:
    """An output with its state, its events and its report; the listener of `Output`."""

    def __init__(
        self,
        desired: DesiredOutput,
        address: Address,
        programme: Programme,
        pump: PumpContext,
        fallbacks: Sequence[Address] = (),
    ) -> None:
        self.desired = desired
        self.state = OutputState.IDLE
        self.finished = False
        self.stopping = False
        journal = pump.journal
        self.slot = journal.enter(desired.output_id) if journal is not None else 0
        """Where the journal has this output; 0 for nowhere."""
        self.output = Output(
            address,
            programme,
            pump.shelf,
            self,
            options=pump.options,
            may_send=self._may_send if self.slot else pump.may_send,
            wheel=pump.wheel,
            fallbacks=fallbacks,
            on_substitute=self._deviated,
            on_aired=self._aired,
            on_enter=self._entered if self.slot else None,
        )
        self.task: asyncio.Task[None] | None = None
        self._pump = pump
        self._events: deque[OutputEvent] = deque(maxlen=MAX_EVENTS)
        self._as_run = AsRun(round(LONGEST_LOOP_SECONDS * programme.video_rate))
        self._progress = Progress()
        self._earlier = (0, 0, 0)
        """Joins, jumps and substitutions of the sessions before."""
        self._session_id = ""
        self._tried_host = ""
        self._on_air_since_ns = 0
        self._error: PlayoutError | None = None
        self._retry_at_ns = 0
        self._was_lost = False
        self._told: set[tuple[str, str]] = set()
        """Causes, each with the host it has to do with, that were told since it was on air last."""
        self._listed: dict[str, object] = {}

    def _may_send(self) -> bool:
        # Asked at the beginning of each tick and before each write.
        journal = self._pump.journal
        if journal is not None:
            journal.serve(self.slot)
        return self._pump.may_send()

    def _aired(self, aired: Aired) -> None:
        if aired.kind is TrackKind.VIDEO:
            self._as_run.sent(aired)

    def _deviated(self, substitution: Substitution) -> None:
        if substitution.kind is TrackKind.AUDIO:
            self._as_run.deviate(substitution.item_id, substitution.error.code)

    def _entered(self, kind: TrackKind, track: Track | None) -> None:
        journal = self._pump.journal
        if journal is not None:
            journal.send(self.slot, kind, "" if track is None else str(track.directory))

    # -- listener ---------------------------------------------------------------------------

    def connecting(self) -> None:
        """See `Listener`."""
        self._session_id = uuid.uuid4().hex
        self._tried_host = self.output.used.host
        self._retry_at_ns = 0
        self._move(Happening.WANTED)

    def acknowledged(self) -> None:
        """See `Listener`."""
        if self.state is OutputState.DEGRADED:
            self._note("session.recovered", "The ingest keeps up again.")
        else:
            again = "again " if self._was_lost else ""
            self._note("session.on_air", f"On air {again}at {self.output.used.host}.")
        self._error = None
        self._told.clear()
        if self.state is not OutputState.DEGRADED:
            self._on_air_since_ns = clock.utc_ns()
        self._move(Happening.ACKNOWLEDGED)

    def slow(self) -> None:
        """See `Listener`."""
        self._note("session.degraded", "The ingest takes less than it should.")
        self._move(Happening.SLOW)

    def lost(self, error: PlayoutError, retry_seconds: float) -> None:
        """See `Listener`."""
        self._as_run.stop(self.output.aired_until, error.code)
        self._error = error
        self._was_lost = True
        self._on_air_since_ns = 0
        self._retry_at_ns = clock.utc_ns() + int(retry_seconds * 1e9)
        # The text may count bytes or seconds, and where there is a backup two hosts take turns.
        if self._is_news(error, self._tried_host):
            self._note("session.lost", str(error), code=error.code)
        self._move(Happening.LINK_LOST)

    def missing(self, error: PlayoutError) -> None:
        """See `Listener`."""
        self._as_run.stop(self.output.aired_until, error.code)
        self._error = error
        if self._is_news(error):
            self._note("media.missing", str(error), code=error.code)
        self._move(Happening.MEDIA_MISSING)

    def wrong(self, error: PlayoutError) -> None:
        """See `Listener`."""
        self._error = error
        self.finished = True
        self._note("output.failed", str(error), code=error.code)
        self._move(Happening.SETTINGS_WRONG)

    def ended(self) -> None:
        """See `Listener`."""
        self._as_run.stop(self.output.aired_until, "")
        self._on_air_since_ns = 0
        if self.stopping:
            self._note("session.stopped", "Stopped as asked.")
        else:
            self.finished = True
            self._note("programme.ended", "The programme has come to its end.")
        self._move(Happening.ENDED)

    def substituted(self, substitution: Substitution) -> None:
        """See `Listener`."""
        error = substitution.error
        self._note(
            "item.substituted",
            str(error),
            item=substitution.item_id,
            code=error.code,
            kind=substitution.kind.value,
            rung=substitution.rung.value,
            filled_by=substitution.filled_by,
            begin=substitution.begin,
            end=substitution.end,
        )

    def restored(self, kind: TrackKind, item_id: str, title: str) -> None:
        """See `Listener`."""
        self._note(
            "item.restored", f"“{title or item_id}” is played as planned again.",
            item=item_id, kind=kind.value,
        )  # fmt: skip

    # -- what happens to it -----------------------------------------------------------------

    def stop(self) -> None:
        """End gracefully."""
        if not self.stopping:
            self.stopping = True
            self._move(Happening.UNWANTED)
        self.output.stop()

    def update(self, desired: DesiredOutput, fallbacks: Sequence[Address] = ()) -> None:
        """Take a new token, generation, programme or fallbacks on the connection that is open."""
        if tuple(fallbacks) != self.output.fallbacks:
            self.output.fallbacks = tuple(fallbacks)
        if desired.programme is not None and desired.programme != self.output.programme:
            self.output.replace_programme(desired.programme)
        self.desired = desired

    def continues(self, desired: DesiredOutput, address: Address) -> bool:
        """Whether the running output can become `desired` without a new connection."""
        mine = self.output.programme
        return (
            not self.finished
            and not self.stopping
            and address == self.output.address
            and desired.programme is not None
            and (mine.epoch_ns, mine.video_rate, mine.audio_rate, mine.profile)
            == (
                desired.programme.epoch_ns,
                desired.programme.video_rate,
                desired.programme.audio_rate,
                desired.programme.profile,
            )
        )

    def _is_news(self, error: PlayoutError, host: str = "") -> bool:
        """Whether this cause was not told yet since the output was on air last."""
        known = (error.code, host) in self._told
        self._told.add((error.code, host))
        return not known

    def _note(self, code: str, text: str, /, **data: str | int) -> None:
        self._events.append(OutputEvent(code, clock.utc_ns(), text, data))
        log.info(
            "%s: %s", code, text,
            extra={"output": self.desired.output_id, "stream": self.desired.label,
                   "generation": self.desired.generation, "token": self.desired.token},
        )  # fmt: skip

    def _move(self, happening: Happening) -> None:
        self.state = after(self.state, happening)
        self._pump.report_soon(self.desired.output_id)

    def _totals(self) -> tuple[int, int, int]:
        progress = self._progress
        joins, jumps, substitutions = self._earlier
        return (
            joins + progress.joins,
            jumps + progress.jumps,
            substitutions + progress.substitutions,
        )

    def listing(self) -> dict[str, object]:
        """How control tells it from others; the same object for as long as that is the same."""
        desired, listed = self.desired, self._listed
        if (
            not listed
            or listed["token"] != desired.token
            or listed["generation"] != desired.generation
            or listed["finished"] != self.finished
            or listed["stopping"] != self.stopping
        ):
            self._listed = listed = {
                "output_id": desired.output_id,
                "token": desired.token,
                "generation": desired.generation,
                "finished": self.finished,
                "stopping": self.stopping,
                "stream_id": desired.stream_id,
                "cost": cost(desired),
            }
        return listed

    def report(self, late_ms: float) -> OutputReport:
        """What is real now, on a pump that is `late_ms`; hands over the events since the last."""
        events = tuple(self._events)
        self._events.clear()
        progress = self.output.progress
        if progress is not None and progress is not self._progress:
            self._earlier, self._progress = self._totals(), progress
        joins, jumps, substitutions = self._totals()
        now, following = self.output.now_and_next()
        position = 0
        if now is not None:
            rate = self.output.programme.video_rate
            position = max(0, self.output.now_ms() - frame_ms(now.start, rate))
        heard, heard_next = self.output.heard_and_next()
        heard_ms = 0
        if heard is not None:
            rate = self.output.programme.audio_rate
            heard_ms = max(0, self.output.now_ms() - frame_ms(heard.start, rate))
        live = self.state in (OutputState.ON_AIR, OutputState.DEGRADED)
        if (airing := self.output.airing()) is not None:
            self._as_run.sent(airing)
        return OutputReport(
            output_id=self.desired.output_id,
            token=self.desired.token,
            generation=self.desired.generation,
            state=self.state,
            at_ns=clock.utc_ns(),
            session_id=self._session_id,
            connected_at_ns=progress.connected_ns if progress is not None else 0,
            on_air_since_ns=self._on_air_since_ns,
            bytes_sent=progress.bytes_sent if progress is not None else 0,
            bytes_acked=progress.bytes_acked if progress is not None else 0,
            kbps=progress.kbps if progress is not None else 0,
            late_ms=late_ms,
            reconnects=max(0, self.output.sessions - 1),
            unsent_bytes=progress.unsent_bytes if progress is not None else 0,
            joins=joins,
            jumps=jumps,
            substitutions=substitutions,
            item_id=now.item.id if now is not None and live else "",
            item_position_ms=position if live else 0,
            next_item_id=following.item.id if following is not None and live else "",
            sound_id=heard.item_id if heard is not None and live else "",
            sound_position_ms=heard_ms if live else 0,
            next_sound_id=heard_next.item_id if heard_next is not None and live else "",
            error_code=self._error.code if self._error is not None else "",
            error_text=str(self._error) if self._error is not None else "",
            retry_at_ns=self._retry_at_ns,
            events=events,
            as_run=self._as_run.take(),
        )
