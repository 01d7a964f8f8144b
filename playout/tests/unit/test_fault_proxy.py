"""A proxy that breaks what passes it, on real sockets."""

from __future__ import annotations

import asyncio
import socket
import struct
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import pytest

from playout.testing.in_thread import InThread
from playout.testing.proxy import FaultProxy


class Echo:
    """A server that sends back what it reads."""

    def __init__(self) -> None:
        self.ended: list[str] = []

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            while data := await reader.read(4096):
                writer.write(data)
                await writer.drain()
            self.ended.append("end")
        except OSError:
            self.ended.append("reset")
        writer.close()


@asynccontextmanager
async def through() -> AsyncIterator[
    tuple[FaultProxy, Echo, asyncio.StreamReader, asyncio.StreamWriter]
]:
    echo = Echo()
    server = await asyncio.start_server(echo.serve, "127.0.0.1", 0)
    async with FaultProxy("127.0.0.1", server.sockets[0].getsockname()[1]) as proxy:
        reader, writer = await asyncio.open_connection("127.0.0.1", proxy.port)
        yield proxy, echo, reader, writer
        writer.close()
    server.close()
    await server.wait_closed()
    await asyncio.sleep(0.02)


def break_off(writer: asyncio.StreamWriter) -> None:
    """End our side by a TCP reset."""
    sock = writer.get_extra_info("socket")
    sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    writer.transport.abort()


async def ask(reader: asyncio.StreamReader, writer: asyncio.StreamWriter, data: bytes) -> float:
    """Seconds until `data` has come back."""
    began = time.monotonic()
    writer.write(data)
    async with asyncio.timeout(60):
        assert await reader.readexactly(len(data)) == data
    return time.monotonic() - began


async def test_it_passes_everything_both_ways() -> None:
    async with through() as (proxy, _, reader, writer):
        await ask(reader, writer, bytes(range(256)) * 1000)
        assert proxy.accepted == 1


async def test_a_reset_reaches_both_ends() -> None:
    async with through() as (proxy, echo, reader, writer):
        await ask(reader, writer, b"hello")
        assert proxy.reset() == 1
        with pytest.raises(ConnectionResetError):
            await reader.read(1)
        await asyncio.sleep(0.1)
        assert echo.ended == ["reset"]


async def test_hanging_up_is_an_orderly_end() -> None:
    async with through() as (proxy, echo, reader, writer):
        await ask(reader, writer, b"hello")
        assert proxy.hang_up() == 1
        assert await reader.read(1) == b""
        await asyncio.sleep(0.1)
        assert echo.ended == ["end"]


async def test_a_half_close_ends_one_direction_only() -> None:
    async with through() as (proxy, echo, reader, writer):
        await ask(reader, writer, b"hello")
        proxy.half_close()
        async with asyncio.timeout(60):
            assert await reader.read(1) == b""
        writer.write(b"still heard")
        await writer.drain()
        await asyncio.sleep(0.1)
        assert echo.ended == []


@pytest.mark.parametrize("way", ["lost_up", "lost_down"])
async def test_a_black_hole_keeps_the_connection_and_gives_back_what_it_held(way: str) -> None:
    async with through() as (proxy, _, reader, writer):
        await ask(reader, writer, b"hello")
        proxy.change(**{way: True})
        writer.write(b"late")
        with pytest.raises(TimeoutError):
            async with asyncio.timeout(0.3):
                await reader.read(4)
        proxy.change(**{way: False})
        async with asyncio.timeout(60):
            assert await reader.readexactly(4) == b"late"


async def test_a_black_hole_stops_a_writer_within_some_kilobytes() -> None:
    async with through() as (proxy, _, reader, writer):
        await ask(reader, writer, b"hello")
        proxy.change(lost_up=True)
        sock = writer.get_extra_info("socket")
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, 4096)
        writer.write(bytes(1 << 20))
        await asyncio.sleep(0.3)
        assert writer.transport.get_write_buffer_size() > (1 << 20) - (200 << 10)
        proxy.change(lost_up=False)


async def test_latency_and_rate_are_kept() -> None:
    async with through() as (proxy, _, reader, writer):
        proxy.change(latency=0.15)
        assert 0.3 <= await ask(reader, writer, b"ping") < 1.5
        # The latency delays, but does not throttle.
        assert await ask(reader, writer, bytes(200_000)) < 3
        proxy.change(latency=0.0, bytes_per_second=20_000.0)
        assert 0.7 <= await ask(reader, writer, bytes(20_000)) < 4


async def test_it_refuses_connections_when_told_to() -> None:
    async with through() as (proxy, _, reader, writer):
        proxy.change(refuses=True)
        await ask(reader, writer, b"those that are open stay")
        with pytest.raises(ConnectionRefusedError):
            await asyncio.open_connection("127.0.0.1", proxy.port)
        proxy.change(refuses=False)
        _, another = await asyncio.open_connection("127.0.0.1", proxy.port)
        another.close()


async def test_it_flips_one_bit() -> None:
    async with through() as (proxy, _, reader, writer):
        proxy.change(corrupts_next=True)
        writer.write(bytes(500))
        async with asyncio.timeout(60):
            found = await reader.readexactly(500)
        assert sum(byte.bit_count() for byte in found) == 1


def test_it_works_from_a_thread_for_tests_without_a_loop() -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:
        behind = server.getsockname()[1]
        with InThread(lambda: FaultProxy("127.0.0.1", behind)) as running:
            near = socket.create_connection(("127.0.0.1", running.it.port))
            far, _ = server.accept()
            near.sendall(b"through")
            assert far.recv(100) == b"through"
            assert running.call(running.it.reset) == 1
            with pytest.raises(ConnectionResetError):
                near.recv(1)
            near.close()
            far.close()


async def test_hanging_up_is_an_orderly_end_also_while_media_flows() -> None:
    async with through() as (proxy, echo, reader, writer):
        await ask(reader, writer, b"hello")
        # So much has come that part of it waits unread in the proxy.
        proxy.change(lost_up=True, lost_down=True)
        writer.write(bytes(64 << 10))
        await asyncio.sleep(0.1)
        assert proxy.hang_up() == 1
        async with asyncio.timeout(60):
            assert await reader.read() == b""
        writer.write(b"said before the end was noticed")
        await asyncio.sleep(0.1)
        assert not writer.transport.is_closing()
        assert echo.ended == ["end"]


async def test_who_was_hung_up_on_and_goes_on_and_on_is_reset() -> None:
    async with through() as (proxy, _, _reader, writer):
        proxy.hang_up()
        async with asyncio.timeout(60):
            with pytest.raises(ConnectionError):
                while True:
                    writer.write(bytes(1000))
                    await writer.drain()
                    await asyncio.sleep(0.01)


async def test_after_a_half_close_towards_the_ingest_the_connection_ends_with_its_ends() -> None:
    async with through() as (proxy, echo, reader, writer):
        await ask(reader, writer, b"hello")
        proxy.half_close(up=True)
        async with asyncio.timeout(60):
            assert await reader.read() == b""
            # Nothing of this goes anywhere, and nothing of it is held back either.
            writer.write(bytes(1 << 20))
            await writer.drain()
            writer.close()
            while proxy.connected:
                await asyncio.sleep(0.01)
        assert echo.ended == ["end"]


@pytest.mark.parametrize("rate", [500_000, 3_000_000])
async def test_a_rate_is_what_passes(rate: int) -> None:
    came = 0

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        nonlocal came
        while data := await reader.read(65536):
            came += len(data)
        writer.close()

    server = await asyncio.start_server(serve, "127.0.0.1", 0)
    async with FaultProxy("127.0.0.1", server.sockets[0].getsockname()[1]) as proxy:
        proxy.change(bytes_per_second=rate)
        _, writer = await asyncio.open_connection("127.0.0.1", proxy.port)

        async def publish() -> None:
            while True:
                writer.write(bytes(700))
                await writer.drain()

        publishing = asyncio.create_task(publish())
        await asyncio.sleep(0.2)
        before, began = came, time.monotonic()
        await asyncio.sleep(1)
        # A machine that does much else lets it pass less, never more.
        assert 0.4 * rate < (came - before) / (time.monotonic() - began) < 1.15 * rate
        publishing.cancel()
        writer.transport.abort()
    server.close()
    await server.wait_closed()


@pytest.mark.parametrize(
    "senseless",
    [
        {"bytes_per_second": 0},
        {"bytes_per_second": -1},
        {"latency": -0.1},
        {"latency": float("nan")},
        {"short_writes": 0.5},
        {"unresolvable": True},
    ],
)
async def test_a_fault_that_it_cannot_cause_is_refused(senseless: dict[str, object]) -> None:
    async with through() as (proxy, _, reader, writer):
        with pytest.raises(ValueError, match=next(iter(senseless))):
            proxy.change(**senseless)
        await ask(reader, writer, b"hello")


async def test_a_reset_by_one_end_reaches_the_other() -> None:
    async with through() as (proxy, echo, reader, writer):
        await ask(reader, writer, b"hello")
        break_off(writer)
        async with asyncio.timeout(60):
            while not echo.ended or proxy.connected:
                await asyncio.sleep(0.01)
        assert echo.ended == ["reset"]


async def test_after_a_reset_by_one_end_nothing_of_the_connection_is_left_waiting() -> None:
    async with through() as (proxy, _, reader, writer):
        await ask(reader, writer, b"hello")
        break_off(writer)
        async with asyncio.timeout(60):
            while proxy.connected:
                await asyncio.sleep(0.01)
        await asyncio.sleep(0.05)
        # One that waits at a closed socket keeps its number from whoever gets it next.
        names = {task.get_name() for task in asyncio.all_tasks()}
        assert {name for name in names if name.startswith("proxy")} == {"proxy accepts"}
