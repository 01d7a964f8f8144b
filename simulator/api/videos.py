"""videos and thumbnails; the video of a broadcast has the broadcast's id."""

from __future__ import annotations

import copy
import email.policy
from email.parser import BytesParser
from typing import Any

from simulator.api import texts
from simulator.api.broadcasts import thumbnails_of
from simulator.api.call import MAX_PAGE, Call, resource, section, with_etag
from simulator.failures import ApiError, bad_request
from simulator.lifecycle import ENDED, LifeCycle
from simulator.world import Record

DOMAIN = "youtube.video"
PARTS = ("id", "snippet", "contentDetails", "status", "statistics", "liveStreamingDetails")
MAX_THUMBNAIL_BYTES = 50 << 20
_KINDS = ((b"\xff\xd8\xff", "image/jpeg"), (b"\x89PNG\r\n\x1a\n", "image/png"))


def listed(call: Call) -> dict[str, Any]:
    """list: by id, whoever owns them; a private one only for its owner."""
    parts = call.parts(PARTS)
    if not call.request.value("id"):
        raise bad_request("missingRequiredParameter", "Give the ids of videos.", location="id")
    ids = call.ids()
    if len(ids) > MAX_PAGE:
        raise bad_request("invalidFilters", f"Give at most {MAX_PAGE} ids.", location="id")
    world = call.world
    found: list[tuple[Record, dict[str, Any]]] = []
    for video_id in ids:
        record = world.broadcasts.get(video_id) or world.videos.get(video_id)
        truth = None if record is None else world.seen(record)
        if record is None or truth is None:
            continue
        is_own = record.channel_id == call.grant.channel_id
        if is_own or truth["status"]["privacyStatus"] != "private":
            found.append((record, truth))
    answer = {
        "kind": "youtube#videoListResponse",
        "pageInfo": {"totalResults": len(found), "resultsPerPage": len(found)},
        "items": [_shown(call, record, truth, parts) for record, truth in found],
    }
    return with_etag(answer)


def update(call: Call) -> dict[str, Any]:
    """update: replaces each part that is named, whole."""
    parts = call.parts(PARTS)
    given = section(call.body, "snippet")
    video_id = call.body.get("id")
    if not video_id:
        raise bad_request("idRequired", "The id is missing.", domain=DOMAIN)
    record = _own(call, str(video_id))
    truth = copy.deepcopy(record.truth)
    if "snippet" in parts:
        texts_given = {
            "title": texts.check_title(given.get("title"), domain=DOMAIN),
            "description": texts.check_description(given.get("description"), domain=DOMAIN),
            "categoryId": texts.check_category(given.get("categoryId"), domain=DOMAIN),
        }
        truth["snippet"].update(texts_given)
        tags = texts.check_tags(given.get("tags"), domain=DOMAIN)
        truth.setdefault("video", {})["tags"] = tags
        for name in ("defaultLanguage", "defaultAudioLanguage"):
            truth["video"].pop(name, None)
            if given.get(name):
                truth["video"][name] = given[name]
    if "status" in parts:
        status = section(call.body, "status")
        is_for_kids = status.get("selfDeclaredMadeForKids", False)
        embeddable = bool(status.get("embeddable", True))
        truth["status"].update(
            privacyStatus=texts.check_privacy(status.get("privacyStatus"), domain=DOMAIN),
            selfDeclaredMadeForKids=is_for_kids,
            madeForKids=is_for_kids,
        )
        shared = {
            "license": status.get("license", "youtube"),
            "publicStatsViewable": bool(status.get("publicStatsViewable", True)),
        }
        if record.kind == "broadcast":
            # A broadcast's own status does not have these.
            truth["contentDetails"]["enableEmbed"] = embeddable
            truth.setdefault("video", {}).update(shared)
        else:
            truth["status"].update(shared, embeddable=embeddable)
    record.truth = truth
    call.world.changed(record)
    return _shown(call, record, truth, parts)


def set_thumbnail(call: Call) -> dict[str, Any]:
    """thumbnails.set: a picture of one's own."""
    record = _own(call, call.one_id("videoId"))
    if not call.channel.is_verified:
        raise texts.forbidden("The channel is not verified by phone.")
    content = _image_in(call)
    if not content:
        raise bad_request(
            "mediaBodyRequired", "The picture is missing.", domain="youtube.thumbnail"
        )
    kind = next((kind for head, kind in _KINDS if content.startswith(head)), None)
    if kind is None or len(content) > MAX_THUMBNAIL_BYTES:
        raise bad_request(
            "invalidImage", "It is no JPEG or PNG of a size that is taken.",
            domain="youtube.thumbnail",
        )  # fmt: skip
    call.world.thumbnails[record.id] = (kind, content)
    pictures = thumbnails_of(call.request.base, record.id)
    pictures["maxres"] = {
        "url": f"{call.request.base}/vi/{record.id}/maxres.jpg", "width": 1280, "height": 720
    }  # fmt: skip
    record.truth["snippet"]["thumbnails"] = pictures
    call.world.changed(record)
    return with_etag({"kind": "youtube#thumbnailSetResponse", "items": [pictures]})


def _image_in(call: Call) -> bytes:
    kind = call.request.headers.get("content-type", "")
    if not kind.startswith("multipart/related"):
        return call.request.body
    head = f"Content-Type: {kind}\r\n\r\n".encode("latin-1")
    message = BytesParser(policy=email.policy.HTTP).parsebytes(head + call.request.body)
    for part in message.iter_parts() if message.is_multipart() else ():
        if part.get_content_type() != "application/json":
            content = part.get_payload(decode=True)
            return content if isinstance(content, bytes) else b""
    return b""


def _own(call: Call, video_id: str) -> Record:
    world, channel = call.world, call.channel
    record = world.broadcasts.get(video_id) or world.videos.get(video_id)
    if record is None or record.is_deleted:
        raise ApiError(404, "videoNotFound", "The video was not found.", domain=DOMAIN)
    if record.channel_id != channel.id:
        raise texts.forbidden("The video is another channel's.")
    return record


def _shown(call: Call, record: Record, truth: dict[str, Any], parts: list[str]) -> dict[str, Any]:
    view = _broadcast_view(call, record, truth) if record.kind == "broadcast" else dict(truth)
    own = truth.get("video", {})
    pictures = truth["snippet"].get("thumbnails") or thumbnails_of(call.request.base, record.id)
    view["snippet"] = {**view["snippet"], "thumbnails": pictures}
    view["snippet"]["localized"] = {
        name: truth["snippet"][name] for name in ("title", "description")
    }
    for name in ("tags", "defaultLanguage", "defaultAudioLanguage"):
        if own.get(name):
            view["snippet"][name] = own[name]
    return resource("video", record.id, view, parts)


def _broadcast_view(call: Call, record: Record, truth: dict[str, Any]) -> dict[str, Any]:
    snippet, status, video = truth["snippet"], truth["status"], truth.get("video", {})
    state = LifeCycle(status["lifeCycleStatus"])
    if state in ENDED:
        content = "none"
    else:
        content = "live" if state is LifeCycle.LIVE else "upcoming"
    is_revoked = state is LifeCycle.REVOKED
    shown_status: dict[str, Any] = {
        "uploadStatus": "rejected" if is_revoked else "uploaded",
        "privacyStatus": status["privacyStatus"],
        "license": video.get("license", "youtube"),
        "embeddable": truth["contentDetails"]["enableEmbed"],
        "publicStatsViewable": video.get("publicStatsViewable", True),
        "madeForKids": status["madeForKids"],
        "selfDeclaredMadeForKids": status["selfDeclaredMadeForKids"],
    }
    if is_revoked:
        shown_status["rejectionReason"] = record.note.get("rejection", "termsOfUse")
    elif state in ENDED and record.note.get("has_archive"):
        shown_status["uploadStatus"] = "processed"
    live = {
        name: snippet[name]
        for name in ("actualStartTime", "actualEndTime", "scheduledStartTime", "scheduledEndTime")
        if name in snippet
    }
    if content == "live":
        live["concurrentViewers"] = str(call.world.viewers(record))
    if content != "none" and "liveChatId" in snippet:
        live["activeLiveChatId"] = snippet["liveChatId"]
    seconds = int(record.note.get("lasted_s", 0)) if record.note.get("has_archive") else 0
    return {
        "snippet": {
            "publishedAt": snippet["publishedAt"],
            "channelId": record.channel_id,
            "channelTitle": call.world.channels[record.channel_id].title,
            "title": snippet["title"],
            "description": snippet["description"],
            "categoryId": snippet["categoryId"],
            "liveBroadcastContent": content,
        },
        "status": shown_status,
        "contentDetails": {
            "duration": _duration(seconds) if state in ENDED else "P0D",
            "dimension": "2d",
            "definition": "hd",
            "caption": "false",
            "licensedContent": False,
            "projection": "rectangular",
        },
        "statistics": {"viewCount": "0", "likeCount": "0"},
        "liveStreamingDetails": live,
    }


def _duration(seconds: int) -> str:
    if not seconds:
        return "P0D"
    hours, minutes = divmod(seconds // 60, 60)
    parts = ((hours, "H"), (minutes, "M"), (seconds % 60, "S"))
    return "PT" + "".join(f"{number}{unit}" for number, unit in parts if number)
