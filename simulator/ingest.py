"""The RTMP(S) ingest: takes publishers of known keys, and can be made to treat them badly."""

from __future__ import annotations

import asyncio
import contextlib
import logging
import secrets
import ssl
from collections import Counter
from collections.abc import AsyncIterator
from dataclasses import dataclass
from typing import Any, Self

from playout import clock
from playout.errors import ProtocolViolation
from playout.ingest.live import shown_name_of, stream_id_of
from playout.ingest.session import Session
from playout.ingest.viewer import Viewer
from playout.ingest.web import describe
from playout.rtmp.connection import Receiver
from playout.rtmp.events import (
    ConnectRequested,
    Event,
    MessageReceived,
    PublishEnded,
    PublishRequested,
)
from simulator.feed import Feed
from simulator.world import Record, World

log = logging.getLogger(__name__)

_READ_BYTES = 64 << 10
_READ_AHEAD_BYTES = 128 << 10
_PUBLISH_S = 15.0
_IDLE_S = 60.0
_WRITE_S = 10.0
_VIEWER_BYTES = 8 << 20
_HOLE_CHECK_S = 0.2
MAX_CONNECTIONS = 2000
MAX_VIEWERS = 200
SIDES = {"live2": "primary", "live2?backup=1": "backup"}
"""Which entry a publisher uses, by the application in its address."""


@dataclass(eq=False)
class Publisher:
    """One accepted connection."""

    stream: Record | None
    """None for a key that nobody created."""
    session: Session
    feed: Feed
    cut: asyncio.Event


class Ingest:
    """Listens while the `async with` block runs; `port` and `tls_port` are then the real ones."""

    def __init__(
        self,
        world: World,
        host: str = "127.0.0.1",
        port: int = 0,
        *,
        tls_port: int | None = None,
        tls: ssl.SSLContext | None = None,
    ) -> None:
        self.world = world
        self.host = host
        self.port = port
        self.tls_port = tls_port
        self.publishers: list[Publisher] = []
        self.accepted = 0
        """Publishers since the start."""
        self.refused = 0
        self.began: Counter[str] = Counter()
        """How many sessions each stream has had, by the id under which it is watched."""
        self._tls = tls
        self._servers: list[asyncio.Server] = []
        self._tasks: set[asyncio.Task[None]] = set()

    async def __aenter__(self) -> Self:
        try:
            server = await asyncio.start_server(
                self._arrived, self.host, self.port, limit=_READ_AHEAD_BYTES
            )
            self._servers.append(server)
            self.port = server.sockets[0].getsockname()[1]
            if self._tls is not None and self.tls_port is not None:
                server = await asyncio.start_server(
                    self._arrived, self.host, self.tls_port, limit=_READ_AHEAD_BYTES, ssl=self._tls
                )
                self._servers.append(server)
                self.tls_port = server.sockets[0].getsockname()[1]
        except BaseException:
            await self.stop()
            raise
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.stop()

    async def stop(self) -> None:
        """End all connections."""
        for server in self._servers:
            server.close()
        for task in self._tasks:
            task.cancel()
        if self._tasks:
            await asyncio.wait(self._tasks)
        for server in self._servers:
            await server.wait_closed()
        self._servers.clear()

    def latest(self, stream_id: str) -> Publisher | None:
        """Whose picture is shown of a stream: the primary's, and the latest of those."""
        found = self._publishers_of(stream_id)
        primary = [each for each in found if each.feed.side == "primary"]
        return max(primary or found, key=lambda each: each.session.number, default=None)

    def cut(self, stream_id: str) -> int:
        """Close the connections of a stream at once; returns how many there were."""
        found = self._publishers_of(stream_id)
        for each in found:
            each.cut.set()
        return len(found)

    def _publishers_of(self, stream_id: str) -> list[Publisher]:
        return [each for each in self.publishers if each.stream and each.stream.id == stream_id]

    def received_as(self, live_id: str) -> Publisher | None:
        """The latest publisher whose session has this id."""
        found = [each for each in self.publishers if each.session.id == live_id]
        return max(found, key=lambda each: each.session.number, default=None)

    def status(self) -> dict[str, Any]:
        """What is received now, in the words of `playout ingest`; no key among them."""
        streams = [
            describe(each.session, sessions=self.began[each.session.id]) for each in self.publishers
        ]
        return {"streams": streams, "sessions": self.accepted}

    async def watch(self, publisher: Publisher) -> AsyncIterator[bytes]:
        """What a publisher sends, as FLV, from its last key frame on."""
        viewer = Viewer(max_bytes=_VIEWER_BYTES)
        watchers = self.world.watchers
        watched = publisher.stream.id if publisher.stream else publisher.session.id
        watchers[watched] = watchers.get(watched, 0) + 1
        publisher.session.add_viewer(viewer)
        try:
            while data := await viewer.next():
                yield data
        finally:
            publisher.session.viewers.discard(viewer)
            watchers[watched] -= 1

    def _arrived(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        if len(self._tasks) >= MAX_CONNECTIONS:
            writer.transport.abort()
            return
        connection = _Connection(self, reader, writer)
        task = asyncio.create_task(connection.serve(), name="ingest-publisher")
        self._tasks.add(task)
        task.add_done_callback(self._left)

    def _left(self, task: asyncio.Task[None]) -> None:
        self._tasks.discard(task)
        if not task.cancelled() and (error := task.exception()) is not None:
            log.error("A publisher's connection failed", exc_info=error)


class _Closed(Exception):
    pass


class _Connection:
    """Serves one publisher until either side has enough."""

    def __init__(
        self, ingest: Ingest, reader: asyncio.StreamReader, writer: asyncio.StreamWriter
    ) -> None:
        self._ingest = ingest
        self._world = ingest.world
        self._reader = reader
        self._writer = writer
        self._receiver = Receiver(
            handshake_random=secrets.token_bytes(1528),
            ask_at_connect=True,
            window_ack_size=2_500_000,
        )
        self._publisher: Publisher | None = None
        self._closes_at_media = False
        self._is_refused = False
        self._began = clock.monotonic_ns()
        self._received = 0
        self._pinged = self._began

    async def serve(self) -> None:
        """Run to the end; what a client does wrong ends up in no exception."""
        try:
            await self._exchange()
        except (_Closed, TimeoutError, OSError):
            pass
        except ProtocolViolation as violation:
            log.info("A publisher broke the protocol: %s", violation.args[0])
        finally:
            self._end()
            self._writer.transport.abort()

    async def _exchange(self) -> None:
        while True:
            await self._be_slow()
            data = await self._read()
            if not data:
                return
            self._received += len(data)
            self._take(self._receiver.receive(data))
            self._ping()
            await self._answer()
            if self._is_refused:
                with contextlib.suppress(TimeoutError):
                    async with asyncio.timeout(2):
                        while await self._reader.read(_READ_BYTES):
                            pass
                return

    async def _read(self) -> bytes:
        """The next bytes; none when the connection is over, or must be."""
        if self._publisher is None:
            async with asyncio.timeout(_PUBLISH_S):
                return await self._reader.read(_READ_BYTES)
        reading = asyncio.ensure_future(self._reader.read(_READ_BYTES))
        cutting = asyncio.ensure_future(self._publisher.cut.wait())
        try:
            done, _ = await asyncio.wait(
                {reading, cutting}, timeout=_IDLE_S, return_when=asyncio.FIRST_COMPLETED
            )
            return b"" if cutting in done or reading not in done else reading.result()
        finally:
            for waiting in (reading, cutting):
                waiting.cancel()
                with contextlib.suppress(asyncio.CancelledError, OSError):
                    await waiting

    async def _be_slow(self) -> None:
        """Wait as the faults of the ingest have it."""
        if self._publisher is None:
            return
        behaviour = self._world.behaviour
        while behaviour.ingest == "black_hole":
            await asyncio.sleep(_HOLE_CHECK_S)
            if self._publisher.cut.is_set():
                raise _Closed
        age_s = (clock.monotonic_ns() - self._began) / 1e9
        if behaviour.ingest_kick_s and age_s > self._world.scaled(behaviour.ingest_kick_s):
            self._world.say("The ingest closed a connection.", stream=self._publisher.session.name)
            raise _Closed
        if behaviour.ingest_kbps:
            await asyncio.sleep(_READ_BYTES * 8 / 1000 / behaviour.ingest_kbps / 8)

    def _take(self, events: list[Event]) -> None:
        waiting = list(events)
        while waiting:
            event = waiting.pop(0)
            if isinstance(event, MessageReceived):
                self._media(event)
            elif isinstance(event, ConnectRequested):
                waiting += self._connect(event)
            elif isinstance(event, PublishRequested):
                waiting += self._publish(event)
            elif isinstance(event, PublishEnded):
                self._end("the client ended the stream")

    def _connect(self, request: ConnectRequested) -> list[Event]:
        if request.app.rstrip("/") in SIDES:
            return self._receiver.accept()
        self._is_refused = True
        return self._receiver.reject(
            "NetConnection.Connect.InvalidApp", "There is no such application."
        )

    def _publish(self, request: PublishRequested) -> list[Event]:
        behaviour = self._world.behaviour
        stream = self._world.stream_of_key(request.stream_name)
        if behaviour.ingest == "refusing" or (stream is None and behaviour.unknown_key == "close"):
            self._refuse(stream)
            raise _Closed
        if behaviour.ingest == "bad_name" or (
            stream is None and behaviour.unknown_key == "bad_name"
        ):
            self._refuse(stream)
            self._is_refused = True
            return self._receiver.reject(
                "NetStream.Publish.BadName", "This stream cannot be published."
            )
        is_unknown = stream is None and behaviour.unknown_key != "accept"
        if is_unknown or behaviour.ingest == "closing":
            self._closes_at_media = True
            return self._receiver.accept()
        ingest, world = self._ingest, self._world
        ingest.accepted += 1
        session = Session(
            number=ingest.accepted,
            app=request.app,
            stream_name=request.stream_name,
            id=stream_id_of(request.stream_name),
            name=stream.id if stream else shown_name_of(request.stream_name, is_secret=False),
            started_at=world.now(),
        )
        ingest.began[session.id] += 1
        feed = Feed(side=SIDES[request.app.rstrip("/")])
        self._publisher = Publisher(stream, session, feed, asyncio.Event())
        ingest.publishers.append(self._publisher)
        if stream:
            world.feeds.setdefault(stream.id, []).append(feed)
        world.say("A publisher connected.", stream=session.name, side=feed.side)
        return self._receiver.accept()

    def _refuse(self, stream: Record | None) -> None:
        self._ingest.refused += 1
        self._world.say(
            "The ingest refused a publisher.", stream=stream.id if stream else "(unknown key)"
        )

    def _media(self, message: MessageReceived) -> None:
        if self._closes_at_media:
            self._refuse(None)
            raise _Closed
        if self._publisher is None:
            return
        session, feed = self._publisher.session, self._publisher.feed
        session.distribute(message)
        feed.width, feed.height = session.live.width or 0, session.live.height or 0
        feed.take(message, self._world.seconds())

    def _ping(self) -> None:
        every_s = self._world.behaviour.ingest_ping_s
        now = clock.monotonic_ns()
        if self._publisher and every_s and now - self._pinged > every_s * 1e9:
            self._pinged = now
            self._receiver.ping(now // 1_000_000)

    async def _answer(self) -> None:
        data = self._receiver.bytes_to_send()
        is_only_acknowledging = self._publisher is not None and not self._is_refused
        if not data or (
            is_only_acknowledging
            and not self._world.behaviour.ingest_acknowledges
            and self._publisher is not None
            and self._publisher.feed.first_media_at is not None
        ):
            return
        self._writer.write(data)
        async with asyncio.timeout(_WRITE_S):
            await self._writer.drain()

    def _end(self, why: str = "the connection is over") -> None:
        publisher, self._publisher = self._publisher, None
        if publisher is None:
            return
        self._ingest.publishers.remove(publisher)
        if publisher.stream:
            feeds = self._world.feeds.get(publisher.stream.id, [])
            # By identity: two feeds with the same figures are still two.
            feeds[:] = [each for each in feeds if each is not publisher.feed]
        publisher.session.finish(why)
        name, side = publisher.session.name, publisher.feed.side
        self._world.say("A publisher left:", why=why, stream=name, side=side)
