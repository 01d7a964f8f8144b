"""What every method of the API is given, and how lists and resources are answered."""

from __future__ import annotations

import base64
import binascii
import hashlib
import json
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

from simulator.failures import ApiError, bad_request, required
from simulator.web import Request
from simulator.world import Channel, Grant, Record, World

MAX_PAGE = 50
DEFAULT_PAGE = 5


@dataclass(frozen=True)
class Call:
    """One call of one method by an authorised client."""

    world: World
    request: Request
    grant: Grant
    body: Any = None
    """Of a request that carries JSON."""

    @property
    def channel(self) -> Channel:
        """The channel that the client acts for. Raises `ApiError` when it may not."""
        channel = self.world.channels.get(self.grant.channel_id)
        if channel is None:
            raise ApiError(
                401, "youtubeSignupRequired", "The account has no channel.",
                domain="youtube.header", location="Authorization", location_type="header",
            )  # fmt: skip
        if channel.is_suspended:
            raise ApiError(403, "channelSuspended", "The channel was suspended.")
        return channel

    def parts(self, known: Sequence[str]) -> list[str]:
        """The parts that are asked for. Raises `ApiError` for one that there is not."""
        given = [p for value in self.request.values("part") for p in value.split(",") if p]
        if not given:
            raise required("part")
        for part in given:
            if part not in known:
                raise bad_request(
                    "unknownPart", f"There is no part {part}.",
                    domain="youtube.part", location="part",
                )  # fmt: skip
        return given

    def ids(self, name: str = "id") -> list[str]:
        """Ids that are asked for, in the order given, each once."""
        given = [i for value in self.request.values(name) for i in value.split(",") if i]
        return list(dict.fromkeys(given))

    def one_id(self, name: str = "id") -> str:
        """The id of the resource that a method is about. Raises `ApiError` without one."""
        found = self.request.value(name)
        if not found:
            raise required(name)
        return found

    def wants(self, name: str) -> bool:
        """Whether a yes-or-no parameter says yes."""
        return self.request.value(name) == "true"

    def own(self, table: dict[str, Record], record_id: str, reason: str) -> Record:
        """The channel's own resource. Raises `ApiError` with `reason` when there is none."""
        channel = self.channel
        record = table.get(record_id)
        if record is None or record.is_deleted or record.channel_id != channel.id:
            domain = f"youtube.{reason.removesuffix('NotFound')}"
            raise ApiError(404, reason, "It was not found.", domain=domain, location="id")
        return record

    def page(
        self, kind: str, found: Sequence[Any], show: Callable[[Any], dict[str, Any]]
    ) -> dict[str, Any]:
        """One page of a list, as `maxResults` and `pageToken` ask for it."""
        size_text = self.request.value("maxResults", str(DEFAULT_PAGE))
        if not size_text.isdecimal() or int(size_text) > MAX_PAGE:
            raise bad_request(
                "invalidValue", f"maxResults is 0 to {MAX_PAGE}.", location="maxResults"
            )
        size = int(size_text)
        start = _page_start(self.request.value("pageToken"))
        answer: dict[str, Any] = {
            "kind": f"youtube#{kind}ListResponse",
            "pageInfo": {"totalResults": len(found), "resultsPerPage": size},
        }
        if size and start + size < len(found):
            answer["nextPageToken"] = _page_token(start + size)
        if start > 0:
            answer["prevPageToken"] = _page_token(max(0, start - size))
        answer["items"] = [show(each) for each in found[start : start + size]]
        return with_etag(answer)


def resource(kind: str, record_id: str, truth: dict[str, Any], parts: list[str]) -> dict[str, Any]:
    """A resource with the parts asked for; one that it does not have is left out."""
    shown: dict[str, Any] = {"kind": f"youtube#{kind}", "id": record_id}
    shown.update({part: truth[part] for part in dict.fromkeys(parts) if part in truth})
    return with_etag(shown)


def with_etag(value: dict[str, Any]) -> dict[str, Any]:
    """The value and what tells it from its other states."""
    digest = hashlib.sha256(json.dumps(value, sort_keys=True).encode()).digest()[:18]
    return {**value, "etag": base64.urlsafe_b64encode(digest).decode()}


def section(body: Any, name: str) -> dict[str, Any]:
    """A part of a body. Raises `ApiError` when it is something else than an object."""
    if not isinstance(body, dict):
        raise bad_request("badRequest", "The body is not an object.")
    found = body.get(name, {})
    if not isinstance(found, dict):
        raise bad_request("badRequest", f"{name} is not an object.")
    return found


def _page_token(start: int) -> str:
    return base64.urlsafe_b64encode(f"CA{start:06}".encode()).decode().rstrip("=")


def _page_start(token: str) -> int:
    if not token:
        return 0
    try:
        text = base64.urlsafe_b64decode(token + "=" * (-len(token) % 4)).decode()
        if not text.startswith("CA"):
            raise ValueError
        return int(text[2:])
    except (binascii.Error, ValueError) as error:
        raise bad_request(
            "invalidPageToken", "The page token is not one of ours.", location="pageToken"
        ) from error
