"""An ingest that talks on and on costs other streams nothing, and fills no memory."""

from __future__ import annotations

import asyncio
import contextlib
import socket
import ssl
import threading
import time
from collections.abc import Iterator
from itertools import pairwise
from pathlib import Path

import pytest
from judges.tls import Authority

from playout.publisher.address import parse_address
from playout.publisher.output import Output, OutputOptions
from playout.publisher.transport import connect, tls_context
from playout.pump.shelf import Shelf
from playout.pump.wheel import Wheel
from playout.rtmp import chunks
from playout.rtmp.connection import Receiver
from playout.rtmp.events import PublishRequested
from playout.rtmp.messages import CONTROL_CSID, MessageType, UserControl, user_control
from playout.testing.quiet import Quiet
from playout.testing.sink import RecordingSink
from playout.testing.tracks import programme_of, write_item

PING = chunks.encode_control(
    MessageType.USER_CONTROL, user_control(UserControl.PING_REQUEST, bytes(4)), 128
)
SOUND = chunks.encode_message(CONTROL_CSID + 2, MessageType.AUDIO, 1, 0, bytes(100), 128)


class Flooder:
    """Accepts one publisher after another, and then, or before it answers, never stops talking."""

    def __init__(self, words: bytes, *, answers: bool) -> None:
        self._words = words * 1000
        self._answers = answers
        self._listening = socket.create_server(("127.0.0.1", 0))
        self.port = self._listening.getsockname()[1]
        self.floods = threading.Event()
        threading.Thread(target=self._serve, daemon=True).start()

    def close(self) -> None:
        self._listening.close()

    def _serve(self) -> None:
        with contextlib.suppress(OSError):
            while True:
                client, _ = self._listening.accept()
                with client, contextlib.suppress(OSError):
                    self._talk(client)

    def _talk(self, client: socket.socket) -> None:
        receiver = Receiver(handshake_random=bytes(1528))
        is_asked = False
        while not is_asked:
            events = receiver.receive(client.recv(65536))
            is_asked = any(isinstance(event, PublishRequested) for event in events)
            if is_asked and self._answers:
                receiver.accept()
            client.sendall(receiver.bytes_to_send())
        threading.Thread(target=self._drain, args=(client,), daemon=True).start()
        while True:
            client.sendall(self._words)
            self.floods.set()

    def _drain(self, client: socket.socket) -> None:
        with contextlib.suppress(OSError):
            while client.recv(1 << 20):
                pass


@pytest.fixture(
    params=[(SOUND, True), (PING, True), (SOUND, False)], ids=["media", "pings", "early"]
)
def flooder(request: pytest.FixtureRequest) -> Iterator[Flooder]:
    words, answers = request.param
    server = Flooder(words, answers=answers)
    yield server
    server.close()


async def test_it_delays_none_of_the_others_and_can_be_stopped(
    tmp_path: Path, flooder: Flooder
) -> None:
    programme = programme_of(write_item(tmp_path, "film", 300, gop=30, picture_bytes=4000))
    options, shelf = OutputOptions(start_on_connect=True), Shelf()
    wheel = Wheel(options.pace.tick)
    async with RecordingSink() as sink:
        outputs = [
            Output(parse_address(url), programme, shelf, Quiet(), options=options, wheel=wheel)
            for url in (sink.url("good"), f"rtmp://127.0.0.1:{flooder.port}/live/bad")
        ]
        async with asyncio.timeout(20), asyncio.TaskGroup() as running:
            tasks = [running.create_task(output.run()) for output in outputs]
            await sink.wait_for(lambda: sink.of("good"))
            await asyncio.to_thread(flooder.floods.wait, 10)
            await asyncio.sleep(2)
            asked = time.monotonic()
            for output in outputs:
                output.stop()
            await asyncio.wait(tasks)
            assert time.monotonic() - asked < 4
        (session,) = sink.of("good")
        arrivals = [arrival.at_ns for arrival in session.media()]
        assert max(b - a for a, b in pairwise(arrivals)) < 1e9


async def test_what_was_not_decrypted_stays_with_the_sender(tmp_path: Path) -> None:
    authority = Authority(tmp_path)
    server_side = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    issued = authority.issue()
    server_side.load_cert_chain(issued.certificate, issued.key)
    listening = socket.create_server(("127.0.0.1", 0))
    sent = [0]

    def flood() -> None:
        with contextlib.suppress(OSError):
            client, _ = listening.accept()
            with server_side.wrap_socket(client, server_side=True) as talking:
                while True:
                    sent[0] += talking.send(bytes(64 << 10))

    thread = threading.Thread(target=flood, daemon=True)
    thread.start()
    transport = await connect(
        parse_address(f"rtmps://localhost:{listening.getsockname()[1]}/live/key"),
        context=tls_context(str(authority.file)),
    )
    received = 0
    end = time.monotonic() + 2
    while received < 16 << 20 and time.monotonic() < end:
        received += len(transport.receive() or b"")
        await asyncio.sleep(0)
    await asyncio.sleep(0.2)
    transport.abort()
    listening.close()
    await asyncio.to_thread(thread.join)
    assert received > 1 << 20
    # What the two kernels hold between them is their business.
    assert sent[0] - received < 12 << 20
