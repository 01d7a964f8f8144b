"""The pump: one process that holds the sockets, the clock and the mapped tracks.

Run as `python -m playout.node.pump_process --directory DIR --name NAME`. It listens on a UNIX
socket for node control, and goes on without it until the lease deadline has passed.
"""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import fcntl
import gc
import ipaddress
import logging
import os
import signal
import sys
import uuid
from collections import deque
from collections.abc import Sequence
from pathlib import Path

from playout import __version__, clock
from playout.errors import NodeProtocolError, PlayoutError
from playout.node.deadline import Deadline
from playout.node.messages import (
    MAX_LINE_BYTES,
    decode,
    desired_from_json,
    encode,
    report_to_json,
)
from playout.publisher.address import Address, parse_address
from playout.publisher.output import Output, OutputOptions
from playout.publisher.transport import AddressCheck, tls_context
from playout.pump.lateness import Lateness
from playout.pump.shelf import Shelf
from playout.pump.wheel import Wheel
from playout.supervisor.ports import DesiredOutput, OutputEvent, OutputReport
from playout.supervisor.states import Happening, OutputState, after
from playout.timebase import frame_ms
from playout.timeline.programme import Programme

log = logging.getLogger(__name__)

REPORT_SECONDS = 1.0
COALESCE_SECONDS = 0.02
MIN_REGULAR_REPORTS = 50
REPORT_ROUND_SECONDS = 8
"""Regular reports, per second: at least so many, and each output once in a round."""
LONELY_SECONDS = 60.0
"""A pump without control, outputs or permission to send ends itself after this long."""
MAX_EVENTS = 200


class PumpedOutput:
    """An output with its state, its events and its report; the listener of `Output`."""

    def __init__(
        self, desired: DesiredOutput, address: Address, programme: Programme, pump: Pump
    ) -> None:
        self.desired = desired
        self.state = OutputState.IDLE
        self.finished = False
        self.stopping = False
        self.output = Output(
            address,
            programme,
            pump.shelf,
            self,
            options=pump.options,
            may_send=pump.may_send,
            wheel=pump.wheel,
        )
        self.task: asyncio.Task[None] | None = None
        self._pump = pump
        self._events: deque[OutputEvent] = deque(maxlen=MAX_EVENTS)
        self._session_id = ""
        self._on_air_since_ns = 0
        self._error: PlayoutError | None = None
        self._retry_at_ns = 0
        self._was_lost = False
        self._repeated: tuple[str, str] = ("", "")

    # -- listener ---------------------------------------------------------------------------

    def connecting(self) -> None:
        """See `Listener`."""
        self._session_id = uuid.uuid4().hex
        self._retry_at_ns = 0
        self._move(Happening.WANTED)

    def acknowledged(self) -> None:
        """See `Listener`."""
        if self.state is OutputState.DEGRADED:
            self._note("session.recovered", "The ingest keeps up again.")
        else:
            again = "again " if self._was_lost else ""
            self._note("session.on_air", f"On air {again}at {self.output.address.host}.")
        self._error = None
        self._repeated = ("", "")
        if self.state is not OutputState.DEGRADED:
            self._on_air_since_ns = clock.utc_ns()
        self._move(Happening.ACKNOWLEDGED)

    def slow(self) -> None:
        """See `Listener`."""
        self._note("session.degraded", "The ingest takes less than it should.")
        self._move(Happening.SLOW)

    def lost(self, error: PlayoutError, retry_seconds: float) -> None:
        """See `Listener`."""
        self._error = error
        self._was_lost = True
        self._on_air_since_ns = 0
        self._retry_at_ns = clock.utc_ns() + int(retry_seconds * 1e9)
        if (error.code, str(error)) != self._repeated:
            self._note("session.lost", str(error), code=error.code)
            self._repeated = (error.code, str(error))
        self._move(Happening.LINK_LOST)

    def missing(self, error: PlayoutError) -> None:
        """See `Listener`."""
        self._error = error
        if error.code != self._repeated[0]:
            self._note("media.missing", str(error), code=error.code)
            self._repeated = (error.code, "")
        self._move(Happening.MEDIA_MISSING)

    def wrong(self, error: PlayoutError) -> None:
        """See `Listener`."""
        self._error = error
        self.finished = True
        self._note("output.failed", str(error), code=error.code)
        self._move(Happening.SETTINGS_WRONG)

    def ended(self) -> None:
        """See `Listener`."""
        self._on_air_since_ns = 0
        if self.stopping:
            self._note("session.stopped", "Stopped as asked.")
        else:
            self.finished = True
            self._note("programme.ended", "The programme has come to its end.")
        self._move(Happening.ENDED)

    def substituted(self, item_id: str, error: PlayoutError) -> None:
        """See `Listener`."""
        if (item_id, error.code) != self._repeated:
            self._note("item.substituted", str(error), item=item_id, code=error.code)
            self._repeated = (item_id, error.code)

    # -- what happens to it -----------------------------------------------------------------

    def stop(self) -> None:
        """End gracefully."""
        if not self.stopping:
            self.stopping = True
            self._move(Happening.UNWANTED)
        self.output.stop()

    def update(self, desired: DesiredOutput) -> None:
        """Take a new token, generation or programme without touching the connection."""
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

    def _note(self, code: str, text: str, /, **data: str) -> None:
        self._events.append(OutputEvent(code, clock.utc_ns(), text, data))
        log.info(
            "%s: %s", code, text,
            extra={"output": self.desired.output_id, "stream": self.desired.label,
                   "generation": self.desired.generation, "token": self.desired.token},
        )  # fmt: skip

    def _move(self, happening: Happening) -> None:
        self.state = after(self.state, happening)
        self._pump.report_soon(self.desired.output_id)

    def report(self, late_ms: float) -> OutputReport:
        """What is real now, on a pump that is `late_ms`; hands over the events since the last."""
        events = tuple(self._events)
        self._events.clear()
        progress = self.output.progress
        now, following = self.output.now_and_next()
        position = 0
        if now is not None:
            rate = self.output.programme.video_rate
            position = max(0, self.output.now_ms() - frame_ms(now.start, rate))
        live = self.state in (OutputState.ON_AIR, OutputState.DEGRADED)
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
            item_id=now.item.id if now is not None and live else "",
            item_position_ms=position if live else 0,
            next_item_id=following.item.id if following is not None and live else "",
            error_code=self._error.code if self._error is not None else "",
            error_text=str(self._error) if self._error is not None else "",
            retry_at_ns=self._retry_at_ns,
            events=events,
        )


class Pump:
    """All outputs of one process, and the conversation with node control."""

    def __init__(self, deadline: Deadline, options: OutputOptions) -> None:
        self.shelf = Shelf()
        self.lateness = Lateness()
        self.wheel = Wheel(options.pace.tick, lateness=self.lateness)
        self.options = options
        self.outputs: dict[str, PumpedOutput] = {}
        self._deadline = deadline
        self._control: asyncio.StreamWriter | None = None
        self._report_now = asyncio.Event()
        self._changed: set[str] = set()
        self._told: list[dict[str, object]] | None = None
        self._regular: deque[str] = deque()
        self._late_p99_ms = 0.0
        self._stopped = asyncio.Event()
        self._tasks: set[asyncio.Task[None]] = set()
        self._conversations: set[asyncio.Task[object]] = set()
        self._lonely_since = clock.monotonic_ns()

    def may_send(self) -> bool:
        """Whether the lease deadline allows another byte."""
        return self._deadline.allows(clock.boottime_ns())

    def report_soon(self, output_id: str | None = None) -> None:
        """Something changed: do not wait for the next regular report."""
        if output_id is not None:
            self._changed.add(output_id)
        self._report_now.set()

    async def serve(self, path: Path) -> None:
        """Listen for control at `path` until told to stop, or nobody needs us any more."""
        path.unlink(missing_ok=True)
        server = await asyncio.start_unix_server(self._serve_control, path, limit=MAX_LINE_BYTES)
        reporting = asyncio.create_task(self._report_for_ever(), name="reports")
        try:
            await self._stopped.wait()
        finally:
            server.close()
            path.unlink(missing_ok=True)
            for output in self.outputs.values():
                output.stop()
            running = [output.task for output in self.outputs.values() if output.task]
            if running:
                await asyncio.wait(running, timeout=5)
            self._send_reports()
            reporting.cancel()
            if self._control is not None:
                with contextlib.suppress(OSError, TimeoutError):
                    async with asyncio.timeout(1):
                        await self._control.drain()
                self._control.close()
            if self._conversations:
                await asyncio.wait(self._conversations, timeout=1)

    def stop(self) -> None:
        """End all outputs gracefully, then the process."""
        self._stopped.set()

    # -- conversation -----------------------------------------------------------------------

    async def _serve_control(
        self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter
    ) -> None:
        if self._control is not None:
            # A restarted control replaces its predecessor, whose process is gone.
            self._control.close()
        self._control = writer
        task = asyncio.current_task()
        if task is not None:
            self._conversations.add(task)
            task.add_done_callback(self._conversations.discard)
        try:
            writer.write(
                encode("hello", pid=os.getpid(), release=__version__, outputs=self._list())
            )
            while line := await reader.readline():
                self._take(decode(line))
        except (NodeProtocolError, ValueError, OSError) as error:
            log.warning("Control was cut off: %s", error)
        finally:
            if self._control is writer:
                self._control = None
                self._lonely_since = clock.monotonic_ns()
            writer.close()

    def _list(self) -> list[dict[str, object]]:
        return [
            {
                "output_id": output.desired.output_id,
                "token": output.desired.token,
                "generation": output.desired.generation,
                "finished": output.finished,
                "stopping": output.stopping,
            }
            for output in self.outputs.values()
        ]

    def _take(self, message: dict[str, object]) -> None:
        match message["type"]:
            case "hello":
                self._changed.update(self.outputs)
                self.report_soon()
            case "set":
                self._set(desired_from_json(message["output"]))  # type: ignore[arg-type]
            case "drop":
                self._drop(str(message["output_id"]), graceful=bool(message["graceful"]))
            case "stop":
                self.stop()
            case other:
                raise NodeProtocolError(f"The pump does not know the message {other!r}.")

    def _set(self, desired: DesiredOutput) -> None:
        programme = desired.programme
        if programme is None:
            raise NodeProtocolError("An output without a programme cannot be set.")
        existing = self.outputs.get(desired.output_id)
        try:
            address = parse_address(desired.address, desired.key)
        except PlayoutError as error:
            self._refuse(desired, programme, error)
            return
        if existing is not None:
            if existing.continues(desired, address):
                existing.update(desired)
                self.report_soon(desired.output_id)
                return
            if existing.task is not None and not existing.task.done():
                # The successor begins when the old session has said goodbye.
                existing.stop()
                self._spawn(
                    self._succeed(existing, desired, address, programme),
                    f"succeed {desired.output_id}",
                )
                return
        self._start(desired, address, programme)

    async def _succeed(
        self, old: PumpedOutput, desired: DesiredOutput, address: Address, programme: Programme
    ) -> None:
        if old.task is not None:
            await asyncio.wait((old.task,), timeout=10)
        if self.outputs.get(desired.output_id) in (old, None) and not self._stopped.is_set():
            self._start(desired, address, programme)

    def _start(self, desired: DesiredOutput, address: Address, programme: Programme) -> None:
        output = PumpedOutput(desired, address, programme, self)
        self.outputs[desired.output_id] = output
        output.task = self._spawn(self._run(output), f"output {desired.output_id}")

    def _refuse(self, desired: DesiredOutput, programme: Programme, error: PlayoutError) -> None:
        placeholder = parse_address("rtmp://invalid.invalid/invalid", "invalid")
        output = PumpedOutput(desired, placeholder, programme, self)
        self.outputs[desired.output_id] = output
        output.wrong(error)

    async def _run(self, output: PumpedOutput) -> None:
        try:
            await output.output.run()
        except Exception as error:
            # One output's defect must not take its neighbours down.
            log.exception("Output %s broke.", output.desired.output_id)
            output.lost(PlayoutError(f"The pump failed: {type(error).__name__}."), 1.0)
            await asyncio.sleep(1.0)
            if self.outputs.get(output.desired.output_id) is output and not output.stopping:
                self._start(output.desired, output.output.address, output.output.programme)
            return
        finally:
            if output.stopping and self.outputs.get(output.desired.output_id) is output:
                self._send_reports()
                del self.outputs[output.desired.output_id]
                self.report_soon()

    def _drop(self, output_id: str, *, graceful: bool) -> None:
        output = self.outputs.get(output_id)
        if output is None:
            self.report_soon()
            return
        if output.task is None or output.task.done():
            del self.outputs[output_id]
            self.report_soon()
        elif graceful:
            output.stop()
        else:
            output.stopping = True
            output.task.cancel()

    def _spawn(self, work: object, name: str) -> asyncio.Task[None]:
        task: asyncio.Task[None] = asyncio.create_task(work, name=name)  # type: ignore[arg-type]
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)
        return task

    # -- reports ----------------------------------------------------------------------------

    async def _report_for_ever(self) -> None:
        loop = asyncio.get_running_loop()
        regular_at = loop.time()
        while True:
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(max(0.0, regular_at - loop.time())):
                    await self._report_now.wait()
            self._report_now.clear()
            if loop.time() >= regular_at:
                regular_at = loop.time() + REPORT_SECONDS
                self._choose_regular()
                if self._is_lonely():
                    log.warning("Nobody needs this pump any more: it ends.")
                    self.stop()
            self._send_reports()
            # Many changes at once, as when a node starts, go into few messages.
            await asyncio.sleep(COALESCE_SECONDS)

    def _choose_regular(self) -> None:
        """Take the next outputs in turn, so that a thousand cost no more than a few."""
        self._late_p99_ms = self.lateness.percentile_ms(0.99)
        share = max(MIN_REGULAR_REPORTS, -(-len(self.outputs) // REPORT_ROUND_SECONDS))
        if not self._regular:
            self._regular.extend(self.outputs)
        while self._regular and share > 0:
            self._changed.add(self._regular.popleft())
            share -= 1

    def _send_reports(self) -> None:
        control = self._control
        if control is None or control.is_closing():
            return
        reports = [
            report_to_json(self.outputs[output_id].report(self._late_p99_ms))
            for output_id in self._changed
            if output_id in self.outputs
        ]
        self._changed.clear()
        values: dict[str, object] = {"outputs": reports, "late_ms": self.lateness.summary()}
        running = self._list()
        if running != self._told:
            values["running"] = self._told = running
        control.write(encode("report", **values))

    def _is_lonely(self) -> bool:
        if self._control is not None or (self.outputs and self.may_send()):
            self._lonely_since = clock.monotonic_ns()
            return False
        return clock.monotonic_ns() - self._lonely_since > LONELY_SECONDS * 1e9


_NAT64 = ipaddress.ip_network("64:ff9b::/96")


def _reached(
    address: ipaddress.IPv4Address | ipaddress.IPv6Address,
) -> ipaddress.IPv4Address | ipaddress.IPv6Address:
    """The IPv4 address that an IPv6 one stands for, where it stands for one."""
    if isinstance(address, ipaddress.IPv4Address):
        return address
    if address in _NAT64:
        return ipaddress.IPv4Address(int(address) & 0xFFFFFFFF)
    return address.ipv4_mapped or address.sixtofour or address


def address_check(policy: str, allow: Sequence[str] = ()) -> AddressCheck:
    """Judges resolved addresses: `public` and stricter forbid all that is not globally routable.

    `allow` lists networks or `host:port` pairs that the operator permits in addition.
    """
    networks, pairs = [], set()
    for entry in allow:
        try:
            networks.append(ipaddress.ip_network(entry, strict=False))
        except ValueError:
            pairs.add(entry)

    def allowed(host: str, port: int) -> bool:
        if policy == "private" or f"{host}:{port}" in pairs:
            return True
        address = _reached(ipaddress.ip_address(host.partition("%")[0]))
        if any(address in network for network in networks):
            return True
        return address.is_global and not address.is_multicast

    return allowed


def spare_the_collector() -> None:
    """Sending makes no cycles: what exists is left alone, and looking for them is put off."""
    gc.collect()
    gc.freeze()
    gc.set_threshold(50_000, 50, 1000)


async def _serve(directory: Path, name: str, options: OutputOptions) -> None:
    pump = Pump(Deadline(directory / f"{name}.deadline"), options)
    loop = asyncio.get_running_loop()
    # An interrupt at the terminal reaches the whole group; control decides what it means.
    loop.add_signal_handler(signal.SIGINT, lambda: None)
    loop.add_signal_handler(signal.SIGTERM, pump.stop)
    spare_the_collector()
    await pump.serve(directory / f"{name}.sock")


def main(arguments: Sequence[str] | None = None) -> int:
    """Run a pump until it is told to stop."""
    parser = argparse.ArgumentParser(prog="python -m playout.node.pump_process")
    parser.add_argument("--directory", type=Path, required=True)
    parser.add_argument("--name", required=True)
    parser.add_argument("--policy", default="public", choices=("public", "private"))
    parser.add_argument("--allow", action="append", default=[])
    parser.add_argument("--ca-file")
    args = parser.parse_args(arguments)
    logging.basicConfig(level=logging.INFO, format="%(asctime)s pump %(message)s")
    lock = (args.directory / f"{args.name}.lock").open("a+")
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        log.error("Another pump called %s runs in %s.", args.name, args.directory)
        return 1
    lock.seek(0)
    lock.truncate()
    lock.write(str(os.getpid()))
    lock.flush()
    options = OutputOptions(
        tls=tls_context(args.ca_file),
        allowed=address_check(args.policy, args.allow),
    )
    asyncio.run(_serve(args.directory, args.name, options))
    return 0


if __name__ == "__main__":
    sys.exit(main())
