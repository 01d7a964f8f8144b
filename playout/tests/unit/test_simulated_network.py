"""Connections in memory that behave as TCP does: order, limits, delay, loss, and the end."""

from __future__ import annotations

import asyncio
import random
from collections.abc import Awaitable, Callable

import pytest

from playout.errors import (
    AddressNotAllowed,
    ConnectionLost,
    ConnectionRefused,
    HostNotFound,
    IngestTimeout,
)
from playout.publisher.address import parse_address
from playout.publisher.transport import Limits
from playout.testing.network import SimulatedNetwork, SimulatedSocket
from playout.testing.virtual_time import VirtualLoop, run

ADDRESS = parse_address("rtmp://ingest/live", "key")


class Ends:
    """Both ends of the connections to one host."""

    def __init__(self, network: SimulatedNetwork) -> None:
        self.network = network
        self.loop = network.loop
        self.far: list[SimulatedSocket] = []
        network.listen("ingest", 1935, self.far.append)

    async def pair(self) -> tuple[SimulatedSocket, SimulatedSocket]:
        near = await self.network.connect(ADDRESS)
        return near, self.far[-1]


def simulate(test: Callable[[Ends], Awaitable[None]], **options: int) -> None:
    async def main() -> None:
        loop = asyncio.get_running_loop()
        assert isinstance(loop, VirtualLoop)
        await test(Ends(SimulatedNetwork(loop, chance=random.Random(3), **options)))

    run(main())


def test_bytes_arrive_in_order_after_the_latency() -> None:
    async def test(ends: Ends) -> None:
        near, far = await ends.pair()
        ends.network.change("ingest", latency=0.1)
        assert near.send([b"one", memoryview(b"two")], 6)
        assert near.send([b"three"], 5)
        await asyncio.sleep(0.09)
        assert far.receive() is None
        await asyncio.sleep(0.02)
        assert far.receive() == b"onetwothree"
        assert near.acked_bytes() == 0
        await asyncio.sleep(0.1)
        assert near.acked_bytes() == 11
        assert near.unsent_bytes() == 0

    simulate(test)


def test_a_reader_that_stops_fills_both_buffers_and_then_stops_the_writer() -> None:
    async def test(ends: Ends) -> None:
        near, far = await ends.pair()
        sent = random.Random(1).randbytes(40_000)
        assert near.send([sent], len(sent)) is False
        await asyncio.sleep(1)
        assert not near.flush()
        assert near.unsent_bytes() > 20_000
        taken = b""
        ready = asyncio.Event()

        def writable() -> None:
            ready.set()
            ends.loop.remove_writer(near.fileno())

        ends.loop.add_writer(near.fileno(), writable)
        while len(taken) < len(sent):
            taken += far.receive() or b""
            near.flush()
            await asyncio.sleep(0.05)
        assert taken == sent
        assert ready.is_set()
        assert near.unsent_bytes() == 0

    simulate(test, send_buffer_bytes=8192, receive_buffer_bytes=4096)


def test_a_throttled_way_takes_its_time() -> None:
    async def test(ends: Ends) -> None:
        near, far = await ends.pair()
        ends.network.change("ingest", bytes_per_second=1000.0, latency=0.0)
        near.send([bytes(3000)], 3000)
        await asyncio.sleep(1.5)
        assert len(far.receive() or b"") == 1400
        await asyncio.sleep(1.6)
        assert len(far.receive() or b"") == 1600

    simulate(test)


def test_a_black_hole_keeps_what_was_sent_and_gives_it_back() -> None:
    async def test(ends: Ends) -> None:
        near, far = await ends.pair()
        ends.network.change("ingest", lost_up=True)
        near.send([b"late"], 4)
        await asyncio.sleep(60)
        assert far.receive() is None
        assert (near.acked_bytes(), near.unsent_bytes()) == (0, 4)
        far.send([b"hello"], 5)
        await asyncio.sleep(1)
        assert near.receive() == b"hello"
        assert far.unsent_bytes() == 5, "its confirmation is lost"
        ends.network.change("ingest", lost_up=False)
        await asyncio.sleep(1)
        assert far.receive() == b"late"
        assert far.unsent_bytes() == 0

    simulate(test)


def test_a_reset_is_seen_at_both_ends_and_loses_what_was_on_its_way() -> None:
    async def test(ends: Ends) -> None:
        near, far = await ends.pair()
        near.send([b"lost"], 4)
        seen = asyncio.Event()
        ends.loop.add_reader(near.fileno(), seen.set)
        assert ends.network.reset("ingest") == 1
        await asyncio.wait_for(seen.wait(), 1)
        for end in (near, far):
            with pytest.raises(ConnectionLost):
                end.receive()
        with pytest.raises(ConnectionLost):
            near.send([b"x"], 1)

    simulate(test)


def test_an_orderly_end_comes_behind_the_last_byte() -> None:
    async def test(ends: Ends) -> None:
        near, far = await ends.pair()
        near.send([b"bye"], 3)
        near.shutdown()
        await asyncio.sleep(1)
        assert far.receive() == b"bye"
        assert far.receive() == b""
        far.send([b"you too"], 7)
        far.close()
        await asyncio.sleep(1)
        assert near.receive() == b"you too"
        assert near.receive() == b""

    simulate(test)


def test_closing_with_unread_bytes_and_writing_to_the_dead_are_resets() -> None:
    async def test(ends: Ends) -> None:
        near, far = await ends.pair()
        near.send([b"unread"], 6)
        await asyncio.sleep(1)
        far.close()
        with pytest.raises(ConnectionLost):
            near.receive()
        near, far = await ends.pair()
        far.close()
        await asyncio.sleep(1)
        assert near.receive() == b""
        near.send([b"anybody?"], 8)
        await asyncio.sleep(1)
        with pytest.raises(ConnectionLost):
            near.receive()

    simulate(test)


def test_what_waits_in_the_kernel_outlives_a_close_but_not_an_abort() -> None:
    async def test(ends: Ends) -> None:
        for last_act, arrives in (("close", b"tail"), ("abort", None)):
            near, far = await ends.pair()
            ends.network.change("ingest", lost_up=True)
            near.send([b"tail"], 4)
            getattr(near, last_act)()
            await asyncio.sleep(5)
            ends.network.change("ingest", lost_up=False)
            await asyncio.sleep(1)
            assert far.receive() == arrives

    simulate(test)


def test_connecting_fails_as_it_does_in_the_world() -> None:
    async def test(ends: Ends) -> None:
        connect, change = ends.network.connect, ends.network.change
        with pytest.raises(HostNotFound):
            await connect(parse_address("rtmp://nowhere/live", "key"))
        with pytest.raises(ConnectionRefused):
            await connect(parse_address("rtmp://ingest:1936/live", "key"))
        with pytest.raises(AddressNotAllowed):
            await connect(ADDRESS, allowed=lambda host, port: False)
        change("ingest", refuses=True)
        with pytest.raises(ConnectionRefused):
            await connect(ADDRESS)
        change("ingest", refuses=False, lost_down=True)
        began = ends.loop.time()
        with pytest.raises(IngestTimeout):
            await connect(ADDRESS, limits=Limits(connect=4))
        assert ends.loop.time() - began == pytest.approx(4, abs=0.01)
        with pytest.raises(AttributeError):
            change("ingest", typo=1)

    simulate(test)


def test_short_writes_lose_nothing() -> None:
    async def test(ends: Ends) -> None:
        near, far = await ends.pair()
        ends.network.change("ingest", short_writes=1.0)
        sent = random.Random(2).randbytes(9000)
        assert not near.send([sent], len(sent))
        while not near.flush():
            await asyncio.sleep(0.01)
        await asyncio.sleep(1)
        assert far.receive() == sent

    simulate(test)


def test_a_flipped_bit_is_one_bit_and_is_remembered() -> None:
    async def test(ends: Ends) -> None:
        near, far = await ends.pair()
        ends.network.change("ingest", corrupts_next=True)
        near.send([bytes(100)], 100)
        await asyncio.sleep(1)
        taken = far.receive()
        assert taken is not None
        assert sum(byte.bit_count() for byte in taken) == 1
        assert ends.network.corrupted == [near]

    simulate(test)
