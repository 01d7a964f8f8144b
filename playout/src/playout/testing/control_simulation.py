"""Seven days of three nodes: leases, reconcile, versions and the time line, from event to event.

The supervisors are the real ones and so are the rules of the store (`MemoryStore` passes the same
suite as the database's) and of the time line; pumps are modelled: an output delivers while it is
set, its deadline allows it, and its node has a turn. A seed decides what happens when: partitions
from the store, outages with lost answers, crashes of nodes and of their control, SIGSTOP, steps of
the wall clock, and what users do (start, stop, skip, jump, play next, swap, add and remove).

A steady state repeats itself with every renewal, so hours in which nothing happens pass on the
programme's clock alone: only what follows an event is simulated sweep by sweep.

Checked (names as in `playout.testing.history`):

    I1 one node at a time delivers an output      I2 the tokens of those that deliver never fall
    I6 what was shown is what the final programme says, whoever showed it; any two nodes that know
       the same versions resolve the same placements, also through JSON and without old versions
    I7 a wanted output is on air soon after the last fault     I8 nothing is shown after a stop

    python -m playout.testing.simulate control --seed 7
"""

from __future__ import annotations

import asyncio
import random
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from fractions import Fraction

from playout.errors import ProgrammeError
from playout.supervisor.ports import DesiredOutput, OutputReport
from playout.supervisor.reconcile import Running
from playout.supervisor.states import OutputState
from playout.supervisor.supervisor import Supervisor, Timing
from playout.testing.history import INVARIANTS, SECOND
from playout.testing.memory_store import GRACE_SECONDS, TTL_SECONDS, MemoryStore
from playout.testing.node import StoreLink
from playout.testing.quiet import unlogged
from playout.testing.virtual_time import VirtualClock, run
from playout.timebase import frame_at_ns
from playout.timeline import edits
from playout.timeline.programme import Item, Programme, Version
from playout.timeline.resolve import placement_at

CHECKED = tuple(f"{name} {INVARIANTS[name]}" for name in ("I1", "I2", "I6", "I7", "I8"))
"""What `simulate` judges, in words."""
RATE = Fraction(30)
AUDIO_RATE = Fraction(44_100, 1024)
NODES = ("ada", "bob", "cyd")
TIMING = Timing()
LEAD_NS = 1_500_000_000
EDIT_AHEAD_NS = 3 * SECOND
NEWS_NS = 3 * SECOND
"""So long a node that can reach the store may take to hear of an edit."""
BACK_WITHIN = TTL_SECONDS + GRACE_SECONDS + 2 * TIMING.sweep + 7.0
"""Seconds within which an output is on air again once nothing is wrong: another node takes over."""
CONTACT_SECONDS = 25.0
"""A taker may want that much unbroken contact with the store first."""
QUIET_SECONDS, QUIET_IN_TROUBLE_SECONDS = 12.0, 45.0


@dataclass(slots=True)
class _Output:
    """An output as a modelled pump has it."""

    running: Running
    programme: Programme
    begins_ns: int
    ends_ns: int | None = None
    graceful: bool = True


class ModelPumps:
    """The pumps of one node; `Pumps` for its supervisor."""

    def __init__(self, node: Node) -> None:
        self._node = node
        self.outputs: dict[str, _Output] = {}
        self.until_ns = 0
        self.hold_until_ns = 0
        self.reported: list[OutputReport] = []
        self.starting_until_ns = 0

    def running(self) -> Mapping[str, Running] | None:
        """See `Pumps`."""
        if self._node.clock_ns() < self.starting_until_ns:
            return None
        return {output_id: output.running for output_id, output in self.outputs.items()}

    def set_output(self, desired: DesiredOutput) -> None:
        """See `Pumps`."""
        assert desired.programme is not None  # noqa: S101 - the contract of `Pumps`
        known = self.outputs.get(desired.output_id)
        programme = Programme.from_json(desired.programme.to_json())
        now = self._node.clock_ns()
        begins = known.begins_ns if known is not None else now + SECOND // 2
        self.outputs[desired.output_id] = _Output(
            Running(desired.token, desired.generation), programme, begins
        )

    def drop_output(self, output_id: str, *, graceful: bool) -> None:
        """See `Pumps`."""
        output = self.outputs.get(output_id)
        if output is None:
            return
        if not graceful:
            del self.outputs[output_id]
        elif output.ends_ns is None:
            output.running = replace(output.running, stopping=True)
            output.ends_ns = self._node.clock_ns() + self._node.world.chance.randrange(2 * SECOND)

    def extend_deadline(self, until_ns: int) -> None:
        """See `Pumps`."""
        self.until_ns = max(self.until_ns, until_ns)

    def hold(self, until_ns: int) -> None:
        """See `Pumps`."""
        self.hold_until_ns = until_ns

    def take_reports(self) -> Sequence[OutputReport]:
        """See `Pumps`."""
        reports, self.reported = self.reported, []
        return reports

    # -- what they do -----------------------------------------------------------------------

    def settle(self) -> None:
        """End what was told to end, and say how all of it stands."""
        now = self._node.clock_ns()
        for output_id, output in list(self.outputs.items()):
            over = output.ends_ns is not None and now >= output.ends_ns
            state = OutputState.IDLE if over else OutputState.ON_AIR
            self.reported.append(
                OutputReport(output_id, output.running.token, output.running.generation, state, now)
            )
            if over:
                del self.outputs[output_id]
        self.reported = self.reported[-20:]

    def allowed_until(self) -> int:
        """The instant up to which anything may be sent."""
        return max(self.until_ns, self.hold_until_ns)


class Node:
    """One node: its clock, its control, its pumps."""

    def __init__(self, world: World, name: str) -> None:
        self.world = world
        self.name = name
        self.store = StoreLink(world.store)
        self.pumps = ModelPumps(self)
        self._offset_ns = world.chance.randrange(1, 10**6) * SECOND
        self._drift = 1 + world.chance.uniform(-1e-4, 1e-4)
        self.frozen = False
        self.supervisor: Supervisor | None = None
        self.start()

    def clock_ns(self) -> int:
        """Its own boot clock, which runs at its own pace."""
        return self._offset_ns + int(self.world.now_ns * self._drift)

    def start(self) -> None:
        """Control starts, or starts again."""
        self.supervisor = Supervisor(
            self.name,
            leases=self.store,
            desired=self.store,
            reports=self.store,
            pumps=self.pumps,
            timing=TIMING,
            clock_ns=self.clock_ns,
        )

    def kill_control(self) -> None:
        """Control dies; the pumps go on."""
        if self.supervisor is not None:
            self.supervisor.close()
            self.supervisor = None

    def crash(self) -> None:
        """The whole machine is gone; a fresh one has no pumps and no permission."""
        self.kill_control()
        self.pumps = ModelPumps(self)

    async def sweep(self) -> None:
        """One turn, if it gets one."""
        if self.supervisor is not None and not self.frozen:
            self.pumps.settle()
            await self.supervisor.sweep()

    def delivers(self, output_id: str) -> tuple[int, Programme] | None:
        """Token and programme of what it sends of an output now; None for nothing."""
        output = self.pumps.outputs.get(output_id)
        now = self.clock_ns()
        if self.frozen or output is None or now < output.begins_ns:
            return None
        if now >= self.pumps.allowed_until():
            return None
        if output.ends_ns is not None and now >= output.ends_ns:
            return None
        return output.running.token, output.programme


@dataclass(slots=True)
class Result:
    """What a run came to."""

    seed: int
    violations: list[str]
    trace: list[str]
    sweeps: int
    events: int
    shown: int
    days: float


@dataclass(frozen=True, slots=True)
class _Seen:
    """A stretch of one programme that was found to be right."""

    programme: Programme
    newest: Programme
    begin: int
    end: int

    def holds(self, programme: Programme, newest: Programme, frame: int) -> bool:
        """Whether it answers for `frame` under these very programmes."""
        same = programme is self.programme and newest is self.newest
        return same and self.begin <= frame < self.end


class World:
    """One run."""

    def __init__(self, seed: int, *, days: float) -> None:
        self.seed = seed
        self.days = days
        self.chance = random.Random(seed)
        self.now_ns = 0
        """What leases, deadlines and sweeps go by."""
        self.skipped_ns = 0
        """What only the programme's clock has seen."""
        self.store = MemoryStore(clock_ns=lambda: self.now_ns)
        self.store.other_nodes = len(NODES) - 1
        self.nodes = [Node(self, name) for name in NODES]
        self.outputs = tuple(f"output-{n}" for n in range(self.chance.randint(1, 3)))
        self.trace: list[str] = []
        self.violations: list[str] = []
        self.troubles: set[str] = set()
        self.sweeps = self.events = self.shown = 0
        self._phase = [self.chance.randrange(SECOND) for _ in NODES]
        self._step_ns = SECOND // 2
        self._token: dict[str, int] = {}
        self._wanted: dict[str, bool] = {}
        self._calm_since_ns: dict[str, int] = {}
        self._changed_ns: dict[str, int] = {}
        self._released_ns: dict[str, int | None] = {}
        self._programmes: dict[str, Programme] = {}
        self._seen: dict[tuple[str, str], _Seen] = {}
        self._played: dict[str, list[tuple[int, str, int]]] = {o: [] for o in self.outputs}
        self._edits: dict[str, list[tuple[int, int]]] = {o: [] for o in self.outputs}
        self._heal: list[tuple[int, str, Callable[[], None]]] = []
        self._pool = [
            Item(f"item-{n}", f"/v/{n}", f"/a/{n}", self.chance.randrange(40, 20_000))
            for n in range(9)
        ]

    # -- time -------------------------------------------------------------------------------

    @property
    def programme_ns(self) -> int:
        """Since the epoch of all programmes."""
        return self.now_ns + self.skipped_ns

    def _frame(self, ahead_ns: int = 0) -> int:
        return frame_at_ns(self.programme_ns + ahead_ns, RATE)

    def say(self, text: str) -> None:
        """A line of the trace."""
        hours = self.programme_ns / SECOND / 3600
        self.trace.append(f"{hours:9.4f} h {self.now_ns / SECOND:10.2f} s  {text}")

    def broke(self, text: str) -> None:
        """An invariant does not hold."""
        self.say(f"VIOLATED {text}")
        self.violations.append(f"{text} (at {self.now_ns / SECOND:.2f} s)")

    # -- users ------------------------------------------------------------------------------

    def want(self, output_id: str) -> None:
        """The user wants the output, with its programme as it is now."""
        self._wanted[output_id] = True
        self._released_ns[output_id] = None
        self._changed_ns[output_id] = self.now_ns
        self.store.want(
            DesiredOutput(
                output_id, 0, True, 0, "rtmp://ingest/live", output_id, self._programmes[output_id]
            )
        )

    def stop(self, output_id: str) -> None:
        """The user stops the output."""
        self._wanted[output_id] = False
        self._changed_ns[output_id] = self.now_ns
        self.store.stop(output_id)

    def edit(self, output_id: str) -> None:
        """The user changes what is on air, or what comes."""
        programme = self._programmes[output_id]
        frame = self._frame(EDIT_AHEAD_NS)
        kind = self.chance.choice(("skip", "jump", "play next", "swap", "follow"))
        try:
            versions = self._versions(kind, programme, frame)
        except ProgrammeError as error:
            self.say(f"{output_id}: {kind} is refused: {error}")
            return
        self.say(f"{output_id}: {kind}, {len(versions)} versions")
        if not versions:
            return
        if versions[0].effective_from < frame:
            self.broke(f"{kind} takes effect before frame {frame}: {versions[0].effective_from}")
        # What was shown is history: only what is to come may change.
        before = placement_at(programme, frame - 1)
        self._programmes[output_id] = edits.appended(programme, versions)
        after = placement_at(self._programmes[output_id], frame - 1)
        if (before and (before.item, before.start)) != (after and (after.item, after.start)):
            self.broke(f"I6: {kind} changes what was on air before it")
        self._edits[output_id].append((self.now_ns, versions[0].effective_from))
        if self._wanted[output_id]:
            self.want(output_id)

    def _versions(self, kind: str, programme: Programme, frame: int) -> tuple[Version, ...]:
        chance = self.chance
        items = chance.sample(self._pool, chance.randint(1, len(self._pool)))
        seed = chance.choice((None, chance.randrange(1000)))
        if kind == "skip":
            return edits.skip(programme, at_frame=frame)
        if kind == "jump":
            entry = chance.randrange(len(programme.versions[-1].items))
            return edits.jump(programme, at_frame=frame, entry=entry)
        if kind == "play next":
            return edits.play_next(programme, at_frame=frame, item=chance.choice(self._pool))
        if kind == "swap":
            at: edits.At = "item" if chance.random() < 0.5 else "key"
            return edits.swap(programme, at_frame=frame, items=items, at=at, seed=seed)
        return edits.follow(programme, at_frame=frame, items=items, seed=seed)

    # -- faults -----------------------------------------------------------------------------

    def _trouble(self, name: str, seconds: float, end: Callable[[], None]) -> None:
        self.troubles.add(name)
        self._heal.append((self.now_ns + int(seconds * SECOND), name, end))

    def _join(self) -> None:
        for each in self.nodes:
            each.store.is_cut = False

    def _fault(self) -> None:
        chance = self.chance
        node = chance.choice(self.nodes)
        kind = chance.choice(
            ("partition", "outage", "lost answers", "crash", "control", "freeze", "wall", "slow")
        )
        name = f"{kind} {node.name}"
        if any(node.name in other or "outage" in other for other in self.troubles):
            return
        seconds = chance.choice((0.5, 3.0, 8.0, 14.0, 24.0, 31.0, 90.0, 400.0)) * chance.uniform(
            0.7, 1.3
        )
        self.say(f"{name} for {seconds:.1f} s")
        if kind == "partition":
            node.store.is_cut = True
            self._trouble(name, seconds, lambda: setattr(node.store, "is_cut", False))
        elif kind == "outage":
            for each in self.nodes:
                each.store.is_cut = True
            self._trouble("outage", seconds, self._join)
        elif kind == "lost answers":
            share = chance.choice((0.2, 0.6, 0.95))
            node.store.fails = lambda number, call: (
                chance.choice(("request", "answer")) if chance.random() < share else ""
            )
            self._trouble(name, seconds, lambda: setattr(node.store, "fails", lambda n, c: ""))
        elif kind == "crash":
            node.crash()
            self._trouble(name, seconds, node.start)
        elif kind == "control":
            node.kill_control()
            self._trouble(name, seconds, node.start)
        elif kind == "freeze":
            node.frozen = True
            self._trouble(name, seconds, lambda: setattr(node, "frozen", False))
        elif kind == "wall":
            # Nothing here reads the wall clock: what runs must not notice.
            self.clock.step_wall(chance.choice((3600, -3600, 315_360_000)) * SECOND)
        else:
            pumps = node.pumps
            pumps.starting_until_ns = node.clock_ns() + int(seconds * SECOND)
            pumps.outputs.clear()
            # It may be healed before its time.
            self._trouble(name, seconds, lambda: setattr(pumps, "starting_until_ns", 0))

    # -- judging as it goes -----------------------------------------------------------------

    def _look(self) -> None:
        for output_id in self.outputs:
            senders = []
            for node in self.nodes:
                sends = node.delivers(output_id)
                if sends is not None:
                    senders.append((node, *sends))
            if len(senders) > 1:
                names = " and ".join(f"{n.name} (token {token})" for n, token, _ in senders)
                self.broke(f"I1: {output_id} is delivered by {names}")
            for node, token, programme in senders:
                if token < self._token.get(output_id, 0):
                    self.broke(f"I2: {output_id}: {node.name} delivers with the old token {token}")
                self._token[output_id] = max(token, self._token.get(output_id, 0))
                self._judge_shown(output_id, node, programme)
            self._judge_wish(output_id, bool(senders))

    def _judge_shown(self, output_id: str, node: Node, programme: Programme) -> None:
        frame, now = self._frame(LEAD_NS), self.now_ns
        newest = self._programmes[output_id]
        self.shown += 1
        seen = self._seen.get((node.name, output_id))
        if seen is not None and seen.holds(programme, newest, frame):
            return
        placement = placement_at(programme, frame)
        if placement is None:
            return
        calm = self._calm_since_ns.get(output_id, 0)
        is_troubled = bool(self.troubles) or now - calm <= NEWS_NS
        unheard = programme != newest
        if unheard:
            heard_by = max((at for at, _ in self._edits[output_id]), default=0) + NEWS_NS
            if now > heard_by and not is_troubled:
                self.broke(f"I6: {node.name} still has an old programme of {output_id}")
        known = placement_at(newest, frame)
        if known is None or (known.item, known.start) != (placement.item, placement.start):
            if not (unheard and is_troubled):
                self.broke(
                    f"I6: {node.name} shows {placement.item.id} of {output_id} at frame {frame}, "
                    f"the programme says {known.item.id if known else 'nothing'}"
                )
            return
        self._played[output_id].append((frame, placement.item.id, placement.start))
        if not unheard:
            end = min(placement.end, known.end)
            self._seen[node.name, output_id] = _Seen(programme, newest, frame, end)

    def _judge_wish(self, output_id: str, is_shown: bool) -> None:
        now = self.now_ns
        calm = max(self._calm_since_ns.get(output_id, 0), self._changed_ns.get(output_id, 0))
        if self.troubles:
            self._calm_since_ns[output_id] = now
            calm = now
        if self._wanted[output_id]:
            on = placement_at(self._programmes[output_id], self._frame(LEAD_NS)) is not None
            patience = (BACK_WITHIN + CONTACT_SECONDS) * SECOND
            if on and not is_shown and now - calm > patience:
                self.broke(f"I7: {output_id} is wanted and has not been on air since it was calm")
                self._calm_since_ns[output_id] = now
            return
        holder, _ = self.store.holder_of(output_id)
        if self._released_ns.get(output_id) is None and not holder:
            self._released_ns[output_id] = now
        if is_shown and self._released_ns.get(output_id) is not None:
            self.broke(f"I8: {output_id} is shown after its stop was done")
        if is_shown and not self.troubles and now - calm > BACK_WITHIN * SECOND:
            self.broke(f"I8: {output_id} is still shown long after it was stopped")

    def _agree(self) -> None:
        """Any two nodes resolve the same, whatever they have forgotten."""
        for output_id in self.outputs:
            whole = self._programmes[output_id]
            frame = self._frame(LEAD_NS)
            known = [whole, Programme.from_json(whole.to_json())]
            in_force = [n for n, v in enumerate(whole.versions) if v.effective_from <= frame]
            if in_force:
                known.append(replace(whole, versions=whole.versions[in_force[-1] :]))
            probes = [frame + self.chance.randrange(30 * 86_400) for _ in range(3)]
            for probe in (frame, *probes):
                found = {
                    (p.item.id, p.start, p.end) if p is not None else None
                    for p in (placement_at(programme, probe) for programme in known)
                }
                if len(found) != 1:
                    self.broke(f"I6: copies of one programme disagree about frame {probe}: {found}")

    # -- the run ----------------------------------------------------------------------------

    async def live(self, clock: VirtualClock) -> None:
        """Seven days."""
        self.clock = clock
        for output_id in self.outputs:
            items = tuple(self.chance.sample(self._pool, 4))
            self._programmes[output_id] = Programme(
                epoch_ns=0,
                video_rate=RATE,
                audio_rate=AUDIO_RATE,
                versions=(Version(1, 0, items, seed=self.chance.choice((None, 5))),),
            )
            self.want(output_id)
        end_ns = int(self.days * 86_400 * SECOND)
        mean_pause = self.chance.choice((1.5, 4.0)) * 3600
        storm = 0
        await self._pass(QUIET_SECONDS)
        while self.programme_ns < end_ns:
            if storm:
                storm -= 1
                await self._pass(self.chance.uniform(0.0, 12.0), at_most=True)
            else:
                pause = self.chance.expovariate(1 / mean_pause)
                await self._pass(pause)
                storm = self.chance.choice((0, 0, 1, 3))
            self.events += 1
            self._act()
        await self._pass(BACK_WITHIN + CONTACT_SECONDS)
        self._judge_history()

    def _act(self) -> None:
        output_id = self.chance.choice(self.outputs)
        roll = self.chance.random()
        if roll < 0.5:
            self._fault()
        elif roll < 0.8:
            self.edit(output_id)
        elif self._wanted[output_id]:
            self.say(f"{output_id}: stop")
            self.stop(output_id)
        else:
            self.say(f"{output_id}: start")
            self.want(output_id)

    async def _pass(self, seconds: float, *, at_most: bool = False) -> None:
        """Simulate until all is quiet, and let the rest of `seconds` pass at once."""
        until = self.programme_ns + int(seconds * SECOND)
        quiet_since, before = self.now_ns, self._signature()
        while self.programme_ns < until or (self.troubles and not at_most):
            await self._step()
            signature = self._signature()
            if signature != before:
                quiet_since, before = self.now_ns, signature
            patience = QUIET_IN_TROUBLE_SECONDS if self.troubles else QUIET_SECONDS
            if self.now_ns - quiet_since < patience * SECOND:
                continue
            if self.troubles:
                # Nothing changes until the next fault heals, so that may as well be now.
                first = min(self._heal)[0]
                if first > self.now_ns:
                    self._heal = [(at - (first - self.now_ns), *rest) for at, *rest in self._heal]  # type: ignore[misc]
                quiet_since = self.now_ns
            elif until > self.programme_ns:
                self._agree()
                self.skipped_ns += until - self.programme_ns

    def _signature(self) -> object:
        rows = [(self.store.holder_of(o), self._wanted[o]) for o in self.outputs]
        running = [
            (node.name, output_id, output.running, node.delivers(output_id) is not None)
            for node in self.nodes for output_id, output in node.pumps.outputs.items()
        ]  # fmt: skip
        return rows, running

    async def _step(self) -> None:
        before = self.now_ns
        self.now_ns += self._step_ns
        for healing in sorted(self._heal, key=lambda entry: entry[0]):
            at, name, end = healing
            if at <= self.now_ns:
                self._heal.remove(healing)
                end()
                self.say(f"{name}: over")
                self._calm_since_ns = dict.fromkeys(self.outputs, self.now_ns)
                if not any(other == name for _, other, _ in self._heal):
                    self.troubles.discard(name)
        self._look()
        for node, phase in zip(self.nodes, self._phase, strict=True):
            if (before - phase) // SECOND != (self.now_ns - phase) // SECOND:
                self.sweeps += 1
                await node.sweep()
                self._look()

    def _judge_history(self) -> None:
        """I6 once more: what each node showed when is what the final programme says."""
        for output_id, played in self._played.items():
            final = self._programmes[output_id]
            for frame, item_id, start in played:
                placement = placement_at(final, frame)
                if placement is None or (placement.item.id, placement.start) != (item_id, start):
                    self.broke(
                        f"I6: {output_id} showed {item_id} at frame {frame}; the final programme "
                        f"says {placement.item.id if placement else 'nothing'}"
                    )
                    break


@unlogged()
def simulate(seed: int, *, days: float = 7.0) -> Result:
    """Run `seed`; the same seed gives the same run."""
    clock = VirtualClock()
    world = World(seed, days=days)

    async def main() -> None:
        try:
            await world.live(clock)
        finally:
            for node in world.nodes:
                node.kill_control()
            await asyncio.sleep(0)

    run(main(), clock=clock)
    return Result(
        seed=seed,
        violations=world.violations,
        trace=world.trace,
        sweeps=world.sweeps,
        events=world.events,
        shown=world.shown,
        days=world.programme_ns / SECOND / 86_400,
    )
