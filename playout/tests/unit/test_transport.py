"""What a transport does with more than the kernel takes at once."""

from __future__ import annotations

import asyncio
import contextlib
import errno
import mmap
import os
import random
import socket
import ssl
import threading
import time
from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import pytest
from judges.tls import Authority

from playout.errors import (
    AddressNotAllowed,
    ConnectionLost,
    ConnectionRefused,
    HostNotFound,
    TrackUnreadable,
)
from playout.publisher.address import parse_address
from playout.publisher.transport import (
    Buffer,
    Connector,
    Limits,
    PlainTransport,
    Transport,
    connect,
    tls_context,
)

_FIN_WAIT_2 = 5
"""Of a connection whose end was acknowledged: see include/net/tcp_states.h of Linux."""


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


def test_nothing_is_left_unsent_once_the_end_has_arrived_as_well() -> None:
    with (
        socket.create_server(("127.0.0.1", 0)) as listening,
        socket.create_connection(listening.getsockname()) as near,
        listening.accept()[0] as far,
    ):
        transport = PlainTransport(near)
        transport.send([b"x" * 1000], 1000)
        transport.shutdown()
        while far.recv(4096):
            pass
        give_up = time.monotonic() + 5
        while near.getsockopt(socket.IPPROTO_TCP, socket.TCP_INFO, 1)[0] != _FIN_WAIT_2:
            assert time.monotonic() < give_up
            time.sleep(0.01)
        assert transport.acked_bytes() == 1000
        assert transport.unsent_bytes() == 0


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
        return await asyncio.wait_for(taken, 60)


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
        async with asyncio.timeout(60):
            while not transport.flush() or transport.unsent_bytes():
                await asyncio.sleep(0.01)
                transport.acked_bytes()
        assert transport.acked_bytes() >= 20 * 75_000
        transport.shutdown()
        assert len(await asyncio.wait_for(taken, 60)) == 20 * 75_000


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
        assert await asyncio.wait_for(taken, 60) == b"what follows"


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
    await asyncio.wait_for(ended.wait(), 60)
    assert heard == [4, "reset"]
    server.close()
    await server.wait_closed()


# -- ways to a host -----------------------------------------------------------------------------


def answers(monkeypatch: pytest.MonkeyPatch, *addresses: str) -> None:
    """Let the resolver give these addresses, or fail when there are none."""

    def getaddrinfo(host: str, port: int, **_: object) -> list[object]:
        if not addresses:
            raise socket.gaierror(socket.EAI_NONAME, "not known")
        return [
            (socket.AF_INET6 if ":" in each else socket.AF_INET, socket.SOCK_STREAM, 6, "",
             (each, port, 0, 0) if ":" in each else (each, port))
            for each in addresses
        ]  # fmt: skip

    monkeypatch.setattr(socket, "getaddrinfo", getaddrinfo)


@contextlib.contextmanager
def full_queue(host: str, port: int) -> Iterator[None]:
    """A host that answers no one, as a black hole: its queue of connections is full."""
    with contextlib.ExitStack() as kept:
        server = kept.enter_context(socket.socket())
        server.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        server.bind((host, port))
        server.listen(0)
        for _ in range(4):
            client = kept.enter_context(socket.socket())
            client.setblocking(False)
            with contextlib.suppress(BlockingIOError):
                client.connect((host, port))
        yield


async def test_an_address_that_leads_nowhere_does_not_delay_the_next_one(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:
        port = server.getsockname()[1]
        answers(monkeypatch, "127.0.0.3", "127.0.0.2", "127.0.0.1")
        with full_queue("127.0.0.3", port):
            begun = asyncio.get_running_loop().time()
            transport = await connect(parse_address(f"rtmp://ingest.example:{port}/live/key"))
            assert 0.25 < asyncio.get_running_loop().time() - begun < 2
            transport.close()


async def test_without_a_resolver_the_last_good_address_is_used(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    connector = Connector()
    with socket.create_server(("127.0.0.1", 0)) as server:
        address = parse_address(f"rtmp://ingest.example:{server.getsockname()[1]}/live/key")
        answers(monkeypatch)
        with pytest.raises(HostNotFound):
            await connector(address)
        answers(monkeypatch, "127.0.0.1")
        (await connector(address)).close()
        answers(monkeypatch)
        (await connector(address)).close()
        with pytest.raises(AddressNotAllowed):
            await connector(address, allowed=lambda host, port: False)
        with pytest.raises(HostNotFound):
            await connect(address)


async def test_an_address_is_good_for_a_day_after_the_last_connection_to_it(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    loop, later = asyncio.get_running_loop(), 0.0
    real = loop.time
    monkeypatch.setattr(loop, "time", lambda: real() + later)
    connector = Connector()
    with socket.create_server(("127.0.0.1", 0)) as server:
        address = parse_address(f"rtmp://ingest.example:{server.getsockname()[1]}/live/key")
        answers(monkeypatch, "127.0.0.1")
        transport = await connector(address)
        answers(monkeypatch)
        later += 14 * 24 * 3600
        transport.close()
        (await connector(address)).close()
        later += 23 * 3600
        (await connector(address)).close()
        later += 25 * 3600
        with pytest.raises(HostNotFound):
            await connector(address)


async def test_when_all_addresses_refuse_it_says_so(monkeypatch: pytest.MonkeyPatch) -> None:
    answers(monkeypatch, "127.0.0.1", "127.0.0.2")
    with pytest.raises(ConnectionRefused):
        await connect(parse_address("rtmp://ingest.example:9/live/key"), limits=Limits(total=3))


async def test_a_machine_without_descriptors_left_says_so_and_may_be_asked_again(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    def none_left(*args: object) -> socket.socket:
        raise OSError(errno.EMFILE, "Too many open files")

    with socket.create_server(("127.0.0.1", 0)) as server:
        address = parse_address(f"rtmp://127.0.0.1:{server.getsockname()[1]}/live/key")
        with monkeypatch.context() as patched:
            patched.setattr(socket, "socket", none_left)
            with pytest.raises(ConnectionLost, match="Too many open files"):
                await connect(address)
        (await connect(address)).close()


def test_a_resolver_that_hangs_is_asked_once_for_all_and_keeps_no_process_from_ending(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    answered, asked = threading.Event(), []

    def hang(host: str, port: int, *_: object, **__: object) -> list[object]:
        asked.append(host)
        answered.wait(20)
        return []

    monkeypatch.setattr(socket, "getaddrinfo", hang)

    async def ask() -> None:
        connector, address = Connector(), parse_address("rtmp://ingest.invalid/live/key")
        attempts = [connector(address, limits=Limits(resolve=0.2)) for _ in range(20)]
        for error in await asyncio.gather(*attempts, return_exceptions=True):
            assert isinstance(error, HostNotFound)

    begun = time.monotonic()
    asyncio.run(ask())
    assert time.monotonic() - begun < 15
    assert asked == ["ingest.invalid"]
    answered.set()
