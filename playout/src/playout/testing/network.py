"""A network in memory, on simulated time: connections that behave as TCP does, well or badly.

    network = SimulatedNetwork(loop, chance=random.Random(7))
    network.listen("ingest", 1935, accept)              # accept(socket) for each new connection
    transport = await network.connect(address)          # stands for publisher.transport.connect

A `SimulatedSocket` is a `playout.publisher.transport.Transport`, at both ends. What is written
waits in a send buffer of limited size until the far end's kernel has confirmed it; it crosses the
`Conditions` of its host, which may delay, throttle, corrupt or swallow it in either direction.
"""

from __future__ import annotations

import asyncio
import math
import random
import ssl
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from typing import Any

from playout.errors import (
    AddressNotAllowed,
    ConnectionLost,
    ConnectionRefused,
    HostNotFound,
    IngestTimeout,
)
from playout.publisher.address import Address
from playout.publisher.transport import AddressCheck, Buffer, Limits
from playout.testing.virtual_time import VirtualLoop

SEND_BUFFER_BYTES = 64 << 10
RECEIVE_BUFFER_BYTES = 16 << 10
_SEGMENT_BYTES = 1400
_LONGEST_DELAY = 3600.0


@dataclass(slots=True, eq=False)
class Conditions:
    """What the network between everybody and one host is like now; change it while it runs."""

    latency: float = 0.01
    """Seconds one way."""
    bytes_per_second: float | None = None
    """Of each connection and direction; None for as fast as written."""
    lost_up: bool = False
    """Nothing reaches the host: a black hole. What was sent arrives once that is over."""
    lost_down: bool = False
    """Nothing comes back, confirmations included."""
    refuses: bool = False
    """Nothing listens."""
    unresolvable: bool = False
    """The host has no address."""
    corrupts_next: bool = False
    """One bit of the next segment towards the host flips; said once."""
    short_writes: float = 0.0
    """Probability that a write takes only a part although there is room."""

    def change(self, **values: Any) -> None:
        """Set some of them, or none where one makes no sense.

        Raises `AttributeError` for a name that is no condition, `ValueError` for a bad value.
        """
        after = replace(self)
        for name, value in values.items():
            if name not in self.__slots__:
                raise AttributeError(f"Conditions have no {name!r}.")
            setattr(after, name, value)
        if not 0.0 <= after.latency < math.inf:
            raise ValueError(f"latency is {after.latency}; it must be 0 or more seconds.")
        if after.bytes_per_second is not None and not after.bytes_per_second > 0:
            raise ValueError(
                f"bytes_per_second is {after.bytes_per_second}; it must be more than 0. "
                "Use lost_up and lost_down to let nothing pass."
            )
        if not 0.0 <= after.short_writes <= 1.0:
            raise ValueError(f"short_writes is {after.short_writes}; it is a probability.")
        for name, value in values.items():
            setattr(self, name, value)


class _Way:
    """One direction of a connection."""

    def __init__(
        self,
        network: SimulatedNetwork,
        conditions: Conditions,
        sender: SimulatedSocket,
        receiver: SimulatedSocket,
        *,
        up: bool,
    ) -> None:
        self._network = network
        self._loop = network.loop
        self._conditions = conditions
        self._sender = sender
        self._receiver = receiver
        self._up = up
        self._segments: deque[tuple[float, bytes]] = deque()
        self._timer: asyncio.TimerHandle | None = None
        self._line_free_at = 0.0
        self._confirmed: deque[tuple[float, int]] = deque()
        self.outstanding = 0
        """Bytes written and not confirmed: they fill the send buffer."""
        self.acked = 0
        self._ending = False
        self._ended = False

    @property
    def _is_lost(self) -> bool:
        return self._conditions.lost_up if self._up else self._conditions.lost_down

    @property
    def _is_lost_back(self) -> bool:
        return self._conditions.lost_down if self._up else self._conditions.lost_up

    @property
    def is_over(self) -> bool:
        """Nothing of it will arrive any more."""
        return self._ended

    def write(self, data: bytes) -> None:
        """Take `data`, for which there is room."""
        self.outstanding += len(data)
        rate = self._conditions.bytes_per_second
        now = self._loop.time()
        if rate is None:
            self._segments.append((now + self._conditions.latency, data))
        else:
            at = max(now, self._line_free_at)
            for begin in range(0, len(data), _SEGMENT_BYTES):
                part = data[begin : begin + _SEGMENT_BYTES]
                at += len(part) / rate
                self._segments.append((at + self._conditions.latency, part))
            self._line_free_at = at
        self.go_on()

    def end(self) -> None:
        """Nothing follows what was written."""
        self._ending = True
        self.go_on()

    def drop(self) -> None:
        """Forget everything: the connection is no more."""
        self._segments.clear()
        self._ended = True
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None

    def go_on(self) -> None:
        """Deliver what is due, and come back for the rest."""
        if self._timer is not None or self._ended or self._is_lost:
            return
        now = self._loop.time()
        while self._segments:
            due, data = self._segments[0]
            if due > now:
                self._timer = self._loop.call_at(due, self._due)
                return
            if self._receiver.room < min(len(data), _SEGMENT_BYTES):
                return
            self._segments.popleft()
            self._deliver(data)
            if self._ended:
                return
        if self._ending:
            self._ended = True
            self._loop.call_later(self._conditions.latency, self._receiver.arrive, b"")

    def _due(self) -> None:
        self._timer = None
        self.go_on()

    def _deliver(self, data: bytes) -> None:
        if self._up and self._conditions.corrupts_next:
            self._conditions.corrupts_next = False
            at = self._network.chance.randrange(len(data))
            data = (
                data[:at]
                + bytes((data[at] ^ 1 << self._network.chance.randrange(8),))
                + data[at + 1 :]
            )
            self._network.corrupted.append(self._sender)
        if self._receiver.is_closed:
            # Its kernel answers data for nobody with a reset.
            self._sender.broke("Connection reset by peer")
            self.drop()
            return
        self._receiver.arrive(data)
        self._confirmed.append((self._loop.time() + self._conditions.latency, len(data)))
        if self._sender.waits_for_room:
            self._loop.call_later(self._conditions.latency, self._sender.look)

    def confirm(self) -> None:
        """Take note of confirmations that have come back by now."""
        if self._is_lost_back:
            return
        now = self._loop.time()
        while self._confirmed and self._confirmed[0][0] <= now:
            size = self._confirmed.popleft()[1]
            self.outstanding -= size
            self.acked += size


class SimulatedSocket:
    """One end of a connection; a `Transport` whose descriptor the loop can watch."""

    def __init__(self, network: SimulatedNetwork, name: str) -> None:
        self.name = name
        self._network = network
        self._descriptors = network.loop.descriptors
        self._descriptor = self._descriptors.open()
        self._inbox: deque[bytes] = deque()
        self._unread = 0
        self._at_end = False
        self._waiting = bytearray()
        self._broken = ""
        self.is_closed = False
        self.most_waiting = 0
        """The most bytes that ever waited here because the kernel had no room."""
        self.out: _Way
        self.peer: SimulatedSocket
        self.conditions: Conditions

    # -- as a transport ---------------------------------------------------------------------

    def send(self, buffers: list[Buffer], size: int) -> bool:
        """See `Transport`."""
        data = b"".join(buffers)
        if len(data) != size:
            raise AssertionError(f"{len(data)} bytes were given as {size}")
        if self._waiting:
            self._check()
            self._waiting += data
        else:
            taken = self._write(data)
            if taken == size:
                return True
            self._waiting += data[taken:]
        self.most_waiting = max(self.most_waiting, len(self._waiting))
        self.look()
        return False

    def flush(self) -> bool:
        """See `Transport`."""
        while self._waiting:
            taken = self._write(bytes(self._waiting))
            if not taken:
                self.look()
                return False
            del self._waiting[:taken]
        self.look()
        return True

    def _check(self) -> None:
        if self.is_closed:
            raise AssertionError(f"{self.name} was used after it was closed")
        if not self._broken and self._network.is_client(self) and self._network.fails():
            self._reset_peer()
            self.broke("Input/output error")
        if self._broken:
            raise ConnectionLost(f"The connection to the ingest broke: {self._broken}.")

    def _write(self, data: bytes) -> int:
        self._check()
        self.out.confirm()
        room = max(0, self._network.send_buffer_bytes - self.out.outstanding)
        taken = min(room, len(data))
        chance = self._network.chance
        if taken and chance.random() < self.conditions.short_writes:
            taken = chance.randint(1, taken)
        if taken:
            self._network.wrote(self, data[:taken])
            self.out.write(data[:taken])
        return taken

    def receive(self) -> bytes | None:
        """See `Transport`."""
        self._check()
        if self._inbox:
            data = b"".join(self._inbox)
            self._inbox.clear()
            self._unread = 0
            self.look()
            self.peer.out.go_on()
            return data
        return b"" if self._at_end else None

    def fileno(self) -> int:
        """See `Transport`."""
        return -1 if self.is_closed else self._descriptor

    def acked_bytes(self) -> int:
        """See `Transport`."""
        self.out.confirm()
        return self.out.acked

    def unsent_bytes(self) -> int:
        """See `Transport`."""
        self.out.confirm()
        return self.out.outstanding + len(self._waiting)

    def shutdown(self) -> None:
        """See `Transport`."""
        if not self._broken and not self.is_closed:
            self.out.end()

    def close(self) -> None:
        """See `Transport`; unread bytes make it a reset, as the kernel does it."""
        if self.is_closed:
            return
        self._forget()
        if self._inbox:
            self.peer.broke("Connection reset by peer")
            self.out.drop()
        else:
            self.out.end()

    def abort(self) -> None:
        """Close at once: what waits in the kernel is thrown away, and the far end gets a reset."""
        if self.is_closed:
            return
        self._forget()
        self.out.drop()
        self._network.loop.call_later(self.conditions.latency, self._reset_peer)

    def _reset_peer(self) -> None:
        # A reset is sent once; a black hole swallows it.
        conditions = self.conditions
        if not (conditions.lost_up or conditions.lost_down):
            self.peer.broke("Connection reset by peer")

    def _forget(self) -> None:
        self.is_closed = True
        self._waiting.clear()
        self._descriptors.set_ready(self._descriptor, readable=False, writable=False)
        self._network.closed(self)

    @property
    def is_over(self) -> bool:
        """Nothing will happen on this connection any more."""
        return self.is_closed and self.peer.is_closed and self.out.is_over and self.peer.out.is_over

    # -- what the network does to it --------------------------------------------------------

    @property
    def room(self) -> int:
        """What its receive buffer still takes."""
        return self._network.receive_buffer_bytes - self._unread

    @property
    def waits_for_room(self) -> bool:
        """Whether bytes wait here for the send buffer to empty."""
        return bool(self._waiting)

    def arrive(self, data: bytes) -> None:
        """Bytes came, or with none of them the end."""
        if self.is_closed or self._broken:
            return
        if data:
            self._inbox.append(data)
            self._unread += len(data)
        else:
            self._at_end = True
        self.look()

    def broke(self, reason: str) -> None:
        """The connection was reset: nothing more comes or goes."""
        if self.is_closed or self._broken:
            return
        self._broken = reason
        self._inbox.clear()
        self._unread = 0
        self.out.drop()
        self.look()

    def look(self) -> None:
        """Say anew what the descriptor allows."""
        if self.is_closed:
            return
        self.out.confirm()
        self._descriptors.set_ready(
            self._descriptor,
            readable=bool(self._inbox or self._at_end or self._broken),
            writable=bool(self._broken or self.out.outstanding < self._network.send_buffer_bytes),
        )


@dataclass(slots=True)
class _Host:
    accept: dict[int, Callable[[SimulatedSocket], None]] = field(default_factory=dict)
    conditions: Conditions = field(default_factory=Conditions)


class SimulatedNetwork:
    """Hosts by name, and the connections to them."""

    def __init__(
        self,
        loop: VirtualLoop,
        *,
        chance: random.Random,
        send_buffer_bytes: int = SEND_BUFFER_BYTES,
        receive_buffer_bytes: int = RECEIVE_BUFFER_BYTES,
    ) -> None:
        self.loop = loop
        self.chance = chance
        self.send_buffer_bytes = send_buffer_bytes
        self.receive_buffer_bytes = receive_buffer_bytes
        self.corrupted: list[SimulatedSocket] = []
        """Clients of whose connections a bit was flipped."""
        self.on_write: Callable[[SimulatedSocket, bytes], None] = lambda socket, data: None
        """Told of all bytes that a client hands to its kernel."""
        self.fails: Callable[[], bool] = lambda: False
        """Asked at each call of a client's socket; True makes it fail as if the link had broken."""
        self._hosts: dict[str, _Host] = {}
        self._open: dict[SimulatedSocket, str] = {}
        self._links: list[SimulatedSocket] = []
        self._made = 0

    def listen(self, host: str, port: int, accept: Callable[[SimulatedSocket], None]) -> None:
        """Call `accept` with the server's end of each connection to `host`."""
        self._hosts.setdefault(host, _Host()).accept[port] = accept

    def conditions(self, host: str) -> Conditions:
        """What the way to `host` is like."""
        return self._hosts.setdefault(host, _Host()).conditions

    def change(self, host: str, **values: object) -> None:
        """Set some of the conditions of `host`, and let go on what they held back."""
        conditions = self.conditions(host)
        conditions.change(**values)
        for near in self._links:
            if near.conditions is conditions:
                for socket in (near, near.peer):
                    socket.out.go_on()
                    socket.look()

    def clients(self, host: str) -> list[SimulatedSocket]:
        """The publishers' ends of all connections to `host` that are open."""
        return [socket for socket, its in self._open.items() if its == host]

    def reset(self, host: str) -> int:
        """Break all connections to `host` at both ends at once; how many there were."""
        found = self.clients(host)
        for socket in found:
            socket.peer.broke("Connection reset by peer")
            socket.broke("Connection reset by peer")
        return len(found)

    def wrote(self, socket: SimulatedSocket, data: bytes) -> None:
        """A socket handed `data` to its kernel."""
        if socket in self._open:
            self.on_write(socket, data)

    def is_client(self, socket: SimulatedSocket) -> bool:
        """Whether it is a publisher's end."""
        return socket in self._open

    def closed(self, socket: SimulatedSocket) -> None:
        """A socket was closed by its owner."""
        self._open.pop(socket, None)

    async def connect(
        self,
        address: Address,
        *,
        context: ssl.SSLContext | None = None,
        limits: Limits | None = None,
        allowed: AddressCheck | None = None,
    ) -> SimulatedSocket:
        """As `playout.publisher.transport.connect`, with the same errors; nothing is encrypted."""
        limits = limits or Limits()
        host = self._hosts.get(address.host)
        if host is None or host.conditions.unresolvable:
            await asyncio.sleep(0.001)
            raise HostNotFound(f"There is no host called {address.host}.")
        if allowed is not None and not allowed("192.0.2.1", address.port):
            raise AddressNotAllowed(f"Publishing to {address.host} is not allowed here.")
        conditions = host.conditions
        try:
            async with asyncio.timeout(limits.connect):
                await asyncio.sleep(2 * conditions.latency)
                while conditions.lost_up or conditions.lost_down:
                    # TCP sends its SYN again and again.
                    await asyncio.sleep(min(limits.connect / 4, _LONGEST_DELAY))
        except TimeoutError as error:
            raise IngestTimeout(f"{address.host} did not answer in time.") from error
        accept = host.accept.get(address.port)
        if conditions.refuses or accept is None:
            raise ConnectionRefused(f"Nothing listens at {address.host} port {address.port}.")
        self._made += 1
        near = SimulatedSocket(self, f"connection {self._made} to {address.host}")
        far = SimulatedSocket(self, f"connection {self._made} at {address.host}")
        near.peer, far.peer = far, near
        near.out = _Way(self, conditions, near, far, up=True)
        far.out = _Way(self, conditions, far, near, up=False)
        near.conditions = far.conditions = conditions
        self._links = [link for link in self._links if not link.is_over] + [near]
        self._open[near] = address.host
        near.look()
        far.look()
        accept(far)
        return near
