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


@dataclass(frozen=True, slots=True)
class Timing:
    """Seconds between the acts of a supervisor; tests scale them together."""

    sweep: float = 1.0
    renew: float = 5.0
    deadline: float = 12.0
    """After the start of a successful renewal, pumps may send for so long."""
    hold: float = 6 * 3600.0
    """So long a lone node stays on air while its store is out of reach."""


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
        self._alone = False
        self._last_wishes: Sequence[DesiredOutput] = ()
        self._unsent: dict[str, OutputReport] = {}
        self._store = ThreadPoolExecutor(max_workers=1, thread_name_prefix="store")
        self._woken = asyncio.Event()
        self._stopping = False
        self._reachable = True

    def wake(self) -> None:
        """Something has changed: sweep now."""
        self._woken.set()

    async def run(self, stop: asyncio.Event) -> None:
        """Sweep until `stop` is set, then end all outputs gracefully and give up the leases."""
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
            await self._renew()
            desired = await self._wishes()
        except Exception as error:  # noqa: BLE001 - a store may throw anything
            # Whatever the store throws, what is on air stays on air.
            self._unreachable(error)
            if self._alone and not self._stopping:
                # Nobody else can take over: a pump that dies meanwhile gets its outputs back.
                await self._act(self._last_wishes)
        else:
            self._last_wishes = desired
            await self._act(desired)
            if not self._reachable:
                self._reachable = True
                self._pumps.hold(0)
                log.info("The store answers again.")
        await self._report()

    def _unreachable(self, error: Exception) -> None:
        if self._reachable:
            self._reachable = False
            if self._alone:
                self._pumps.hold(self._clock_ns() + int(self._timing.hold * 1e9))
            log.warning("The store does not answer: %s", error)

    async def _call(self, work: Callable[[], T]) -> T:
        return await asyncio.get_running_loop().run_in_executor(self._store, work)

    async def _renew(self) -> None:
        now = self._clock_ns()
        due = self._renewed_ns is None or now - self._renewed_ns >= self._timing.renew * 1e9
        if not self._stopping:
            free = self._capacity - len(self._held)
            claimed = await self._call(lambda: self._leases.claim(self._node, free)) if free else ()
            # New leases count for the pumps only once a renewal has covered them.
            due = due or bool(claimed)
        if due:
            now = self._clock_ns()
            self._held = list(await self._call(lambda: self._leases.renew(self._node)))
            self._alone = await self._call(lambda: self._leases.peers(self._node)) == 0
            self._renewed_ns = now
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
