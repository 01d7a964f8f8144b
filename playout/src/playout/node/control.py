"""Node control: starts pumps, adopts running ones, and carries the supervisor's orders to them."""

from __future__ import annotations

import asyncio
import contextlib
import logging
import os
import signal
import subprocess
import sys
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from playout.errors import NodeProtocolError
from playout.node.deadline import Deadline
from playout.node.messages import (
    MAX_LINE_BYTES,
    Message,
    decode,
    desired_to_json,
    encode,
    report_from_json,
)
from playout.supervisor.ports import DesiredOutput, DesiredStates, Leases, OutputReport, Reports
from playout.supervisor.reconcile import Running
from playout.supervisor.supervisor import Supervisor, Timing

log = logging.getLogger(__name__)

_START_SECONDS = 10.0
_RESPAWN_SECONDS = (0.0, 0.2, 0.5, 1.0, 2.0)
_STEADY_SECONDS = 30.0


@dataclass(frozen=True, slots=True)
class NodeConfig:
    """What a node is called, where it lives, and what its pumps may do."""

    name: str
    directory: Path
    """Only for this node's user; sockets, deadlines and logs of pumps lie here."""
    capacity: int = 2000
    policy: str = "public"
    """`public`: globally routable addresses only; `private`: any address."""
    allow: tuple[str, ...] = ()
    """Networks or `host:port` pairs that are permitted in addition."""
    ca_file: str | None = None
    timing: Timing = field(default_factory=Timing)


class PumpLink:
    """One pump process and the conversation with it; `Pumps` for the supervisor."""

    def __init__(self, config: NodeConfig, name: str = "pump-0") -> None:
        self._config = config
        self._name = name
        self.on_change: Callable[[], None] = lambda: None
        self._process: subprocess.Popen[bytes] | None = None
        self._ending = False
        self._socket_path = config.directory / f"{name}.sock"
        self._deadline = Deadline(config.directory / f"{name}.deadline")
        self._writer: asyncio.StreamWriter | None = None
        self._running: dict[str, Running] | None = None
        self._reports: dict[str, OutputReport] = {}
        self.pid = 0

    # -- for the supervisor -----------------------------------------------------------------

    def running(self) -> Mapping[str, Running] | None:
        """See `Pumps`."""
        return self._running

    def set_output(self, desired: DesiredOutput) -> None:
        """See `Pumps`."""
        self._send("set", output=desired_to_json(desired))
        if self._running is not None:
            self._running[desired.output_id] = Running(desired.token, desired.generation)

    def drop_output(self, output_id: str, *, graceful: bool) -> None:
        """See `Pumps`."""
        self._send("drop", output_id=output_id, graceful=graceful)
        if self._running is not None and (has := self._running.get(output_id)) is not None:
            self._running[output_id] = Running(has.token, has.generation, stopping=True)

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

    def _send(self, kind: str, **values: object) -> None:
        if self._writer is not None:
            self._writer.write(encode(kind, **values))

    # -- life -------------------------------------------------------------------------------

    async def run(self) -> None:
        """Keep a pump running and listen to it, until `stop` was called."""
        loop = asyncio.get_running_loop()
        failures = 0
        while not self._ending:
            began = loop.time()
            try:
                reader, self._writer = await self._adopt_or_start()
                self._send("hello")
                while line := await reader.readline():
                    self._take(decode(line))
                if not self._ending:
                    log.warning("The pump (process %d) is gone.", self.pid)
            except (OSError, ValueError, NodeProtocolError, TimeoutError) as error:
                log.warning("The pump cannot be reached: %s", error)
            finally:
                self._running = None
                if self._writer is not None:
                    self._writer.close()
                    self._writer = None
            pause = _RESPAWN_SECONDS[min(failures, len(_RESPAWN_SECONDS) - 1)]
            failures = 0 if loop.time() - began > _STEADY_SECONDS else failures + 1
            if not self._ending:
                await asyncio.sleep(pause)

    async def _adopt_or_start(self) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
        with contextlib.suppress(OSError):
            link = await asyncio.open_unix_connection(self._socket_path, limit=MAX_LINE_BYTES)
            log.info("Adopting the pump that runs.")
            return link
        self._kill_leftover()
        process = self._process = self._start()
        async with asyncio.timeout(_START_SECONDS):
            while True:
                with contextlib.suppress(OSError):
                    return await asyncio.open_unix_connection(
                        self._socket_path, limit=MAX_LINE_BYTES
                    )
                if process.poll() is not None:
                    raise ConnectionError(f"it ended with status {process.returncode} at once")
                await asyncio.sleep(0.02)

    def _start(self) -> subprocess.Popen[bytes]:
        config = self._config
        command = [
            sys.executable, "-m", "playout.node.pump_process",
            "--directory", str(config.directory), "--name", self._name, "--policy", config.policy,
        ]  # fmt: skip
        for entry in config.allow:
            command += ["--allow", entry]
        if config.ca_file is not None:
            command += ["--ca-file", config.ca_file]
        # A session of its own: it outlives control, and no terminal's signal reaches it.
        return subprocess.Popen(command, stdin=subprocess.DEVNULL, start_new_session=True)

    def _kill_leftover(self) -> None:
        """A pump that holds the lock but does not answer would block its successor for ever."""
        lock = self._config.directory / f"{self._name}.lock"
        with contextlib.suppress(OSError, ValueError):
            pid = int(lock.read_text())
            command = Path(f"/proc/{pid}/cmdline").read_bytes().split(b"\0")
            if b"playout.node.pump_process" in command and (
                str(self._config.directory).encode() in command
            ):
                os.kill(pid, signal.SIGKILL)

    def _take(self, message: Message) -> None:
        match message["type"]:
            case "hello":
                self.pid = int(message["pid"])
                self._take_list(message["outputs"])
            case "report":
                if "running" in message:
                    self._take_list(message["running"])
                for values in message["outputs"]:
                    report = report_from_json(values)
                    waiting = self._reports.get(report.output_id)
                    self._reports[report.output_id] = (
                        report if waiting is None else report.after(waiting)
                    )
            case other:
                raise NodeProtocolError(f"Control does not know the message {other!r}.")
        self.on_change()

    def _take_list(self, outputs: list[Message]) -> None:
        self._running = {
            str(output["output_id"]): Running(
                token=int(output["token"]),
                generation=int(output["generation"]),
                finished=bool(output["finished"]),
                stopping=bool(output["stopping"]),
            )
            for output in outputs
        }

    async def stop(self, seconds: float = 8.0) -> None:
        """Tell the pump to end its outputs gracefully and itself, and wait for that."""
        self._ending = True
        self._send("stop")
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(seconds):
                while self._writer is not None and self._socket_path.exists():
                    await asyncio.sleep(0.05)


async def run(
    config: NodeConfig,
    *,
    leases: Leases,
    desired: DesiredStates,
    reports: Reports,
    stop: asyncio.Event,
    on_ready: Callable[[Callable[[], None]], None] = lambda wake: None,
    leave_pumps: Callable[[], bool] = lambda: False,
) -> None:
    """Be the node until `stop` is set; then end what runs, gracefully, and release the leases.

    `on_ready` receives a function that makes the next sweep come at once; it may be called from
    any thread. When `leave_pumps` says so, once `stop` is set, the pumps stay on air for a
    successor to adopt.
    """
    config.directory.mkdir(parents=True, exist_ok=True, mode=0o700)
    loop = asyncio.get_running_loop()
    pump = PumpLink(config)
    supervisor = Supervisor(
        config.name,
        leases=leases,
        desired=desired,
        reports=reports,
        pumps=pump,
        capacity=config.capacity,
        timing=config.timing,
    )
    pump.on_change = supervisor.wake

    def wake() -> None:
        loop.call_soon_threadsafe(supervisor.wake)

    on_ready(wake)
    linked = asyncio.create_task(pump.run(), name="pump link")
    try:
        await supervisor.run(stop)
        if not leave_pumps():
            await supervisor.drain()
    finally:
        if not leave_pumps():
            await pump.stop()
        linked.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await linked
        supervisor.close()
