"""The whole engine, byte for byte, on simulated time and a simulated network.

Two nodes (supervisor, pump, outputs, sessions, feeds, wheel, back-off: the code that is on air)
publish one or two streams of tiny tracks to a recording ingest, under leases of a store in memory.
All constants are a twentieth of production's: fifteen simulated minutes stand for five hours. From
the seed come which kinds of fault this run knows, when they strike, and in which order things that
are ready together happen.

Checked afterwards, on what the ingest wrote down (names as in `playout.testing.history`):

    I1 one session of a key at a time    I2 tokens never fall         I3 timestamps never fall
    I4 sessions open properly            I5 gaps only where excused   I6 content is the programme's
    I7 live soon after the last fault    I8 silence after a stop
    and: nothing sent further ahead than the lead, what waits unsent is bounded, no task breaks.

    python -m playout.testing.simulate air --seed 7
"""

from __future__ import annotations

import asyncio
import functools
import itertools
import random
import tempfile
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from fractions import Fraction
from pathlib import Path

from playout.media import REORDER_FRAMES, TrackKind
from playout.publisher.environment import Environment
from playout.publisher.output import OutputOptions
from playout.publisher.session import Patience
from playout.publisher.transport import Limits
from playout.pump.pacing import Pace
from playout.rtmp.events import MessageKind
from playout.supervisor.ports import DesiredOutput, OutputReport
from playout.supervisor.states import OutputState
from playout.supervisor.supervisor import Timing
from playout.testing import history
from playout.testing.history import INVARIANTS, SECOND, Span
from playout.testing.memory_store import MemoryStore
from playout.testing.network import SimulatedNetwork, SimulatedSocket
from playout.testing.node import SimulatedNode
from playout.testing.quiet import unlogged
from playout.testing.recording import Arrival, Manners, SessionRecord, digest_of
from playout.testing.simulated_ingest import SimulatedIngest
from playout.testing.tracks import write_item
from playout.testing.virtual_time import VirtualClock, VirtualLoop, run
from playout.timebase import convert_frames, frame_ms
from playout.timeline.programme import Item, Programme, Version
from playout.timeline.resolve import placement_at, sound_at
from playout.tracks.reader import Track

CHECKED = (
    *(f"{name} {text}" for name, text in INVARIANTS.items()),
    "nothing is sent further ahead than the lead",
    "what waits unsent is bounded",
    "no task breaks",
)
"""What `simulate` judges, in words."""
SCALE = 1 / 20
PACE = Pace(tick=25, lead=75, jump_after=200)
"""The tick is only a tenth: half the work, and still three in a lead."""
PATIENCE = Patience(
    degraded=5 * SCALE,
    stalled=8 * SCALE,
    proof_by_kernel=4 * SCALE,
    farewell=2 * SCALE,
    sample=SCALE,
)
LIMITS = Limits(resolve=5 * SCALE, connect=5 * SCALE, tls=5 * SCALE, answer=10 * SCALE)
TIMING = Timing(sweep=0.2, renew=5 * SCALE, deadline=12 * SCALE, hold=6 * 3600 * SCALE)
TTL_SECONDS = 20 * SCALE

GOP = 6
PICTURE_BYTES = 500
SEND_BUFFER_BYTES = 8 << 10
RECEIVE_BUFFER_BYTES = 4 << 10
ITEM_FRAMES = (67, 101, 45, 90, 24)
HOST = "ingest.test"
EDIT_AHEAD_SECONDS = 0.6
LONGEST_CALM_GAP_SECONDS = 0.12
"""Media comes every 34 ms at least; the latency may change, and two ticks may fall together."""

LONGEST_CALM_CHANGE_SECONDS = 0.3

QUICK, SLOW, LEASE = 1.2, 5.0, 3.0
"""Seconds within which a stream must be back: after a passing fault; after one that looks like
wrong settings (a twentieth of 60 s of patience); after another node had to take over."""


Act = Callable[["Air"], object]


@dataclass(frozen=True, slots=True)
class Fault:
    """A kind of fault: what does it, what undoes it, how long it lasts, how soon it is over."""

    name: str
    begin: tuple[Act, ...]
    end: tuple[Act, ...] = ()
    seconds: tuple[float, float] = (0.0, 0.0)
    allowance: float = QUICK


def _network(**values: object) -> Act:
    return lambda air: air.network.change(HOST, **values)


def _manner(name: str, value: object) -> Act:
    return lambda air: setattr(air.ingest.manners, name, value)


def _throttle(air: Air) -> None:
    rate = air.chance.uniform(0.3, 0.9) * 40 * PICTURE_BYTES
    air.network.change(HOST, bytes_per_second=rate)


def _reset(air: Air) -> None:
    air.count(air.network.reset(HOST))


def _hang_up(air: Air) -> None:
    air.count(air.ingest.hang_up())


def _restart(air: Air) -> None:
    air.ingest.restart()


def _refuse_keys(air: Air) -> None:
    air.ingest.manners.refused.update(air.keys)


FAULTS: tuple[Fault, ...] = (
    Fault("reset", (_reset,)),
    Fault("hang up", (_hang_up,)),
    Fault("server dies", (_restart,)),
    Fault("server away", (_restart, _network(refuses=True)), (_network(refuses=False),),
          (0.1, 3.0)),
    Fault("black hole up", (_network(lost_up=True),), (_network(lost_up=False),), (0.1, 2.0)),
    Fault("black hole down", (_network(lost_down=True),), (_network(lost_down=False),), (0.1, 2.0)),
    Fault("black hole", (_network(lost_up=True, lost_down=True),),
          (_network(lost_up=False, lost_down=False),), (0.1, 2.0)),
    Fault("throttled", (_throttle,), (_network(bytes_per_second=None),), (0.2, 3.0),
          LEASE),
    Fault("far away", (_network(latency=0.2),), (_network(latency=0.01),), (0.3, 2.0)),
    Fault("short writes", (_network(short_writes=0.5),), (_network(short_writes=0.0),), (0.5, 5.0)),
    Fault("name unknown", (_network(unresolvable=True), _reset), (_network(unresolvable=False),),
          (0.1, 3.0)),
    Fault("key refused", (_refuse_keys, _reset), (lambda air: air.ingest.manners.refused.clear(),),
          (0.1, 2.0), SLOW),
    Fault("hangs up on publishers", (_manner("closes_on_publish", True), _reset),
          (_manner("closes_on_publish", False),), (0.1, 1.5), SLOW),
    Fault("says nothing", (_manner("answers", False), _reset), (_manner("answers", True),),
          (0.1, 1.5)),
    Fault("stops acknowledging", (_manner("acknowledges", False),),
          (_manner("acknowledges", True),), (1.0, 12.0)),
    Fault("stops reading", (lambda air: air.ingest.read_on(False),),
          (lambda air: air.ingest.read_on(True),), (0.1, 2.0)),
    Fault("pings", (lambda air: air.ingest.ping_all(),), allowance=0.0),
    # Flipped bits may leave the ingest waiting for bytes that never come: only a reset ends that.
    Fault("flips a bit", (_network(corrupts_next=True),), (_reset,), (0.3, 0.6), SLOW),
    Fault("track gone", (lambda air: air.hide_an_item(),), (lambda air: air.show_all_items(),),
          (0.5, 8.0)),
    Fault("track turned to noise", (lambda air: air.spoil_an_item(),),
          (lambda air: air.mend_all_items(),), (0.5, 8.0)),
    Fault("holder cut off", (lambda air: air.cut(holder=True),), (lambda air: air.join(),),
          (0.2, 4.0), LEASE),
    Fault("other cut off", (lambda air: air.cut(holder=False),), (lambda air: air.join(),),
          (0.2, 4.0), LEASE),
    Fault("store away", (lambda air: air.cut_all(),), (lambda air: air.join(),), (0.1, 3.0), LEASE),
    Fault("answers lost", (lambda air: air.lose_answers(0.3),),
          (lambda air: air.lose_answers(0.0),), (0.5, 4.0), LEASE),
    Fault("pump dies", (lambda air: air.holder().kill_pump(),)),
    Fault("control dies", (lambda air: air.holder().kill_control(),),
          (lambda air: air.start_controls(),), (0.1, 2.0), LEASE),
    Fault("loop blocked", (lambda air: air.block(air.chance.choice((0.05, 0.2, 0.5, 1.0, 3.0))),),
          allowance=LEASE),
    Fault("machine sleeps", (lambda air: air.sleep(air.chance.choice((0.3, 1.0, 20.0))),),
          allowance=LEASE),
    Fault("stopped and started", (lambda air: air.stop(),), (lambda air: air.want(),),
          (0.3, 3.0), LEASE),
)  # fmt: skip
EDIT = "edit"
QUIET_FAULTS = frozenset(("holder cut off", "other cut off", "store away", "answers lost",
                          "control dies", "loop blocked", "machine sleeps"))  # fmt: skip
"""Those that keep news of an edit from a node: they wait until it has been heard."""


@dataclass(slots=True)
class Result:
    """What a run came to."""

    seed: int
    violations: list[str]
    trace: list[str]
    sessions: int
    messages: int
    faults: dict[str, int] = field(default_factory=dict)
    reconnect_seconds: list[float] = field(default_factory=list)
    """From each reset of a single connection to the next picture."""


class Air:
    """One run."""

    def __init__(self, seed: int, *, minutes: float, directory: Path) -> None:
        self.chance: random.Random = random.Random(seed)
        self.seed = seed
        self.minutes = minutes
        self.directory = directory
        self.clock = VirtualClock()
        self.trace: list[str] = []
        self.faults: dict[str, int] = {}
        self.tokens: list[tuple[str, int]] = []
        self.excuses: list[Span] = []
        self.off: list[Span] = []
        self.breaks: list[int] = []
        self._off_since: int | None = None
        self._edited_at = -1e9
        self._broken_item: tuple[Item, int] | None = None
        self._spoilt: tuple[Item, int, bytes] | None = None
        self.damage: list[tuple[str, Span]] = []
        self.errors: list[str] = []
        self.network: SimulatedNetwork
        self.ingest: SimulatedIngest
        self.nodes: list[SimulatedNode]
        self.store: MemoryStore
        self.programme: Programme
        self.keys = tuple(f"key-{n}" for n in range(1 + self.chance.randrange(2)))
        self.known = self.chance.sample(FAULTS, self.chance.randint(3, len(FAULTS)))
        self.edits = self.chance.random() < 0.7
        self.mean_pause = self.chance.choice((2.0, 6.0, 15.0))
        self.shuffles = self.chance.random() < 0.5
        self.rotate_after: int | None = self.chance.choice((None, None, 37, 100))
        """Seconds of programme between planned changes of connection; 14 days in production."""

    # -- what happens to it -----------------------------------------------------------------

    def say(self, text: str) -> None:
        """A line of the trace."""
        self.trace.append(f"{self.clock.boottime_ns() / SECOND:10.3f}  {text}")

    def count(self, connections: int) -> None:
        """So many connections were broken just now."""
        if connections:
            self.breaks.append(self.clock.boottime_ns())

    def holder(self) -> SimulatedNode:
        """The node that holds the first output, or the first one."""
        name = self.store.holder_of(self.keys[0])[0]
        return next((node for node in self.nodes if node.name == name), self.nodes[0])

    def cut(self, *, holder: bool) -> None:
        """Keep one node from the store."""
        held = self.holder()
        for node in self.nodes:
            node.store.is_cut = (node is held) == holder

    def cut_all(self) -> None:
        """Keep all nodes from the store."""
        for node in self.nodes:
            node.store.is_cut = True

    def join(self) -> None:
        """Let all nodes reach the store again."""
        for node in self.nodes:
            node.store.is_cut = False

    def lose_answers(self, share: float) -> None:
        """Let `share` of the calls to the store fail, half of them after they took effect."""

        def fails(number: int, name: str) -> str:
            if self.chance.random() >= share:
                return ""
            return self.chance.choice(("request", "answer"))

        for node in self.nodes:
            node.store.fails = fails

    def start_controls(self) -> None:
        """Restart what is missing."""
        for node in self.nodes:
            if not node.has_control:
                node.start_control()

    def block(self, seconds: float) -> None:
        """The process gets no turn for a while; the world goes on."""
        self.clock.advance(int(seconds * SECOND))

    def sleep(self, seconds: float) -> None:
        """The machine is suspended: only the monotonic clock stands still."""
        self.clock.sleep(int(seconds * SECOND))

    def hide_an_item(self) -> None:
        """One item's files are gone."""
        item = self.chance.choice(self.items)
        Path(item.video).rename(f"{item.video}.gone")
        self._broken_item = (item, self.clock.boottime_ns())

    def spoil_an_item(self) -> None:
        """One item's index is replaced by noise, as a broken disk or copy leaves it."""
        item = self.chance.choice(self.items)
        index = Path(item.video) / "video.index"
        if index.exists():
            self._spoilt = (item, self.clock.boottime_ns(), index.read_bytes())
            _replace(index, self.chance.randbytes(500))

    def mend_all_items(self) -> None:
        """The index is what it was."""
        if self._spoilt is not None:
            item, since, index = self._spoilt
            for directory in (Path(item.video), Path(f"{item.video}.gone")):
                if directory.exists():
                    _replace(directory / "video.index", index)
            self.damage.append((item.id, Span(since, self.clock.boottime_ns())))
            self._spoilt = None

    def show_all_items(self) -> None:
        """The files are back."""
        if self._broken_item is not None:
            item, since = self._broken_item
            Path(f"{item.video}.gone").rename(item.video)
            self.damage.append((item.id, Span(since, self.clock.boottime_ns())))
            self._broken_item = None

    def stop(self) -> None:
        """The user stops all outputs."""
        for key in self.keys:
            self.store.stop(key)

    def want(self) -> None:
        """The user wants all outputs, with the programme as it is now."""
        self._off_since = None
        for key in self.keys:
            self.store.want(
                DesiredOutput(key, 0, True, 0, f"rtmp://{HOST}/live", key, self.programme, key)
            )

    # -- programmes -------------------------------------------------------------------------

    def now_ms(self, at_ns: int) -> int:
        """The programme's clock at a monotonic instant."""
        return (at_ns - self._start_ns) // 1_000_000

    def _session_ms(self, origin_ms: int, at_ns: int) -> int:
        """The clock of a session whose 0 lies at `origin_ms`."""
        return self.now_ms(at_ns) - origin_ms

    def edit(self) -> None:
        """A new version, at an item boundary or at the next key frame."""
        rate = self.programme.video_rate
        now_ms = self.now_ms(self.clock.boottime_ns())
        earliest = int((now_ms / 1000 + EDIT_AHEAD_SECONDS) * rate) + 1
        earliest = max(earliest, self.programme.versions[-1].effective_from + 1)
        placement = placement_at(self.programme, earliest)
        if placement is None:
            return
        if self.chance.random() < 0.5:
            at = placement.end
        else:
            within = earliest - placement.start
            at = placement.start + GOP * -(-within // GOP)
            if at >= placement.end:
                at = placement.end
        items = tuple(self.chance.sample(self.items, self.chance.randint(2, len(self.items))))
        entry = self.chance.randrange(len(items))
        offset = self.chance.choice((0, GOP, 2 * GOP))
        version = Version(
            n=len(self.programme.versions) + 1,
            effective_from=at,
            items=items,
            entry=entry,
            offset=offset if offset < items[entry].frames else 0,
        )
        self.programme = replace(self.programme, versions=(*self.programme.versions, version)[-40:])
        self._history.append(version)
        self._edited_at = self.clock.boottime_ns() / SECOND
        self.want()

    # -- the run ----------------------------------------------------------------------------

    async def live(self) -> None:
        """Set up, let things happen, heal everything, and end."""
        loop = asyncio.get_running_loop()
        assert isinstance(loop, VirtualLoop)  # noqa: S101 - whoever runs it sees to that
        loop.set_exception_handler(
            lambda _, context: self.errors.append(
                str(context.get("exception") or context["message"])
            )
        )
        self.network = SimulatedNetwork(
            loop,
            chance=self.chance,
            send_buffer_bytes=SEND_BUFFER_BYTES,
            receive_buffer_bytes=RECEIVE_BUFFER_BYTES,
        )
        self.ingest = SimulatedIngest(
            self.network, HOST, manners=Manners(exclusive=False, window_ack_bytes=20_000)
        )
        self.store = MemoryStore(clock_ns=self.clock.boottime_ns, ttl_seconds=TTL_SECONDS)
        self.store.other_nodes = 1
        self.sockets: list[SimulatedSocket] = []
        options = OutputOptions(
            pace=PACE,
            patience=PATIENCE,
            limits=LIMITS,
            environment=Environment(
                monotonic_ns=self.clock.boottime_ns,
                utc_ns=self.clock.time_ns,
                random=self.chance.random,
                random_bytes=self.chance.randbytes,
                connect=self._connect,
            ),
            time_scale=SCALE,
            rotate_after=self.rotate_after,
        )
        self.items = [
            write_item(self.directory, f"item-{n}", frames, gop=GOP, picture_bytes=PICTURE_BYTES)
            for n, frames in enumerate(ITEM_FRAMES)
        ]
        self._learn_items()
        self._start_ns = self.clock.boottime_ns()
        version = Version(n=1, effective_from=0, items=tuple(self.items[:3]))
        self._history = [version]
        self.programme = Programme(
            epoch_ns=self.clock.time_ns(),
            video_rate=self._tracks[self.items[0].id, TrackKind.VIDEO].description.rate,
            audio_rate=self._tracks[self.items[0].id, TrackKind.AUDIO].description.rate,
            versions=(version,),
        )
        self.want()
        self.excuses.append(Span(self._start_ns, self._start_ns + int(LEASE * SECOND), "start"))
        self.nodes = [
            SimulatedNode(name, self.directory, self.store, options, TIMING) for name in ("a", "b")
        ]
        for node in self.nodes:
            node.start()
        watching = asyncio.create_task(self._watch())
        await self._suffer(self._start_ns / SECOND + self.minutes * 60)
        self.say("all healed")
        await asyncio.sleep(SLOW + LEASE)
        self.ended_ns = self.clock.boottime_ns()
        self.say("stopped for good")
        self.stop()
        await asyncio.sleep(LEASE)
        watching.cancel()
        for node in self.nodes:
            await node.stop()

    async def _connect(self, *args: object, **options: object) -> SimulatedSocket:
        socket = await self.network.connect(*args, **options)  # type: ignore[arg-type]
        self.sockets.append(socket)
        return socket

    async def _watch(self) -> None:
        """Note tokens, and since when the streams were off for certain."""
        while True:
            await asyncio.sleep(0.05)
            reports = []
            for key in self.keys:
                self.tokens.append((key, self.store.holder_of(key)[1]))
                reports.append((self.store.report_of(key), self.store.holder_of(key)[0]))
            off = all(_is_off(report) and not holder for report, holder in reports)
            wanted = self.store.wish_of(self.keys[0]).on
            now = self.clock.boottime_ns()
            # What a frozen server's kernel has taken is out of our hands: it reads that later.
            if off and not wanted and (self._off_since is not None or self.ingest.is_reading):
                if self._off_since is None:
                    self._off_since = now
                    self.off.append(Span(now, now, "stopped"))
                else:
                    self.off[-1] = replace(self.off[-1], end_ns=now)
            else:
                self._off_since = None

    async def _suffer(self, until: float) -> None:
        loop = asyncio.get_running_loop()
        active: list[tuple[float, Fault, int]] = []
        while loop.time() < until or active:
            next_at = loop.time() + self.chance.expovariate(1 / self.mean_pause)
            while active and active[0][0] <= next_at:
                at, fault, began = active.pop(0)
                await asyncio.sleep(max(0.0, at - loop.time()))
                self._heal(fault, began)
            await asyncio.sleep(max(0.0, next_at - loop.time()))
            if loop.time() >= until:
                continue
            if self.edits and self.chance.random() < 0.3:
                if not any(fault.name in QUIET_FAULTS for _, fault, _ in active):
                    self.say(EDIT)
                    self.edit()
                continue
            fault = self.chance.choice(self.known)
            if any(other.name == fault.name or {other.name, fault.name} <= QUIET_FAULTS
                   for _, other, _ in active):  # fmt: skip
                continue
            if fault.name in QUIET_FAULTS:
                heard_at = self._edited_at + EDIT_AHEAD_SECONDS
                await asyncio.sleep(max(0.0, heard_at - loop.time()))
            self.faults[fault.name] = self.faults.get(fault.name, 0) + 1
            began = self.clock.boottime_ns()
            self.say(fault.name)
            for act in fault.begin:
                act(self)
            seconds = self.chance.uniform(*fault.seconds)
            if seconds:
                active.append((loop.time() + seconds, fault, began))
                active.sort(key=lambda entry: entry[0])
            else:
                self._excuse(fault, began)

    def _heal(self, fault: Fault, began: int) -> None:
        self.say(f"{fault.name}: over")
        for act in fault.end:
            act(self)
        self._excuse(fault, began)

    def _excuse(self, fault: Fault, began: int) -> None:
        now = self.clock.boottime_ns()
        allowance = fault.allowance
        recent = [span for span in self.excuses if span.end_ns > began and span.what != "pings"]
        if recent and allowance:
            # Several in a row look like a key that is not accepted.
            allowance = max(allowance, SLOW)
        self.excuses.append(Span(began, now + int(allowance * SECOND), fault.name))

    # -- the judgement ----------------------------------------------------------------------

    def _learn_items(self) -> None:
        self._tracks: dict[tuple[str, TrackKind], Track] = {}
        self._digests: dict[tuple[str, TrackKind], list[bytes]] = {}
        for item in self.items:
            for kind in TrackKind:
                track = Track.open(Path(item.video), kind)
                self._tracks[item.id, kind] = track
                self._digests[item.id, kind] = [
                    digest_of(track.body(n)) for n in range(track.frames)
                ]

    def _origin_ms(self, session: SessionRecord) -> int:
        """The programme time that counts as 0 in a session: some multiple of the rotation."""
        first = next(session.media(), None)
        if self.rotate_after is None or first is None:
            return 0
        period = 1000 * self.rotate_after
        return period * round((self.now_ms(first.at_ns) + PACE.lead - first.timestamp) / period)

    def _expected(self, origin_ms: int, arrival: Arrival) -> bytes | None:
        """The digest that the programme puts at the time of `arrival`; None for any."""
        at_ms = origin_ms + arrival.timestamp
        whole = self._whole
        if arrival.kind is MessageKind.VIDEO:
            rate: Fraction = whole.video_rate
            frame = round(at_ms * rate / 1000)
            placement = placement_at(whole, frame)
            if placement is None or self._was_damaged(placement.item.id, placement.start, rate):
                return None
            digests = self._digests[placement.item.id, TrackKind.VIDEO]
            return (
                digests[frame - placement.start] if frame - placement.start < len(digests) else b""
            )
        rate = whole.audio_rate
        delay = frame_ms(REORDER_FRAMES, whole.video_rate)
        frame = round((at_ms - delay) * rate / 1000)
        sound = sound_at(whole, frame)
        if sound is None:
            return None
        start = convert_frames(sound.begin, rate, whole.video_rate)
        if self._was_damaged(sound.item_id, start, whole.video_rate):
            return None
        digests = self._digests[sound.item_id, TrackKind.AUDIO]
        return digests[frame - sound.start] if frame - sound.start < len(digests) else b""

    def _was_damaged(self, item_id: str, start: int, rate: Fraction) -> bool:
        # A placement is decided about when it begins, or when a session opens within it.
        begin = self._start_ns + int(start / rate * SECOND) - SECOND
        end = begin + 6 * SECOND
        return any(
            damaged == item_id and span.begin_ns <= end and begin <= span.end_ns
            for damaged, span in self.damage
        )

    def judge(self) -> list[str]:
        """All violations."""
        found = [f"broke: {error}" for error in self.errors]
        found += history.tokens_grow(self.tokens)
        self._whole = replace(self.programme, versions=tuple(self._history))
        flipped = set(map(id, self.network.corrupted))
        spoilt = {
            record.number for record, socket in self.ingest.socket_of.items()
            if id(socket.peer) in flipped
        }  # fmt: skip
        off = [Span(s.begin_ns, s.end_ns + int(LEASE * SECOND)) for s in self.off]
        for key in self.keys:
            sessions = self.ingest.of(key)
            found += history.one_at_a_time(sessions)
            found += history.silent(sessions, self.off)
            gaps = history.gaps(
                sessions,
                begin_ns=self._start_ns,
                end_ns=self.ended_ns,
                longer_than_ns=int(LONGEST_CALM_GAP_SECONDS * SECOND),
            )
            excuses = [*self.excuses, *off, *self._changes(sessions)]
            found += history.excused(gaps, excuses, slack_ns=SECOND // 20)
            for session in sessions:
                if session.number in spoilt:
                    continue
                found += history.times_never_fall(session)
                found += history.opens_properly(session)
                origin_ms = self._origin_ms(session)
                expected = functools.partial(self._expected, origin_ms)
                found += history.content_is(session, expected)
                found += history.complete(
                    session,
                    {MessageKind.VIDEO: (33, 34), MessageKind.AUDIO: (23, 24)},
                    [*self.excuses, *self._blurred()],
                )
                found += history.never_ahead(
                    session, functools.partial(self._session_ms, origin_ms), lead_ms=PACE.lead + 35
                )
        most = max((socket.most_waiting for socket in self.sockets), default=0)
        bound = _bytes_of_a_lead()
        if most > bound:
            found.append(f"{most} bytes waited unsent; {bound} are enough")
        return found

    def _blurred(self) -> list[Span]:
        """A missing track leaves sound off the grid for as long."""
        return [Span(s.begin_ns - SECOND, s.end_ns + 6 * SECOND) for _, s in self.damage]

    def _changes(self, sessions: list[SessionRecord]) -> list[Span]:
        """The planned changes of connection among `sessions` of one key, which take a moment.

        The lead is a twentieth of production's, round trips are not: it does not bridge them.
        """
        delivering = [session for session in sessions if session.last_media_ns is not None]
        delivering.sort(key=lambda session: session.last_media_ns or 0)
        return [
            Span(last, last + int(LONGEST_CALM_CHANGE_SECONDS * SECOND), "planned change")
            for session, following in itertools.pairwise(delivering)
            if (last := session.last_media_ns) is not None
            and session.end == "unpublished"
            and self._origin_ms(session) != self._origin_ms(following)
        ]

    def reconnects(self) -> list[float]:
        """Seconds from each broken connection to the next picture, where nothing else was wrong."""
        found = []
        for at in self.breaks:
            spans = [s for s in self.excuses if s.covers(at)]
            if len(spans) > 1 or any(span.covers(at) for span in self.off):
                continue
            coming = [
                session.first_media_ns for session in self.ingest.of(self.keys[0])
                if session.first_media_ns is not None and session.first_media_ns > at
            ]  # fmt: skip
            if coming:
                found.append((min(coming) - at) / SECOND)
        return found


def _replace(file: Path, content: bytes) -> None:
    """Another file of that name: who has mapped the old one keeps it."""
    fresh = file.with_suffix(".new")
    fresh.write_bytes(content)
    fresh.rename(file)


def _is_off(report: OutputReport | None) -> bool:
    return report is not None and report.state in (OutputState.IDLE, OutputState.STOPPING)


def _bytes_of_a_lead() -> int:
    """What one tick may hand over at most: a lead, the group of pictures it opens with, headers."""
    frames = PACE.lead / 1000 * 30 + GOP + 2 * PACE.tick / 1000 * 30 + 2
    sounds = (PACE.lead + 250) / 1000 * 43 + 2
    return int(frames * (PICTURE_BYTES + 40) + sounds * 40 + 1000)


@unlogged()
def simulate(seed: int, *, minutes: float = 15.0) -> Result:
    """Run `seed`; the same seed gives the same run, to the byte."""
    with tempfile.TemporaryDirectory(prefix="playout-air-") as directory:
        air = Air(seed, minutes=minutes, directory=Path(directory))
        order = random.Random(seed + 1) if air.shuffles else None
        run(air.live(), clock=air.clock, chance=order)
        return Result(
            seed=seed,
            violations=air.judge(),
            trace=air.trace,
            sessions=len(air.ingest.sessions),
            messages=sum(len(s.arrivals) for s in air.ingest.sessions),
            faults=air.faults,
            reconnect_seconds=air.reconnects(),
        )
