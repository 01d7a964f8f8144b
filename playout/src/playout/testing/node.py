"""A node in memory: the real supervisor and the real pump, without processes between them.

The two talk in the messages of the node protocol, so that a crash of either is what it is in the
world: a conversation that ends, a deadline that stays, connections that their kernel closes.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Protocol, TypeVar

from playout import clock
from playout.node.deadline import Deadline
from playout.node.messages import decode, desired_to_json, encode, report_from_json
from playout.node.pump_process import Pump
from playout.publisher.output import OutputOptions
from playout.supervisor.ports import (
    DesiredOutput,
    DesiredStates,
    Lease,
    Leases,
    OutputReport,
    Reports,
)
from playout.supervisor.reconcile import Running
from playout.supervisor.supervisor import Supervisor, Timing

log = logging.getLogger(__name__)
T = TypeVar("T")


class Store(Leases, DesiredStates, Reports, Protocol):
    """All three ports in one, as a database is."""


class StoreLink:
    """One node's way to the store, which may be cut or lose answers.

    `calls` counts the calls made; `fails` is asked before each whether it should fail
    (`"request"`: it never reached the store; `"answer"`: it did, but nobody hears of it).
    """

    def __init__(self, store: Store) -> None:
        self._store = store
        self.is_cut = False
        self.calls = 0
        self.fails: Callable[[int, str], str] = lambda number, name: ""

    def _call(self, name: str, work: Callable[[], T]) -> T:
        self.calls += 1
        how = "request" if self.is_cut else self.fails(self.calls, name)
        if how == "request":
            raise ConnectionError("the store cannot be reached")
        answer = work()
        if how == "answer":
            raise TimeoutError("the store did not answer")
        return answer

    def claim(self, node: str, limit: int) -> Sequence[Lease]:
        """See `Leases`."""
        return self._call("claim", lambda: self._store.claim(node, limit))

    def renew(self, node: str) -> Sequence[Lease]:
        """See `Leases`."""
        return self._call("renew", lambda: self._store.renew(node))

    def peers(self, node: str) -> int:
        """See `Leases`."""
        return self._call("peers", lambda: self._store.peers(node))

    def release(self, node: str, leases: Sequence[Lease]) -> None:
        """See `Leases`."""
        self._call("release", lambda: self._store.release(node, leases))

    def desired(self, node: str, leases: Sequence[Lease]) -> Sequence[DesiredOutput]:
        """See `DesiredStates`."""
        return self._call("desired", lambda: self._store.desired(node, leases))

    def report(self, node: str, reports: Sequence[OutputReport]) -> None:
        """See `Reports`."""
        self._call("report", lambda: self._store.report(node, reports))


class _ToControl:
    """The pump's end of the conversation."""

    def __init__(self, node: SimulatedNode) -> None:
        self._node = node
        self._closed = False

    def write(self, data: bytes) -> None:
        if not self._closed:
            self._node.hear(self, data)

    def close(self) -> None:
        self._closed = True

    def is_closing(self) -> bool:
        return self._closed

    async def drain(self) -> None:
        return


class SimulatedNode:
    """Control and pump of one node; `Pumps` for its own supervisor.

    `start` both; `kill_pump` and `kill_control` take one away as SIGKILL does, and each comes back
    by itself or by `start_control`.
    """

    PUMP_STARTS_IN = 0.05
    CONTROL_STARTS_IN = 0.25

    def __init__(
        self, name: str, directory: Path, store: Store, options: OutputOptions, timing: Timing
    ) -> None:
        self.name = name
        self.store = StoreLink(store)
        self._options = options
        self._timing = timing
        self._deadline = Deadline(directory / f"{name}.deadline")
        self.pump: Pump | None = None
        self._pump_run: asyncio.Task[None] | None = None
        self._supervisor: Supervisor | None = None
        self._control_run: asyncio.Task[None] | None = None
        self._to_control: _ToControl | None = None
        self._running: dict[str, Running] | None = None
        self._reports: dict[str, OutputReport] = {}
        self._is_stopped = False
        self.messages = 0
        """Messages of the node protocol so far."""
        self.message_fails: Callable[[], bool] = lambda: False
        """Asked for each message; True breaks the conversation, and control starts again."""

    # -- life -------------------------------------------------------------------------------

    def start(self) -> None:
        """Begin with a fresh pump and a fresh control."""
        self._start_pump()
        self.start_control()

    def _start_pump(self) -> None:
        self.pump = Pump(Deadline(self._deadline.path), self._options)
        self._pump_run = asyncio.create_task(self.pump.run(), name=f"pump of {self.name}")
        if self._control_run is not None:
            self._link()

    def start_control(self) -> None:
        """Start control, which finds the pump that runs."""
        self._supervisor = Supervisor(
            self.name,
            leases=self.store,
            desired=self.store,
            reports=self.store,
            pumps=self,
            timing=self._timing,
            clock_ns=clock.boottime_ns,
        )
        self._reports.clear()
        self._control_run = asyncio.create_task(
            self._supervisor.run(asyncio.Event()), name=f"control of {self.name}"
        )
        self._link()

    def _link(self) -> None:
        if self.pump is not None:
            self._to_control = _ToControl(self)
            self.pump.greet(self._to_control)
            self._tell("hello")

    @property
    def has_control(self) -> bool:
        """Whether control runs."""
        return self._control_run is not None

    def kill_control(self) -> None:
        """Control dies; what is on air stays on air until its deadline."""
        if self._control_run is None or self._supervisor is None:
            return
        self._control_run.cancel()
        self._supervisor.close()
        self._control_run = self._supervisor = None
        if self.pump is not None and self._to_control is not None:
            self.pump.part_from(self._to_control)
            self._to_control.close()
        self._to_control = None
        self._running = None

    def kill_pump(self) -> None:
        """The pump dies, and its successor starts soon after."""
        pump, self.pump = self.pump, None
        if pump is None or self._pump_run is None:
            return
        self._running = None
        self._to_control = None
        for output in pump.outputs.values():
            output.stopping = True
            if output.task is not None:
                output.task.cancel()
        pump.outputs.clear()
        self._pump_run.cancel()
        asyncio.get_running_loop().call_later(self.PUMP_STARTS_IN, self._start_pump)

    async def stop(self) -> None:
        """End everything, gracefully where there is somebody left to do so."""
        self._is_stopped = True
        self.kill_control()
        if self.pump is not None and self._pump_run is not None:
            self.pump.stop()
            with contextlib.suppress(asyncio.CancelledError):
                await self._pump_run
            self.pump = None

    # -- the conversation -------------------------------------------------------------------

    def hear(self, source: _ToControl, line: bytes) -> None:
        """The pump says something."""
        if source is not self._to_control or self._supervisor is None:
            return
        self.messages += 1
        if self.message_fails():
            self._break()
            return
        message = decode(line)
        listed = message.get("outputs" if message["type"] == "hello" else "running")
        if listed is not None:
            self._running = {
                str(each["output_id"]): Running(
                    token=int(each["token"]),
                    generation=int(each["generation"]),
                    finished=bool(each["finished"]),
                    stopping=bool(each["stopping"]),
                )
                for each in listed
            }
        if message["type"] == "report":
            for values in message["outputs"]:
                report = report_from_json(values)
                waiting = self._reports.get(report.output_id)
                self._reports[report.output_id] = (
                    report if waiting is None else report.after(waiting)
                )
        self._supervisor.wake()

    def _break(self) -> None:
        loop = asyncio.get_running_loop()
        # Not from within the sweep that was talking.
        loop.call_soon(self.kill_control)
        loop.call_later(self.CONTROL_STARTS_IN, self._begin_again)

    def _begin_again(self) -> None:
        if not self.has_control and not self._is_stopped:
            self.start_control()

    def _tell(self, kind: str, **values: object) -> None:
        if self.pump is not None:
            self.messages += 1
            if self.message_fails():
                self._break()
                return
            self.pump.take(decode(encode(kind, **values)))

    def running(self) -> Mapping[str, Running] | None:
        """See `Pumps`."""
        return self._running

    def set_output(self, desired: DesiredOutput) -> None:
        """See `Pumps`."""
        self._tell("set", output=desired_to_json(desired))
        if self._running is not None:
            self._running[desired.output_id] = Running(desired.token, desired.generation)

    def drop_output(self, output_id: str, *, graceful: bool) -> None:
        """See `Pumps`."""
        has = None if self._running is None else self._running.get(output_id)
        if self._running is not None and has is not None:
            self._running[output_id] = Running(has.token, has.generation, stopping=True)
        self._tell("drop", output_id=output_id, graceful=graceful)

    def extend_deadline(self, until_ns: int) -> None:
        """See `Pumps`."""
        self._deadline.extend(until_ns)

    def hold(self, until_ns: int) -> None:
        """See `Pumps`."""
        self._deadline.hold(until_ns)

    def take_reports(self) -> Sequence[OutputReport]:
        """See `Pumps`."""
        reports = list(self._reports.values())
        self._reports.clear()
        return reports
