"""All addresses of the simulator as one ASGI application."""

from __future__ import annotations

import asyncio
import logging
import re
from collections.abc import AsyncIterator
from pathlib import Path

from simulator import pages
from simulator.api.dispatch import Api
from simulator.api.streams import Addresses
from simulator.api.videos import MAX_THUMBNAIL_BYTES
from simulator.control import Control
from simulator.description import Description
from simulator.ingest import MAX_VIEWERS, Ingest, Publisher
from simulator.lifecycle import ENDED, LifeCycle
from simulator.oauth import OAuth
from simulator.web import (
    ABORT,
    Answer,
    BodyTooLarge,
    ConnectionDropped,
    Receive,
    Request,
    Scope,
    Send,
    json_answer,
    read_request,
    redirect,
    send_answer,
)
from simulator.world import Record, World

log = logging.getLogger(__name__)

_STATIC = Path(__file__).parent / "static"
_PLAYER = Path(__file__).parents[1] / "static" / "vendor" / "mpegts.js"
_TYPES = {".css": "text/css", ".js": "text/javascript", ".svg": "image/svg+xml"}
_MAX_BODY = MAX_THUMBNAIL_BYTES + (1 << 20)
_FLV = re.compile(r"/watch/([A-Za-z0-9_-]{11})\.flv")
_LIVE = re.compile(r"/live/([0-9a-f]{16})\.flv")
_PICTURE = re.compile(r"/vi/([A-Za-z0-9_-]{1,64})/[a-z]+\.jpg")
_WATCHABLE = frozenset(LifeCycle) - ENDED - {LifeCycle.CREATED, LifeCycle.READY}


class Simulator:
    """The ASGI application over one world; without an ingest there is nothing to watch."""

    def __init__(
        self,
        world: World,
        *,
        addresses: Addresses | None = None,
        ingest: Ingest | None = None,
        description: Description | None = None,
    ) -> None:
        self.world = world
        self.ingest = ingest
        self.api = Api(world, addresses or Addresses(), description)
        self.oauth = OAuth(world)
        self.control = Control(world, ingest, self.oauth)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one request."""
        if scope["type"] != "http":
            return
        try:
            request = await read_request(scope, receive, max_body=_MAX_BODY)
            answer = await self.answer(request)
        except BodyTooLarge:
            answer = json_answer({"detail": "The body is too large."}, 413)
        except ConnectionDropped:
            scope.get("extensions", {}).get(ABORT, _cannot_abort)()
            await _until_gone(receive)
            return
        if answer.stream is None:
            await send_answer(answer, send, with_body=scope["method"] != "HEAD")
        else:
            await self._stream(answer, receive, send)

    async def _stream(self, answer: Answer, receive: Receive, send: Send) -> None:
        """Send until it ends, or the client leaves, which a silent stream must notice too."""
        sending = asyncio.create_task(send_answer(answer, send), name="watching")
        leaving = asyncio.create_task(_until_gone(receive), name="leaving")
        try:
            await asyncio.wait({sending, leaving}, return_when=asyncio.FIRST_COMPLETED)
        finally:
            for task in (sending, leaving):
                task.cancel()
            await asyncio.wait({sending, leaving})
        if not sending.cancelled() and (error := sending.exception()) is not None:
            log.info("A viewer's connection broke: %s", type(error).__name__)

    async def answer(self, request: Request) -> Answer:
        """What one request is answered. Raises `ConnectionDropped` where nothing may be."""
        path = request.path
        if path.startswith(("/youtube/v3/", "/upload/youtube/v3/")):
            return await self.api.answer(request)
        if path in ("/token", "/revoke", "/o/oauth2/v2/auth"):
            return await self._sign_in(request)
        if path in ("/v1/userinfo", "/oauth2/v3/userinfo", "/oauth2/v2/userinfo"):
            return self.oauth.userinfo(request)
        if path.startswith("/simulator/static/"):
            return _static(path.removeprefix("/simulator/static/"))
        if path.startswith("/simulator/") and path != "/simulator/":
            return self.control.answer(request)
        if request.method not in ("GET", "HEAD"):
            return json_answer({"detail": "Method not allowed."}, 405)
        return self._page(request)

    async def _sign_in(self, request: Request) -> Answer:
        if request.path == "/o/oauth2/v2/auth":
            return self.oauth.consent(request)
        if request.method != "POST":
            return json_answer({"error": "invalid_request"}, 405)
        if self.world.behaviour.oauth_slow_s:
            await asyncio.sleep(self.world.scaled(self.world.behaviour.oauth_slow_s))
        return (self.oauth.token if request.path == "/token" else self.oauth.revoke)(request)

    def _page(self, request: Request) -> Answer:
        self.world.advance()
        path = request.path
        if path in ("/", "/simulator/"):
            return pages.overview(self.world)
        if path == "/watch":
            record = self.world.broadcasts.get(request.value("v"))
            if record is None or record.is_deleted:
                return pages.missing()
            return pages.watch(self.world, record)
        if path.startswith("/channel/") and path.endswith("/live"):
            return self._channel_live(path.split("/")[2])
        if found := _FLV.fullmatch(path):
            return self._flv(found[1])
        if path == "/status.json" and self.ingest is not None:
            return json_answer(self.ingest.status())
        if found := _LIVE.fullmatch(path):
            publisher = self.ingest.received_as(found[1]) if self.ingest else None
            return self._shown(publisher)
        if found := _PICTURE.fullmatch(path):
            return self._picture(found[1])
        return pages.missing()

    def _channel_live(self, channel_id: str) -> Answer:
        live = [e for e in self.world.on_air(channel_id) if e.state is LifeCycle.LIVE]
        return redirect(f"/watch?v={live[-1].id}", 302) if live else pages.missing()

    def _flv(self, video_id: str) -> Answer:
        record = self.world.broadcasts.get(video_id)
        if record is None or record.is_deleted or record.state not in _WATCHABLE:
            return json_answer({"detail": "This broadcast is not on air."}, 404)
        bound = record.truth["contentDetails"].get("boundStreamId", "")
        publisher = self.ingest.latest(bound) if self.ingest else None
        return self._shown(publisher, record)

    def _shown(self, publisher: Publisher | None, record: Record | None = None) -> Answer:
        """What a publisher sends; where it is a broadcast's, for as long as that is on air."""
        if self.ingest is None or publisher is None:
            return json_answer({"detail": "The ingest receives nothing."}, 404)
        if sum(self.world.watchers.values()) >= MAX_VIEWERS:
            return json_answer({"detail": "Too many people watch."}, 503)

        async def until_over(parts: AsyncIterator[bytes]) -> AsyncIterator[bytes]:
            # A broadcast that has ended is seen no longer, whatever the ingest goes on to take.
            async for part in parts:
                if record and (record.is_deleted or record.state not in _WATCHABLE):
                    return
                yield part

        headers = {
            "content-type": "video/x-flv",
            "cache-control": "no-store",
            "x-content-type-options": "nosniff",
        }
        return Answer(headers=headers, stream=until_over(self.ingest.watch(publisher)))

    def _picture(self, video_id: str) -> Answer:
        kind, content = self.world.thumbnails.get(video_id, ("", b""))
        if not content:
            return Answer(
                200, (_STATIC / "icon.svg").read_bytes(), {"content-type": "image/svg+xml"}
            )
        return Answer(200, content, {"content-type": kind, "x-content-type-options": "nosniff"})


def _static(name: str) -> Answer:
    file = _PLAYER if name == "mpegts.js" else _STATIC / name
    if "/" in name or name.startswith(".") or not file.is_file():
        return json_answer({"detail": "Not found."}, 404)
    kind = _TYPES.get(file.suffix, "application/octet-stream")
    return Answer(200, file.read_bytes(), {"content-type": kind, "cache-control": "no-cache"})


async def _until_gone(receive: Receive) -> None:
    while (await receive())["type"] != "http.disconnect":
        pass


def _cannot_abort() -> None:
    raise RuntimeError("This server cannot cut a connection.")
