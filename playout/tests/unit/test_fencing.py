"""A node whose permission ran out sends not a byte, wherever the session was."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import Any

import pytest

from playout import clock
from playout.publisher.address import Address, parse_address
from playout.publisher.environment import Environment
from playout.publisher.output import Output, OutputOptions
from playout.publisher.transport import connect
from playout.pump.shelf import Shelf
from playout.testing.sink import RecordingSink
from playout.testing.tracks import programme_of, write_item


class Deaf:
    """A listener whom nothing interests."""

    def __getattr__(self, name: str):
        return lambda *args: None


class Fenced:
    """Permission that ends when the far end has said `word`, and what was sent after that."""

    def __init__(self, word: bytes) -> None:
        self.word = word
        self.allowed = True
        self.sent_after = 0

    async def connect(self, address: Address, **options: Any) -> Any:
        outer = self
        transport = await connect(address, **options)

        class Between:
            def __getattr__(self, name: str):
                return getattr(transport, name)

            def receive(self):
                data = transport.receive()
                if data and outer.word in bytes(data):
                    outer.allowed = False
                return data

            def send(self, buffers, size):
                outer.sent_after += 0 if outer.allowed else size
                return transport.send(buffers, size)

        return Between()


@pytest.mark.parametrize("word", [b"NetConnection.Connect.Success", b"onStatus"])
async def test_permission_that_ends_while_the_session_begins_is_minded(tmp_path: Path, word: bytes):
    item = write_item(tmp_path, "a", 300, picture_bytes=6000)
    fenced = Fenced(word)
    async with RecordingSink() as sink:
        output = Output(
            parse_address(sink.url("key")),
            programme_of(item, epoch_ns=clock.utc_ns()),
            Shelf(),
            Deaf(),  # type: ignore[arg-type]
            options=OutputOptions(environment=Environment(connect=fenced.connect), time_scale=0.1),
            may_send=lambda: fenced.allowed,
        )
        running = asyncio.create_task(output.run())
        give_up = asyncio.get_running_loop().time() + 10
        while fenced.allowed:
            assert asyncio.get_running_loop().time() < give_up
            await asyncio.sleep(0.01)
        await asyncio.sleep(0.6)
        assert fenced.sent_after == 0
        output.stop()
        await running
        assert fenced.sent_after == 0
