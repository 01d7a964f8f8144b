"""What nodes ask each other, and what a node keeps on its disk."""

from __future__ import annotations

import asyncio
import json
import stat

import pytest

from playout.media import HOUSE_AUDIO
from playout.node.memory import DiskMemory
from playout.node.peers import PeerService
from playout.supervisor.ports import DesiredOutput, Lease
from playout.supervisor.supervisor import Remembered
from playout.timeline.programme import Item, Programme, Version

SECRET = b"of the installation"
NESTED = b"[" * 1020 + b"\n"
RATE = HOUSE_AUDIO.rate
PROGRAMME = Programme(0, RATE, RATE, (Version(1, 0, (Item("a", "/v", "/a", 5),)),))


async def serve(node: str, *, secret: bytes = SECRET, cut: bool = True) -> tuple[PeerService, str]:
    service = PeerService(node, secret=secret, addresses=dict, listen="127.0.0.1:0")
    service.is_cut = lambda: cut
    await service.start()
    assert service._server is not None
    return service, f"127.0.0.1:{service._server.sockets[0].getsockname()[1]}"


@pytest.fixture
async def asker():
    return PeerService("me", secret=SECRET, addresses=dict, answer_seconds=0.5)


@pytest.mark.parametrize(("states", "answer"), [([True, True], True), ([True, False], False)])
async def test_all_peers_must_be_cut_off(asker, states, answer):
    services = {f"n{n}": await serve(f"n{n}", cut=cut) for n, cut in enumerate(states)}
    try:
        addresses = {name: address for name, (_, address) in services.items()}
        assert await asker.all_cut(addresses) is answer
    finally:
        for service, _ in services.values():
            await service.stop()


async def test_silence_proves_nothing(asker):
    service, address = await serve("n1")
    await service.stop()
    assert await asker.all_cut({"n1": address}) is None
    assert await asker.all_cut({"n1": ""}) is None


async def test_an_answer_under_another_secret_or_of_another_node_proves_nothing(asker):
    stranger, at_stranger = await serve("n1", secret=b"another")
    other, at_other = await serve("n2")
    try:
        assert await asker.all_cut({"n1": at_stranger}) is None
        assert await asker.all_cut({"n1": at_other}) is None
    finally:
        await stranger.stop()
        await other.stop()


async def test_a_recorded_answer_cannot_be_replayed(asker):
    heard: list[bytes] = []
    service, address = await serve("n1")
    host, port = address.split(":")

    async def relay(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        question = await reader.readline()
        if not heard:
            inner, out = await asyncio.open_connection(host, int(port))
            out.write(question)
            heard.append(await inner.readline())
            out.close()
        writer.write(heard[0])
        await writer.drain()
        writer.close()

    between = await asyncio.start_server(relay, "127.0.0.1", 0)
    try:
        through = f"127.0.0.1:{between.sockets[0].getsockname()[1]}"
        assert await asker.all_cut({"n1": through}) is True
        assert await asker.all_cut({"n1": through}) is None
    finally:
        between.close()
        await service.stop()


async def test_brackets_without_end_are_no_answer(asker):
    async def babble(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readline()
        writer.write(NESTED)
        await writer.drain()
        writer.close()

    server = await asyncio.start_server(babble, "127.0.0.1", 0)
    try:
        port = server.sockets[0].getsockname()[1]
        assert await asker.all_cut({"n1": f"127.0.0.1:{port}"}) is None
    finally:
        server.close()
        await server.wait_closed()


async def test_a_stranger_learns_nothing(asker):
    service, address = await serve("n1")
    host, port = address.split(":")
    try:
        for line in (b"", b"{}\n", b"x" * 5000, json.dumps({"from": "me", "nonce": "1", "tag": "2"})
                     .encode() + b"\n"):  # fmt: skip
            reader, writer = await asyncio.open_connection(host, int(port))
            writer.write(line)
            writer.write_eof()
            assert await reader.read() == b""
            writer.close()
    finally:
        await service.stop()


# -- memory -------------------------------------------------------------------------------------


def turn(data: bytes) -> bytes:
    return bytes(byte ^ 0x5A for byte in data)


def remembered(confirmed_ns: int = 7) -> Remembered:
    wish = DesiredOutput("o", 3, True, 2, "rtmps://h/a", "s3cret", PROGRAMME, "Lo-fi", "s")
    return Remembered((Lease("o", 3),), (wish,), False, {"n1": "h:1"}, confirmed_ns)


def test_a_successor_finds_what_was_on_air_and_when_that_was_certain(tmp_path):
    memory = DiskMemory(tmp_path, seal=turn, unseal=turn)
    assert memory.load() is None
    memory.save(remembered(7))
    memory.confirm(7)
    memory.confirm(99)
    assert DiskMemory(tmp_path, seal=turn, unseal=turn).load() == remembered(99)


def test_the_file_is_sealed_and_for_its_owner_only(tmp_path):
    DiskMemory(tmp_path, seal=turn, unseal=turn).save(remembered())
    path = tmp_path / "memory"
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert b"s3cret" not in path.read_bytes()
    assert b"s3cret" in turn(path.read_bytes())


def test_what_another_boot_another_key_or_a_bad_disk_left_is_not_believed(tmp_path):
    memory = DiskMemory(tmp_path, seal=turn, unseal=turn)
    memory.save(remembered())
    whole = (tmp_path / "memory").read_bytes()
    for damaged in (b"", whole[:-1], whole[1:], turn(b"[]"), turn(b'{"boot": "another"}')):
        (tmp_path / "memory").write_bytes(damaged)
        assert memory.load() is None


def test_a_disk_that_cannot_be_written_stops_nothing(tmp_path):
    memory = DiskMemory(tmp_path, seal=turn, unseal=turn)
    (tmp_path / "memory.new").mkdir()
    memory.save(remembered())
    assert memory.load() is None
