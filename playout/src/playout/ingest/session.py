"""One publisher at the receiver: from its connection to the end of its stream."""

from __future__ import annotations

import asyncio
import logging
import secrets
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path

from playout import clock
from playout.errors import ProtocolViolation
from playout.ingest.live import LiveStream, shown_name_of, stream_id_of
from playout.ingest.recorder import Recorder
from playout.ingest.viewer import Viewer
from playout.rtmp.connection import Receiver
from playout.rtmp.events import Event, MessageReceived, PublishEnded, PublishRequested

log = logging.getLogger(__name__)

_READ_BYTES = 256 << 10


@dataclass(frozen=True, slots=True)
class Limits:
    """How long, and how much, the receiver waits for its clients."""

    publish_seconds: float = 15
    """From the connection to an accepted publish."""
    idle_seconds: float = 30
    """Without media, after which a publisher is dropped."""
    write_seconds: float = 10
    """For a client to take our answers."""
    linger_seconds: float = 2
    """For a refused client to read why."""
    connections: int = 1000
    viewers: int = 100
    viewer_bytes: int = 8 << 20
    """Waiting for a slow viewer, beyond which it is dropped; the opening comes on top."""


@dataclass(eq=False)
class Session:
    """One accepted publish; figures of the media are in `live`."""

    number: int
    """Counts all sessions of the server, from 1."""
    app: str
    stream_name: str = field(repr=False)
    """The stream key: a secret."""
    id: str
    """What the stream is called where people watch it."""
    name: str
    """What the stream is called in files, logs and pages; never a key."""
    started_at: datetime
    live: LiveStream = field(default_factory=LiveStream, repr=False)
    recording: Path | None = None
    ended_at: datetime | None = None
    end: str = ""
    """Why it ended, in words."""
    viewers: set[Viewer] = field(default_factory=set, repr=False)
    _ended: asyncio.Event = field(default_factory=asyncio.Event, repr=False)

    async def wait_ended(self, *, seconds: float = 10) -> None:
        """Wait until the session is over and its recording is closed. Raises `TimeoutError`."""
        async with asyncio.timeout(seconds):
            await self._ended.wait()

    def finish(self, end: str) -> None:
        """Note the end and let the viewers go."""
        self.end = end
        self.ended_at = clock.utc_now()
        for viewer in self.viewers:
            viewer.end()
        self._ended.set()

    def add_viewer(self, viewer: Viewer) -> None:
        """Send `viewer` the stream from the last key frame on, or from the next."""
        self.viewers.add(viewer)
        self._begin(viewer)

    def _begin(self, viewer: Viewer) -> None:
        opening = self.live.opening()
        if opening is not None:
            viewer.begin(opening)

    def distribute(self, message: MessageReceived) -> bytes:
        """Take one message, hand it to all viewers, and return it as an FLV tag."""
        tag = self.live.take(message)
        for viewer in self.viewers:
            if viewer.has_begun:
                viewer.put(tag)
            else:
                self._begin(viewer)
        return tag


@dataclass(frozen=True, slots=True)
class Refusal:
    """Why a publisher may not publish, as it is told."""

    code: str
    description: str


class Door:
    """Who may publish, and who does."""

    def __init__(self, *, keys: frozenset[str] | None, limit: int = 1000) -> None:
        self._keys = keys
        self.running: dict[tuple[str, str], Session] = {}
        self.sessions: deque[Session] = deque(maxlen=limit)
        """The latest sessions, oldest first; ended ones too."""
        self.count = 0
        self.changed = asyncio.Condition()

    async def enter(self, app: str, stream_name: str) -> Session | Refusal:
        """Begin a session, or say why not."""
        name = stream_name.partition("?")[0]
        if self._keys is not None and name not in self._keys:
            return Refusal("NetStream.Publish.Denied", "This stream key is not known here.")
        if not name:
            return Refusal("NetStream.Publish.Denied", "A stream name is missing.")
        if (app, name) in self.running:
            return Refusal("NetStream.Publish.BadName", "Somebody publishes under this name.")
        self.count += 1
        session = Session(
            number=self.count,
            app=app,
            stream_name=name,
            id=stream_id_of(name),
            name=shown_name_of(name, is_secret=self._keys is not None),
            started_at=clock.utc_now(),
        )
        self.running[app, name] = session
        self.sessions.append(session)
        async with self.changed:
            self.changed.notify_all()
        return session

    async def leave(self, session: Session, end: str) -> None:
        """End a session."""
        if self.running.get((session.app, session.stream_name)) is session:
            del self.running[session.app, session.stream_name]
        session.finish(end)
        async with self.changed:
            self.changed.notify_all()

    def sessions_of(self, session: Session) -> int:
        """How many of the latest sessions were of the same stream as `session`, itself included."""
        stream = (session.app, session.stream_name)
        return sum((each.app, each.stream_name) == stream for each in self.sessions)

    def watchable(self, stream_id: str) -> Session | None:
        """The latest running session of that id."""
        found = [session for session in self.running.values() if session.id == stream_id]
        return max(found, key=lambda session: session.number, default=None)


class PublisherConnection:
    """Serves one client until either side has enough."""

    def __init__(
        self,
        reader: asyncio.StreamReader,
        writer: asyncio.StreamWriter,
        *,
        door: Door,
        limits: Limits,
        record: Path | None,
        tell: Callable[[str], None],
    ) -> None:
        self._reader = reader
        self._writer = writer
        self._door = door
        self._limits = limits
        self._record = record
        self._tell = tell
        self._receiver = Receiver(handshake_random=secrets.token_bytes(1528))
        self._session: Session | None = None
        self._recorder: Recorder | None = None
        self._is_refused = False
        self._has_published = False

    async def serve(self) -> None:
        """Run to the end. Faults of the client end up in the log, not in an exception."""
        end = "the receiver stopped"
        try:
            end = await self._exchange()
        except TimeoutError:
            end = "it sent nothing for too long"
        except ProtocolViolation as violation:
            end = f"it broke the protocol: {violation.args[0]}"
        except OSError as error:
            end = f"the connection broke: {error.strerror or type(error).__name__}"
        finally:
            try:
                await self._end_session(end)
            finally:
                self._writer.transport.abort()

    async def _exchange(self) -> str:
        """Read and answer until the client leaves; returns how it left."""
        loop = asyncio.get_running_loop()
        deadline = loop.time() + self._limits.publish_seconds
        while True:
            async with asyncio.timeout_at(deadline):
                data = await self._reader.read(_READ_BYTES)
            if not data:
                return "the client closed the connection"
            was_publishing = self._session is not None
            has_media = await self._take(self._receiver.receive(data))
            await self._answer()
            if self._is_refused:
                await self._linger()
                return "it was refused"
            if has_media or (self._session is not None and not was_publishing):
                deadline = loop.time() + self._limits.idle_seconds
            elif was_publishing and self._session is None:
                deadline = loop.time() + self._limits.publish_seconds

    async def _take(self, events: list[Event]) -> bool:
        """Act on events in order; whether media was among them."""
        tags: list[bytes] = []
        has_media = False
        queue = deque(events)
        while queue:
            event = queue.popleft()
            if isinstance(event, MessageReceived):
                has_media = True
                if self._session is not None:
                    tags.append(self._session.distribute(event))
            elif isinstance(event, PublishRequested):
                queue.extend(await self._decide(event))
            elif isinstance(event, PublishEnded):
                await self._write(tags)
                tags = []
                await self._end_session("the client ended the stream")
        await self._write(tags)
        return has_media

    async def _decide(self, request: PublishRequested) -> list[Event]:
        entered = await self._door.enter(request.app, request.stream_name)
        if isinstance(entered, Refusal):
            self._is_refused = True
            self._tell(f"Refused a publisher: {entered.description}")
            return self._receiver.reject(entered.code, entered.description)
        self._session = entered
        self._has_published = True
        if self._record is not None:
            try:
                self._recorder = await asyncio.to_thread(Recorder, self._record, entered.name)
            except OSError as error:
                self._warn_about_recording(error)
            else:
                entered.recording = self._recorder.path
        self._tell(f"{entered.name}: session {entered.number} began.")
        return self._receiver.accept()

    async def _write(self, tags: list[bytes]) -> None:
        # Reading goes on only after this: a slow disk slows the publisher, not our memory.
        if self._recorder is None or not tags:
            return
        writing = asyncio.ensure_future(asyncio.to_thread(self._recorder.write, b"".join(tags)))
        try:
            await asyncio.shield(writing)
        except asyncio.CancelledError:
            # What was counted is also kept, and nothing is closed under the thread that writes.
            await asyncio.wait([writing])
            raise
        except OSError as error:
            self._warn_about_recording(error)
            self._close_recording()

    def _close_recording(self) -> None:
        recorder, self._recorder = self._recorder, None
        if recorder is None or self._session is None:
            return
        live = self._session.live
        try:
            recorder.close(has_audio=live.has_audio, has_video=live.has_video)
        except OSError as error:
            log.warning("%s: the recording is incomplete: %s", self._session.name, error.strerror)

    def _warn_about_recording(self, error: OSError) -> None:
        name = self._session.name if self._session else "?"
        log.warning("%s: recording stopped: %s; receiving goes on", name, error.strerror)

    async def _answer(self) -> None:
        data = self._receiver.bytes_to_send()
        if data:
            self._writer.write(data)
            async with asyncio.timeout(self._limits.write_seconds):
                await self._writer.drain()

    async def _linger(self) -> None:
        """Let a refused client read the answer: closing at once would throw it away."""
        try:
            async with asyncio.timeout(self._limits.linger_seconds):
                while await self._reader.read(_READ_BYTES):
                    pass
        except TimeoutError:
            pass

    async def _end_session(self, end: str) -> None:
        self._close_recording()
        session, self._session = self._session, None
        if session is not None:
            await self._door.leave(session, end)
            self._tell(f"{session.name}: session {session.number} ended: {end}.")
        elif not self._has_published and not self._is_refused:
            log.info("a client left before it published: %s", end)
