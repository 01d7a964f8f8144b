"""What the receiver shows over HTTP: live FLV and the figures of its streams.

Just enough of HTTP/1.1 for a browser or a player on a trusted network: one request a connection.
"""

from __future__ import annotations

import asyncio
import json
import re
from collections.abc import Iterable
from http import HTTPStatus
from typing import Any

from playout.ingest.session import Door, Limits, Session
from playout.ingest.viewer import Viewer

_WRITE_BYTES = 64 << 10
_LIVE_PATH = re.compile(r"/live/([0-9a-f]{16})\.flv")


def describe(session: Session, *, sessions: int) -> dict[str, Any]:
    """A running session in the words of /status.json; no key among them.

    `sessions` is how many there were of this stream.
    """
    live = session.live
    return {
        "id": session.id,
        "app": session.app,
        "name": session.name,
        "sessions": sessions,
        "connected_since": session.started_at.isoformat(timespec="milliseconds"),
        "bytes": live.bytes_received,
        "video_messages": live.video_messages,
        "audio_messages": live.audio_messages,
        "last_video_ms": live.last_video_ms,
        "last_audio_ms": live.last_audio_ms,
        "fps": live.fps,
        "width": live.width,
        "height": live.height,
        "viewers": len(session.viewers),
    }


class WebConnection:
    """Answers one request."""

    def __init__(
        self,
        reader: asyncio.StreamReader,
        writer: asyncio.StreamWriter,
        *,
        door: Door,
        limits: Limits,
        allow_origins: Iterable[str],
    ) -> None:
        self._reader = reader
        self._writer = writer
        self._door = door
        self._limits = limits
        self._allow_origins = frozenset(allow_origins)
        self._origin = ""

    async def serve(self) -> None:
        """Run to the end; a client that misbehaves or leaves is no fault of ours."""
        try:
            async with asyncio.timeout(self._limits.publish_seconds):
                head = await self._reader.readuntil(b"\r\n\r\n")
            await self._respond(head)
            async with asyncio.timeout(self._limits.write_seconds):
                self._writer.close()
                await self._writer.wait_closed()
        except (TimeoutError, OSError, asyncio.IncompleteReadError, asyncio.LimitOverrunError):
            pass
        finally:
            self._writer.transport.abort()

    async def _respond(self, head: bytes) -> None:
        request, *lines = head.decode("latin-1").split("\r\n")
        fields = dict(line.partition(":")[::2] for line in lines if ":" in line)
        headers = {name.strip().lower(): value.strip() for name, value in fields.items()}
        if headers.get("origin") in self._allow_origins:
            self._origin = headers["origin"]
        words = request.split(" ")
        if len(words) != 3 or not words[2].startswith("HTTP/1."):
            await self._answer(HTTPStatus.BAD_REQUEST)
            return
        method, path = words[0], words[1].partition("?")[0]
        live = _LIVE_PATH.fullmatch(path)
        if method == "OPTIONS" and self._origin:
            await self._answer(HTTPStatus.NO_CONTENT)
        elif method not in ("GET", "HEAD"):
            await self._answer(HTTPStatus.METHOD_NOT_ALLOWED)
        elif path == "/status.json":
            await self._answer(HTTPStatus.OK, self._status(), body=method == "GET")
        elif live is not None:
            await self._show(live[1], body=method == "GET")
        else:
            await self._answer(HTTPStatus.NOT_FOUND)

    def _status(self) -> bytes:
        streams = [
            describe(session, sessions=self._door.sessions_of(session))
            for session in self._door.running.values()
        ]
        return json.dumps({"streams": streams, "sessions": self._door.count}).encode()

    async def _answer(
        self, status: HTTPStatus, content: bytes | None = None, *, body: bool = True
    ) -> None:
        if content is None:
            content = json.dumps({"detail": status.phrase}).encode()
        if status is HTTPStatus.NO_CONTENT:
            content = b""
        length = {"Content-Length": str(len(content))}
        await self._write(self._head(status, {"Content-Type": "application/json", **length}))
        if body:
            await self._write(content)

    def _head(self, status: HTTPStatus, fields: dict[str, str]) -> bytes:
        fields = {
            **fields,
            "Cache-Control": "no-store",
            "X-Content-Type-Options": "nosniff",
            "Vary": "Origin",
            "Connection": "close",
        }
        if self._origin:
            fields["Access-Control-Allow-Origin"] = self._origin
            fields["Access-Control-Allow-Methods"] = "GET, HEAD, OPTIONS"
        lines = "".join(f"{name}: {value}\r\n" for name, value in fields.items())
        return f"HTTP/1.1 {status.value} {status.phrase}\r\n{lines}\r\n".encode("latin-1")

    async def _show(self, stream_id: str, *, body: bool) -> None:
        session = self._door.watchable(stream_id)
        if session is None:
            await self._answer(HTTPStatus.NOT_FOUND, body=body)
            return
        if sum(len(each.viewers) for each in self._door.running.values()) >= self._limits.viewers:
            await self._answer(HTTPStatus.SERVICE_UNAVAILABLE, body=body)
            return
        await self._write(self._head(HTTPStatus.OK, {"Content-Type": "video/x-flv"}))
        if not body:
            return
        viewer = Viewer(max_bytes=self._limits.viewer_bytes)
        session.add_viewer(viewer)
        # A viewer who leaves is noticed even while the stream is silent.
        leaving = asyncio.create_task(self._notice_leaving(viewer), name="viewer-leaving")
        try:
            while data := await viewer.next():
                for start in range(0, len(data), _WRITE_BYTES):
                    if viewer.is_too_slow:
                        return
                    await self._write(data[start : start + _WRITE_BYTES])
        finally:
            session.viewers.discard(viewer)
            leaving.cancel()

    async def _notice_leaving(self, viewer: Viewer) -> None:
        try:
            while await self._reader.read(4096):
                pass
        except OSError:
            pass
        viewer.end()

    async def _write(self, data: bytes) -> None:
        self._writer.write(data)
        async with asyncio.timeout(self._limits.write_seconds):
            await self._writer.drain()
