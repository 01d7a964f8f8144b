"""The pump as node control runs it, plus one word: `python -m playout.bench.pump_under_load`.

The child is `node.pump_process` with its socket, lease deadline and reports. In addition it answers
lines on stdin: `clear` and `lateness` give the lateness of the ticks since the last `clear`, which
a pump in service never forgets.
"""

from __future__ import annotations

import asyncio
import json
import socket
import sys
import threading
import time
from pathlib import Path
from types import TracebackType
from typing import Self

from playout import clock
from playout.bench.child import Child
from playout.errors import PlayoutError
from playout.node.deadline import Deadline
from playout.node.messages import desired_to_json, encode
from playout.node.pump_process import Pump, allow_many_files, spare_the_collector
from playout.publisher.backoff import ConnectRate
from playout.publisher.output import OutputOptions
from playout.publisher.transport import tls_context
from playout.pump.prefetch import Prefetch
from playout.supervisor.ports import DesiredOutput
from playout.timeline.programme import Programme

STARTS_PER_SECOND = 50
"""All leads at once would be a burst that no steady state ever sees."""
_LEASE_NS = 24 * 3600 * 10**9
_READ_BYTES = 1 << 20


class LoadedPump:
    """The child, seen from the measuring process, which plays node control.

    `directory` takes its socket and deadline; `ca_file` is what it trusts.
    """

    def __init__(self, directory: Path, ca_file: str | None) -> None:
        Deadline(directory / "pump.deadline").extend(clock.boottime_ns() + _LEASE_NS)
        arguments = [directory] if ca_file is None else [directory, ca_file]
        self._child = Child.of_module("pump", "playout.bench.pump_under_load", *arguments)
        if self._child.hear() != "ready":
            raise PlayoutError("The pump did not start.")
        self._control = socket.socket(socket.AF_UNIX)
        self._control.connect(str(directory / "pump.sock"))
        self._draining = threading.Thread(target=self._drain, daemon=True)
        self._draining.start()

    def _drain(self) -> None:
        """Take the pump's reports off it, as control does; the receiver says what arrived."""
        try:
            while self._control.recv(_READ_BYTES):
                pass
        except OSError:
            return

    def start(self, address: str, programmes: list[Programme]) -> None:
        """Order one output for each programme, a few at a time."""
        for number, programme in enumerate(programmes):
            desired = DesiredOutput(
                output_id=f"load-{number}", token=1, on=True, generation=1,
                address=address, key=f"load-{number}", programme=programme,
            )  # fmt: skip
            self._control.sendall(encode("set", output=desired_to_json(desired)))
            time.sleep(1 / STARTS_PER_SECOND)

    @property
    def pid(self) -> int:
        """The process to read the cost of."""
        return self._child.pid

    @property
    def is_alive(self) -> bool:
        """Whether it still runs."""
        return self._child.is_alive

    def clear_lateness(self) -> None:
        """Begin to count anew."""
        self._child.ask("clear")

    def lateness(self) -> dict[str, float]:
        """Median, 99th percentile and maximum since `clear_lateness`, in milliseconds."""
        found: dict[str, float] = json.loads(self._child.ask("lateness"))
        return found

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        exc_type: type[BaseException] | None,
        exc: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self._child.close()
        self._control.close()


async def _run(directory: Path, ca_file: str | None) -> None:
    tls = tls_context(ca_file) if ca_file is not None else None
    options = OutputOptions(
        tls=tls, prefetch=Prefetch(), connect_rate=ConnectRate(2 * STARTS_PER_SECOND)
    )
    pump = Pump(Deadline(directory / "pump.deadline"), options)
    serving = asyncio.create_task(pump.serve(directory / "pump.sock"), name="pump")
    lines = asyncio.StreamReader()
    loop = asyncio.get_running_loop()
    await loop.connect_read_pipe(lambda: asyncio.StreamReaderProtocol(lines), sys.stdin)
    allow_many_files()
    spare_the_collector()
    while not (directory / "pump.sock").exists():
        await asyncio.sleep(0.01)
    print("ready", flush=True)
    while line := await lines.readline():
        print(json.dumps(pump.lateness.summary()), flush=True)
        if line.strip() == b"clear":
            pump.lateness.clear()
    pump.stop()
    await serving


if __name__ == "__main__":
    asyncio.run(_run(Path(sys.argv[1]), sys.argv[2] if len(sys.argv) > 2 else None))
