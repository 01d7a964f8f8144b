"""What a transport does with more than the kernel takes at once."""

from __future__ import annotations

import asyncio
import random
import socket
import ssl
from pathlib import Path

import pytest
from judges.tls import Authority

from playout.publisher.address import parse_address
from playout.publisher.transport import Buffer, Transport, connect, tls_context


async def send_to_a_slow_reader(tmp_path: Path, scheme: str, buffers: list[Buffer]) -> bytes:
    """Send `buffers` in one go while nobody reads, then read them all."""
    authority = Authority(tmp_path)
    server_side = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    issued = authority.issue()
    server_side.load_cert_chain(issued.certificate, issued.key)
    taken: asyncio.Future[bytes] = asyncio.get_running_loop().create_future()
    may_read = asyncio.Event()

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
        size = sum(map(len, buffers))
        assert transport.send(buffers, size) is False
        assert transport.unsent_bytes() > size / 2
        may_read.set()
        while not transport.flush():
            await asyncio.sleep(0.005)
            transport.receive()
        transport.shutdown()
        found = await asyncio.wait_for(taken, 10)
        transport.close()
        server.close()
        await server.wait_closed()
        return found


@pytest.mark.parametrize("scheme", ["rtmp", "rtmps"])
async def test_slices_of_any_size_arrive_whole_and_in_order(tmp_path: Path, scheme: str) -> None:
    chance = random.Random(20)
    sizes = [1, 32 << 10, (32 << 10) + 1, 380, 5 << 20, 4096, 3_000_001]
    sizes += [chance.randrange(1, 20_000) for _ in range(1500)]
    buffers: list[Buffer] = [memoryview(chance.randbytes(size)) for size in sizes]
    expected = b"".join(buffers)
    assert await send_to_a_slow_reader(tmp_path, scheme, buffers) == expected
