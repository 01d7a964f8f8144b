"""One stream to one destination for as long as it is wanted, whatever happens to connections."""

from __future__ import annotations

import asyncio
import contextlib
import ssl
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Protocol

from playout.errors import (
    ConnectionLost,
    PlayoutError,
    ProgrammeError,
    Retry,
    StreamKeyRejected,
    TrackError,
)
from playout.media import TrackKind
from playout.publisher.address import Address
from playout.publisher.backoff import ConnectRate, delay_seconds, home_seconds
from playout.publisher.environment import Environment
from playout.publisher.session import Hooks, Patience, Progress, Session
from playout.publisher.transport import AddressCheck, Limits
from playout.pump.aired import Aired, Substitution
from playout.pump.feed import Feed
from playout.pump.pacing import Pace
from playout.pump.prefetch import Prefetch, ReadAhead
from playout.pump.shelf import Shelf
from playout.pump.wheel import Wheel
from playout.timebase import frame_at_ns
from playout.timeline.programme import Programme
from playout.timeline.resolve import (
    ROTATION_SECONDS,
    Placement,
    SoundPlacement,
    placement_at,
    sound_at,
)
from playout.tracks.reader import Track

STABLE_SECONDS = 10.0
"""A session that was on air this long has earned a fresh start of the back-off."""
SUSPICIOUS_SESSIONS = 3
"""So many sessions in a row that ended right after publishing point to the key."""
USUAL_BYTES_PER_SECOND = 500_000
"""When no item can be measured: 4 Mbit/s."""
MISSING_MEDIA_SECONDS = 1.0
FIRST_LOOK_SECONDS = 2.0
"""How long the first media of a session may take to be verified; a disk that hangs takes longer."""
FAILURES_BEFORE_FALLBACK = 2
"""Attempts at one address before the next one is tried, where there is another."""
FENCED_SECONDS = 0.25
MOST_SUBSTITUTED = 1000
"""Of so many items it is known that they could not be played; edits may bring ever new ones."""


class Listener(Protocol):
    """Who is told what happens; called from within the loop, must not block."""

    def connecting(self) -> None:
        """An attempt begins."""

    def acknowledged(self) -> None:
        """The ingest has proved that media arrived."""

    def slow(self) -> None:
        """The ingest takes less than it should."""

    def lost(self, error: PlayoutError, retry_seconds: float) -> None:
        """The session ended; the next attempt begins in `retry_seconds`."""

    def missing(self, error: PlayoutError) -> None:
        """There is no media to play yet."""

    def wrong(self, error: PlayoutError) -> None:
        """Trying again is no use: a person has to change the settings."""

    def ended(self) -> None:
        """The programme is over, or the output was stopped."""

    def substituted(self, substitution: Substitution) -> None:
        """An item could not be played and another fills its place.

        Told once for each cause, however often the item comes round, until it is `restored`.
        """

    def restored(self, kind: TrackKind, item_id: str, title: str) -> None:
        """What was `substituted` begins at its top again, with nothing of it missing."""


@dataclass(frozen=True, slots=True)
class OutputOptions:
    """How an output behaves; the same for all outputs of a pump."""

    pace: Pace = field(default_factory=Pace)
    patience: Patience = field(default_factory=Patience)
    limits: Limits = field(default_factory=Limits)
    tls: ssl.SSLContext | None = None
    allowed: AddressCheck | None = None
    start_on_connect: bool = False
    """The programme's clock starts when the ingest first says yes, not at its epoch."""
    opens_at: int | None = None
    """The frame with which the first session begins, unless it comes too late for it."""
    end_frame: int | None = None
    """Stop, once for all, before this video frame."""
    rotate_after: int | None = ROTATION_SECONDS
    """Seconds after which a connection is changed at a join, and times on the wire begin again;
    the same for all legs of a stream, which then agree on every time. None for never."""
    environment: Environment = field(default_factory=Environment)
    prefetch: Prefetch | None = None
    """Reads and verifies media before it is sent; None trusts the page cache and the disk."""
    connect_rate: ConnectRate = field(default_factory=ConnectRate)
    """Shared by all outputs of a pump; its turns are waited for beside each output's back-off."""
    time_scale: float = 1.0
    """All waits between sessions are multiplied by this; simulations shorten them with the rest."""


class Output:
    """Keeps a programme on air at one address until it ends or `stop` is called.

    `fallbacks` are other ways into the same ingest, such as its backup host: they are tried in
    turn when an address has failed twice, and never while another one works. From a fallback it
    goes back, at a key frame, when the address itself accepts connections again.

    `on_substitute` is told of each place that something else fills, `on_aired` and `on_enter` what
    a `Feed` tells.
    """

    def __init__(
        self,
        address: Address,
        programme: Programme,
        shelf: Shelf,
        listener: Listener,
        *,
        options: OutputOptions | None = None,
        may_send: Callable[[], bool] = lambda: True,
        wheel: Wheel | None = None,
        fallbacks: Sequence[Address] = (),
        on_substitute: Callable[[Substitution], None] | None = None,
        on_aired: Callable[[Aired], None] | None = None,
        on_enter: Callable[[TrackKind, Track | None], None] | None = None,
    ) -> None:
        self.address = address
        self.used = address
        """The way in that is, or was last, tried."""
        self._fallbacks = tuple(fallbacks)
        self._failures = 0
        """Attempts in a row that failed, at the way that is tried."""
        self._returns = 0
        """How often it has gone back to the address itself since the last one that lasted."""
        self.programme = programme
        self.sessions = 0
        self.aired_until = 0
        """The first video frame that the last session did not bring to the far end in full."""
        self._each_substitute = on_substitute
        self._on_aired = on_aired
        self._on_enter = on_enter
        self._substituted: dict[tuple[TrackKind, str], set[str]] = {}
        """What could not be played, and the causes that were told of it; the oldest first."""
        self._shelf = shelf
        self._listener = listener
        self._options = options or OutputOptions()
        self._environment = environment = self._options.environment
        self._may_send = may_send
        self._wheel = wheel or Wheel(self._options.pace.tick, crowd=self._options.pace.crowd)
        self._epoch_ns: int | None = None
        if not self._options.start_on_connect:
            self._epoch_ns = environment.monotonic_at(programme.epoch_ns)
        self._session: Session | None = None
        self._feed: Feed | None = None
        self._stopped = asyncio.Event()
        self._acknowledged_at: float | None = None
        self._published_at: float | None = None
        self._was_accepted = False
        self._resume_at: int | None = None

    # -- what it is doing -------------------------------------------------------------------

    @property
    def progress(self) -> Progress | None:
        """Of the current session; None between sessions."""
        return self._session.progress if self._session is not None else None

    def now_ms(self) -> int:
        """Milliseconds since the programme's epoch, on the clock that paces it."""
        return (self._environment.monotonic_ns() - self._epoch()) // 1_000_000

    def airing(self) -> Aired | None:
        """What the session sends, up to what was given to the connection; None between sessions."""
        return self._feed.airing(TrackKind.VIDEO) if self._feed is not None else None

    def now_and_next(self) -> tuple[Placement | None, Placement | None]:
        """What the programme shows now, and what follows."""
        rate = self.programme.video_rate
        frame = max(0, self.now_ms()) * rate.numerator // (1000 * rate.denominator)
        now = placement_at(self.programme, frame)
        return now, placement_at(self.programme, now.end) if now is not None else None

    def heard_and_next(self) -> tuple[SoundPlacement | None, SoundPlacement | None]:
        """What the programme plays now in radio mode, and what follows; nothing in any other."""
        if not self.programme.is_radio:
            return None, None
        rate = self.programme.audio_rate
        frame = max(0, self.now_ms()) * rate.numerator // (1000 * rate.denominator)
        now = sound_at(self.programme, frame)
        return now, sound_at(self.programme, now.end) if now is not None else None

    # -- what others wish -------------------------------------------------------------------

    def stop(self) -> None:
        """End gracefully; `run` returns soon after."""
        self._stopped.set()
        if self._session is not None:
            self._session.stop()

    @property
    def fallbacks(self) -> tuple[Address, ...]:
        """The other ways in. One that is taken away while it is used is left at a key frame."""
        return self._fallbacks

    @fallbacks.setter
    def fallbacks(self, fallbacks: Sequence[Address]) -> None:
        self._fallbacks = tuple(fallbacks)
        if self.used not in (self.address, *self._fallbacks):
            self.used, self._failures = self.address, 0
            self.rotate()

    def rotate(self) -> bool:
        """Change to a new connection at the next key frame; False when there is none to change.

        No media is lost or repeated, but for a receiver that takes long to let go of the old one.
        """
        return self._session is not None and self._session.rotate()

    def replace_programme(self, programme: Programme) -> None:
        """Follow new versions of the same programme; raises `ProgrammeError` for another one."""
        if self._feed is not None:
            self._feed.replace_programme(programme)
        if self._session is not None:
            # An edit leaves less time than there may be until the next look.
            self._session.look_ahead()
        self.programme = programme

    # -- life -------------------------------------------------------------------------------

    async def run(self) -> None:
        """Connect, publish, reconnect; returns when the programme is over or nobody wants it."""
        loop = asyncio.get_running_loop()
        scale = self._options.time_scale
        attempt, refusals, suspicious, down_since = 0, 0, 0, loop.time()
        while not self._stopped.is_set():
            if not self._may_send():
                await self._pause(FENCED_SECONDS * scale)
                continue
            await self._turn()
            if self._stopped.is_set():
                break
            self._acknowledged_at = None
            started = loop.time()
            try:
                await self._run_session(self.used)
                if self._resume_at is None or self._stopped.is_set():
                    break
                attempt, refusals, suspicious, down_since = 0, 0, 0, loop.time()
                self._failures = 0
                continue
            except TrackError as error:
                self._listener.missing(error)
                await self._pause(MISSING_MEDIA_SECONDS * scale)
                continue
            except ProgrammeError:
                break
            except PlayoutError as error:
                failure = error
            finally:
                self._session = None
            if self._stopped.is_set():
                break
            now = loop.time()
            stable = STABLE_SECONDS * scale
            published = now if self._published_at is None else self._published_at
            if self._acknowledged_at is not None and now - published > stable:
                attempt, refusals, suspicious, down_since = 0, 0, 0, now
                if self.used == self.address:
                    self._returns = 0
                self.used, self._failures = self.address, 0
            elif isinstance(failure, ConnectionLost) and self._was_accepted:
                suspicious += 1
                if suspicious >= SUSPICIOUS_SESSIONS:
                    failure = StreamKeyRejected(
                        f"{self.address.host} ends each session within {now - started:.0f} seconds."
                    )
            attempt += 1
            # What is tried slowly begins with its shortest wait, however long the ingest was away:
            # our own last session may be what it takes for another publisher.
            is_slow = failure.retry is Retry.SLOWLY
            refusals += is_slow
            self._failures += 1
            if self._failures >= FAILURES_BEFORE_FALLBACK:
                self._next_way()
            delay = delay_seconds(
                failure,
                refusals if is_slow else attempt,
                outage_seconds=(now - down_since) / scale,
                random=self._environment.random(),
            )
            if delay is None:
                self._listener.wrong(failure)
                return
            self._listener.lost(failure, delay * scale)
            await self._pause(delay * scale)
        self._listener.ended()

    def _next_way(self) -> None:
        ways = (self.address, *self._fallbacks)
        place = ways.index(self.used) if self.used in ways else -1
        self.used, self._failures = ways[(place + 1) % len(ways)], 0

    async def _look_home(self, session: Session) -> None:
        """Leave a fallback for the address itself, at a key frame, once that can be reached.

        It is only connected to, without a word. Where it does not last, the next look comes later.
        """
        options = self._options
        wait = home_seconds(self._returns) * options.time_scale
        while True:
            await asyncio.sleep(wait)
            try:
                transport = await self._environment.connect(
                    self.address,
                    context=options.tls,
                    limits=options.limits,
                    allowed=options.allowed,
                )
            except PlayoutError:
                continue
            transport.close()
            if session.rotate():
                self._returns += 1
                self.used = self.address
                return

    async def _turn(self) -> None:
        """Wait for our turn among all outputs of the pump; a planned successor goes first."""
        if self._resume_at is None:
            now = asyncio.get_running_loop().time()
            wait = self._options.connect_rate.wait_seconds(now)
            if wait > 0:
                await self._pause(wait)

    async def _run_session(self, address: Address) -> None:
        self._published_at, self._was_accepted = None, False
        resume_at, self._resume_at = self._resume_at, None
        options = self._options
        if resume_at is None and self.sessions == 0:
            resume_at = options.opens_at
        feed = Feed(
            self.programme,
            self._shelf,
            end_frame=options.end_frame,
            on_substitute=self._on_substitute,
            on_whole=self._on_whole,
            on_aired=self._on_aired,
            on_enter=self._on_enter,
        )
        session = Session(
            address,
            feed,
            epoch_ns=self._epoch,
            may_send=self._may_send,
            hooks=Hooks(self._on_acknowledged, self._listener.slow, self._on_first_media),
            pace=options.pace,
            patience=options.patience,
            limits=options.limits,
            wheel=self._wheel,
            bytes_per_second=self._bytes_per_second(),
            environment=self._environment,
            open_at=resume_at,
            rotate_after=options.rotate_after,
            read_ahead=None if options.prefetch is None else ReadAhead(options.prefetch),
        )
        self._session, self._feed = session, feed
        looking: asyncio.Task[None] | None = None
        try:
            await self._look_ahead(resume_at)
            self._listener.connecting()
            connecting = asyncio.ensure_future(
                self._environment.connect(
                    address,
                    context=options.tls,
                    limits=options.limits,
                    allowed=options.allowed,
                )
            )
            stopped = asyncio.ensure_future(self._stopped.wait())
            try:
                await asyncio.wait((connecting, stopped), return_when=asyncio.FIRST_COMPLETED)
                if not connecting.done():
                    return
            finally:
                stopped.cancel()
                if not connecting.done():
                    connecting.cancel()
            if address != self.address:
                looking = asyncio.create_task(self._look_home(session), name="way back")
            await session.run(connecting.result())
            self._resume_at = session.gives_way_at
        finally:
            if looking is not None:
                looking.cancel()
            self._feed = None
            self._was_accepted = session.was_accepted
            if session.progress.connected_ns:
                self.aired_until = feed.sent_before(session.unsent_bytes)
                feed.close()
            if self._on_enter is not None:
                for kind in TrackKind:
                    self._on_enter(kind, None)

    async def _look_ahead(self, frame: int | None) -> None:
        """Let the media that a session begins with be verified before it is sent.

        Raises `TrackError` when there is none: an ingest is not bothered for nothing.
        """
        rate = self.programme.video_rate
        if frame is None:
            # A programme whose clock starts with the first connection is still at its beginning.
            now_ms = 0 if self._epoch_ns is None else max(0, self.now_ms())
            frame = frame_at_ns((now_ms + self._options.pace.lead) * 1_000_000, rate)
        trial = Feed(self.programme, self._shelf, end_frame=self._options.end_frame)
        with contextlib.suppress(ProgrammeError):
            trial.open(frame)
            if self._options.prefetch is None:
                return
            judged = ReadAhead(self._options.prefetch).judge(trial)
            waiting = [asyncio.wrap_future(each) for each in judged]
            if waiting:
                await asyncio.wait(waiting, timeout=FIRST_LOOK_SECONDS)

    def _bytes_per_second(self) -> int:
        for item in self.programme.versions[-1].items:
            # One item that cannot be played must not keep the others from the air.
            with contextlib.suppress(TrackError):
                track = self._shelf.track(item.video, TrackKind.VIDEO)
                return int(track.layout.data_bytes * track.description.rate / track.frames)
        return USUAL_BYTES_PER_SECOND

    def _epoch(self) -> int:
        if self._epoch_ns is None:
            self._epoch_ns = self._environment.monotonic_ns()
        return self._epoch_ns

    def _on_acknowledged(self) -> None:
        if self._acknowledged_at is None:
            self._acknowledged_at = asyncio.get_running_loop().time()
        self._listener.acknowledged()

    def _on_substitute(self, substitution: Substitution) -> None:
        if self._session is not None:
            self._session.progress.substitutions += 1
        if self._each_substitute is not None:
            self._each_substitute(substitution)
        what = substitution.kind, substitution.item_id
        causes = self._substituted.setdefault(what, set())
        if substitution.error.code in causes:
            return
        causes.add(substitution.error.code)
        if len(self._substituted) > MOST_SUBSTITUTED:
            del self._substituted[next(iter(self._substituted))]
        self._listener.substituted(substitution)

    def _on_whole(self, kind: TrackKind, item_id: str, title: str) -> None:
        if (kind, item_id) in self._substituted:
            del self._substituted[kind, item_id]
            self._listener.restored(kind, item_id, title)

    def _on_first_media(self) -> None:
        self._published_at = asyncio.get_running_loop().time()
        self.sessions += 1

    async def _pause(self, seconds: float) -> None:
        try:
            async with asyncio.timeout(seconds):
                await self._stopped.wait()
        except TimeoutError:
            return
