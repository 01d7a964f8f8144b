"""The small receiver: takes RTMP publishers, records them, and shows them over HTTP."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Coroutine, Iterable, Sequence
from pathlib import Path
from types import TracebackType
from typing import Any, Self

from playout.ingest.session import Door, Limits, PublisherConnection, Session
from playout.ingest.web import WebConnection

log = logging.getLogger(__name__)

_MEDIA_READ_AHEAD_BYTES = 256 << 10
_MAX_HTTP_HEAD_BYTES = 16 << 10


class IngestServer:
    """Receives while the `async with` block runs.

        async with IngestServer("127.0.0.1", record=directory) as server:
            session = await server.wait_for_publish()

    `port` and `http_port` are the real ones, also where 0 was asked for. Raises `OSError` on entry
    when it cannot listen.
    """

    def __init__(
        self,
        host: str = "127.0.0.1",
        port: int = 0,
        *,
        record: Path | None = None,
        keys: Iterable[str] | None = None,
        http: tuple[str, int] | None = None,
        allow_origins: Iterable[str] = (),
        limits: Limits | None = None,
        tell: Callable[[str], None] | None = None,
    ) -> None:
        """Record into `record`, accept only `keys`, show at `http`; all of that when given.

        `tell` gets one line of plain words for each thing that happens, without any key.
        """
        self.host = host
        self.port = port
        self.http_port = http[1] if http else 0
        self._record = record
        self._http = http
        self._allow_origins = frozenset(allow_origins)
        self._limits = limits or Limits()
        self._tell = tell or log.info
        self._door = Door(keys=None if keys is None else frozenset(keys))
        self._servers: list[asyncio.Server] = []
        self._tasks: set[asyncio.Task[None]] = set()

    @property
    def sessions(self) -> Sequence[Session]:
        """The latest sessions, oldest first, running or ended."""
        return tuple(self._door.sessions)

    @property
    def running(self) -> Sequence[Session]:
        """The sessions that publish now."""
        return tuple(self._door.running.values())

    @property
    def session_count(self) -> int:
        """How many publishers were accepted since the start."""
        return self._door.count

    async def wait_for_publish(self, number: int = 1, *, seconds: float = 10) -> Session:
        """The session of that number, from 1, once it has begun. Raises `TimeoutError`."""
        async with asyncio.timeout(seconds), self._door.changed:
            await self._door.changed.wait_for(lambda: self._door.count >= number)
        return next(session for session in self._door.sessions if session.number >= number)

    async def __aenter__(self) -> Self:
        try:
            server = await self._listen(
                self._publisher, self.host, self.port, _MEDIA_READ_AHEAD_BYTES
            )
            self.port = server.sockets[0].getsockname()[1]
            if self._http is not None:
                server = await self._listen(self._viewer, *self._http, _MAX_HTTP_HEAD_BYTES)
                self.http_port = server.sockets[0].getsockname()[1]
        except BaseException:
            await self.stop()
            raise
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        await self.stop()

    async def _listen(
        self,
        connected: Callable[[asyncio.StreamReader, asyncio.StreamWriter], None],
        host: str,
        port: int,
        limit: int,
    ) -> asyncio.Server:
        server = await asyncio.start_server(connected, host, port, limit=limit)
        self._servers.append(server)
        return server

    async def stop(self) -> None:
        """End all sessions and connections, as leaving the block does."""
        for server in self._servers:
            server.close()
        for task in self._tasks:
            task.cancel()
        if self._tasks:
            await asyncio.wait(self._tasks)
        for server in self._servers:
            await server.wait_closed()
        self._servers.clear()

    def _publisher(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        connection = PublisherConnection(
            reader,
            writer,
            door=self._door,
            limits=self._limits,
            record=self._record,
            tell=self._tell,
        )
        self._run(connection.serve(), writer, "ingest-publisher")

    def _viewer(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        connection = WebConnection(
            reader,
            writer,
            door=self._door,
            limits=self._limits,
            allow_origins=self._allow_origins,
        )
        self._run(connection.serve(), writer, "ingest-viewer")

    def _run(
        self, work: Coroutine[Any, Any, None], writer: asyncio.StreamWriter, name: str
    ) -> None:
        if len(self._tasks) >= self._limits.connections:
            work.close()
            writer.transport.abort()
            return
        task = asyncio.create_task(work, name=name)
        self._tasks.add(task)
        task.add_done_callback(self._done)

    def _done(self, task: asyncio.Task[None]) -> None:
        self._tasks.discard(task)
        if not task.cancelled() and (error := task.exception()) is not None:
            log.error("%s failed", task.get_name(), exc_info=error)
