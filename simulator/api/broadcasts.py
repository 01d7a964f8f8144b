"""liveBroadcasts."""

from __future__ import annotations

import copy
from typing import Any

from simulator.api import texts
from simulator.api.call import Call, resource, section
from simulator.failures import ApiError, bad_request
from simulator.lifecycle import ENDED, FROZEN, ON_AIR, LifeCycle, Refusal, Wish, judge
from simulator.world import DAY_S, Channel, Record

DOMAIN = "youtube.liveBroadcast"
PARTS = ("id", "snippet", "contentDetails", "status", "statistics", "monetizationDetails")
MAX_ON_CHANNEL = 500
"""Broadcasts that have not ended."""

_SWITCHES = {
    "enableEmbed": True,
    "enableDvr": True,
    "recordFromStart": True,
    "startWithSlate": False,
    "enableContentEncryption": False,
    "enableAutoStart": False,
    "enableAutoStop": False,
}
_FROZEN_SWITCHES = {
    "enableAutoStart": "enableAutoStartModificationNotAllowed",
    "enableDvr": "enableDvrModificationNotAllowed",
    "enableEmbed": "enableEmbedModificationNotAllowed",
    "recordFromStart": "recordFromStartModificationNotAllowed",
    "enableContentEncryption": "enableContentEncryptionModificationNotAllowed",
    "closedCaptionsType": "enableClosedCaptionsModificationNotAllowed",
    "latencyPreference": "latencyPreferenceModificationNotAllowed",
}
_CAPTIONS = ("closedCaptionsDisabled", "closedCaptionsHttpPost", "closedCaptionsEmbedded")
_FILTERS = {
    "all": frozenset(LifeCycle),
    "active": frozenset(
        {LifeCycle.TESTING, LifeCycle.LIVE_STARTING, LifeCycle.LIVE, LifeCycle.TEST_STARTING}
    ),
    "upcoming": frozenset({LifeCycle.CREATED, LifeCycle.READY}),
    "completed": ENDED,
}


def listed(call: Call) -> dict[str, Any]:
    """list: the channel's own, by id, all, or by how far they are."""
    parts = call.parts(PARTS)
    filters = [name for name in ("id", "mine", "broadcastStatus") if call.request.value(name)]
    if len(filters) != 1:
        raise bad_request(
            "missingRequiredParameter" if not filters else "incompatibleParameters",
            "Give one of id, mine and broadcastStatus.",
        )
    world, channel = call.world, call.channel
    seen = [
        (record, truth)
        for record in world.broadcasts.values()
        if record.channel_id == channel.id and (truth := world.seen(record)) is not None
    ]
    if filters == ["id"]:
        ids = call.ids()
        found = sorted((e for e in seen if e[0].id in ids), key=lambda e: ids.index(e[0].id))
    elif filters == ["mine"]:
        if not channel.is_live_enabled:
            # What is barred for a while may still be listed; what was never enabled may not.
            may_go_live(call)
        found = seen[::-1] if call.wants("mine") else []
    else:
        wanted = _FILTERS.get(call.request.value("broadcastStatus"), frozenset())
        found = [e for e in seen[::-1] if e[1]["status"]["lifeCycleStatus"] in wanted]
    if filters != ["id"] and call.request.value("broadcastType", "event") == "persistent":
        found = []  # there are no default broadcasts here
    return call.page("liveBroadcast", found, lambda e: shown(call, e[0], e[1], parts))


def insert(call: Call) -> dict[str, Any]:
    """insert: a new event, which is a new video too."""
    parts = call.parts(PARTS)
    world, channel = call.world, may_go_live(call)
    snippet, status = section(call.body, "snippet"), section(call.body, "status")
    content = section(call.body, "contentDetails") if "contentDetails" in parts else {}
    truth: dict[str, Any] = {
        "snippet": {
            "publishedAt": world.text_time(),
            "channelId": channel.id,
            "isDefaultBroadcast": False,
            **_snippet(call, snippet),
        },
        "status": {
            "lifeCycleStatus": LifeCycle.CREATED.value,
            "recordingStatus": "notRecording",
            **_status(status),
        },
        "contentDetails": _content(content),
        "video": {"tags": [], "uploadStatus": "uploaded"},
    }
    _check_limits(call, channel)
    if not truth["status"]["madeForKids"]:
        truth["snippet"]["liveChatId"] = "Cg0KC" + world.new_name(30)
    record = Record("broadcast", world.new_video_id(), channel.id, truth)
    record.note["created_at"] = world.seconds()
    world.add(record)
    world.say("A broadcast was created.", broadcast=record.id, channel=channel.title)
    return shown(call, record, record.truth, parts)


def update(call: Call) -> dict[str, Any]:
    """update: replaces each part that is named, whole."""
    parts = call.parts(PARTS)
    record = _own(call, str(_id_in_body(call)))
    truth = copy.deepcopy(record.truth)
    if "snippet" in parts:
        old = truth["snippet"]
        new = _snippet(call, section(call.body, "snippet"), old=old)
        kept = ("publishedAt", "channelId", "isDefaultBroadcast", "liveChatId", "thumbnails",
                "actualStartTime", "actualEndTime")  # fmt: skip
        truth["snippet"] = {**{name: old[name] for name in kept if name in old}, **new}
    if "status" in parts:
        truth["status"].update(_status(section(call.body, "status")))
    if "contentDetails" in parts:
        truth["contentDetails"] = _changed_content(record, section(call.body, "contentDetails"))
    record.truth = truth
    call.world.changed(record)
    return shown(call, record, record.truth, parts)


def bind(call: Call) -> dict[str, Any]:
    """bind: ties a broadcast to a stream, or, without one, unties it."""
    parts = call.parts(PARTS)
    world = call.world
    record = _own(call, call.one_id())
    if record.state not in (LifeCycle.CREATED, LifeCycle.READY):
        raise ApiError(
            403, "liveBroadcastBindingNotAllowed",
            f"A broadcast that is {record.state} cannot be bound.", domain=DOMAIN,
        )  # fmt: skip
    content = record.truth["contentDetails"]
    stream_id = call.request.value("streamId")
    if stream_id:
        stream = call.own(world.streams, stream_id, "liveStreamNotFound")
        used = [e for e in world.broadcasts_on(stream.id) if e is not record]
        if used and not stream.truth["contentDetails"]["isReusable"]:
            raise ApiError(
                403, "liveBroadcastBindingNotAllowed", "The stream can be used only once.",
                domain=DOMAIN,
            )  # fmt: skip
        if world.behaviour.refuses_sharing_at == "bind":
            _check_sharing(call, stream.id, record)
        content["boundStreamId"] = stream.id
        content["boundStreamLastUpdateTimeMs"] = world.text_time()
        state = LifeCycle.READY
    else:
        content.pop("boundStreamId", None)
        content.pop("boundStreamLastUpdateTimeMs", None)
        state = LifeCycle.CREATED
    record.truth["status"]["lifeCycleStatus"] = state.value
    world.changed(record)
    return shown(call, record, record.truth, parts)


def transition(call: Call) -> dict[str, Any]:
    """transition: asks for testing, live or complete."""
    parts = call.parts(PARTS)
    world = call.world
    try:
        wish = Wish(call.one_id("broadcastStatus"))
    except ValueError as error:
        raise bad_request(
            "invalidValue", "broadcastStatus is testing, live or complete.",
            location="broadcastStatus",
        ) from error  # fmt: skip
    record = _own(call, call.one_id())
    content = record.truth["contentDetails"]
    result = judge(
        record.state,
        wish,
        has_monitor=content["monitorStream"]["enableMonitorStream"],
        is_active=world.is_active(record),
    )
    if isinstance(result, Refusal):
        raise ApiError(
            403, result.value, f"From {record.state} to {wish} it cannot go now.", domain=DOMAIN
        )
    if result in ON_AIR:
        may_go_live(call)
        if len(world.on_air(record.channel_id)) >= world.behaviour.broadcasts_at_once:
            raise ApiError(
                403, "concurrentBroadcastsExceedLimit",
                "The channel has too many live broadcasts.", domain="usageLimits",
            )  # fmt: skip
        _check_sharing(call, content["boundStreamId"], record)
    world.enter(record, result)
    return shown(call, record, record.truth, parts)


def delete(call: Call) -> None:
    """delete: a broadcast that has not begun."""
    record = _own(call, call.one_id())
    if record.state in FROZEN:
        raise ApiError(
            403, "liveBroadcastDeletionNotAllowed",
            f"A broadcast that is {record.state} cannot be deleted.", domain=DOMAIN,
        )  # fmt: skip
    call.world.delete(record)
    call.world.say("The broadcast was deleted.", broadcast=record.id)


def shown(call: Call, record: Record, truth: dict[str, Any], parts: list[str]) -> dict[str, Any]:
    """A broadcast as the API shows it."""
    base = call.request.base
    thumbnails = truth["snippet"].get("thumbnails") or thumbnails_of(base, record.id)
    view = {
        "snippet": {**truth["snippet"], "thumbnails": thumbnails},
        "status": truth["status"],
        "contentDetails": truth["contentDetails"],
        "monetizationDetails": {"cuepointSchedule": {"enabled": False}},
        "statistics": {},
    }
    if truth["status"]["lifeCycleStatus"] == LifeCycle.LIVE:
        view["statistics"] = {"concurrentViewers": str(call.world.viewers(record))}
    return resource("liveBroadcast", record.id, view, parts)


def thumbnails_of(base: str, video_id: str) -> dict[str, Any]:
    """Where the pictures of a video are."""
    return {
        name: {"url": f"{base}/vi/{video_id}/{name}.jpg", "width": width, "height": height}
        for name, width, height in (
            ("default", 120, 90), ("medium", 320, 180), ("high", 480, 360),
        )
    }  # fmt: skip


def may_go_live(call: Call) -> Channel:
    """The channel. Raises `ApiError` when it may not broadcast."""
    channel = call.channel
    if channel.is_blocked:
        raise ApiError(
            403, "livePermissionBlocked", "The channel is barred from live for now.", domain=DOMAIN
        )
    if not channel.is_live_enabled:
        raise ApiError(
            403, "liveStreamingNotEnabled", "The channel is not enabled for live.", domain=DOMAIN
        )
    return channel


def _own(call: Call, record_id: str) -> Record:
    return call.own(call.world.broadcasts, record_id, "liveBroadcastNotFound")


def _id_in_body(call: Call) -> Any:
    section(call.body, "snippet")
    found = call.body.get("id")
    if not found:
        raise bad_request("idRequired", "The id is missing.", domain=DOMAIN)
    return found


def _check_limits(call: Call, channel: Channel) -> None:
    world = call.world
    own = [e for e in world.broadcasts.values() if e.channel_id == channel.id]
    waiting = [e for e in own if not e.is_deleted and e.state not in ENDED]
    since = world.seconds() - world.scaled(DAY_S)
    today = sum(e.note.get("created_at", 0) > since for e in own)
    if len(waiting) >= MAX_ON_CHANNEL or today >= world.behaviour.broadcasts_per_day:
        raise ApiError(
            403, "userBroadcastsExceedLimit",
            "The channel has too many broadcasts. Try again in 24 hours.", domain=DOMAIN,
        )  # fmt: skip


def _check_sharing(call: Call, stream_id: str, record: Record) -> None:
    sharing = [
        each
        for each in call.world.broadcasts_on(stream_id)
        if each is not record and each.state in FROZEN - ENDED
    ]
    if len(sharing) >= call.world.behaviour.broadcasts_per_key:
        raise ApiError(
            403, "sharedIngestionBroadcastsExceedLimit",
            "Too many broadcasts use this stream at once.", domain=DOMAIN,
        )  # fmt: skip


def _snippet(
    call: Call, given: dict[str, Any], *, old: dict[str, Any] | None = None
) -> dict[str, Any]:
    start = given.get("scheduledStartTime")
    if old is None or texts.moment_of(start) != texts.moment_of(old["scheduledStartTime"]):
        start = texts.check_start(start, call.world.now(), domain=DOMAIN)
    else:
        start = old["scheduledStartTime"]
    snippet: dict[str, Any] = {
        "title": texts.check_title(given.get("title"), domain=DOMAIN),
        "description": texts.check_description(given.get("description"), domain=DOMAIN),
        "scheduledStartTime": start,
    }
    if given.get("scheduledEndTime") is not None:
        snippet["scheduledEndTime"] = texts.check_end(
            given["scheduledEndTime"], start, domain=DOMAIN
        )
    category = given.get("categoryId", (old or {}).get("categoryId", "22"))
    snippet["categoryId"] = texts.check_category(category, domain=DOMAIN)
    return snippet


def _status(given: dict[str, Any]) -> dict[str, Any]:
    is_for_kids = given.get("selfDeclaredMadeForKids", False)
    if not isinstance(is_for_kids, bool):
        raise bad_request("invalidValue", "selfDeclaredMadeForKids is yes or no.", domain=DOMAIN)
    return {
        "privacyStatus": texts.check_privacy(given.get("privacyStatus"), domain=DOMAIN),
        "selfDeclaredMadeForKids": is_for_kids,
        "madeForKids": is_for_kids,
    }


def _content(given: dict[str, Any]) -> dict[str, Any]:
    content: dict[str, Any] = {}
    for name, default in _SWITCHES.items():
        value = given.get(name, default)
        if not isinstance(value, bool):
            reason = "invalidAutoStart" if name == "enableAutoStart" else "invalidValue"
            raise bad_request(reason, f"{name} is yes or no.", domain=DOMAIN)
        content[name] = value
    content["monitorStream"] = _monitor(given.get("monitorStream", {}))
    captions = given.get("closedCaptionsType", _CAPTIONS[0])
    if captions not in _CAPTIONS or (
        "closedCaptionsType" in given and "enableClosedCaptions" in given
    ):
        raise bad_request("invalidEnableClosedCaptions", "Captions are unclear.", domain=DOMAIN)
    content["closedCaptionsType"] = captions
    content["enableClosedCaptions"] = bool(
        given.get("enableClosedCaptions", captions == "closedCaptionsHttpPost")
    )
    latency = given.get("latencyPreference")
    if latency is None:
        latency = "low" if given.get("enableLowLatency") else "normal"
    if latency not in ("normal", "low", "ultraLow") or (
        "enableLowLatency" in given and given["enableLowLatency"] is not (latency == "low")
    ):
        raise bad_request(
            "invalidLatencyPreferenceOptions", "latencyPreference and enableLowLatency disagree.",
            domain=DOMAIN,
        )  # fmt: skip
    content["latencyPreference"] = latency
    content["enableLowLatency"] = latency == "low"
    content["projection"] = given.get("projection", "rectangular")
    return content


def _monitor(given: Any) -> dict[str, Any]:
    if not isinstance(given, dict):
        raise bad_request("invalidValue", "monitorStream is not an object.", domain=DOMAIN)
    is_on = given.get("enableMonitorStream", True)
    delay = given.get("broadcastStreamDelayMs", 0)
    if not isinstance(is_on, bool) or isinstance(delay, bool) or not isinstance(delay, int):
        raise bad_request("invalidValue", "monitorStream is unclear.", domain=DOMAIN)
    return {"enableMonitorStream": is_on, "broadcastStreamDelayMs": delay}


def _changed_content(record: Record, given: dict[str, Any]) -> dict[str, Any]:
    monitor = given.get("monitorStream")
    if not isinstance(monitor, dict) or "enableMonitorStream" not in monitor:
        raise bad_request(
            "enableMonitorStreamRequired", "enableMonitorStream is missing.", domain=DOMAIN
        )
    if "broadcastStreamDelayMs" not in monitor:
        raise bad_request(
            "broadcastStreamDelayMsRequired", "broadcastStreamDelayMs is missing.", domain=DOMAIN
        )
    needed = ("enableEmbed", "enableDvr", "recordFromStart", "startWithSlate",
              "enableContentEncryption")  # fmt: skip
    for name in needed:
        if name not in given:
            raise bad_request(f"{name}Required", f"{name} is missing.", domain=DOMAIN)
    old = record.truth["contentDetails"]
    new = _content(given)
    if record.state in FROZEN:
        if new["monitorStream"] != old["monitorStream"]:
            raise _not_allowed("enableMonitorStreamModificationNotAllowed")
        for name, reason in _FROZEN_SWITCHES.items():
            if new[name] != old[name]:
                raise _not_allowed(reason)
    kept = ("boundStreamId", "boundStreamLastUpdateTimeMs")
    return {**new, **{name: old[name] for name in kept if name in old}}


def _not_allowed(reason: str) -> ApiError:
    return ApiError(403, reason, "It cannot be changed in this state.", domain=DOMAIN)
