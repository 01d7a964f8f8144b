"""liveStreams."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from simulator.api import texts
from simulator.api.broadcasts import may_go_live
from simulator.api.call import Call, resource, section
from simulator.failures import ApiError, bad_request
from simulator.lifecycle import ENDED
from simulator.world import Record

DOMAIN = "youtube.liveStream"
PARTS = ("id", "snippet", "cdn", "status", "contentDetails")
MAX_TITLE = 128

_RESOLUTIONS = ("240p", "360p", "480p", "720p", "1080p", "1440p", "2160p", "variable")
_FRAME_RATES = ("30fps", "60fps", "variable")


@dataclass(frozen=True)
class Addresses:
    """Where publishers connect; without TLS where it is not listened for."""

    rtmp: str = "rtmp://127.0.0.1:1935"
    rtmps: str = ""

    def info(self, key: str) -> dict[str, Any]:
        """`ingestionInfo` of a stream."""
        found = {
            "streamName": key,
            "ingestionAddress": f"{self.rtmp}/live2",
            "backupIngestionAddress": f"{self.rtmp}/live2?backup=1",
        }
        if self.rtmps:
            found["rtmpsIngestionAddress"] = f"{self.rtmps}/live2"
            found["rtmpsBackupIngestionAddress"] = f"{self.rtmps}/live2?backup=1"
        return found


class Streams:
    """The methods; they need to know where the ingest is."""

    def __init__(self, addresses: Addresses) -> None:
        self.addresses = addresses

    def listed(self, call: Call) -> dict[str, Any]:
        """list: the channel's own, by id or all that can be used again."""
        parts = call.parts(PARTS)
        filters = [name for name in ("id", "mine") if call.request.value(name)]
        if len(filters) != 1:
            raise bad_request(
                "missingRequiredParameter" if not filters else "incompatibleParameters",
                "Give one of id and mine.",
            )
        channel = call.channel
        seen = [
            (record, truth)
            for record in call.world.streams.values()
            if record.channel_id == channel.id and (truth := call.world.seen(record)) is not None
        ]
        if filters == ["id"]:
            ids = call.ids()
            found = sorted((e for e in seen if e[0].id in ids), key=lambda e: ids.index(e[0].id))
        else:
            # What can be used only once is not in the list.
            found = [e for e in seen if call.wants("mine") and e[1]["contentDetails"]["isReusable"]]
        return call.page("liveStream", found, lambda e: self._shown(e[0], e[1], parts))

    def insert(self, call: Call) -> dict[str, Any]:
        """insert: a new ingest point with a key of its own."""
        parts = call.parts(PARTS)
        world, channel = call.world, may_go_live(call)
        given = section(call.body, "snippet")
        is_reusable = section(call.body, "contentDetails").get("isReusable", False)
        truth: dict[str, Any] = {
            "snippet": {
                "publishedAt": world.text_time(),
                "channelId": channel.id,
                "title": texts.check_title(
                    given.get("title"), domain=DOMAIN, longest=MAX_TITLE
                ),
                "description": texts.check_description(given.get("description"), domain=DOMAIN),
                "isDefaultStream": False,
            },
            "cdn": _cdn(section(call.body, "cdn")),
            "status": {"streamStatus": "ready", "healthStatus": {"status": "noData"}},
            "contentDetails": {"isReusable": is_reusable is True},
        }  # fmt: skip
        truth["cdn"]["ingestionInfo"] = {"streamName": world.new_key()}
        stream_id = channel.id[2:] + world.new_name(16, "0123456789")
        record = world.add(Record("stream", stream_id, channel.id, truth))
        return self._shown(record, record.truth, parts)

    def update(self, call: Call) -> dict[str, Any]:
        """update: the title and description; what the ingest is cannot be changed."""
        parts = call.parts(PARTS)
        given = section(call.body, "snippet")
        cdn = section(call.body, "cdn")
        stream_id = call.body.get("id")
        if not stream_id:
            raise bad_request("idRequired", "The id is missing.", domain=DOMAIN)
        record = self._own(call, str(stream_id))
        if "snippet" in parts:
            record.truth["snippet"]["title"] = texts.check_title(
                given.get("title"), domain=DOMAIN, longest=MAX_TITLE
            )
            record.truth["snippet"]["description"] = texts.check_description(
                given.get("description"), domain=DOMAIN
            )
        if "cdn" in parts:
            for name in ("ingestionType", "resolution", "frameRate"):
                if cdn.get(name) != record.truth["cdn"][name]:
                    raise ApiError(
                        403, "liveStreamModificationNotAllowed", f"{name} cannot be changed.",
                        domain=DOMAIN,
                    )  # fmt: skip
        call.world.changed(record)
        return self._shown(record, record.truth, parts)

    def delete(self, call: Call) -> None:
        """delete: a stream that no broadcast needs any more."""
        record = self._own(call, call.one_id())
        if any(each.state not in ENDED for each in call.world.broadcasts_on(record.id)):
            raise ApiError(
                403, "liveStreamDeletionNotAllowed", "A broadcast is bound to the stream.",
                domain=DOMAIN,
            )  # fmt: skip
        call.world.delete(record)

    def _own(self, call: Call, stream_id: str) -> Record:
        return call.own(call.world.streams, stream_id, "liveStreamNotFound")

    def _shown(self, record: Record, truth: dict[str, Any], parts: list[str]) -> dict[str, Any]:
        info = self.addresses.info(truth["cdn"]["ingestionInfo"]["streamName"])
        view = {**truth, "cdn": {**truth["cdn"], "ingestionInfo": info}}
        return resource("liveStream", record.id, view, parts)


def _cdn(given: dict[str, Any]) -> dict[str, Any]:
    for name in ("ingestionType", "resolution", "frameRate"):
        if given.get(name) is None:
            raise bad_request(f"{name}Required", f"{name} is missing.", domain=DOMAIN)
    if given["ingestionType"] != "rtmp":
        raise bad_request("invalidIngestionType", "Only rtmp is received here.", domain=DOMAIN)
    resolution, frame_rate = given["resolution"], given["frameRate"]
    if resolution not in _RESOLUTIONS:
        raise bad_request("invalidResolution", "There is no such resolution.", domain=DOMAIN)
    if frame_rate not in _FRAME_RATES or (resolution == "variable") != (frame_rate == "variable"):
        raise bad_request(
            "invalidFrameRate", "resolution and frameRate are both variable, or neither is.",
            domain=DOMAIN,
        )  # fmt: skip
    return {"ingestionType": "rtmp", "resolution": resolution, "frameRate": frame_rate}
