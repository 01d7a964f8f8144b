"""A TCP proxy that misbehaves on demand: the network between a publisher and an ingest.

    async with FaultProxy("127.0.0.1", ingest_port) as proxy:
        proxy.change(latency=0.2)
        proxy.reset()

Its kernel buffers are small, so that a stall shows soon, as it does with a far end that is full.
"""

from __future__ import annotations

import asyncio
import contextlib
import functools
import random
import socket
import struct
from collections import deque
from collections.abc import Callable
from types import TracebackType
from typing import Any, Self

from playout.testing.network import Conditions

BUFFER_BYTES = 4096
_CHUNK_BYTES = 4096
_WINDOW_SECONDS = 1.0
_RATE_SLACK_SECONDS = 0.05
"""So late a timer may be without costing rate."""
HEARS_OUT_SECONDS = 2.0
_AT_ONCE = struct.pack("ii", 1, 0)


async def end_in_order(connection: socket.socket) -> None:
    """Say the end, and read on until the far end says it too, or for `HEARS_OUT_SECONDS`.

    Whoever calls closes it. Closed with bytes unread, the kernel would make a reset of it.
    """
    loop = asyncio.get_running_loop()
    with contextlib.suppress(OSError, TimeoutError):
        connection.shutdown(socket.SHUT_WR)
        async with asyncio.timeout(HEARS_OUT_SECONDS):
            while await loop.sock_recv(connection, _CHUNK_BYTES):
                pass


class _Way:
    """One direction of one connection: reads here, waits as the conditions say, writes there."""

    def __init__(self, proxy: FaultProxy, source: socket.socket, sink: socket.socket, *, up: bool):
        self._proxy = proxy
        self._source = source
        self._sink = sink
        self._up = up
        self._held: deque[tuple[float, bytes | OSError]] = deque()
        """What was read and is on its way; a reset comes behind the bytes, as an error."""
        self._held_bytes = 0
        self._line_free_at = 0.0
        self._changed = asyncio.Event()
        self.closes_early = asyncio.Event()
        """Set, this direction ends although its source goes on: a half-close."""
        self._is_cut = False

    def _is_lost(self) -> bool:
        conditions = self._proxy.conditions
        return conditions.lost_up if self._up else conditions.lost_down

    async def run(self) -> None:
        loop = asyncio.get_running_loop()
        tasks = [
            loop.create_task(self._read(), name="proxy reads"),
            loop.create_task(self._write(), name="proxy writes"),
            loop.create_task(self.closes_early.wait(), name="proxy half-closes"),
        ]
        try:
            await asyncio.wait(tasks[1:], return_when=asyncio.FIRST_COMPLETED)
            if tasks[1].done() and (error := tasks[1].exception()) is not None:
                raise error
            self._cut()
            tasks[1].cancel()
            with contextlib.suppress(OSError):
                self._sink.shutdown(socket.SHUT_WR)
            await tasks[0]
        finally:
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)

    def _cut(self) -> None:
        """From now on what comes is read and thrown away."""
        self._is_cut = True
        lost = [held for _, held in self._held]
        self._held.clear()
        self._held_bytes = 0
        self._changed.set()
        if lost and isinstance(lost[-1], OSError):
            raise lost[-1]

    async def _read(self) -> None:
        loop = asyncio.get_running_loop()
        while True:
            await self._proxy.wait_until(lambda: not self._is_lost())
            came: bytes | OSError
            try:
                came = await loop.sock_recv(self._source, _CHUNK_BYTES)
            except OSError as error:
                if self._is_cut:
                    raise
                came = error
            if not self._is_cut:
                self._held.append((loop.time() + self._proxy.conditions.latency, came))
                self._held_bytes += 0 if isinstance(came, OSError) else len(came)
                self._changed.set()
            if not came or isinstance(came, OSError):
                return
            while self._is_full():
                self._changed.clear()
                await self._changed.wait()

    def _is_full(self) -> bool:
        """Beyond what is on its way with the latency, nothing is taken in advance."""
        conditions = self._proxy.conditions
        rate = conditions.bytes_per_second or 2_000_000
        most = _CHUNK_BYTES + rate * min(conditions.latency, _WINDOW_SECONDS) * 2
        return self._held_bytes > most

    async def _write(self) -> None:
        loop = asyncio.get_running_loop()
        while True:
            while not self._held:
                self._changed.clear()
                await self._changed.wait()
            due, data = self._held[0]
            await asyncio.sleep(max(0.0, due - loop.time()))
            await self._proxy.wait_until(lambda: not self._is_lost())
            self._held.popleft()
            if isinstance(data, OSError):
                raise data
            self._held_bytes -= len(data)
            self._changed.set()
            if not data or self.closes_early.is_set():
                return
            conditions = self._proxy.conditions
            if conditions.corrupts_next and self._up:
                conditions.corrupts_next = False
                data = self._proxy.flip(data)
            await loop.sock_sendall(self._sink, data)
            rate = conditions.bytes_per_second
            if rate is not None:
                earliest = loop.time() - _RATE_SLACK_SECONDS
                self._line_free_at = max(self._line_free_at, earliest) + len(data) / rate
                await asyncio.sleep(max(0.0, self._line_free_at - loop.time()))


class _Connection:
    def __init__(self, proxy: FaultProxy, near: socket.socket, far: socket.socket) -> None:
        self.ends = (near, far)
        self.ways = (_Way(proxy, near, far, up=True), _Way(proxy, far, near, up=False))
        self.task: asyncio.Task[None] | None = None
        self.hung_up = asyncio.Event()
        self._is_reset = False

    async def run(self) -> None:
        """Pass bytes until both directions are over, or until `hung_up`."""
        loop = asyncio.get_running_loop()
        ways = [loop.create_task(way.run(), name="proxy passes") for way in self.ways]
        passing = asyncio.gather(*ways)
        hung_up = loop.create_task(self.hung_up.wait(), name="proxy hangs up")
        first: list[asyncio.Future[Any]] = [passing, hung_up]
        try:
            await asyncio.wait(first, return_when=asyncio.FIRST_COMPLETED)
        finally:
            hung_up.cancel()
            # Each by itself: where one has failed, `passing` is over and cancels the other no more.
            for way in ways:
                way.cancel()
            ended = await asyncio.gather(*first, *ways, return_exceptions=True)
        if self.hung_up.is_set():
            await asyncio.gather(*(end_in_order(end) for end in self.ends))
        elif isinstance(ended[0], OSError):
            # One end was reset, so the other one is.
            self.linger_not()

    def linger_not(self) -> None:
        """Let closing reset both ends."""
        for end in self.ends:
            with contextlib.suppress(OSError):
                end.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _AT_ONCE)

    def reset(self) -> None:
        self.linger_not()
        # Cancelled once more, it would not wait for its ways to end.
        if self.task is not None and not self._is_reset:
            self._is_reset = True
            self.task.cancel()


class FaultProxy:
    """Passes bytes between `port`, which it listens at, and `host`:`behind`.

    `conditions` are those of a simulated host (`playout.testing.network.Conditions`): change them
    by `change`. `reset`, `hang_up` and `half_close` act once, on all connections there are.
    """

    def __init__(
        self,
        host: str,
        behind: int,
        *,
        buffer_bytes: int = BUFFER_BYTES,
        chance: random.Random | None = None,
    ) -> None:
        self._behind = (host, behind)
        self._buffer_bytes = buffer_bytes
        self._chance = chance or random.Random(1)
        self.conditions = Conditions(latency=0.0)
        self.port = 0
        self.accepted = 0
        """Connections so far."""
        self._connections: set[_Connection] = set()
        self._listener: socket.socket | None = None
        self._accepting: asyncio.Task[None] | None = None
        self._condition_changed: asyncio.Event

    @property
    def connected(self) -> int:
        """Connections that are open at either end."""
        return len(self._connections)

    # -- faults -----------------------------------------------------------------------------

    def change(self, **values: object) -> None:
        """Set some of the conditions; `refuses` stops listening until it is unset.

        Raises `ValueError` for what no proxy can do: `unresolvable`, `short_writes`.
        """
        for name in ("unresolvable", "short_writes"):
            if values.get(name):
                raise ValueError(f"A proxy cannot cause {name}; a SimulatedNetwork can.")
        self.conditions.change(**values)
        if self.conditions.refuses:
            self._stop_listening()
        elif self._listener is None:
            self._listen()
        self._condition_changed.set()
        self._condition_changed = asyncio.Event()

    def reset(self) -> int:
        """Break all connections with a TCP reset, at both ends; how many there were."""
        found = [connection for connection in self._connections if not connection.hung_up.is_set()]
        for connection in list(self._connections):
            connection.reset()
        return len(found)

    def hang_up(self) -> int:
        """End all connections in good order; how many there were.

        What an end still says is read and thrown away until it closes too; one that has not done
        so after `HEARS_OUT_SECONDS` is reset.
        """
        found = [connection for connection in self._connections if not connection.hung_up.is_set()]
        for connection in found:
            connection.hung_up.set()
        return len(found)

    def half_close(self, *, up: bool = False) -> None:
        """Say to the ingest (`up`), or to the publisher, that nothing more will come.

        What the other one still says in that direction is read and thrown away.
        """
        for connection in self._connections:
            connection.ways[0 if up else 1].closes_early.set()

    def flip(self, data: bytes) -> bytes:
        """`data` with one bit changed."""
        at = self._chance.randrange(len(data))
        return data[:at] + bytes((data[at] ^ 1 << self._chance.randrange(8),)) + data[at + 1 :]

    async def wait_until(self, met: Callable[[], bool]) -> None:
        """Return once `met()` is true of the conditions."""
        while not met():
            await self._condition_changed.wait()

    # -- serving ----------------------------------------------------------------------------

    async def __aenter__(self) -> Self:
        self._condition_changed = asyncio.Event()
        self._listen()
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._stop_listening()
        self.reset()
        tasks = [connection.task for connection in self._connections if connection.task]
        if tasks:
            await asyncio.wait(tasks)
        await asyncio.sleep(0)

    def _listen(self) -> None:
        listener = socket.socket()
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        # Set before listening, so that connections inherit it.
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, self._buffer_bytes)
        listener.setblocking(False)
        listener.bind(("127.0.0.1", self.port))
        listener.listen()
        self.port = listener.getsockname()[1]
        self._listener = listener
        self._accepting = asyncio.get_running_loop().create_task(
            self._accept(listener), name="proxy accepts"
        )

    def _stop_listening(self) -> None:
        if self._accepting is not None:
            self._accepting.cancel()
            self._accepting = None
        if self._listener is not None:
            self._listener.close()
            self._listener = None

    async def _accept(self, listener: socket.socket) -> None:
        loop = asyncio.get_running_loop()
        while True:
            near, _ = await loop.sock_accept(listener)
            self.accepted += 1
            near.setblocking(False)
            near.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            far = socket.socket()
            far.setblocking(False)
            far.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, self._buffer_bytes)
            far.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            connection = _Connection(self, near, far)
            self._connections.add(connection)
            connection.task = loop.create_task(self._serve(connection, far), name="proxy serves")
            connection.task.add_done_callback(functools.partial(self._over, connection))

    def _over(self, connection: _Connection, task: asyncio.Task[None]) -> None:
        self._connections.discard(connection)
        for end in connection.ends:
            # Also where it was cancelled before its first step.
            end.close()

    async def _serve(self, connection: _Connection, far: socket.socket) -> None:
        try:
            await asyncio.get_running_loop().sock_connect(far, self._behind)
        except OSError:
            connection.linger_not()
            return
        with contextlib.suppress(asyncio.CancelledError):
            await connection.run()
