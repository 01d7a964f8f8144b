"""The pump: one process that holds the sockets, the clock and the mapped tracks.

Run as `python -m playout.node.pump_process --directory DIR --name NAME`. It listens on a UNIX
socket for node control, and goes on without it until the lease deadline has passed.
"""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import contextvars
import faulthandler
import fcntl
import gc
import logging
import os
import resource
import signal
import sys
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Protocol

from playout import __version__, clock
from playout.errors import NodeProtocolError, PlayoutError
from playout.lines import LineHandler, LineWriter
from playout.node.deadline import Deadline
from playout.node.journal import Journal
from playout.node.messages import (
    MAX_LINE_BYTES,
    decode,
    desired_from_json,
    encode,
    report_to_json,
)
from playout.node.pumped_output import PumpedOutput
from playout.node.watched_shelf import WatchedShelf
from playout.publisher.address import Address, parse_address
from playout.publisher.output import OutputOptions
from playout.publisher.reachability import address_check
from playout.publisher.transport import tls_context
from playout.pump.lateness import Lateness
from playout.pump.prefetch import WINDOW_BYTES, Prefetch
from playout.pump.wheel import Wheel
from playout.supervisor.ports import DesiredOutput
from playout.timeline.programme import Programme
from playout.tracks.reader import Track

log = logging.getLogger(__name__)

REPORT_SECONDS = 1.0
COALESCE_SECONDS = 0.02
"""Changes within so long go into one report; with more than `COALESCED_OUTPUTS`, in as many times
as long, since each may hold the list of all."""
COALESCED_OUTPUTS = 100
MIN_REGULAR_REPORTS = 50
REPORT_ROUND_SECONDS = 8
"""Regular reports, per second: at least so many, and each output once in a round."""
BEAT_SECONDS = 0.5
TIDY_SECONDS = 30.0
"""So often tracks that are deleted are looked for, so that the disk has their room again."""
LONELY_SECONDS = 60.0
"""A pump without control, outputs or permission to send ends itself after this long."""


class ControlWriter(Protocol):
    """The part of an `asyncio.StreamWriter` towards control that a pump needs."""

    def write(self, data: bytes) -> None:
        """Send, sooner or later."""
        ...

    def close(self) -> None:
        """End the conversation."""
        ...

    def is_closing(self) -> bool:
        """Whether it has ended."""
        ...

    async def drain(self) -> None:
        """Wait until what was written is on its way."""
        ...


class Pump:
    """All outputs of one process, and the conversation with node control."""

    def __init__(
        self,
        deadline: Deadline,
        options: OutputOptions,
        *,
        journal: Journal | None = None,
        release: str = __version__,
    ) -> None:
        self.shelf = WatchedShelf(self._opening)
        self.journal = journal
        self._release = release
        self._slot: contextvars.ContextVar[int] = contextvars.ContextVar("slot", default=0)
        self.lateness = Lateness()
        self.wheel = Wheel(options.pace.tick, lateness=self.lateness, crowd=options.pace.crowd)
        self.options = options
        self.outputs: dict[str, PumpedOutput] = {}
        self._deadline = deadline
        self._control: ControlWriter | None = None
        self._report_now = asyncio.Event()
        self._changed: set[str] = set()
        self._told: list[dict[str, object]] | None = None
        self._regular: deque[str] = deque()
        self._late_p99_ms = 0.0
        self._histogram: list[int] = []
        self._stopped = asyncio.Event()
        self._tasks: set[asyncio.Task[None]] = set()
        self._conversations: set[asyncio.Task[object]] = set()
        self._lonely_since = clock.monotonic_ns()

    def may_send(self) -> bool:
        """Whether the lease deadline allows another byte."""
        return self._deadline.allows(clock.boottime_ns())

    def _opening(self, directory: str) -> None:
        """A track is about to be mapped, by a session that begins or within the tick of one."""
        if self.journal is None:
            return
        # A tick runs in whatever context its timer was set in; only a task's own says who it is.
        slot = self._slot.get() if asyncio.current_task() is not None else self.journal.slot
        if slot:
            self.journal.open(slot, directory)

    def report_soon(self, output_id: str | None = None) -> None:
        """Something changed: do not wait for the next regular report."""
        if output_id is not None:
            self._changed.add(output_id)
        self._report_now.set()

    async def serve(self, path: Path) -> None:
        """Listen for control at `path` until told to stop, or nobody needs us any more."""
        path.unlink(missing_ok=True)
        server = await asyncio.start_unix_server(self._serve_control, path, limit=MAX_LINE_BYTES)

        def hide() -> None:
            server.close()
            path.unlink(missing_ok=True)

        await self.run(hide)
        if self._conversations:
            await asyncio.wait(self._conversations, timeout=1)

    async def run(self, on_stop: Callable[[], None] = lambda: None) -> None:
        """Report until told to stop; then call `on_stop` and end all outputs gracefully."""
        reporting = asyncio.create_task(self._report_for_ever(), name="reports")
        beating = asyncio.create_task(self._beat_for_ever(), name="beat")
        tidying = asyncio.create_task(self._tidy_for_ever(), name="tidy")
        try:
            await self._stopped.wait()
        finally:
            on_stop()
            for output in self.outputs.values():
                output.stop()
            running = [output.task for output in self.outputs.values() if output.task]
            if running:
                await asyncio.wait(running, timeout=5)
            self._send_reports()
            reporting.cancel()
            beating.cancel()
            tidying.cancel()
            if self._control is not None:
                with contextlib.suppress(OSError, TimeoutError):
                    async with asyncio.timeout(1):
                        await self._control.drain()
                self._control.close()

    def stop(self) -> None:
        """End all outputs gracefully, then the process."""
        self._stopped.set()

    # -- conversation -----------------------------------------------------------------------

    async def _serve_control(
        self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter
    ) -> None:
        task = asyncio.current_task()
        if task is not None:
            self._conversations.add(task)
            task.add_done_callback(self._conversations.discard)
        try:
            self.greet(writer)
            while line := await reader.readline():
                self.take(decode(line))
        except (NodeProtocolError, ValueError, OSError) as error:
            log.warning("Control was cut off: %s", error)
        finally:
            self.part_from(writer)
            writer.close()

    def greet(self, control: ControlWriter) -> None:
        """Talk to this control from now on."""
        if self._control is not None:
            # A restarted control replaces its predecessor, whose process is gone.
            self._control.close()
        self._control = control
        control.write(encode("hello", pid=os.getpid(), release=self._release, outputs=self._list()))

    def part_from(self, control: ControlWriter) -> None:
        """This control has hung up."""
        if self._control is control:
            self._control = None
            self._lonely_since = clock.monotonic_ns()

    def _list(self) -> list[dict[str, object]]:
        return [output.listing() for output in self.outputs.values()]

    def take(self, message: dict[str, object]) -> None:
        """Do what control says. Raises `NodeProtocolError` for what makes no sense."""
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
            case "quarantine":
                self.shelf.refuse([str(track) for track in message["tracks"]])  # type: ignore[attr-defined]
            case other:
                # A later control may say more; what it says of this version still holds.
                log.warning("Control said %r, which is not understood.", other)

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
        fallbacks = _fallbacks(desired)
        if existing is not None:
            if existing.continues(desired, address):
                existing.update(desired, fallbacks)
                self.report_soon(desired.output_id)
                return
            if existing.task is not None and not existing.task.done():
                # The successor begins when the old session has said goodbye.
                existing.stop()
                self._spawn(
                    self._succeed(existing, desired, address, programme, fallbacks),
                    f"succeed {desired.output_id}",
                )
                return
        self._start(desired, address, programme, fallbacks)

    async def _succeed(
        self,
        old: PumpedOutput,
        desired: DesiredOutput,
        address: Address,
        programme: Programme,
        fallbacks: Sequence[Address],
    ) -> None:
        if old.task is not None:
            await asyncio.wait((old.task,), timeout=10)
        if self.outputs.get(desired.output_id) in (old, None) and not self._stopped.is_set():
            self._start(desired, address, programme, fallbacks)

    def _start(
        self,
        desired: DesiredOutput,
        address: Address,
        programme: Programme,
        fallbacks: Sequence[Address] = (),
    ) -> None:
        output = PumpedOutput(desired, address, programme, self, fallbacks)
        self.outputs[desired.output_id] = output
        output.task = self._spawn(self._run(output), f"output {desired.output_id}")
        # Not at the end of `_run`, to which one that is dropped before it begins never comes.
        output.task.add_done_callback(lambda task: self._over(output))

    def _refuse(self, desired: DesiredOutput, programme: Programme, error: PlayoutError) -> None:
        placeholder = parse_address("rtmp://invalid.invalid/invalid", "invalid")
        output = PumpedOutput(desired, placeholder, programme, self)
        self.outputs[desired.output_id] = output
        output.wrong(error)
        self._leave(output)

    async def _run(self, output: PumpedOutput) -> None:
        self._slot.set(output.slot)
        try:
            await output.output.run()
        except Exception as error:
            # One output's defect must not take its neighbours down.
            log.exception("Output %s broke.", output.desired.output_id)
            output.lost(PlayoutError(f"The pump failed: {type(error).__name__}."), 1.0)
            await asyncio.sleep(1.0)
            if self.outputs.get(output.desired.output_id) is output and not output.stopping:
                sender = output.output
                self._start(output.desired, sender.address, sender.programme, sender.fallbacks)

    def _over(self, output: PumpedOutput) -> None:
        self._leave(output)
        if output.stopping and self.outputs.get(output.desired.output_id) is output:
            self._send_reports()
            del self.outputs[output.desired.output_id]
            self.report_soon()

    def _leave(self, output: PumpedOutput) -> None:
        if self.journal is not None:
            self.journal.leave(output.slot)

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
            if self._control is not None:
                # One that was stopped is told what is real when it goes on, not all that was.
                with contextlib.suppress(OSError):
                    await self._control.drain()
            self._send_reports()
            # Many changes at once, as when a node starts, go into few messages.
            await asyncio.sleep(COALESCE_SECONDS * max(1.0, len(self.outputs) / COALESCED_OUTPUTS))

    async def _beat_for_ever(self) -> None:
        while self.journal is not None:
            self.journal.beat(clock.boottime_ns())
            await asyncio.sleep(BEAT_SECONDS)

    async def _tidy_for_ever(self) -> None:
        while (prefetch := self.options.prefetch) is not None:
            prefetch.look_for_deleted(self.shelf.tracks)
            await asyncio.sleep(TIDY_SECONDS)
            self.shelf.let_go_of_deleted()

    def _choose_regular(self) -> None:
        """Take the next outputs in turn, so that a thousand cost no more than a few."""
        self._histogram = self.lateness.histogram()
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
        if histogram := self._histogram:
            values["lateness"], self._histogram = histogram, []
        running = self._list()
        if running != self._told:
            values["running"] = self._told = running
        control.write(encode("report", **values))

    def _is_lonely(self) -> bool:
        if self._control is not None or (self.outputs and self.may_send()):
            self._lonely_since = clock.monotonic_ns()
            return False
        return clock.monotonic_ns() - self._lonely_since > LONELY_SECONDS * 1e9


def _fallbacks(desired: DesiredOutput) -> list[Address]:
    """The fallbacks that can be understood: one that cannot must not cost the output the others."""
    found = []
    for text in desired.fallbacks:
        try:
            found.append(parse_address(text, desired.key))
        except PlayoutError as error:
            log.warning("A fallback of output %s is left out: %s", desired.output_id, error)
    return found


def spare_the_collector() -> None:
    """Sending makes no cycles: what exists is left alone, and looking for them is put off."""
    gc.collect()
    gc.freeze()
    gc.set_threshold(50_000, 50, 1000)


def allow_many_files() -> None:
    """Let the process open as many files as the system permits, not only the usual 1024.

    A stream takes a socket, and each track that is played three descriptors.
    """
    _, most = resource.getrlimit(resource.RLIMIT_NOFILE)
    # Refused where the system's own bound was lowered since: with few files it is a pump still.
    with contextlib.suppress(OSError, ValueError):
        resource.setrlimit(resource.RLIMIT_NOFILE, (most, most))


async def _serve(
    directory: Path, name: str, journal: Journal, options: OutputOptions, release: str
) -> None:
    deadline = Deadline(directory / f"{name}.deadline")
    pump = Pump(deadline, options, journal=journal, release=release)
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
    parser.add_argument("--read-ahead", type=int, default=WINDOW_BYTES)
    parser.add_argument("--ca-file")
    parser.add_argument("--release", default=__version__)
    args = parser.parse_args(arguments)
    logging.basicConfig(
        level=logging.INFO,
        format="%(asctime)s pump %(message)s",
        handlers=[LineHandler(LineWriter(2))],
    )
    allow_many_files()
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
    # Closed by the end of the process only: a fatal signal writes here where it struck.
    fault = (args.directory / f"{args.name}.fault").open("w")
    faulthandler.enable(fault)
    journal = Journal(args.directory / f"{args.name}.journal")
    journal.begin(clock.boottime_ns())

    @contextlib.contextmanager
    def reading(track: Track) -> Iterator[None]:
        journal.read(str(track.directory))
        try:
            yield
        finally:
            journal.done(str(track.directory))

    options = OutputOptions(
        tls=tls_context(args.ca_file),
        allowed=address_check(args.policy, args.allow),
        prefetch=Prefetch(window_bytes=args.read_ahead, reading=reading),
    )
    asyncio.run(_serve(args.directory, args.name, journal, options, args.release))
    return 0


if __name__ == "__main__":
    sys.exit(main())
