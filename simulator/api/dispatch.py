"""From a request to a method and back: faults, sign-in, description, quota, method, lost answer."""

from __future__ import annotations

import asyncio
import logging
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from simulator import quota
from simulator.api import broadcasts, channels, videos
from simulator.api.call import Call
from simulator.api.streams import Addresses, Streams
from simulator.description import Description
from simulator.failures import ApiError, bad_request
from simulator.web import Answer, ConnectionDropped, Request, json_answer
from simulator.world import Grant, World

log = logging.getLogger(__name__)

_SCOPE = "https://www.googleapis.com/auth/youtube"
WRITE = frozenset({_SCOPE, f"{_SCOPE}.force-ssl", "https://www.googleapis.com/auth/youtubepartner"})
READ = WRITE | {f"{_SCOPE}.readonly"}
UPLOAD = WRITE | {f"{_SCOPE}.upload"}
_RATE_WINDOW_S = 60.0
MAX_SILENCE_S = 600.0


@dataclass(frozen=True)
class Method:
    """One method of the API."""

    name: str
    run: Callable[[Call], dict[str, Any] | None]
    scopes: frozenset[str]
    takes_json: bool = False

    @property
    def is_write(self) -> bool:
        """Whether it changes something."""
        return not self.name.endswith(".list")


class Api:
    """Answers everything below /youtube/v3 and /upload/youtube/v3."""

    def __init__(self, world: World, addresses: Addresses, description: Description | None) -> None:
        self.world = world
        self.description = description
        self.wrong_answers: list[str] = []
        """Answers that the description does not allow: faults of the simulator."""
        streams = Streams(addresses)
        self._methods: dict[tuple[str, str], Method] = {}
        for http, path, method in (
            ("GET", "channels", Method("channels.list", channels.listed, READ)),
            ("GET", "playlists", Method("playlists.list", channels.playlists, READ)),
            ("GET", "playlistItems", Method("playlistItems.list", channels.playlist_items, READ)),
            ("POST", "playlistItems",
             Method("playlistItems.insert", channels.insert_item, WRITE, True)),
            ("GET", "videos", Method("videos.list", videos.listed, READ)),
            ("PUT", "videos", Method("videos.update", videos.update, WRITE, takes_json=True)),
            ("GET", "liveStreams", Method("liveStreams.list", streams.listed, READ)),
            ("POST", "liveStreams", Method("liveStreams.insert", streams.insert, WRITE, True)),
            ("PUT", "liveStreams", Method("liveStreams.update", streams.update, WRITE, True)),
            ("DELETE", "liveStreams", Method("liveStreams.delete", streams.delete, WRITE)),
            ("GET", "liveBroadcasts", Method("liveBroadcasts.list", broadcasts.listed, READ)),
            ("POST", "liveBroadcasts",
             Method("liveBroadcasts.insert", broadcasts.insert, WRITE, True)),
            ("PUT", "liveBroadcasts",
             Method("liveBroadcasts.update", broadcasts.update, WRITE, True)),
            ("DELETE", "liveBroadcasts",
             Method("liveBroadcasts.delete", broadcasts.delete, WRITE)),
            ("POST", "liveBroadcasts/bind",
             Method("liveBroadcasts.bind", broadcasts.bind, WRITE)),
            ("POST", "liveBroadcasts/transition",
             Method("liveBroadcasts.transition", broadcasts.transition, WRITE)),
        ):  # fmt: skip
            self._methods[http, f"/youtube/v3/{path}"] = method
        thumbnail = Method("thumbnails.set", videos.set_thumbnail, UPLOAD)
        self._methods["POST", "/upload/youtube/v3/thumbnails/set"] = thumbnail

    async def answer(self, request: Request) -> Answer:
        """Carry the request out. Raises `ConnectionDropped` where the answer gets lost."""
        behaviour = self.world.behaviour
        if behaviour.api == "silent":
            await asyncio.sleep(MAX_SILENCE_S)
            raise ConnectionDropped
        if behaviour.api_slow_s:
            await asyncio.sleep(self.world.scaled(behaviour.api_slow_s))
        self.world.advance()
        entry: dict[str, Any] = {
            "at": self.world.text_time(),
            "method": f"{request.method} {request.path}",
            "units": 0,
            "outcome": "answered",
        }
        self.world.calls.append(entry)
        try:
            answer = self._answer(request, entry)
        except ApiError as error:
            entry["status"], entry["reason"] = error.status, error.reason
            return json_answer(error.body(), error.status)
        entry["status"] = answer.status
        is_named = behaviour.loses_next and behaviour.loses_next == entry["method"]
        if is_named:
            behaviour.loses_next = ""
        if is_named or (
            behaviour.lost_answers and self.world.chance.random() < behaviour.lost_answers
        ):
            entry["outcome"] = "lost"
            if behaviour.lost_after_s:
                await asyncio.sleep(self.world.scaled(behaviour.lost_after_s))
            raise ConnectionDropped
        return answer

    def _answer(self, request: Request, entry: dict[str, Any]) -> Answer:
        behaviour = self.world.behaviour
        if behaviour.api == "down":
            raise ApiError(503, "backendError", "The service is down.", domain="global")
        if behaviour.api_errors and self.world.chance.random() < behaviour.api_errors:
            raise ApiError(500, "internalError", "Something went wrong.", domain="global")
        method = self._methods.get((request.method, request.path))
        if method is None:
            raise ApiError(404, "notFound", "There is no such method.", domain="global")
        entry["method"] = method.name
        grant = self._signed_in(request)
        entry["channel"] = grant.channel_id
        entry["project"] = project = self.world.project_of(grant)
        self._check_rate(project)
        entry["units"] = self._charge(project, method)
        if not method.scopes & set(grant.scopes):
            raise ApiError(
                403, "insufficientPermissions", "The scopes that were granted do not suffice.",
                domain="global",
            )  # fmt: skip
        self._refuse_as_wished(method)
        body = self._body(request, method)
        shown = method.run(Call(self.world, request, grant, body))
        self._judge(request, shown)
        return self._written(request, method, shown)

    def _signed_in(self, request: Request) -> Grant:
        kind, _, token = request.headers.get("authorization", "").partition(" ")
        if kind.lower() != "bearer":
            token = request.value("access_token")
        grant = self.world.grant_of_token(token.strip())
        if grant is None:
            raise ApiError(
                401, "authError", "The access token is missing, wrong or too old.",
                domain="global", location="Authorization", location_type="header",
            )  # fmt: skip
        return grant

    def _check_rate(self, project: str) -> None:
        now = self.world.seconds()
        recent = self.world.recent_calls.setdefault(project, deque())
        recent.append(now)
        while now - recent[0] > self.world.scaled(_RATE_WINDOW_S):
            recent.popleft()
        if len(recent) > self.world.behaviour.calls_per_minute:
            raise ApiError(
                403, "rateLimitExceeded", "Too many calls within a minute.", domain="usageLimits"
            )

    def _refuse_as_wished(self, method: Method) -> None:
        for refusal in self.world.refusals:
            if refusal.method == method.name and refusal.times > 0:
                refusal.times -= 1
                raise ApiError(
                    refusal.status, refusal.reason, "It is refused as was wished.", domain="global"
                )

    def _charge(self, project: str, method: Method) -> int:
        units = quota.COSTS[method.name]
        if self.world.units_today(project) + units > self.world.behaviour.units_per_day:
            raise ApiError(
                403, "quotaExceeded", "The project's units of today are spent.",
                domain="youtube.quota",
            )  # fmt: skip
        self.world.spend(project, units)
        return units

    def _body(self, request: Request, method: Method) -> Any:
        """The body; held against the description, as is the query. Raises `ApiError`."""
        described = self.description and self.description.method(request.method, request.path)
        if self.description and described:
            for fault in self.description.parameter_faults(described, request.query):
                raise bad_request(
                    "required" if fault.what == "it is missing" else "invalidParameter",
                    str(fault), location=fault.where,
                )  # fmt: skip
        if not method.takes_json:
            return None
        try:
            body = request.json()
        except ValueError as error:
            raise bad_request("parseError", "The body is not JSON.", domain="global") from error
        if self.description and described:
            for fault in self.description.request_faults(described, body):
                raise bad_request("badRequest", str(fault), domain="global")
        return body

    def _judge(self, request: Request, shown: dict[str, Any] | None) -> None:
        described = self.description and self.description.method(request.method, request.path)
        if self.description is None or not described:
            return
        for fault in self.description.answer_faults(described, shown):
            self.wrong_answers.append(f"{request.method} {request.path}: {fault}")
            log.error("This answer is not as the API is described: %s", fault)

    def _written(self, request: Request, method: Method, shown: dict[str, Any] | None) -> Answer:
        if shown is None:
            return Answer(204)
        etag = f'"{shown["etag"]}"'
        known = {text.strip() for text in request.headers.get("if-none-match", "").split(",")}
        if not method.is_write and etag in known:
            return Answer(304, headers={"etag": etag})
        return json_answer(shown, headers={"etag": etag, "cache-control": "private"})
