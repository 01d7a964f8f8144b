"""The loop that closes the difference between wished and real, sweep after sweep.

Every sweep begins from the rows alone: a crash, a deploy, a lost message and an expired lease are
all just the next sweep.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import Protocol, TypeVar

from playout import clock
from playout.supervisor.ports import (
    DesiredOutput,
    DesiredStates,
    Lease,
    Leases,
    OutputReport,
    Reports,
)
from playout.supervisor.reconcile import (
    AwaitMedia,
    DropOutput,
    ReleaseLease,
    Running,
    SetOutput,
    reconcile,
)
from playout.supervisor.states import OutputState

log = logging.getLogger(__name__)
T = TypeVar("T")

CLAIMED_AT_ONCE = 50
"""Outputs that one sweep claims at most."""


@dataclass(frozen=True, slots=True)
class Timing:
    """Seconds between the acts of a supervisor; tests scale them together."""

    sweep: float = 1.0
    renew: float = 5.0
    deadline: float = 12.0
    """After the start of a successful renewal, pumps may send for so long."""
    hold: float = 6 * 3600.0
    """So long a lone node stays on air while its store is out of reach."""
    ttl: float = 20.0
    """So long a lease lasts. Proof that nobody else can take over is no proof when it is older."""
    answer: float = 5.0
    """A store that has not answered after so long does not answer."""


@dataclass(frozen=True, slots=True)
class Remembered:
    """What a node must know to go on without its store."""

    leases: tuple[Lease, ...]
    wishes: tuple[DesiredOutput, ...]
    alone: bool
    """No other node was registered."""
    peers: Mapping[str, str]
    """The other registered nodes, and where each answers."""
    confirmed_ns: int
    """Boot-time nanoseconds at which it was last certain that the leases are this node's."""


class Memory(Protocol):
    """Keeps what is on air across restarts of control."""

    def save(self, remembered: Remembered) -> None:
        """Keep it, in place of what was kept before."""
        ...

    def confirm(self, at_ns: int) -> None:
        """At boot-time `at_ns` the leases were still this node's."""
        ...

    def load(self) -> Remembered | None:
        """What was kept; None when there is nothing, or nothing that can be used."""
        ...


class Peers(Protocol):
    """The other nodes."""

    def addresses(self) -> Mapping[str, str]:
        """Where each registered one answers; read from the store, blocking, may raise."""
        ...

    async def all_cut(self, peers: Mapping[str, str]) -> bool | None:
        """Whether every one of them says that it cannot reach the store either: False as soon as
        one can, None when one does not answer."""
        ...


class Pumps(Protocol):
    """The pumps of this node, as the supervisor sees them."""

    def running(self) -> Mapping[str, Running] | None:
        """What runs now; None while a pump is being started and nothing is known."""
        ...

    def set_output(self, desired: DesiredOutput) -> None:
        """Start an output or bring it to a generation."""
        ...

    def drop_output(self, output_id: str, *, graceful: bool) -> None:
        """End an output."""
        ...

    def extend_deadline(self, until_ns: int) -> None:
        """Let pumps send until boot-time `until_ns`."""
        ...

    def hold(self, until_ns: int) -> None:
        """Let pumps send until boot-time `until_ns` whatever the deadline says; 0 takes it back."""
        ...

    def take_reports(self) -> Sequence[OutputReport]:
        """The newest report of each output since the last call."""
        ...


class Supervisor:
    """Sweeps for one node. `wake()` makes the next sweep come at once."""

    def __init__(
        self,
        node: str,
        *,
        leases: Leases,
        desired: DesiredStates,
        reports: Reports,
        pumps: Pumps,
        capacity: int = 2000,
        timing: Timing | None = None,
        memory: Memory | None = None,
        peers: Peers | None = None,
        keep_when_cut_off: bool = False,
        clock_ns: Callable[[], int] = clock.boottime_ns,
    ) -> None:
        self._node = node
        self._leases = leases
        self._desired = desired
        self._reports = reports
        self._pumps = pumps
        self._capacity = capacity
        self._timing = timing or Timing()
        self._clock_ns = clock_ns
        self._held: list[Lease] = []
        self._renewed_ns: int | None = None
        self._memory = memory
        self._peers = peers
        self._keep_when_cut_off = keep_when_cut_off
        self._alone = False
        self._addresses: Mapping[str, str] = {}
        self._confirmed_ns: int | None = None
        self._asked_ns: int | None = None
        self._cut = False
        self._holding = False
        self._kept: object = None
        self._busy: asyncio.Future[object] | None = None
        self._last_wishes: Sequence[DesiredOutput] = ()
        self._unsent: dict[str, OutputReport] = {}
        self._store = ThreadPoolExecutor(max_workers=1, thread_name_prefix="store")
        self._woken = asyncio.Event()
        self._stopping = False
        self._reachable = True

    def wake(self) -> None:
        """Something has changed: sweep now."""
        self._woken.set()

    @property
    def is_cut(self) -> bool:
        """Whether the store could not be reached for the last renewal or claim.

        Only these count: whoever can claim can take over, whatever else fails.
        """
        return self._cut

    async def run(self, stop: asyncio.Event) -> None:
        """Sweep until `stop` is set, then end all outputs gracefully and give up the leases."""
        self._recall()
        stopping = asyncio.create_task(stop.wait(), name="stop")
        try:
            while not stop.is_set():
                await self.sweep()
                waking = asyncio.create_task(self._woken.wait(), name="wake")
                try:
                    await asyncio.wait(
                        (stopping, waking),
                        timeout=self._timing.sweep,
                        return_when=asyncio.FIRST_COMPLETED,
                    )
                finally:
                    waking.cancel()
                self._woken.clear()
        finally:
            stopping.cancel()

    async def drain(self, *, seconds: float = 10.0) -> None:
        """End all outputs gracefully and release their leases, within `seconds`."""
        self._stopping = True
        try:
            async with asyncio.timeout(seconds):
                while self._held:
                    await self.sweep()
                    if self._held:
                        await asyncio.sleep(0.1)
        except TimeoutError:
            log.warning("%d outputs did not end in time.", len(self._held))

    def close(self) -> None:
        """Let go of the thread that speaks to the store."""
        self._store.shutdown(wait=False, cancel_futures=True)

    async def sweep(self) -> None:
        """Renew, claim, read wishes, act, report: once. Never raises for an unreachable store."""
        try:
            await self._contact()
            desired = await self._wishes()
        except Exception as error:  # noqa: BLE001 - a store may throw anything
            # Whatever the store throws, what is on air stays on air.
            self._unreachable(error)
            await self._consider_holding()
            if self._holding and not self._stopping:
                # Nobody else can take over: a pump that dies meanwhile gets its outputs back.
                await self._act(self._last_wishes)
        else:
            self._last_wishes = desired
            await self._remember()
            await self._act(desired)
            if not self._reachable:
                self._reachable = True
                log.info("The store answers again.")
            if self._holding:
                self._holding = False
                self._pumps.hold(0)
        await self._report()

    def _unreachable(self, error: Exception) -> None:
        if self._reachable:
            self._reachable = False
            self._asked_ns = None
            log.warning("The store does not answer: %s", error or type(error).__name__)

    async def _consider_holding(self) -> None:
        """Go on past the deadline for as long as there is proof that nobody can take over.

        The proof must follow the last one, or the last renewal, within the life of a lease:
        whoever was away for longer cannot know who took over meanwhile. Until there is one it is
        asked for in each sweep, since others may notice some seconds later that a store hangs.
        """
        now = self._clock_ns()
        timing = self._timing
        if (
            self._holding
            and self._asked_ns is not None
            and now - self._asked_ns < timing.renew * 1e9
        ):
            return
        self._asked_ns = now
        fresh = self._confirmed_ns is not None and now - self._confirmed_ns <= timing.ttl * 1e9
        if fresh and self._alone:
            until_ns = now + int(timing.hold * 1e9)
        elif fresh and self._peers is not None and self._addresses:
            cut = await self._peers.all_cut(self._addresses)
            if cut is False or (cut is None and not self._keep_when_cut_off):
                self._let_go("another node can reach it" if cut is False else "peers are silent")
                return
            # A peer that reaches the store again needs more than twice as long to take over.
            until_ns = now + int(timing.deadline * 1e9)
        elif self._keep_when_cut_off and self._held:
            until_ns = now + int(timing.deadline * 1e9)
        else:
            self._let_go("it is not certain that nobody else can take over")
            return
        if not self._holding:
            log.warning("The store is away and nobody else can take over: going on.")
        self._holding = True
        self._confirmed_ns = now
        self._pumps.hold(until_ns)
        if self._memory is not None:
            self._memory.confirm(now)

    def _let_go(self, why: str) -> None:
        if self._holding:
            log.warning("The store is away and %s: streams stop at their deadline.", why)
            self._pumps.hold(0)
        self._holding = False

    def _recall(self) -> None:
        """Know again what the predecessor of this control had on air."""
        found = self._memory.load() if self._memory is not None else None
        if found is None:
            return
        self._held, self._last_wishes = list(found.leases), found.wishes
        self._alone, self._addresses = found.alone, found.peers
        self._confirmed_ns = found.confirmed_ns
        if found.confirmed_ns > self._clock_ns():
            self._confirmed_ns = None

    async def _remember(self) -> None:
        memory = self._memory
        if memory is None or self._confirmed_ns is None:
            return
        # Programmes are not compared: their output's generation changes with them.
        about = (
            self._alone,
            dict(self._addresses),
            [(w.output_id, w.token, w.generation, w.programme is None) for w in self._last_wishes],
        )
        if about == self._kept:
            return
        self._kept = about
        remembered = Remembered(
            leases=tuple(self._held),
            wishes=tuple(self._last_wishes),
            alone=self._alone,
            peers=dict(self._addresses),
            confirmed_ns=self._confirmed_ns,
        )
        await asyncio.to_thread(memory.save, remembered)

    async def _call(self, work: Callable[[], T]) -> T:
        """Ask the store, within the time in which an answer is any use."""
        if self._busy is not None and not self._busy.done():
            raise TimeoutError("an earlier question is still without an answer")
        asked = asyncio.get_running_loop().run_in_executor(self._store, work)
        self._busy = asked  # type: ignore[assignment]
        # Also when we are ended meanwhile: the store may answer, or fail, when nobody waits.
        asked.add_done_callback(_forget_answer)
        done, _ = await asyncio.wait((asked,), timeout=self._timing.answer)
        if not done:
            raise TimeoutError("no answer in time")
        return asked.result()

    async def _contact(self) -> None:
        try:
            await self._renew()
        except Exception:
            self._cut = True
            raise
        self._cut = False

    async def _renew(self) -> None:
        now = self._clock_ns()
        due = self._renewed_ns is None or now - self._renewed_ns >= self._timing.renew * 1e9
        if not self._stopping:
            # A share at a time: other nodes want some too, and connections begin one by one anyway.
            free = min(self._capacity - len(self._held), CLAIMED_AT_ONCE)
            claimed = await self._call(lambda: self._leases.claim(self._node, free)) if free else ()
            # New leases count for the pumps only once a renewal has covered them.
            due = due or bool(claimed)
        if due:
            now = self._clock_ns()
            self._held = list(await self._call(lambda: self._leases.renew(self._node)))
            self._alone = await self._call(lambda: self._leases.peers(self._node)) == 0
            if self._peers is not None:
                self._addresses = {} if self._alone else await self._call(self._peers.addresses)
            self._renewed_ns = self._confirmed_ns = now
            if self._memory is not None:
                self._memory.confirm(now)
            self._pumps.extend_deadline(now + int(self._timing.deadline * 1e9))

    async def _wishes(self) -> Sequence[DesiredOutput]:
        if self._stopping:
            return ()
        held = list(self._held)
        return await self._call(lambda: self._desired.desired(self._node, held)) if held else ()

    async def _act(self, desired: Sequence[DesiredOutput]) -> None:
        running = self._pumps.running()
        if running is None:
            return
        released: list[Lease] = []
        for action in reconcile(self._held, desired, running):
            match action:
                case SetOutput(wish):
                    self._pumps.set_output(wish)
                case DropOutput(output_id, graceful):
                    self._pumps.drop_output(output_id, graceful=graceful)
                case AwaitMedia(wish):
                    self._unsent[wish.output_id] = OutputReport(
                        output_id=wish.output_id,
                        token=wish.token,
                        generation=wish.generation,
                        state=OutputState.PREPARING,
                        at_ns=clock.utc_ns(),
                    )
                case ReleaseLease(lease):
                    released.append(lease)
        if released:
            # What the outputs said last must be stored while the lease still counts.
            await self._report()
            try:
                await self._call(lambda: self._leases.release(self._node, released))
            except Exception as error:  # noqa: BLE001 - a store may throw anything
                self._unreachable(error)
                return
            self._held = [lease for lease in self._held if lease not in released]

    async def _report(self) -> None:
        for report in self._pumps.take_reports():
            earlier = self._unsent.get(report.output_id)
            self._unsent[report.output_id] = report if earlier is None else report.after(earlier)
        if not self._unsent:
            return
        sending = list(self._unsent.values())
        try:
            await self._call(lambda: self._reports.report(self._node, sending))
        except Exception as error:  # noqa: BLE001 - a store may throw anything
            self._unreachable(error)
            return
        for report in sending:
            if self._unsent.get(report.output_id) is report:
                del self._unsent[report.output_id]


def _forget_answer(late: asyncio.Future[T]) -> None:
    """An answer that came too late is of no use, and neither is its error."""
    if not late.cancelled():
        late.exception()
