"""The life of a broadcast, as the API shows it and as it refuses."""

from __future__ import annotations

import itertools
from datetime import timedelta
from typing import Any

import pytest

from simulator.faults import Behaviour
from simulator.lifecycle import TRANSITIONS, LifeCycle, Wish, judge
from tests.simulator.service import Client, Service, feed, keep_feeding


def test_every_pair_of_state_and_wish_is_decided() -> None:
    assert set(TRANSITIONS) == set(itertools.product(LifeCycle, Wish))


@pytest.mark.parametrize(("state", "wish"), sorted(TRANSITIONS))
def test_nothing_starts_without_data(state: LifeCycle, wish: Wish) -> None:
    for has_monitor in (True, False):
        result = judge(state, wish, has_monitor=has_monitor, is_active=False)
        assert result not in (LifeCycle.TEST_STARTING, LifeCycle.LIVE_STARTING)


async def test_from_nothing_to_live_and_over(client: Client, service: Service) -> None:
    broadcast, stream = await client.broadcast(), await client.stream()
    assert broadcast["status"]["lifeCycleStatus"] == "created"
    assert (await client.transition(broadcast, "live")).reason == "invalidTransition"
    assert (await client.bind(broadcast, stream)).json["status"]["lifeCycleStatus"] == "ready"
    assert (await client.transition(broadcast, "live")).reason == "errorStreamInactive"
    feed(service, stream)
    started = await client.transition(broadcast, "live")
    assert started.json["status"]["lifeCycleStatus"] == "liveStarting"
    assert (await client.transition(broadcast, "live")).reason == "redundantTransition"
    keep_feeding(service, stream, 11)
    assert await client.state(broadcast) == "live"
    assert (await client.transition(broadcast, "live")).reason == "redundantTransition"
    ended = await client.transition(broadcast, "complete")
    assert ended.json["status"]["lifeCycleStatus"] == "complete"
    assert (await client.transition(broadcast, "live")).reason == "invalidTransition"
    assert (await client.transition(broadcast, "complete")).reason == "redundantTransition"
    reply = await client.call("DELETE", "liveBroadcasts", id=broadcast["id"])
    assert reply.reason == "liveBroadcastDeletionNotAllowed"


async def test_with_a_monitor_stream_it_must_be_tested_first(
    client: Client, service: Service
) -> None:
    broadcast = await client.broadcast(monitorStream={})  # on by default
    stream = await client.stream()
    await client.bind(broadcast, stream)
    feed(service, stream)
    assert (await client.transition(broadcast, "live")).reason == "invalidTransition"
    assert (await client.transition(broadcast, "testing")).status == 200
    assert await client.state(broadcast) == "testStarting"
    keep_feeding(service, stream, 11)
    assert await client.state(broadcast) == "testing"
    assert (await client.transition(broadcast, "live")).status == 200
    keep_feeding(service, stream, 11)
    assert await client.state(broadcast) == "live"


async def test_auto_start_hears_the_stream_begin_but_not_a_late_binding(
    client: Client, service: Service
) -> None:
    early, stream = await client.broadcast(enableAutoStart=True), await client.stream()
    await client.bind(early, stream)
    feed(service, stream)
    assert await client.state(early) == "liveStarting"
    late = await client.broadcast(enableAutoStart=True)
    await client.bind(late, stream)
    keep_feeding(service, stream, 20)
    assert await client.state(early) == "live"
    assert await client.state(late) == "ready"


@pytest.mark.parametrize(("stops_itself", "state"), [(True, "complete"), (False, "live")])
async def test_only_auto_stop_ends_a_broadcast_without_data(
    client: Client, service: Service, stops_itself: bool, state: str
) -> None:
    broadcast, stream = await client.live(enableAutoStop=stops_itself)
    service.world.feeds[stream["id"]].clear()
    for _ in range(75):
        service.wait(1)
    assert await client.state(broadcast) == state
    reply = await client.call("GET", "liveStreams", part="status", id=stream["id"])
    assert reply.json["items"][0]["status"]["streamStatus"] == "inactive"


async def test_a_broadcast_that_youtube_ended_leaves_the_stream_active(
    client: Client, service: Service
) -> None:
    for action, state in (("complete", "complete"), ("revoke", "revoked"), ("delete", None)):
        broadcast, stream = await client.live()
        await service.control(f"/simulator/broadcasts/{broadcast['id']}/{action}")
        keep_feeding(service, stream, 5)
        assert await client.state(broadcast) == state
        reply = await client.call("GET", "liveStreams", part="status", id=stream["id"])
        assert reply.json["items"][0]["status"]["streamStatus"] == "active"


async def test_one_key_carries_the_next_broadcast_before_the_last_one_ends(
    client: Client, service: Service
) -> None:
    first, stream = await client.live()
    second = await client.broadcast(title="Next")
    await client.bind(second, stream)
    assert (await client.transition(second, "live")).status == 200
    keep_feeding(service, stream, 11)
    assert [await client.state(each) for each in (first, second)] == ["live", "live"]
    assert (await client.transition(first, "complete")).status == 200
    assert await client.state(second) == "live"


@pytest.mark.parametrize("at", ["transition", "bind"])
async def test_sharing_a_key_can_be_refused(
    client: Client, service: Service, behaviour: Behaviour, at: Any
) -> None:
    behaviour.broadcasts_per_key, behaviour.refuses_sharing_at = 1, at
    _, stream = await client.live()
    second = await client.broadcast()
    reply = await client.bind(second, stream)
    if at == "transition":
        assert reply.status == 200
        reply = await client.transition(second, "live")
    assert (reply.status, reply.reason) == (403, "sharedIngestionBroadcastsExceedLimit")


async def test_one_more_than_the_limit_at_once_is_refused(
    client: Client, service: Service, behaviour: Behaviour
) -> None:
    behaviour.broadcasts_at_once = 2
    for _ in range(2):
        await client.live()
    third, stream = await client.broadcast(), await client.stream()
    await client.bind(third, stream)
    feed(service, stream)
    assert (await client.transition(third, "live")).reason == "concurrentBroadcastsExceedLimit"


async def test_a_live_broadcast_is_bound_and_its_settings_frozen(
    client: Client, service: Service
) -> None:
    broadcast, stream = await client.live()
    assert (await client.bind(broadcast, None)).reason == "liveBroadcastBindingNotAllowed"
    reply = await client.call("DELETE", "liveStreams", id=stream["id"])
    assert reply.reason == "liveStreamDeletionNotAllowed"
    content = {
        "monitorStream": {"enableMonitorStream": False, "broadcastStreamDelayMs": 0},
        "enableEmbed": True, "enableDvr": False, "recordFromStart": True,
        "startWithSlate": False, "enableContentEncryption": False,
    }  # fmt: skip
    body = {"id": broadcast["id"], "contentDetails": content}
    reply = await client.call("PUT", "liveBroadcasts", body, part="contentDetails")
    assert reply.reason == "enableDvrModificationNotAllowed"
    content["enableDvr"] = True
    reply = await client.call("PUT", "liveBroadcasts", body, part="contentDetails")
    assert reply.json["contentDetails"]["boundStreamId"] == stream["id"]


async def test_an_update_resets_what_its_part_leaves_out(client: Client, service: Service) -> None:
    broadcast = await client.broadcast(enableAutoStart=True)
    later = (service.clock[0] + timedelta(hours=1)).isoformat()
    body = {
        "id": broadcast["id"],
        "snippet": {"title": "New", "scheduledStartTime": later},
        "status": {"privacyStatus": "public"},
    }
    reply = await client.call("PUT", "liveBroadcasts", body, part="snippet")
    assert reply.json["snippet"]["title"] == "New"
    reply = await client.call("GET", "liveBroadcasts", part="status,snippet", id=broadcast["id"])
    # status was in the body, but not among the parts.
    assert reply.json["items"][0]["status"]["privacyStatus"] == "unlisted"
    content = {
        "monitorStream": {"enableMonitorStream": True, "broadcastStreamDelayMs": 0},
        "enableEmbed": True, "enableDvr": True, "recordFromStart": True,
        "startWithSlate": False, "enableContentEncryption": False,
    }  # fmt: skip
    body = {"id": broadcast["id"], "contentDetails": content}
    reply = await client.call("PUT", "liveBroadcasts", body, part="contentDetails")
    assert reply.json["contentDetails"]["enableAutoStart"] is False
    del content["enableDvr"]
    reply = await client.call("PUT", "liveBroadcasts", body, part="contentDetails")
    assert (reply.status, reply.reason) == (400, "enableDvrRequired")


@pytest.mark.parametrize(
    ("snippet", "reason"),
    [
        ({"title": ""}, "titleRequired"),
        ({"title": "x" * 101}, "invalidTitle"),
        ({"title": "a<b"}, "invalidTitle"),
        ({"description": "ü" * 2501}, "invalidDescription"),
        ({"scheduledStartTime": "2020-01-01T00:00:00Z"}, "invalidScheduledStartTime"),
        ({"scheduledStartTime": None}, "scheduledStartTimeRequired"),
    ],
)
async def test_it_refuses_texts_and_times_that_cannot_be(
    client: Client, service: Service, snippet: dict[str, Any], reason: str
) -> None:
    start = (service.clock[0] + timedelta(minutes=2)).isoformat()
    given = {"title": "T", "scheduledStartTime": start, **snippet}
    body = {
        "snippet": {name: value for name, value in given.items() if value is not None},
        "status": {"privacyStatus": "private"},
    }
    reply = await client.call("POST", "liveBroadcasts", body, part="snippet,status")
    assert (reply.status, reply.reason) == (400, reason)


async def test_latency_must_agree_with_itself(client: Client) -> None:
    reply = await client.insert(latencyPreference="normal", enableLowLatency=True)
    assert reply.reason == "invalidLatencyPreferenceOptions"


async def test_a_channel_that_may_not_go_live_is_told_which_way(
    client: Client, service: Service
) -> None:
    channel = f"/simulator/channels/{service.world.channels[next(iter(service.world.channels))].id}"
    await service.control(channel, is_live_enabled=False)
    assert (await client.insert()).reason == "liveStreamingNotEnabled"
    await service.control(channel, is_live_enabled=True)
    broadcast, _ = await client.live()
    await service.control(channel, strike=True)
    assert await client.state(broadcast) == "complete"
    assert (await client.insert()).reason == "livePermissionBlocked"
    await service.control(channel, is_suspended=True)
    assert (await client.insert()).reason == "channelSuspended"


async def test_too_many_broadcasts_in_a_day_are_refused(
    client: Client, service: Service, behaviour: Behaviour
) -> None:
    behaviour.broadcasts_per_day = 2
    await client.broadcast()
    await client.broadcast()
    assert (await client.insert()).reason == "userBroadcastsExceedLimit"
    service.wait(86_401)
    fresh = await service.sign_in()
    assert (await fresh.insert()).status == 200


async def test_lists_take_one_filter_and_come_in_pages(client: Client) -> None:
    made = [(await client.broadcast(title=f"B {n}"))["id"] for n in range(7)]
    found: list[str] = []
    query: dict[str, str] = {}
    for _ in range(3):
        reply = await client.call(
            "GET", "liveBroadcasts", part="id", broadcastStatus="upcoming", broadcastType="all",
            **query,
        )  # fmt: skip
        found += [item["id"] for item in reply.json["items"]]
        query = {"pageToken": reply.json.get("nextPageToken", "")}
        if not query["pageToken"]:
            break
    assert sorted(found) == sorted(made)
    both = await client.call("GET", "liveBroadcasts", part="id", mine="true", id=made[0])
    assert both.reason == "incompatibleParameters"
    none = await client.call("GET", "liveBroadcasts", part="id")
    assert none.status == 400


async def test_a_stranger_sees_and_touches_nothing(client: Client, service: Service) -> None:
    broadcast, stream = await client.broadcast(), await client.stream()
    stranger = await service.sign_in(who="garden@example.org UCgardenfilms00000000000")
    assert await stranger.state(broadcast) is None
    own = await stranger.broadcast()
    assert (await stranger.bind(broadcast, None)).reason == "liveBroadcastNotFound"
    assert (await stranger.bind(own, stream)).reason == "liveStreamNotFound"
    reply = await stranger.call("GET", "liveStreams", part="cdn", id=stream["id"])
    assert reply.json["items"] == []


async def test_a_made_for_kids_broadcast_has_no_chat(client: Client, service: Service) -> None:
    start = (service.clock[0] + timedelta(minutes=2)).isoformat()
    body = {
        "snippet": {"title": "T", "scheduledStartTime": start},
        "status": {"privacyStatus": "public", "selfDeclaredMadeForKids": True},
    }
    reply = await client.call("POST", "liveBroadcasts", body, part="snippet,status")
    assert reply.json["status"]["madeForKids"] is True
    assert "liveChatId" not in reply.json["snippet"]


async def test_a_stream_that_cannot_be_used_again_is_not_listed(client: Client) -> None:
    body = {
        "snippet": {"title": "Once"},
        "cdn": {"ingestionType": "rtmp", "resolution": "1080p", "frameRate": "30fps"},
    }
    made = await client.call("POST", "liveStreams", body, part="snippet,cdn,contentDetails")
    assert made.json["contentDetails"]["isReusable"] is False
    reply = await client.call("GET", "liveStreams", part="id", mine="true")
    assert reply.json["items"] == []
    mixed = {"ingestionType": "rtmp", "resolution": "variable", "frameRate": "30fps"}
    body["cdn"] = mixed
    refused = await client.call("POST", "liveStreams", body, part="snippet,cdn")
    assert refused.reason == "invalidFrameRate"
