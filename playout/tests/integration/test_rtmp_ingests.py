"""Our publisher against ingests that are no relatives of ours, judged by ffprobe."""

from __future__ import annotations

import asyncio
import secrets
import subprocess
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest
from judges.clips import Clip, ClipShelf
from judges.listener import FfmpegListener
from judges.nginx import NginxRtmp
from judges.recording import Recording, payload_md5
from judges.thinning import first
from judges.tools import ffmpeg, wait_until

from playout.rtmp.chunks import encode_delta_message, encode_message
from playout.rtmp.connection import Publisher
from playout.rtmp.events import (
    Acknowledged,
    Event,
    Pinged,
    PublishStarted,
    Rejected,
    Unpublished,
)

pytestmark = pytest.mark.integration

CSIDS = {8: 4, 9: 6}


def flv_tags(path: Path) -> list[tuple[int, int, bytes]]:
    """Type, time and body of each tag, read without the engine."""
    data = path.read_bytes()
    position, found = 13, []
    while position < len(data):
        size = int.from_bytes(data[position + 1 : position + 4], "big")
        time = int.from_bytes(data[position + 7 : position + 8] + data[position + 4 : position + 7])
        found.append((data[position], time, data[position + 11 : position + 11 + size]))
        position += 15 + size
    return found


def flv_of(clip: Path, directory: Path) -> Path:
    path = directory / "source.flv"
    command = [ffmpeg(), "-nostdin", "-v", "error", "-y", "-i", str(clip), "-c", "copy"]
    subprocess.run([*command, "-flvflags", "no_duration_filesize", str(path)], check=True)
    return path


class Link:
    """A publisher on a plain socket: reads all the time, answers between messages."""

    def __init__(
        self, publisher: Publisher, reader: asyncio.StreamReader, writer: asyncio.StreamWriter
    ) -> None:
        self.publisher = publisher
        self.events: list[Event] = []
        self.sent = 0
        self._reader, self._writer = reader, writer
        self._left = False

    async def run_until(self, kind: type[Event]) -> Event:
        """Exchange bytes until an event of `kind` comes, for at most 10 s."""
        async with asyncio.timeout(60):
            while True:
                self._writer.write(self.publisher.bytes_to_send())
                for event in self.events:
                    if isinstance(event, kind):
                        return event
                data = await self._reader.read(65536)
                assert data, f"closed after {self.events}"
                self.events += self.publisher.receive(data)

    async def read_for(self, seconds: float) -> None:
        try:
            async with asyncio.timeout(seconds):
                while data := await self._reader.read(65536):
                    self.events += self.publisher.receive(data)
                    if not self._left:
                        self._writer.write(self.publisher.bytes_to_send())
        except TimeoutError:
            pass

    async def send(self, data: bytes) -> None:
        self._writer.write(data)
        self.sent += len(data)
        await self._writer.drain()

    async def send_tags(
        self, tags: list[tuple[int, int, bytes]], *, first_ms: int = 0, chunk_size: int = 4096
    ) -> None:
        """Media as the engine sends it: a full header opens each chunk stream, deltas follow."""
        last: dict[int, int] = {}
        for kind, time, body in tags:
            if kind not in CSIDS:
                continue
            if kind in last:
                delta = time - last[kind]
                await self.send(encode_delta_message(CSIDS[kind], kind, delta, body, chunk_size))
            else:
                data = encode_message(
                    CSIDS[kind], kind, self.publisher.stream_id, first_ms + time, body, chunk_size
                )
                await self.send(data)
            last[kind] = time

    async def leave(self) -> None:
        """The orderly end: say so, shut the sending side, read what is left."""
        self.publisher.unpublish()
        self._writer.write(self.publisher.bytes_to_send())
        self._writer.write_eof()
        self._left = True
        await self.read_for(2)


@asynccontextmanager
async def link_to(port: int, app: str, key: str, **settings: int) -> AsyncIterator[Link]:
    publisher = Publisher(
        app=app,
        tc_url=f"rtmp://127.0.0.1:{port}/{app}",
        stream_name=key,
        handshake_random=secrets.token_bytes(1528),
        **settings,
    )
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    try:
        yield Link(publisher, reader, writer)
    finally:
        writer.close()


@pytest.fixture
def source(make_clip: ClipShelf, tmp_path: Path) -> Path:
    return flv_of(make_clip(Clip(seconds=3)), tmp_path)


def same_as(recording: Recording, source: Path) -> None:
    """The recording holds what the source holds, and decodes."""
    assert recording.decode_errors == []
    for kind in ("video", "audio"):
        assert payload_md5(recording.path, kind) == payload_md5(source, kind)


async def test_nginx_records_what_we_publish(nginx_rtmp: NginxRtmp, source: Path) -> None:
    async with link_to(nginx_rtmp.port, nginx_rtmp.app, "one") as link:
        assert await link.run_until(PublishStarted) == PublishStarted(1)
        link.publisher.queue_metadata({"width": 320, "height": 180, "framerate": 30})
        await link.send(link.publisher.bytes_to_send())
        await link.send_tags(flv_tags(source))
        await link.leave()
        assert Unpublished() in link.events
    wait_until(lambda: bool(nginx_rtmp.gate.events("record_done")), what="the record")
    (recorded,) = nginx_rtmp.recorded_files()
    same_as(Recording(recorded), source)
    assert set(Recording(recorded).video_deltas) <= {33, 34}


async def test_nginx_acknowledges_by_the_window_we_ask_for(
    nginx_rtmp: NginxRtmp, source: Path
) -> None:
    async with link_to(nginx_rtmp.port, nginx_rtmp.app, "acks", window_ack_size=50_000) as link:
        await link.run_until(PublishStarted)
        media = flv_tags(source)
        length = media[-1][1] + 40
        for turn in range(6):
            moved = [(kind, turn * length + time, body) for kind, time, body in media]
            await link.send_tags(moved if turn == 0 else [t for t in moved if t[0] == 9][:1])
            await link.send(encode_delta_message(6, 9, 1, b"\x27\x01\0\0\0" + bytes(60_000), 4096))
            await link.read_for(0.2)
        totals = [event.total_bytes for event in link.events if isinstance(event, Acknowledged)]
    assert len(totals) >= 5, "an acknowledgement for each 50 kB, not each 5 MB"
    assert totals == sorted(set(totals))
    # Whole windows may be missing at the end, and the commands before the media are counted in.
    assert link.sent - 100_000 < totals[-1] <= link.sent + 2_000


async def test_nginx_refuses_a_second_publisher_in_so_many_words(nginx_rtmp: NginxRtmp) -> None:
    async with (
        link_to(nginx_rtmp.port, nginx_rtmp.app, "busy") as first,
        link_to(nginx_rtmp.port, nginx_rtmp.app, "busy") as second,
    ):
        await first.run_until(PublishStarted)
        rejected = await second.run_until(Rejected)
        assert isinstance(rejected, Rejected)
        assert rejected.code == "NetStream.Publish.BadName"


@pytest.mark.parametrize("first_ms", [2**24 - 1500, 2**31 - 1500, 2**32 - 1500])
@pytest.mark.parametrize("chunk_size", first(1, [128, 65_536]))
async def test_nginx_follows_time_over_its_edges(
    nginx_rtmp: NginxRtmp, source: Path, first_ms: int, chunk_size: int
) -> None:
    key = "edge"
    async with link_to(nginx_rtmp.port, nginx_rtmp.app, key, chunk_size=chunk_size) as link:
        await link.run_until(PublishStarted)
        await link.send_tags(flv_tags(source), first_ms=first_ms, chunk_size=chunk_size)
        await link.leave()
    wait_until(lambda: bool(nginx_rtmp.gate.events("record_done")), what="the record")
    (recorded,) = nginx_rtmp.recorded_files()
    same_as(Recording(recorded), source)
    assert set(Recording(recorded).video_deltas) <= {33, 34}


async def test_nginx_reads_every_message_with_extended_time(
    nginx_rtmp: NginxRtmp, source: Path
) -> None:
    """Full headers only, all beyond 24 bits, cut small: the trap of 4 hours and 40 minutes."""
    async with link_to(nginx_rtmp.port, nginx_rtmp.app, "extended", chunk_size=500) as link:
        await link.run_until(PublishStarted)
        for kind, time, body in flv_tags(source):
            if kind in CSIDS:
                await link.send(
                    encode_message(CSIDS[kind], kind, 1, 2**24 - 1000 + time, body, 500)
                )
        await link.leave()
    wait_until(lambda: bool(nginx_rtmp.gate.events("record_done")), what="the record")
    same_as(Recording(nginx_rtmp.recorded_files()[0]), source)


@pytest.mark.parametrize("first_ms", [0, 2**24 - 1500])
async def test_ffmpeg_receives_what_we_publish(
    ffmpeg_listener: FfmpegListener, source: Path, first_ms: int
) -> None:
    async with link_to(ffmpeg_listener.port, "app", "key", window_ack_size=20_000) as link:
        await link.run_until(PublishStarted)
        link.publisher.queue_metadata({"width": 320, "height": 180, "framerate": 30})
        await link.send(link.publisher.bytes_to_send())
        await link.send_tags(flv_tags(source), first_ms=first_ms)
        await link.read_for(0.3)
        await link.leave()
        assert not [event for event in link.events if isinstance(event, Rejected | Pinged)]
    ffmpeg_listener.wait_for_end()
    same_as(ffmpeg_listener.recording(), source)
    assert [event for event in link.events if isinstance(event, Acknowledged)]
