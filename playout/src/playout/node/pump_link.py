"""One pump process and the conversation with it."""

from __future__ import annotations

import asyncio
import contextlib
import fcntl
import logging
import os
import signal
import sys
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path

from playout.errors import NodeProtocolError
from playout.node.config import NodeConfig
from playout.node.crash import suspects
from playout.node.deadline import Deadline
from playout.node.journal import Journal
from playout.node.messages import (
    MAX_LINE_BYTES,
    Message,
    OtherVersion,
    decode,
    desired_to_json,
    encode,
    report_from_json,
)
from playout.node.slates import Slates
from playout.supervisor.ports import DesiredOutput, OutputReport
from playout.supervisor.reconcile import Running

log = logging.getLogger(__name__)

_START_SECONDS = 10.0
_RESPAWN_SECONDS = (0.0, 0.2, 0.5, 1.0, 2.0)
_STEADY_SECONDS = 30.0
_POLL_SECONDS = 0.02
_ABORT_SECONDS = 2.0
_FAREWELL_SECONDS = 20.0
"""A pump of another version gets so long to end its outputs before it is killed."""

_HUNG_LOOKS = 10
"""A pump whose beat has not changed for so many looks hangs."""


@dataclass(frozen=True, slots=True)
class Seat:
    """What an output takes on the pump that has it."""

    stream_id: str
    cost: int


class PumpGone(Exception):
    """The pump has ended and is not to be started again."""


class PumpLink:
    """Starts or adopts one pump, listens to it, and replaces it when it dies or hangs.

    `running` is what the pump had when it was last heard; `is_known` says whether that is certain:
    while a pump does not answer but may still be sending, it is not.
    """

    def __init__(self, config: NodeConfig, name: str, *, adopt_only: bool = False) -> None:
        self.name = name
        self.on_change: Callable[[], None] = lambda: None
        self.on_crash: Callable[[PumpLink, str, tuple[str, ...]], None] = lambda *crash: None
        """Told of the output that was served when the pump crashed, and the tracks suspected."""
        self.on_death: Callable[[tuple[str, ...]], None] = lambda lost: None
        """Told of the outputs that a pump had which ended without being asked to."""
        self.running: dict[str, Running] = {}
        self.seats: dict[str, Seat] = {}
        self.late: dict[str, float] = {}
        """The pump's own summary of its lateness, as in the last report."""
        self.lateness: list[int] = []
        """Ticks up to each of `playout.pump.lateness.BOUNDS_MS`, and all, since the pump began."""
        self.quarantined: list[str] = []
        """What the pump is told to refuse, at every greeting."""
        self.is_known = False
        self.is_ready = False
        """It has greeted us and takes orders."""
        self.is_draining = False
        """It gets no new outputs, and no successor when it ends."""
        self.ended = False
        self.release = ""
        self.pid = 0
        self._config = config
        self.adopt_only = adopt_only
        """It is not started anew when it has ended."""
        self._child = 0
        """Process id of the pump when it is a child of ours; 0 for an adopted one."""
        self._ending = False
        directory = config.directory
        self._slates = Slates(directory / "slates")
        self._socket_path = directory / f"{name}.sock"
        self._lock_path = directory / f"{name}.lock"
        self._fault_path = directory / f"{name}.fault"
        self._deadline = Deadline(directory / f"{name}.deadline")
        self._journal = Journal(directory / f"{name}.journal")
        self._writer: asyncio.StreamWriter | None = None
        self._reports: dict[str, OutputReport] = {}

    # -- orders -----------------------------------------------------------------------------

    def set_output(self, desired: DesiredOutput, seat: Seat) -> None:
        """Start an output or bring it to a generation."""
        if desired.programme is not None:
            desired = replace(desired, programme=self._slates.added(desired.programme))
        self._send("set", output=desired_to_json(desired))
        self.running[desired.output_id] = Running(desired.token, desired.generation)
        self.seats[desired.output_id] = seat

    def drop_output(self, output_id: str, *, graceful: bool) -> None:
        """End an output."""
        self._send("drop", output_id=output_id, graceful=graceful)
        if (has := self.running.get(output_id)) is not None:
            self.running[output_id] = Running(has.token, has.generation, stopping=True)

    def extend_deadline(self, until_ns: int) -> None:
        """See `Pumps`."""
        self._deadline.extend(until_ns)

    def hold(self, until_ns: int) -> None:
        """See `Pumps`."""
        self._deadline.hold(until_ns)

    def quarantine(self, tracks: list[str]) -> None:
        """Have the pump refuse these tracks, and its successors too."""
        self.quarantined = tracks
        self._send("quarantine", tracks=tracks)

    def take_reports(self) -> list[OutputReport]:
        """The newest report of each output since the last call."""
        reports = list(self._reports.values())
        self._reports.clear()
        return reports

    def end(self) -> None:
        """Tell the pump to end its outputs gracefully and itself; it gets no successor."""
        self._ending = True
        self._send("stop")

    @property
    def load(self) -> int:
        """The cost of all that the pump has."""
        return sum(seat.cost for id_, seat in self.seats.items() if id_ in self.running)

    def _send(self, kind: str, **values: object) -> None:
        if self._writer is not None:
            self._writer.write(encode(kind, **values))

    # -- life -------------------------------------------------------------------------------

    async def run(self) -> None:
        """Keep a pump running and listen to it, until it was told to end."""
        loop = asyncio.get_running_loop()
        failures = 0
        while not self.ended:
            began = loop.time()
            try:
                reader, self._writer = await self._reach()
                await self._converse(reader)
                if not self._ending:
                    log.warning("Pump %s (process %d) is gone.", self.name, self.pid)
            except PumpGone:
                pass
            except OtherVersion as error:
                log.warning("Pump %s: %s", self.name, error)
                await self._send_away()
            except (OSError, ValueError, NodeProtocolError, TimeoutError) as error:
                log.warning("Pump %s cannot be reached: %s", self.name, error)
            finally:
                self.is_known = self.is_ready = False
                if self._writer is not None:
                    self._writer.close()
                    self._writer = None
            if await self._is_dead():
                self._bury()
                if self._ending or self.adopt_only or self.is_draining:
                    self.ended = True
                self.on_change()
            if self.ended:
                return
            pause = _RESPAWN_SECONDS[min(failures, len(_RESPAWN_SECONDS) - 1)]
            failures = 0 if loop.time() - began > _STEADY_SECONDS else failures + 1
            await asyncio.sleep(pause)

    async def _reach(self) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
        """Connect to the pump that runs, or start one."""
        loop = asyncio.get_running_loop()
        give_up = loop.time() + _START_SECONDS
        while True:
            with contextlib.suppress(OSError):
                link = await asyncio.open_unix_connection(self._socket_path, limit=MAX_LINE_BYTES)
                if not self._child:
                    log.info("Adopting pump %s, which runs.", self.name)
                return link
            if self._child and (status := self._reap()) is not None:
                raise ConnectionError(f"it ended with status {status} at once")
            if not self._child and not is_held(self._lock_path):
                if self._ending or self.adopt_only or self.is_draining:
                    raise PumpGone
                self._bury()
                self._child = self._start()
            if loop.time() > give_up:
                # One that holds the lock but does not answer would block its successor for ever.
                await self._kill()
                raise TimeoutError(f"it did not answer within {_START_SECONDS:.0f} seconds")
            await asyncio.sleep(_POLL_SECONDS)

    def _start(self) -> int:
        config = self._config
        command = [
            sys.executable, "-m", "playout.node.pump_process",
            "--directory", str(config.directory), "--name", self.name, "--policy", config.policy,
            "--release", config.release, "--read-ahead", str(config.read_ahead),
        ]  # fmt: skip
        for entry in config.allow:
            command += ["--allow", entry]
        if config.ca_file is not None:
            command += ["--ca-file", config.ca_file]
        # A session of its own: it outlives control, and no terminal's signal reaches it.
        no_input = [(os.POSIX_SPAWN_OPEN, 0, os.devnull, os.O_RDONLY, 0)]
        return os.posix_spawn(
            sys.executable, command, os.environ, file_actions=no_input, setsid=True
        )

    def _reap(self) -> int | None:
        """The exit status of our child, once it has ended: minus the signal when one killed it."""
        try:
            pid, status = os.waitpid(self._child, os.WNOHANG)
        except ChildProcessError:
            pid, status = self._child, 0
        if not pid:
            return None
        self._child = 0
        return os.waitstatus_to_exitcode(status)

    async def _converse(self, reader: asyncio.StreamReader) -> None:
        watching = asyncio.create_task(self._watch(), name=f"watch {self.name}")
        try:
            self._send("hello")
            self._send("quarantine", tracks=self.quarantined)
            while line := await reader.readline():
                self._take(decode(line))
        finally:
            watching.cancel()

    def _take(self, message: Message) -> None:
        match message["type"]:
            case "hello":
                self.pid = int(message["pid"])
                self.release = str(message["release"])
                self.is_draining = self.is_draining or self.release != self._config.release
                self.is_known = self.is_ready = True
                self._take_list(message["outputs"])
                if self._ending:
                    self._send("stop")
            case "report":
                if "running" in message:
                    self._take_list(message["running"])
                self.late = message.get("late_ms", self.late)
                self.lateness = message.get("lateness", self.lateness)
                for values in message["outputs"]:
                    report = report_from_json(values)
                    waiting = self._reports.get(report.output_id)
                    self._reports[report.output_id] = (
                        report if waiting is None else report.after(waiting)
                    )
            case other:
                # A later release may say more; what it says of this version still holds.
                log.debug("Pump %s said %r, which is not understood.", self.name, other)
        self.on_change()

    def _take_list(self, outputs: list[Message]) -> None:
        self.running = {
            str(output["output_id"]): Running(
                token=int(output["token"]),
                generation=int(output["generation"]),
                finished=bool(output["finished"]),
                stopping=bool(output["stopping"]),
            )
            for output in outputs
        }
        self.seats = {
            str(output["output_id"]): Seat(str(output["stream_id"]), int(output["cost"]))
            for output in outputs
        }

    # -- death ------------------------------------------------------------------------------

    async def _watch(self) -> None:
        """Kill a pump whose loop does not turn. Looks are counted, not seconds: control may have
        been stopped itself."""
        seen, looks = self._journal.beat_ns, 0
        while True:
            await asyncio.sleep(self._config.hang_seconds / _HUNG_LOOKS)
            beat = self._journal.beat_ns
            looks = looks + 1 if beat == seen else 0
            seen = beat
            if looks >= _HUNG_LOOKS:
                log.error("Pump %s hangs: it is killed.", self.name)
                await self._kill()
                return

    async def _kill(self) -> None:
        """Abort the pump, so that it says where it was, and make sure that it is gone."""
        self._signal(signal.SIGABRT)
        if not await self._wait_for_death(_ABORT_SECONDS):
            self._signal(signal.SIGKILL)
            await self._wait_for_death(_ABORT_SECONDS)

    async def _send_away(self) -> None:
        """A pump of another version cannot be asked what it has: nothing starts until it ended."""
        self._signal(signal.SIGTERM)
        if not await self._wait_for_death(_FAREWELL_SECONDS):
            self._signal(signal.SIGKILL)

    def _signal(self, number: signal.Signals) -> None:
        with contextlib.suppress(OSError, ValueError):
            pid = int(self._lock_path.read_text())
            command = Path(f"/proc/{pid}/cmdline").read_bytes().split(b"\0")
            if b"playout.node.pump_process" in command and (
                str(self._config.directory).encode() in command
            ):
                os.kill(pid, number)

    async def _is_dead(self) -> bool:
        """Whether the process has ended, for which a moment is given."""
        return await self._wait_for_death(1.0)

    async def _wait_for_death(self, seconds: float) -> bool:
        give_up = asyncio.get_running_loop().time() + seconds
        while is_held(self._lock_path) or (self._child and self._reap() is None):
            if asyncio.get_running_loop().time() > give_up:
                return False
            await asyncio.sleep(_POLL_SECONDS)
        return True

    def _bury(self) -> None:
        """The process is gone for certain: so are its outputs. Find out what it died of."""
        if self.running and not self._ending:
            self.on_death(tuple(self.running))
        self.running.clear()
        self.seats.clear()
        self.is_known = True
        try:
            # Written by a fatal signal only: who was killed from outside says nothing.
            dump = self._fault_path.read_text(errors="replace")
            self._fault_path.unlink()
        except OSError:
            return
        hand = self._journal.in_hand()
        if not dump.strip():
            return
        log.error("Pump %s crashed:\n%s", self.name, dump[:4000])
        self.on_crash(self, hand.output_id, suspects(dump, hand))


def is_held(lock: Path) -> bool:
    """Whether a pump that lives holds this lock file, or may, since that cannot be looked up."""
    try:
        with lock.open("a") as file:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError:
        # It is held; or nothing can be opened just now, and another pump would be one too many.
        return True
    return False
