"""The simulator as its clients see it, in this process and with a clock of ours."""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any
from urllib.parse import parse_qs, urlencode, urlsplit

from simulator import seed
from simulator.app import Simulator
from simulator.feed import Feed
from simulator.web import ABORT
from simulator.world import World

SCOPE = "https://www.googleapis.com/auth/youtube"
CALLBACK = "http://127.0.0.1:8000/channels/oauth/callback/"


class Dropped(Exception):
    """The connection was cut before an answer."""


@dataclass
class Reply:
    status: int
    headers: dict[str, str]
    body: bytes

    @property
    def json(self) -> Any:
        return json.loads(self.body)

    @property
    def reason(self) -> str:
        return self.json["error"]["errors"][0]["reason"]


@dataclass
class Service:
    """The simulator as its clients see it, over ASGI."""

    simulator: Simulator
    world: World
    clock: list[datetime]

    def wait(self, seconds: float) -> None:
        self.clock[0] += timedelta(seconds=seconds)
        self.world.advance()

    async def send(
        self, method: str, path: str, *, headers: dict[str, str] | None = None, body: bytes = b""
    ) -> Reply:
        address = urlsplit(path)
        scope = {
            "type": "http",
            "method": method,
            "path": address.path,
            "query_string": address.query.encode(),
            "headers": [(b"host", b"sim.test")]
            + [(k.lower().encode(), v.encode()) for k, v in (headers or {}).items()],
            "scheme": "http",
        }
        cut: list[bool] = []
        scope["extensions"] = {ABORT: lambda: cut.append(True)}
        waiting = [{"type": "http.request", "body": body, "more_body": False}]
        sent: list[dict[str, Any]] = []

        async def receive() -> dict[str, Any]:
            return waiting.pop(0) if waiting else {"type": "http.disconnect"}

        async def send(message: Any) -> None:
            sent.append(message)

        await self.simulator(scope, receive, send)
        if cut:
            raise Dropped
        fields = {k.decode(): v.decode() for k, v in sent[0]["headers"]}
        return Reply(sent[0]["status"], fields, b"".join(m.get("body", b"") for m in sent[1:]))

    async def form(self, path: str, fields: dict[str, Any] | list[tuple[str, str]]) -> Reply:
        kind = {"content-type": "application/x-www-form-urlencoded"}
        return await self.send("POST", path, headers=kind, body=urlencode(fields).encode())

    async def control(self, path: str, **fields: Any) -> Any:
        kind = {"content-type": "application/json"}
        reply = await self.send("POST", path, headers=kind, body=json.dumps(fields).encode())
        assert reply.status == 200, reply.body
        return reply.json

    async def consent(
        self,
        *,
        who: str = f"harbour@example.org {seed.HARBOUR}",
        granted: tuple[str, ...] = (SCOPE,),
        decision: str = "allow",
        **changes: str,
    ) -> dict[str, str]:
        """What the client is sent back with."""
        asked = {**authorisation(), **changes}
        fields = [*asked.items(), ("who", who), ("decision", decision)]
        fields += [("granted", scope) for scope in granted]
        reply = await self.form("/o/oauth2/v2/auth", fields)
        assert reply.status == 302, reply.body
        query = parse_qs(urlsplit(reply.headers["location"]).query)
        return {name: values[0] for name, values in query.items()}

    async def token(self, **fields: str) -> Reply:
        client = {"client_id": seed.CLIENT_ID, "client_secret": seed.CLIENT_SECRET}
        return await self.form("/token", client | fields)

    async def exchange(self, code: str, **fields: str) -> Reply:
        grant = {"grant_type": "authorization_code", "code": code, "redirect_uri": CALLBACK}
        return await self.token(**{**grant, **fields})

    async def sign_in(self, **choice: Any) -> Client:
        back = await self.consent(**choice)
        reply = await self.exchange(back["code"])
        assert reply.status == 200, reply.body
        return Client(self, reply.json["access_token"], reply.json.get("refresh_token", ""))


@dataclass
class Client:
    """A program that acts for one channel."""

    service: Service
    token: str = field(repr=False)
    refresh_token: str = field(default="", repr=False)

    async def call(
        self, method: str, path: str, body: Any = None, *, headers: dict[str, str] | None = None,
        **query: Any,
    ) -> Reply:  # fmt: skip
        sent = {"authorization": f"Bearer {self.token}", **(headers or {})}
        content = body if isinstance(body, bytes) else b""
        if body is not None and not isinstance(body, bytes):
            content = json.dumps(body).encode()
            sent["content-type"] = "application/json"
        base = "/upload/youtube/v3" if path.startswith("thumbnails") else "/youtube/v3"
        address = f"{base}/{path}?{urlencode(query)}"
        return await self.service.send(method, address, headers=sent, body=content)

    async def stream(self, **cdn: str) -> dict[str, Any]:
        body = {
            "snippet": {"title": "Key"},
            "cdn": {"ingestionType": "rtmp", "resolution": "variable", "frameRate": "variable"}
            | cdn,
            "contentDetails": {"isReusable": True},
        }
        reply = await self.call(
            "POST", "liveStreams", body, part="snippet,cdn,contentDetails,status"
        )
        assert reply.status == 200, reply.body
        return reply.json

    async def broadcast(self, *, title: str = "Evening", **content: Any) -> dict[str, Any]:
        reply = await self.insert(title=title, **content)
        assert reply.status == 200, reply.body
        return reply.json

    async def insert(self, *, title: str = "Evening", **content: Any) -> Reply:
        start = self.service.clock[0] + timedelta(minutes=2)
        content.setdefault("monitorStream", {"enableMonitorStream": False})
        body = {
            "snippet": {"title": title, "scheduledStartTime": start.isoformat()},
            "status": {"privacyStatus": "unlisted", "selfDeclaredMadeForKids": False},
            "contentDetails": content,
        }
        return await self.call("POST", "liveBroadcasts", body, part="snippet,status,contentDetails")

    async def bind(self, broadcast: dict[str, Any], stream: dict[str, Any] | None) -> Reply:
        to = {"streamId": stream["id"]} if stream else {}
        return await self.call(
            "POST", "liveBroadcasts/bind", part="id,status", id=broadcast["id"], **to
        )

    async def transition(self, broadcast: dict[str, Any], status: str) -> Reply:
        return await self.call(
            "POST", "liveBroadcasts/transition", part="id,status", id=broadcast["id"],
            broadcastStatus=status,
        )  # fmt: skip

    async def state(self, broadcast: dict[str, Any]) -> str | None:
        """As a read shows it; None where it shows nothing."""
        reply = await self.call("GET", "liveBroadcasts", part="status", id=broadcast["id"])
        items = reply.json["items"]
        return items[0]["status"]["lifeCycleStatus"] if items else None

    async def live(self, **content: Any) -> tuple[dict[str, Any], dict[str, Any]]:
        """A broadcast that is live, and its stream, which gets data."""
        broadcast, stream = await self.broadcast(**content), await self.stream()
        await self.bind(broadcast, stream)
        feed(self.service, stream)
        assert (await self.transition(broadcast, "live")).status == 200
        keep_feeding(self.service, stream, 15)
        return broadcast, stream


def authorisation() -> dict[str, str]:
    return {
        "client_id": seed.CLIENT_ID,
        "redirect_uri": CALLBACK,
        "response_type": "code",
        "scope": SCOPE,
        "state": "from-the-session",
        "access_type": "offline",
        "prompt": "consent",
    }


def feed(service: Service, stream: dict[str, Any], seconds: float = 5) -> Feed:
    """A publisher that has sent for so long."""
    connected = Feed(first_media_at=service.world.seconds(), video_codec="h264", audio_codec="aac")
    service.world.feeds.setdefault(stream["id"], []).append(connected)
    keep_feeding(service, stream, seconds)
    return connected


def keep_feeding(service: Service, stream: dict[str, Any], seconds: float) -> None:
    for _ in range(int(seconds)):
        for connected in service.world.feeds[stream["id"]]:
            connected.last_media_at = service.world.seconds() + 1
        service.wait(1)
