"""A recording ingest over TCP: every message with the instant at which it arrived.

async with RecordingSink() as sink:
    ...publish to sink.url("key")...
    await sink.wait_for(lambda: sink.of("key"))
"""

from __future__ import annotations

import asyncio
import contextlib
import os
import socket
import struct
from collections.abc import Callable
from types import TracebackType
from typing import Self

from playout import clock
from playout.errors import ProtocolViolation
from playout.testing.proxy import end_in_order
from playout.testing.recording import IngestConnection, Manners, RecordingIngest

RECEIVE_BUFFER_BYTES = 16 << 10
_READ_BYTES = 64 << 10
_AT_ONCE = struct.pack("ii", 1, 0)


class RecordingSink(RecordingIngest):
    """Listens on 127.0.0.1 while the block runs; `port` is the real one, where 0 was asked for.

    Its receive buffer is small, so that a stop of reading reaches the publisher soon.
    """

    def __init__(
        self,
        port: int = 0,
        *,
        manners: Manners | None = None,
        receive_buffer_bytes: int = RECEIVE_BUFFER_BYTES,
    ) -> None:
        super().__init__(manners)
        self.port = port
        self._receive_buffer_bytes = receive_buffer_bytes
        self._reading = asyncio.Event()
        self._reading.set()
        self._arrived = asyncio.Event()
        self._listener: socket.socket | None = None
        self._tasks: dict[asyncio.Task[None], socket.socket] = {}
        self._accepting: asyncio.Task[None] | None = None
        self._leaving: set[asyncio.Task[None]] = set()
        """Of connections that were hung up on."""

    def url(self, key: str, *, app: str = "live") -> str:
        """A publishing address, key included."""
        return f"rtmp://127.0.0.1:{self.port}/{app}/{key}"

    # -- manners that need the sockets ------------------------------------------------------

    def read_on(self, is_reading: bool) -> None:
        """Stop reading, as a frozen server does, or go on."""
        if is_reading:
            self._reading.set()
        else:
            self._reading.clear()

    def reset(self) -> int:
        """Break all connections with a TCP reset; how many there were."""
        found = [task for task in self._tasks if task not in self._leaving]
        for task, connection in self._tasks.items():
            with contextlib.suppress(OSError):
                connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _AT_ONCE)
            task.cancel()
        return len(found)

    def hang_up(self) -> int:
        """Close all connections in good order; how many there were.

        As with `FaultProxy.hang_up`, what publishers still send is thrown away for a while.
        """
        found = [task for task in self._tasks if task not in self._leaving]
        for task in found:
            self._leaving.add(task)
            task.cancel()
        return len(found)

    async def wait_for(self, met: Callable[[], object], *, seconds: float = 60.0) -> None:
        """Return once `met()` holds of what has arrived. Raises `TimeoutError`."""
        async with asyncio.timeout(seconds):
            while not met():
                self._arrived.clear()
                with contextlib.suppress(TimeoutError):
                    async with asyncio.timeout(0.1):
                        await self._arrived.wait()

    # -- serving ----------------------------------------------------------------------------

    async def __aenter__(self) -> Self:
        listener = socket.socket()
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, self._receive_buffer_bytes)
        listener.setblocking(False)
        try:
            listener.bind(("127.0.0.1", self.port))
            listener.listen(128)
        except OSError:
            listener.close()
            raise
        self.port = listener.getsockname()[1]
        self._listener = listener
        self._accepting = asyncio.create_task(self._accept(listener), name="sink accepts")
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        if self._accepting is not None:
            self._accepting.cancel()
        if self._listener is not None:
            self._listener.close()
        tasks = list(self._tasks)
        self.reset()
        if tasks:
            await asyncio.wait(tasks)
        await asyncio.sleep(0)

    async def _accept(self, listener: socket.socket) -> None:
        loop = asyncio.get_running_loop()
        while True:
            client, _ = await loop.sock_accept(listener)
            client.setblocking(False)
            task = loop.create_task(self._serve(client), name="sink serves")
            self._tasks[task] = client
            task.add_done_callback(self._over)

    def _over(self, task: asyncio.Task[None]) -> None:
        # Also where it was cancelled before its first step.
        self._leaving.discard(task)
        self._tasks.pop(task).close()

    async def _serve(self, client: socket.socket) -> None:
        connection = self.connection(os.urandom(1528))
        why = "the sink hung up"
        try:
            why = await self._exchange(client, connection)
        except ProtocolViolation as violation:
            why = f"violation: {violation.args[0]}"
        except OSError:
            why = "reset"
        except asyncio.CancelledError:
            pass
        finally:
            connection.end(why, now_ns=clock.monotonic_ns())
            self._arrived.set()
        if asyncio.current_task() in self._leaving:
            await end_in_order(client)

    async def _exchange(self, client: socket.socket, connection: IngestConnection) -> str:
        loop = asyncio.get_running_loop()
        while True:
            await self._reading.wait()
            data = await loop.sock_recv(client, _READ_BYTES)
            if not data:
                return "closed"
            answer = connection.receive(data, now_ns=clock.monotonic_ns())
            self._arrived.set()
            if answer:
                await loop.sock_sendall(client, answer)
            if connection.is_refused:
                with contextlib.suppress(TimeoutError, OSError):
                    async with asyncio.timeout(1):
                        while await loop.sock_recv(client, _READ_BYTES):
                            pass
                return "refused"
