"""What the recording sink writes down of a real output, and how it can behave."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest

from playout import clock
from playout.publisher.address import parse_address
from playout.publisher.output import Output, OutputOptions
from playout.publisher.session import Patience
from playout.publisher.transport import Limits
from playout.pump.shelf import Shelf
from playout.rtmp.events import MessageKind
from playout.testing import history
from playout.testing.recording import Manners, digest_of
from playout.testing.sink import RecordingSink
from playout.testing.tracks import programme_of, write_item
from playout.timeline.programme import Item
from playout.tracks.reader import TrackKind


class Heard:
    def __init__(self) -> None:
        self.said: list[str] = []

    def __getattr__(self, name: str):
        return lambda *args: self.said.append(getattr(args[0], "code", name) if args else name)


@asynccontextmanager
async def on_air(sink: RecordingSink, item: Item, **patience: float) -> AsyncIterator[Heard]:
    heard = Heard()
    options = OutputOptions(
        patience=Patience(sample=0.1, **patience), limits=Limits(answer=0.5), time_scale=0.1
    )
    output = Output(
        parse_address(sink.url("key")),
        programme_of(item, epoch_ns=clock.utc_ns()),
        Shelf(),
        heard,  # type: ignore[arg-type]
        options=options,
    )
    running = asyncio.create_task(output.run())
    try:
        yield heard
    finally:
        output.stop()
        await running


@pytest.fixture
def item(tmp_path: Path) -> Item:
    return write_item(tmp_path, "a", 300, picture_bytes=6000)


async def test_it_writes_down_every_message_with_its_instant(item: Item) -> None:
    async with RecordingSink() as sink:
        began = clock.monotonic_ns()
        async with on_air(sink, item):
            await sink.wait_for(lambda: sink.of("key") and len(sink.of("key")[0].arrivals) > 150)
        await sink.wait_for(lambda: sink.sessions[0].ended_ns)
        (session,) = sink.sessions
        assert (session.app, session.key, session.end) == ("live", "key", "unpublished")
        assert began < session.asked_ns < (session.ended_ns or 0)
        assert history.opens_properly(session) == []
        assert history.times_never_fall(session) == []
        track = Shelf().track(item.video, TrackKind.VIDEO)
        first = next(session.media(MessageKind.VIDEO))
        assert first.is_key
        assert first.digest == digest_of(track.body(round(first.timestamp * 30 / 1000)))
        instants = [arrival.at_ns for arrival in session.arrivals]
        assert instants == sorted(instants)
        assert "key" not in repr(session)


async def test_it_can_refuse_a_key_and_relent(item: Item) -> None:
    async with RecordingSink(manners=Manners(refused={"key"})) as sink, on_air(sink, item) as heard:
        await sink.wait_for(lambda: "ingest.key_rejected" in heard.said)
        assert sink.sessions[0].end == "refused"
        sink.manners.refused.clear()
        await sink.wait_for(lambda: sink.of("key") and list(sink.of("key")[0].media()))


async def test_it_can_stop_reading_until_the_publisher_gives_up(item: Item) -> None:
    async with RecordingSink() as sink, on_air(sink, item, stalled=1.0, degraded=0.5) as heard:
        await sink.wait_for(lambda: sink.of("key") and list(sink.of("key")[0].media()))
        sink.read_on(False)
        await sink.wait_for(lambda: "ingest.stalled" in heard.said)
        sink.read_on(True)
        await sink.wait_for(lambda: len(sink.of("key")) > 1)


async def test_it_can_keep_silent_and_can_withhold_acknowledgements(item: Item) -> None:
    async with RecordingSink(manners=Manners(answers=False)) as sink, on_air(sink, item) as heard:
        await sink.wait_for(lambda: "ingest.timeout" in heard.said)
        sink.manners.answers = True
        sink.manners.acknowledges = False
        await sink.wait_for(lambda: sink.of("key") and list(sink.of("key")[0].media()))
        # TCP's own acknowledgements are the proof then, after a while.
        assert "acknowledged" not in heard.said


@pytest.mark.parametrize("how", ["reset", "hang_up"])
async def test_it_can_break_connections(item: Item, how: str) -> None:
    async with RecordingSink() as sink, on_air(sink, item) as heard:
        await sink.wait_for(lambda: sink.of("key") and list(sink.of("key")[0].media()))
        assert getattr(sink, how)() == 1
        await sink.wait_for(lambda: len(sink.of("key")) > 1)
        assert "ingest.lost" in heard.said


async def test_hanging_up_is_no_reset_also_while_media_is_unread() -> None:
    async with RecordingSink() as sink:
        reader, writer = await asyncio.open_connection("127.0.0.1", sink.port)
        sink.read_on(False)
        # The beginning of a handshake, which a read that has begun still takes.
        writer.write(b"\x03")
        await asyncio.sleep(0.05)
        writer.write(bytes(64 << 10))
        await asyncio.sleep(0.05)
        assert (sink.hang_up(), sink.hang_up()) == (1, 0)
        try:
            async with asyncio.timeout(60):
                assert await reader.read() == b""
            writer.write(b"said before the end was noticed")
            await asyncio.sleep(0.05)
            assert not writer.transport.is_closing()
        finally:
            writer.close()
