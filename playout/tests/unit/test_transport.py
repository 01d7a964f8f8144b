"""What a transport does with more than the kernel takes at once."""

from __future__ import annotations

import asyncio
import contextlib
import mmap
import os
import random
import socket
import ssl
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from judges.tls import Authority

from playout.errors import TrackUnreadable
from playout.publisher.address import parse_address
from playout.publisher.transport import Buffer, Transport, connect, tls_context


@contextlib.asynccontextmanager
async def connected(
    tmp_path: Path, scheme: str, may_read: asyncio.Event
) -> AsyncIterator[tuple[Transport, asyncio.Future[bytes]]]:
    """A connection whose far end reads everything once it may, and keeps little before."""
    authority = Authority(tmp_path)
    server_side = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    issued = authority.issue()
    server_side.load_cert_chain(issued.certificate, issued.key)
    taken: asyncio.Future[bytes] = asyncio.get_running_loop().create_future()

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await may_read.wait()
        taken.set_result(await reader.read(-1))
        writer.close()

    with socket.socket() as listening:
        listening.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 16384)
        listening.bind(("127.0.0.1", 0))
        listening.listen()
        server = await asyncio.start_server(
            serve, sock=listening, ssl=server_side if scheme == "rtmps" else None, limit=4096
        )
        port = server.sockets[0].getsockname()[1]
        transport: Transport = await connect(
            parse_address(f"{scheme}://localhost:{port}/live/key"),
            context=tls_context(str(authority.file)),
        )
        yield transport, taken
        transport.close()
        server.close()
        await server.wait_closed()


async def send_to_a_slow_reader(tmp_path: Path, scheme: str, buffers: list[Buffer]) -> bytes:
    """Send `buffers` in one go while nobody reads, then read them all."""
    may_read = asyncio.Event()
    async with connected(tmp_path, scheme, may_read) as (transport, taken):
        size = sum(map(len, buffers))
        assert transport.send(list(buffers), size) is False
        transport.acked_bytes()
        assert transport.unsent_bytes() > size / 2
        may_read.set()
        while not transport.flush():
            await asyncio.sleep(0.005)
            transport.receive()
        transport.shutdown()
        return await asyncio.wait_for(taken, 10)


@pytest.mark.parametrize("scheme", ["rtmp", "rtmps"])
async def test_slices_of_any_size_arrive_whole_and_in_order(tmp_path: Path, scheme: str) -> None:
    chance = random.Random(20)
    sizes = [1, 32 << 10, (32 << 10) + 1, 380, 5 << 20, 4096, 3_000_001]
    sizes += [chance.randrange(1, 20_000) for _ in range(1500)]
    buffers: list[Buffer] = [memoryview(chance.randbytes(size)) for size in sizes]
    expected = b"".join(buffers)
    assert await send_to_a_slow_reader(tmp_path, scheme, buffers) == expected


@pytest.mark.parametrize("scheme", ["rtmp", "rtmps"])
async def test_what_the_kernel_holds_is_counted_without_asking_it_twice(
    tmp_path: Path, scheme: str
) -> None:
    may_read = asyncio.Event()
    async with connected(tmp_path, scheme, may_read) as (transport, taken):
        may_read.set()
        for _ in range(20):
            transport.send([b"x" * 5000, b"y" * 70_000], 75_000)
            await asyncio.sleep(0.01)
        async with asyncio.timeout(5):
            while not transport.flush() or transport.unsent_bytes():
                await asyncio.sleep(0.01)
                transport.acked_bytes()
        assert transport.acked_bytes() >= 20 * 75_000
        transport.shutdown()
        assert len(await asyncio.wait_for(taken, 10)) == 20 * 75_000


@pytest.mark.parametrize("scheme", ["rtmp", "rtmps"])
async def test_a_mapped_file_that_was_cut_short_is_an_error_and_not_the_end(
    tmp_path: Path, scheme: str
) -> None:
    file = tmp_path / "video.track"
    file.write_bytes(b"media" * 20_000)
    with file.open("rb") as opened:
        media = memoryview(mmap.mmap(opened.fileno(), 0, prot=mmap.PROT_READ))
    os.truncate(file, 0)
    may_read = asyncio.Event()
    async with connected(tmp_path, scheme, may_read) as (transport, taken):
        with pytest.raises(TrackUnreadable):
            transport.send([media[4096:60_000]], 60_000 - 4096)
        assert transport.send([b"what follows"], 12)
        transport.shutdown()
        may_read.set()
        assert await asyncio.wait_for(taken, 10) == b"what follows"


async def test_an_abort_takes_back_what_the_far_end_has_not_read() -> None:
    ended = asyncio.Event()
    heard: list[object] = []

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            while data := await reader.read(1 << 16):
                heard.append(len(data))
            heard.append("end")
        except ConnectionResetError:
            heard.append("reset")
        writer.close()
        ended.set()

    server = await asyncio.start_server(serve, "127.0.0.1", 0)
    port = server.sockets[0].getsockname()[1]
    transport = await connect(parse_address(f"rtmp://127.0.0.1:{port}/live/key"))
    assert transport.send([b"some"], 4)
    await asyncio.sleep(0.05)
    transport.abort()
    await asyncio.wait_for(ended.wait(), 5)
    assert heard == [4, "reset"]
    server.close()
    await server.wait_closed()
