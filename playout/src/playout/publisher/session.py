"""One connection to one ingest: from the TCP connect to the last acknowledged byte."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Callable
from dataclasses import dataclass, field

from playout import __version__
from playout.errors import (
    ConnectionLost,
    IngestError,
    IngestStalled,
    IngestTimeout,
    LeaseLost,
    PlayoutError,
    ProgrammeError,
    ProtocolViolation,
    StreamKeyRejected,
    TrackError,
    TrackUnreadable,
)
from playout.media import CHUNK_SIZE, TrackKind
from playout.publisher.address import Address
from playout.publisher.environment import Environment
from playout.publisher.transport import Buffer, Limits, Transport
from playout.pump.feed import Feed
from playout.pump.pacing import Pace, horizon, is_overdue
from playout.pump.prefetch import LOOK_SECONDS, ReadAhead
from playout.pump.wheel import Wheel
from playout.rtmp import chunks
from playout.rtmp.connection import Publisher
from playout.rtmp.events import (
    Acknowledged,
    Event,
    PublishStarted,
    ReconnectRequested,
    Rejected,
    Unpublished,
)
from playout.rtmp.states import PublisherState
from playout.timebase import frame_at_ns, frame_ms
from playout.timeline.programme import Programme
from playout.timeline.resolve import ROTATION_SECONDS, rotation_at, wire_origin
from playout.tracks import packetiser

_WRAP = 1 << 32
_PLANNED_SAMPLES = 4
"""A planned end is arranged so many samples ahead: one that catches up sends two seconds in one."""
MIN_WINDOW_BYTES = 16_000
WINDOW_SECONDS = 2
"""The ingest is asked to acknowledge two seconds of media: proof comes soon, at little cost."""
BURST_BYTES = 256 << 10
"""What a session may begin with; the rest of its lead follows at the rate of catching up."""
READ_BYTES = 64 << 10
"""What is read of an ingest in one turn; no ingest says so much, but one that floods must not keep
the loop, on which all other streams of the pump wait."""
MOST_UNHEARD_BYTES = 64 << 10
"""Of answers that wait behind what an ingest does not take; it has no more than a few questions."""
ACKS_OF_A_HABIT = 3
"""Some servers acknowledge once and never again; only a habit that breaks off means a stall."""
_KEY_CODES = frozenset(
    ("NetStream.Publish.BadName", "NetStream.Publish.Denied", "NetStream.Publish.Rejected",
     "NetConnection.Connect.Rejected")
)  # fmt: skip

_NOT_ASKED = frozenset(
    (PublisherState.HANDSHAKING, PublisherState.CONNECTING, PublisherState.CREATING_STREAM)
)


@dataclass(frozen=True, slots=True)
class Patience:
    """Seconds after which a silent far end is doubted, and given up."""

    degraded: float = 5.0
    stalled: float = 8.0
    proof_by_kernel: float = 4.0
    """Servers that never acknowledge: TCP's own acknowledgements count after this long."""
    farewell: float = 2.0
    handover: float = 0.7
    """The same before a planned successor, which the lead must bridge as well."""
    recovering: float = 10.0
    """A session that had to leave out media is not well again before so long without."""
    sample: float = 1.0


@dataclass(slots=True)
class Progress:
    """What a session has done so far; read by whoever reports."""

    connected_ns: int = 0
    """UTC nanoseconds of the answer to publish."""
    bytes_sent: int = 0
    bytes_acked: int = 0
    acknowledged: bool = False
    """The far end has proved that media arrived."""
    proof: str = ""
    """`ack` for RTMP acknowledgements, `tcp` for the kernel's."""
    degraded: bool = False
    jumps: int = 0
    """How often overdue media was left out."""
    kbps: int = 0
    unsent_bytes: int = 0
    """Given to the connection and not taken by the far end, at the last sample."""
    joins: int = 0
    """Items that followed another."""
    substitutions: int = 0
    """Items that could not be played as written."""


@dataclass(frozen=True, slots=True)
class Hooks:
    """What a session tells its owner, from within the loop; none may block."""

    acknowledged: Callable[[], None] = field(default=lambda: None)
    slow: Callable[[], None] = field(default=lambda: None)
    first_media: Callable[[], None] = field(default=lambda: None)
    unreadable: Callable[[TrackError], None] = field(default=lambda error: None)
    """The file of a track on air gives no more bytes; the session goes on with something else."""


class Session:
    """Publishes one feed over one connection.

    `epoch_ns` gives the monotonic instant of the programme's frame 0 and is asked once publishing
    was accepted. `may_send` is asked before each write: when it says no, the session ends at once
    and sends nothing more, not even a farewell.

    `open_at` is the frame with which it begins, for a session that goes on where another ended;
    one that comes too late for it begins at what is on air, as without it. After `rotate_after`
    seconds of the programme the session gives way at a join (`timeline.resolve.rotation_at`), so
    that times on the wire stay small; None leaves it on air for ever. `bytes_per_second` is
    about what the programme takes.
    """

    __slots__ = (
        "_ack_at", "_acks", "_address", "_begun_at", "_environment", "_epoch_ns", "_epoch_of",
        "_feed", "_hooks", "_is_flooded", "_largest_ack_gap", "_last_tick_ms", "_limits", "_loop",
        "_may_send", "_media_from", "_moved_at", "_next_look", "_next_sample", "_open_at",
        "_opened_at", "_opening_ms", "_over", "_pace", "_patience", "_read_ahead", "_rotate_after",
        "_rotation", "_rotation_ms", "_rotation_of", "_rtmp", "_sampled", "_sampled_at",
        "_sent_at_ack", "_shift_ms", "_slow_until", "_step_ms", "_stopping", "_stream_id",
        "_ticking", "_transport", "_unheard", "_wake", "_wheel", "_window", "_writing",
        "gives_way_at", "progress", "unsent_bytes",
    )  # fmt: skip

    def __init__(
        self,
        address: Address,
        feed: Feed,
        *,
        epoch_ns: Callable[[], int],
        may_send: Callable[[], bool] = lambda: True,
        hooks: Hooks | None = None,
        pace: Pace | None = None,
        patience: Patience | None = None,
        limits: Limits | None = None,
        wheel: Wheel | None = None,
        bytes_per_second: int = 500_000,
        environment: Environment | None = None,
        open_at: int | None = None,
        rotate_after: int | None = ROTATION_SECONDS,
        read_ahead: ReadAhead | None = None,
    ) -> None:
        self._read_ahead = read_ahead
        self._next_look = 0.0
        self._rotate_after = rotate_after
        self._rotation_of: Programme | None = None
        self._rotation = -1
        self._rotation_ms = 0
        self._opened_at = 0
        self._open_at = open_at
        self._shift_ms = 0
        self._slow_until = 0.0
        self._environment = environment or Environment()
        self._address = address
        self._feed = feed
        self._epoch_of = epoch_ns
        self._epoch_ns = 0
        self._may_send = may_send
        self._hooks = hooks or Hooks()
        self._pace = pace = pace or Pace()
        window_bytes = max(MIN_WINDOW_BYTES, WINDOW_SECONDS * bytes_per_second)
        self._step_ms = int(pace.catch_up * pace.tick)
        self._opening_ms = max(self._step_ms, 1000 * BURST_BYTES // max(1, bytes_per_second))
        self._patience = patience or Patience()
        self._limits = limits or Limits()
        self._wheel = wheel or Wheel(pace.tick, crowd=pace.crowd)
        self._window = window_bytes
        self._loop = asyncio.get_running_loop()
        self._rtmp = Publisher(
            app=address.app,
            tc_url=address.tc_url,
            stream_name=address.key,
            handshake_random=self._environment.random_bytes(1528),
            window_ack_size=window_bytes,
            chunk_size=CHUNK_SIZE,
        )
        self._stream_id = 0
        self._over: asyncio.Future[None] = self._loop.create_future()
        self._ticking = False
        self._writing = False
        self._unheard = 0
        self._is_flooded = False
        self._stopping = False
        self._wake: Callable[[], None] = lambda: None
        self._last_tick_ms = 0
        self._media_from = 0
        self._sent_at_ack = 0
        self._largest_ack_gap = window_bytes
        self._acks = 0
        self._begun_at = self._moved_at = self._ack_at = 0.0
        self._next_sample = self._sampled_at = 0.0
        self._sampled = False
        self.gives_way_at: int | None = None
        """The frame at which a planned successor goes on, once this session was asked to end."""
        self.unsent_bytes = 0
        """What the far end had not taken when the session was over."""
        self.progress = Progress()

    # -- life -------------------------------------------------------------------------------

    async def run(self, transport: Transport) -> None:
        """Publish until the feed has finished or `stop` is called; say goodbye then.

        Takes over `transport` and closes it.

        Raises an `IngestError` for everything else that ends a session, and `TrackError` or
        `ProgrammeError` when there is nothing to play.
        """
        self._transport = transport
        polite, patience = False, self._patience.farewell
        try:
            await self._negotiate()
            if not self._stopping:
                self._begin()
                await self._over
            # One that was not even asked to publish has nothing to be told.
            polite = self._rtmp.state not in _NOT_ASKED
            if self.gives_way_at is not None and not self._stopping:
                patience = self._patience.handover
        finally:
            self._disarm()
            everything_arrived = False
            try:
                everything_arrived = polite and await self._farewell(patience)
            finally:
                # What waits in the kernel would be delivered whenever the network heals: into the
                # next session, or after another node has taken over.
                if everything_arrived:
                    transport.close()
                else:
                    self._count_unsent()
                    transport.abort()

    def _count_unsent(self) -> None:
        # A socket that the far end has reset still knows what was acknowledged.
        with contextlib.suppress(OSError):
            self._transport.acked_bytes()
        self.unsent_bytes = self._transport.unsent_bytes()

    def stop(self) -> None:
        """End the session as soon as the message in flight is out; `run` then returns.

        An ingest that does not take it has `Patience.farewell` seconds for that.
        """
        self._stopping = True
        self._wake()
        if self._media_from and not self._writing:
            self._finish(None)
        elif self._media_from:
            self._loop.call_later(self._patience.farewell, self._leave_unfinished)

    def _leave_unfinished(self) -> None:
        self._finish(ConnectionLost(f"{self._address.host} did not take the end of the stream."))

    def rotate(self) -> bool:
        """Give way to a successor before the next key frame; False when it is not publishing.

        `run` then returns as soon as all before it was sent, and `gives_way_at` says where the
        successor goes on.
        """
        return self._ticking and self.rotate_at(self._feed.next_key)

    def rotate_at(self, frame: int) -> bool:
        """The same at `frame`, which must be a key frame that was not sent yet."""
        if not self._ticking or self._stopping or self.gives_way_at is not None:
            return False
        self._feed.end_at(frame)
        self.gives_way_at = frame
        return True

    def look_ahead(self) -> None:
        """Have read and verified what is sent next, now that it is something else."""
        if self._read_ahead is not None and self._ticking:
            self._read_ahead.look(self._feed)

    @property
    def was_accepted(self) -> bool:
        """Whether the ingest has said yes to the key."""
        return self._stream_id != 0

    # -- before media -----------------------------------------------------------------------

    async def _negotiate(self) -> None:
        try:
            async with asyncio.timeout(self._limits.answer):
                while self._stream_id == 0 and not self._stopping:
                    self._send_control()
                    if self._is_flooded:
                        await asyncio.sleep(self._wheel.tick_seconds)
                    else:
                        await self._readable()
                    self._is_flooded = not self._read()
        except ConnectionLost as error:
            if self._rtmp.state is PublisherState.REQUESTING_PUBLISH:
                # A server that closes with something unread resets the connection.
                raise self._closed() from error
            raise
        except TimeoutError as error:
            raise IngestTimeout(
                f"{self._address.host} did not answer the RTMP {self._step()} in time."
            ) from error

    def _step(self) -> str:
        return self._rtmp.state.value.replace("_", " ")

    async def _readable(self) -> None:
        ready: asyncio.Future[None] = self._loop.create_future()
        descriptor = self._transport.fileno()

        def wake() -> None:
            if not ready.done():
                ready.set_result(None)

        self._wake = wake
        self._loop.add_reader(descriptor, wake)
        try:
            await ready
        finally:
            self._loop.remove_reader(descriptor)

    def _begin(self) -> None:
        """Open the feed at what is on air now, and send headers and the first media."""
        if not self._may_send():
            raise LeaseLost("This node may no longer publish the stream.")
        self._epoch_ns = self._epoch_of()
        feed, pace = self._feed, self._pace
        now_ms, rate = self._now_ms(), feed.programme.video_rate
        frame, wanted = frame_at_ns((now_ms + pace.lead) * 1_000_000, rate), self._open_at
        if wanted is not None and now_ms - frame_ms(wanted, rate) < pace.jump_after:
            frame = wanted
        feed.open(frame)
        self._opened_at = feed.opening_frame
        origin = wire_origin(feed.programme, self._opened_at, period=self._rotate_after)
        self._shift_ms = frame_ms(origin, rate)
        self.progress.connected_ns = self._environment.utc_ns()
        self._media_from = self.progress.bytes_sent
        self._begun_at = self._moved_at = self._ack_at = self._loop.time()
        self._sampled_at = self._moved_at
        self._next_sample = self._moved_at + self._patience.sample
        self._last_tick_ms = now_ms
        # At time 0 whatever the media's: readers of FLV take a later one for a subtitle.
        self._rtmp.queue_metadata(self._metadata())
        opening: list[Buffer] = [self._rtmp.bytes_to_send()]
        opening.extend(
            chunks.encode_message(
                kind.chunk_stream_id,
                kind.message_type,
                self._stream_id,
                self._wire_ms(kind),
                packetiser.sequence_header(kind, feed.codec_header(kind)),
                CHUNK_SIZE,
            )
            for kind in TrackKind
            if feed.codec_header(kind)
        )
        # A great lead is built up over the first ticks: a thousand at once would be a flood.
        until_ms = min(now_ms + pace.lead, feed.sent_until_ms + self._opening_ms)
        size = feed.take(until_ms, opening)
        if not self._is_flooded:
            self._loop.add_reader(self._transport.fileno(), self._on_readable)
        try:
            self._send(opening, size)
        except TrackUnreadable as error:
            raise self._cut_off(error) from error
        self._hooks.first_media()
        self._wheel.add(self._tick)
        self._ticking = True

    def _wire_ms(self, kind: TrackKind) -> int:
        """The timestamp with which a lane opens."""
        return (self._feed.opening_ms(kind) - self._shift_ms) % _WRAP

    def _metadata(self) -> dict[str, float | str | bool]:
        values: dict[str, float | str | bool] = {
            "duration": 0.0,
            "fileSize": 0.0,
            "videocodecid": 7.0,
            "audiocodecid": 10.0,
            "audiosamplesize": 16.0,
            "stereo": True,
            "encoder": f"playout {__version__}",
        }
        video = self._feed.track(TrackKind.VIDEO)
        audio = self._feed.track(TrackKind.AUDIO)
        if video is not None:
            values["width"] = float(video.description.width)
            values["height"] = float(video.description.height)
            values["framerate"] = float(video.description.rate)
            values["videodatarate"] = float(video.description.kbps)
        if audio is not None:
            values["audiodatarate"] = float(audio.description.kbps)
            values["audiosamplerate"] = float(round(audio.description.rate * 1024))
            values["audiochannels"] = 2.0
        return values

    # -- media ------------------------------------------------------------------------------

    def _now_ms(self) -> int:
        return (self._environment.monotonic_ns() - self._epoch_ns) // 1_000_000

    def _tick(self, now: float) -> None:
        if not self._ticking:
            return
        try:
            self._advance(now)
        except Exception as error:  # noqa: BLE001 - `run` raises it
            # Whatever it is, it must not stop the wheel on which the others sit.
            self._finish(error)

    def _advance(self, now: float) -> None:
        if now >= self._next_sample:
            self._sample(now)
        if not self._may_send():
            raise LeaseLost("This node may no longer publish the stream.")
        if self._is_flooded:
            self._is_flooded = False
            self._loop.add_reader(self._transport.fileno(), self._on_readable)
            self._on_readable()
            if not self._ticking:
                return
        now_ms, feed = self._now_ms(), self._feed
        last_tick_ms, self._last_tick_ms = self._last_tick_ms, now_ms
        if self._writing:
            return
        if feed.finished:
            # A successor must not wait: it has the rest of the lead to get ready.
            if self.gives_way_at is not None or now_ms >= feed.sent_until_ms:
                self._finish(None)
            return
        pace, sent_until_ms = self._pace, feed.sent_until_ms
        if is_overdue(pace, now_ms, sent_until_ms):
            if not self._jump(now, now_ms):
                return
            until_ms = min(now_ms + pace.lead, feed.sent_until_ms + self._step_ms)
        else:
            until_ms = horizon(pace, now_ms, sent_until_ms, last_tick_ms)
        buffers: list[Buffer] = []
        size = feed.take(until_ms, buffers)
        if not size:
            return
        try:
            self._send(buffers, size)
        except TrackUnreadable as error:
            self._hooks.unreadable(error)
            feed.jump(feed.take_back())

    def _jump(self, now: float, now_ms: int) -> bool:
        """Leave out what is overdue; False when nothing is left."""
        feed = self._feed
        try:
            feed.jump(frame_at_ns(now_ms * 1_000_000, feed.programme.video_rate))
        except ProgrammeError:
            self._finish(None)
            return False
        progress = self.progress
        progress.jumps += 1
        self._slow_until = now + self._patience.recovering
        if not progress.degraded:
            progress.degraded = True
            self._hooks.slow()
        return True

    def _cut_off(self, error: TrackUnreadable) -> ConnectionLost:
        """Media that a message has begun with is gone: only a new connection mends that."""
        self._feed.take_back()
        self._hooks.unreadable(error)
        return ConnectionLost(f"The session was given up in the middle of a message. {error}")

    def _send(self, buffers: list[Buffer], size: int) -> None:
        self.progress.bytes_sent += size
        if not self._transport.send(buffers, size) and not self._writing:
            self._writing = True
            self._loop.add_writer(self._transport.fileno(), self._on_writable)

    def _send_control(self) -> None:
        data = self._rtmp.bytes_to_send()
        if data:
            if not self._may_send():
                raise LeaseLost("This node may no longer publish the stream.")
            self._unheard = self._unheard + len(data) if self._writing else 0
            if self._unheard > MOST_UNHEARD_BYTES:
                raise ConnectionLost(f"{self._address.host} asks on and on, and takes no answer.")
            self._send([data], len(data))

    def _on_writable(self) -> None:
        try:
            if not self._may_send():
                raise LeaseLost("This node may no longer publish the stream.")
            if not self._transport.flush():
                return
        except PlayoutError as error:
            if isinstance(error.__cause__, TrackUnreadable):
                error = self._cut_off(error.__cause__)
            self._finish(error)
            return
        self._loop.remove_writer(self._transport.fileno())
        self._writing = False
        if self._stopping and self._media_from:
            self._finish(None)

    # -- answers ----------------------------------------------------------------------------

    def _on_readable(self) -> None:
        try:
            if not self._read():
                # What is left waits for the next tick, and the far end with it.
                self._is_flooded = True
                self._loop.remove_reader(self._transport.fileno())
            self._send_control()
        except PlayoutError as error:
            self._finish(error)

    def _read(self) -> bool:
        """Act on what has arrived; False when more of it waits than one turn may read."""
        left = READ_BYTES
        while left > 0:
            data = self._transport.receive()
            if data is None:
                return True
            if not data:
                raise self._closed()
            left -= len(data)
            for event in self._rtmp.receive(data):
                self._take(event)
        return False

    def _closed(self) -> IngestError:
        if self._rtmp.state is PublisherState.REQUESTING_PUBLISH:
            return StreamKeyRejected(
                f"{self._address.host} closed the connection when it was given the stream key."
            )
        return ConnectionLost(f"{self._address.host} closed the connection.")

    def _take(self, event: Event) -> None:
        match event:
            case PublishStarted(stream_id):
                self._stream_id = stream_id
            case Acknowledged():
                self._take_acknowledgement()
            case Rejected(code, _, description):
                words = description.strip().removesuffix(".")
                said = f": {words}" if words else ""
                if code in _KEY_CODES:
                    raise StreamKeyRejected(
                        f"{self._address.host} refused the stream key ({code}){said}."
                    )
                raise ConnectionLost(f"{self._address.host} ended the session ({code}){said}.")
            case Unpublished():
                raise ConnectionLost(f"{self._address.host} ended the stream.")
            case ReconnectRequested():
                raise ConnectionLost(f"{self._address.host} asked for a new connection.")
            case _:
                pass

    def _take_acknowledgement(self) -> None:
        sent = self.progress.bytes_sent
        self._acks += 1
        if self._acks > 1:
            self._largest_ack_gap = max(self._largest_ack_gap, sent - self._sent_at_ack)
        self._sent_at_ack = sent
        self._ack_at = self._loop.time()
        if self._media_from and sent > self._media_from:
            self._prove("ack")

    def _prove(self, proof: str) -> None:
        self.progress.proof = proof
        if self.progress.degraded and self._loop.time() < self._slow_until:
            return
        if not self.progress.acknowledged or self.progress.degraded:
            self.progress.acknowledged = True
            self.progress.degraded = False
            self._hooks.acknowledged()

    def _sample(self, now: float) -> None:
        """Once a second: what has the far end taken, and is it still alive?"""
        patience, progress = self._patience, self.progress
        seconds = now - self._sampled_at
        self._sampled_at, self._next_sample = now, now + patience.sample
        acked = self._transport.acked_bytes()
        moved = acked - progress.bytes_acked
        if self._sampled:
            rate = moved * 8 / 1000 / seconds
            progress.kbps = round(0.8 * progress.kbps + 0.2 * rate if progress.kbps else rate)
        # The first sample holds the lead, which was sent at once and says nothing of the rate.
        self._sampled = True
        progress.bytes_acked = acked
        progress.unsent_bytes = unsent = self._transport.unsent_bytes()
        progress.joins = self._feed.joins
        self._plan_rotation()
        if self._read_ahead is not None and now >= self._next_look:
            self._next_look = now + LOOK_SECONDS
            self._read_ahead.look(self._feed)
        if unsent == 0:
            self._moved_at = now
        elif moved > 0:
            # It may have been the first byte since the last look that moved, and none after it.
            self._moved_at = now - seconds
        quiet = now - self._moved_at
        if (
            self._acks >= ACKS_OF_A_HABIT
            and progress.bytes_sent - self._sent_at_ack > 3 * self._largest_ack_gap
        ):
            # The kernel over there still takes bytes, but the server has stopped reading them.
            quiet = max(quiet, now - self._ack_at)
        # The next look may come a tick too late.
        limit = patience.stalled - self._wheel.tick_seconds
        self._next_sample = min(self._next_sample, now + max(0.0, limit - quiet))
        if quiet >= limit:
            raise IngestStalled(
                f"{self._address.host} has taken nothing for {quiet:.0f} seconds, "
                f"with {unsent} bytes waiting."
            )
        if quiet >= patience.degraded:
            if not progress.degraded:
                progress.degraded = True
                self._hooks.slow()
        elif progress.degraded and self._acks == 0:
            self._prove(progress.proof or "tcp")
        elif not progress.acknowledged and self._acks == 0:
            waited = now - self._begun_at
            if waited >= patience.proof_by_kernel and acked > self._media_from:
                self._prove("tcp")

    def _plan_rotation(self) -> None:
        """Give way at the join where times on the wire begin again, when it is near."""
        feed, period = self._feed, self._rotate_after
        if self._rotation_of is not feed.programme:
            # An edit may have moved the join.
            self._rotation_of = feed.programme
            self._rotation = rotation_at(feed.programme, self._opened_at, period=period)
            self._rotation_ms = frame_ms(self._rotation, feed.programme.video_rate)
        if self._rotation < 0 or self.gives_way_at is not None:
            return
        if self._rotation_ms - feed.sent_until_ms < _PLANNED_SAMPLES * 1000 * self._patience.sample:
            passed = self._rotation < feed.opening_frame
            self.rotate_at(feed.next_key if passed else self._rotation)

    # -- the end ----------------------------------------------------------------------------

    def _finish(self, error: Exception | None) -> None:
        self._disarm()
        if self._over.done():
            return
        if error is None:
            self._over.set_result(None)
        else:
            self._over.set_exception(error)

    def _disarm(self) -> None:
        if self._ticking:
            self._ticking = False
            self._wheel.remove(self._tick)
        with contextlib.suppress(ValueError, OSError):
            descriptor = self._transport.fileno()
            self._loop.remove_reader(descriptor)
            self._loop.remove_writer(descriptor)

    async def _farewell(self, patience: float) -> bool:
        """Unpublish, and wait until the far end has read everything: a reset would cut the tail.

        Waits for its answer for `patience` seconds, and longer only for what is on its way; False
        when something may still be.
        """
        self._rtmp.unpublish()
        transport = self._transport
        with contextlib.suppress(TimeoutError, IngestError, ProtocolViolation):
            async with asyncio.timeout(patience):
                farewell = self._rtmp.bytes_to_send()
                transport.send([farewell], len(farewell))
                while not transport.flush():
                    await self._writable()
                    if not self._may_send():
                        return False
                transport.shutdown()
                while True:
                    await self._readable()
                    while (data := transport.receive()) is not None:
                        if not data:
                            return True
                        # One that talks on and on is left when the patience is over.
                        await asyncio.sleep(0)
        end = self._loop.time() + self._patience.farewell - patience
        with contextlib.suppress(OSError):
            while True:
                transport.acked_bytes()
                if transport.unsent_bytes() == 0:
                    return True
                if self._loop.time() >= end:
                    break
                await asyncio.sleep(self._patience.handover / 10)
        return False

    async def _writable(self) -> None:
        ready: asyncio.Future[None] = self._loop.create_future()
        descriptor = self._transport.fileno()

        def wake() -> None:
            if not ready.done():
                ready.set_result(None)

        self._loop.add_writer(descriptor, wake)
        try:
            await ready
        finally:
            self._loop.remove_writer(descriptor)
