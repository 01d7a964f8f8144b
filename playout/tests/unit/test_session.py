"""How a session tells apart the ways in which an ingest leaves it; over real sockets."""

from __future__ import annotations

import asyncio
import socket
import struct
from pathlib import Path

import pytest

from playout.errors import ConnectionLost, IngestError, PlayoutError, StreamKeyRejected
from playout.publisher.address import parse_address
from playout.publisher.output import Output, OutputOptions
from playout.publisher.session import Session
from playout.publisher.transport import connect
from playout.pump.feed import Feed
from playout.pump.shelf import Shelf
from playout.rtmp.connection import Receiver
from playout.rtmp.events import ConnectRequested, Event, PublishRequested
from playout.testing.quiet import Quiet
from playout.testing.tracks import programme_of, write_item


async def left_by_a_server_at(moment: type[Event], tmp_path: Path) -> IngestError:
    """What a session says whose server resets the connection when it is asked that."""

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        receiver = Receiver(handshake_random=bytes(1528), ask_at_connect=True)
        while True:
            for event in receiver.receive(await reader.read(65536)):
                if isinstance(event, moment):
                    held = writer.get_extra_info("socket")
                    held.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
                    writer.transport.abort()
                    return
                if isinstance(event, ConnectRequested):
                    receiver.accept()
            writer.write(receiver.bytes_to_send())

    server = await asyncio.start_server(serve, "127.0.0.1", 0)
    address = parse_address(f"rtmp://127.0.0.1:{server.sockets[0].getsockname()[1]}/live/key")
    feed = Feed(programme_of(write_item(tmp_path, "film", 60, gop=30)), Shelf())
    with pytest.raises(IngestError) as raised:
        await Session(address, feed, epoch_ns=lambda: 0).run(await connect(address))
    server.close()
    await server.wait_closed()
    return raised.value


async def test_a_reset_in_answer_to_the_key_is_a_refusal(tmp_path: Path) -> None:
    error = await left_by_a_server_at(PublishRequested, tmp_path)
    assert isinstance(error, StreamKeyRejected)


async def test_a_reset_before_the_key_was_given_is_none(tmp_path: Path) -> None:
    error = await left_by_a_server_at(ConnectRequested, tmp_path)
    assert isinstance(error, ConnectionLost)


async def test_one_that_accepts_and_closes_at_once_is_not_hammered(tmp_path: Path) -> None:
    """As an ingest does that judges the key behind the connection."""
    begun: list[float] = []
    loop = asyncio.get_running_loop()

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        receiver = Receiver(handshake_random=bytes(1528))
        is_asked = False
        while not is_asked:
            for event in receiver.receive(await reader.read(65536)):
                is_asked = isinstance(event, PublishRequested)
            if is_asked:
                begun.append(loop.time())
                receiver.accept()
            writer.write(receiver.bytes_to_send())
        # Both arrive together: the session has not begun when it ends.
        writer.close()

    server = await asyncio.start_server(serve, "127.0.0.1", 0)
    address = parse_address(f"rtmp://127.0.0.1:{server.sockets[0].getsockname()[1]}/live/key")
    codes: list[str] = []

    class Heard(Quiet):
        def lost(self, error: PlayoutError, retry_seconds: float) -> None:
            codes.append(error.code)

    programme = programme_of(write_item(tmp_path, "film", 60, gop=30))
    output = Output(
        address, programme, Shelf(), Heard(), options=OutputOptions(start_on_connect=True)
    )
    running = asyncio.create_task(output.run())
    async with asyncio.timeout(60):
        while len(codes) < 4:
            await asyncio.sleep(0.05)
    output.stop()
    await running
    server.close()
    await server.wait_closed()
    assert codes == ["ingest.lost", "ingest.lost", "ingest.key_rejected", "ingest.key_rejected"]
    assert begun[3] - begun[2] >= 2
