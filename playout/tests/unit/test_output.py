"""What an output takes from the world around it, and what it does when connections fail."""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest
from judges.written import programme_of, write_item

from playout.errors import ConnectionRefused, PlayoutError
from playout.publisher.address import parse_address
from playout.publisher.environment import Environment
from playout.publisher.output import Output, OutputOptions
from playout.pump.shelf import Shelf

ADDRESS = parse_address("rtmp://127.0.0.1/live", "key")
DAY_NS = 86_400 * 10**9


class Heard:
    """A listener that writes everything down."""

    def __init__(self) -> None:
        self.lost_with: list[tuple[str, float]] = []

    def connecting(self) -> None: ...
    def acknowledged(self) -> None: ...
    def slow(self) -> None: ...
    def missing(self, error: PlayoutError) -> None: ...
    def wrong(self, error: PlayoutError) -> None: ...
    def ended(self) -> None: ...
    def substituted(self, item_id: str, error: PlayoutError) -> None: ...

    def lost(self, error: PlayoutError, retry_seconds: float) -> None:
        self.lost_with.append((error.code, retry_seconds))


async def test_time_chance_and_connections_come_from_its_environment(tmp_path: Path) -> None:
    attempts = []

    async def refuse(address, **_):
        attempts.append(address)
        raise ConnectionRefused("Nothing listens there.")

    environment = Environment(
        monotonic_ns=lambda: 7_000_000_000,
        utc_ns=lambda: DAY_NS + 3_000_000_000,
        random=lambda: 0.5,
        connect=refuse,
    )
    heard = Heard()
    output = Output(
        ADDRESS, programme_of(write_item(tmp_path, "a", 60), epoch_ns=DAY_NS), Shelf(), heard,
        options=OutputOptions(environment=environment),
    )  # fmt: skip
    assert output.now_ms() == 3000
    running = asyncio.create_task(output.run())
    async with asyncio.timeout(5):
        while len(attempts) < 2:
            await asyncio.sleep(0.01)
    output.stop()
    await running
    assert attempts[:2] == [ADDRESS, ADDRESS]
    assert heard.lost_with[0] == ("ingest.refused", pytest.approx(0.225))
