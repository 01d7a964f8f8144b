"""What a client has to live with: lag, lost answers, quota, rates, outages, and wrong calls."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from simulator.description import Description
from simulator.faults import Behaviour
from simulator.quota import pacific_day
from simulator.world import World
from tests.simulator.service import Client, Dropped, Service, feed


def test_lag_and_lost_answers_are_on_by_default() -> None:
    assert Behaviour().read_lag_s == 20
    assert Behaviour().lost_answers == 0.01
    assert Behaviour().starting_min_s > 0


async def test_reads_show_a_change_late_but_never_take_it_back(
    client: Client, service: Service, behaviour: Behaviour
) -> None:
    behaviour.read_lag_s = 20
    seen: list[str | None] = []
    stream = await client.stream()
    broadcast = await client.broadcast()
    await client.bind(broadcast, stream)  # writes see what reads do not show yet
    for _ in range(21):
        seen.append(await client.state(broadcast))
        service.wait(1)
    order = [None, "created", "ready"]
    assert seen[-1] == "ready"
    assert seen[0] != "ready"
    assert seen == sorted(seen, key=order.index)


async def test_a_lost_answer_was_carried_out(
    client: Client, service: Service, behaviour: Behaviour
) -> None:
    behaviour.lost_answers = 1
    with pytest.raises(Dropped):
        await client.broadcast()
    behaviour.lost_answers = 0
    reply = await client.call("GET", "liveBroadcasts", part="id", mine="true")
    assert len(reply.json["items"]) == 1
    assert service.world.calls[-2]["outcome"] == "lost"


async def test_about_one_answer_in_a_hundred_is_lost(
    client: Client, service: Service, behaviour: Behaviour
) -> None:
    behaviour.lost_answers = Behaviour().lost_answers
    lost = 0
    for _ in range(1500):
        try:
            await client.call("GET", "channels", part="id", mine="true")
        except Dropped:
            lost += 1
    assert 5 <= lost <= 30


async def test_the_same_seed_loses_the_same_answers(described: Description) -> None:
    draws = [[World(seed=3).chance.random() for _ in range(20)] for _ in range(2)]
    assert draws[0] == draws[1]


async def test_calls_cost_what_they_cost_and_the_day_is_californias(
    client: Client, service: Service, behaviour: Behaviour
) -> None:
    behaviour.units_per_day = 52
    await client.call("GET", "channels", part="id", mine="true")
    await client.broadcast()
    assert service.world.units_today("simulator") == 51
    refused = await client.insert()
    assert (refused.status, refused.reason) == (403, "quotaExceeded")
    assert refused.json["error"]["errors"][0]["domain"] == "youtube.quota"
    assert (await client.call("GET", "channels", part="id", mine="true")).status == 200
    # 12:00 UTC is 05:00 in California in summer: the day ends at 07:00 UTC tomorrow.
    service.wait(19 * 3600 - 1)
    client = await service.sign_in()
    assert (await client.insert()).reason == "quotaExceeded"
    service.wait(2)
    assert (await client.insert()).status == 200


@pytest.mark.parametrize(
    ("before", "hours"),
    [("2026-03-08T07:59:59", 23), ("2026-11-01T06:59:59", 25), ("2026-07-01T06:59:59", 24)],
)
def test_days_are_as_long_as_they_are_in_california(before: str, hours: int) -> None:
    last = datetime.fromisoformat(before).replace(tzinfo=UTC)
    first = last + timedelta(seconds=1)
    assert pacific_day(last) != pacific_day(first)
    assert pacific_day(first + timedelta(hours=hours, seconds=-1)) == pacific_day(first)
    assert pacific_day(first + timedelta(hours=hours)) != pacific_day(first)


async def test_an_invalid_call_costs_too(client: Client, service: Service) -> None:
    before = service.world.units_today("simulator")
    assert (await client.call("GET", "liveBroadcasts", part="id")).status == 400
    assert service.world.units_today("simulator") == before + 1


async def test_projects_have_their_own_quota(service: Service, behaviour: Behaviour) -> None:
    from simulator import seed

    behaviour.units_per_day = 1
    shared = await service.sign_in()
    await shared.call("GET", "channels", part="id", mine="true")
    back = await service.consent(client_id=seed.OTHER_CLIENT_ID)
    reply = await service.exchange(
        back["code"], client_id=seed.OTHER_CLIENT_ID, client_secret=seed.OTHER_CLIENT_SECRET
    )
    own = Client(service, reply.json["access_token"])
    assert (await own.call("GET", "channels", part="id", mine="true")).status == 200


async def test_calls_that_come_too_fast_are_refused(
    client: Client, service: Service, behaviour: Behaviour
) -> None:
    behaviour.calls_per_minute = 3
    replies = [await client.call("GET", "channels", part="id", mine="true") for _ in range(4)]
    assert [reply.status for reply in replies] == [200, 200, 200, 403]
    assert replies[-1].reason == "rateLimitExceeded"
    service.wait(61)
    assert (await client.call("GET", "channels", part="id", mine="true")).status == 200


async def test_an_outage_answers_503_and_carries_nothing_out(
    client: Client, service: Service, behaviour: Behaviour
) -> None:
    behaviour.api = "down"
    refused = await client.insert()
    assert (refused.status, refused.reason) == (503, "backendError")
    assert service.world.broadcasts == {}
    behaviour.oauth = "down"
    reply = await service.token(grant_type="refresh_token", refresh_token=client.refresh_token)
    assert reply.status == 503


async def test_an_answer_that_has_not_changed_is_not_sent_again(client: Client) -> None:
    first = await client.call("GET", "channels", part="id", mine="true")
    again = await client.call(
        "GET", "channels", part="id", mine="true",
        headers={"if-none-match": first.headers["etag"]},
    )  # fmt: skip
    assert (again.status, again.body) == (304, b"")


@pytest.mark.parametrize(
    ("query", "reason"),
    [
        ({"mine": "true"}, "required"),
        ({"part": "snipet", "mine": "true"}, "unknownPart"),
        ({"part": "id", "mine": "yes"}, "invalidParameter"),
        ({"part": "id", "mine": "true", "maxResults": "51"}, "invalidParameter"),
        ({"part": "id", "mine": "true", "colour": "red"}, "invalidParameter"),
        ({"part": "id", "mine": "true", "pageToken": "made-up"}, "invalidPageToken"),
    ],
)
async def test_calls_that_are_not_as_described_are_refused(
    client: Client, query: dict[str, str], reason: str
) -> None:
    reply = await client.call("GET", "liveBroadcasts", **query)
    assert (reply.status, reply.reason) == (400, reason)


async def test_bodies_that_are_not_as_described_are_refused(client: Client) -> None:
    for body in ({"snippet": {"titel": "x"}}, {"snippet": {"title": 3}}, [], b"{"):
        reply = await client.call("POST", "liveBroadcasts", body, part="snippet")
        assert reply.status == 400


async def test_videos_tell_what_is_on_air_for_many_at_once(
    client: Client, service: Service
) -> None:
    broadcast, _ = await client.live()
    upcoming = await client.broadcast()
    parts = "snippet,status,liveStreamingDetails,contentDetails,statistics"
    ids = f"{broadcast['id']},{upcoming['id']},nothing0000"
    anyone = await service.sign_in(who="garden@example.org UCgardenfilms00000000000")
    reply = await anyone.call("GET", "videos", part=parts, id=ids)
    live, waiting = reply.json["items"]
    assert live["snippet"]["liveBroadcastContent"] == "live"
    assert int(live["liveStreamingDetails"]["concurrentViewers"]) > 0
    assert waiting["snippet"]["liveBroadcastContent"] == "upcoming"
    await client.transition(broadcast, "complete")
    reply = await anyone.call("GET", "videos", part=parts, id=broadcast["id"])
    [over] = reply.json["items"]
    assert over["snippet"]["liveBroadcastContent"] == "none"
    assert "actualEndTime" in over["liveStreamingDetails"]
    await service.control(f"/simulator/broadcasts/{upcoming['id']}/revoke", reason="copyright")
    reply = await anyone.call("GET", "videos", part=parts, id=upcoming["id"])
    assert reply.json["items"][0]["status"]["rejectionReason"] == "copyright"
    too_many = ",".join(f"video{n:06}" for n in range(51))
    assert (await client.call("GET", "videos", part="id", id=too_many)).status == 400


async def test_a_private_video_is_its_owners_alone(client: Client, service: Service) -> None:
    broadcast = await client.broadcast()
    body = {"id": broadcast["id"], "status": {"privacyStatus": "private"}}
    assert (await client.call("PUT", "videos", body, part="status")).status == 200
    anyone = await service.sign_in(who="garden@example.org UCgardenfilms00000000000")
    counts = [
        len((await each.call("GET", "videos", part="id", id=broadcast["id"])).json["items"])
        for each in (client, anyone)
    ]
    assert counts == [1, 0]
    assert (await anyone.call("PUT", "videos", body, part="status")).reason == "forbidden"


async def test_a_title_is_changed_while_live(client: Client) -> None:
    broadcast, _ = await client.live()
    body = {"id": broadcast["id"], "snippet": {"title": "Now", "categoryId": "10"}}
    body["snippet"]["tags"] = ["sea", "night train"]
    reply = await client.call("PUT", "videos", body, part="snippet")
    assert reply.json["snippet"]["tags"] == ["sea", "night train"]
    shown = await client.call("GET", "liveBroadcasts", part="snippet", id=broadcast["id"])
    assert shown.json["items"][0]["snippet"]["title"] == "Now"
    del body["snippet"]["categoryId"]
    assert (await client.call("PUT", "videos", body, part="snippet")).status == 400


async def test_a_thumbnail_is_a_picture_of_an_own_video(client: Client, service: Service) -> None:
    broadcast = await client.broadcast()
    picture = b"\x89PNG\r\n\x1a\n" + bytes(100)
    video = {"videoId": broadcast["id"]}
    reply = await client.call("POST", "thumbnails/set", picture, **video)
    url = reply.json["items"][0]["maxres"]["url"]
    shown = await service.send("GET", url.removeprefix("http://sim.test"))
    assert (shown.body, shown.headers["content-type"]) == (picture, "image/png")
    wrong = await client.call("POST", "thumbnails/set", b"GIF89a", **video)
    assert (wrong.status, wrong.reason) == (400, "invalidImage")
    missing = await client.call("POST", "thumbnails/set", b"", **video)
    assert missing.reason == "mediaBodyRequired"
    unknown = await client.call("POST", "thumbnails/set", picture, videoId="nothing0000")
    assert (unknown.status, unknown.reason) == (404, "videoNotFound")
    service.world.channels[broadcast["snippet"]["channelId"]].is_verified = False
    assert (await client.call("POST", "thumbnails/set", picture, **video)).reason == "forbidden"


async def test_playlists_come_in_order_with_their_gaps(client: Client) -> None:
    lists = await client.call("GET", "playlists", part="snippet,contentDetails", mine="true")
    [evening] = lists.json["items"]
    assert evening["contentDetails"]["itemCount"] == 62
    items: list[dict[str, object]] = []
    token = ""
    while True:
        page = await client.call(
            "GET", "playlistItems", part="snippet,contentDetails,status", maxResults=50,
            playlistId=evening["id"], **({"pageToken": token} if token else {}),
        )  # fmt: skip
        items += page.json["items"]
        token = page.json.get("nextPageToken", "")
        if not token:
            break
    assert [item["snippet"]["position"] for item in items] == list(range(62))  # type: ignore[index]
    gone = [item for item in items if "videoPublishedAt" not in item["contentDetails"]]  # type: ignore[operator]
    assert len(gone) == 2
    ids = items[0]["contentDetails"]["videoId"]  # type: ignore[index]
    videos = await client.call("GET", "videos", part="contentDetails", id=ids)
    assert videos.json["items"][0]["contentDetails"]["duration"].startswith("PT")
    missing = await client.call("GET", "playlistItems", part="id", playlistId="PLnone")
    assert (missing.status, missing.reason) == (404, "playlistNotFound")


async def test_an_update_of_a_video_resets_what_it_leaves_out(client: Client) -> None:
    broadcast = await client.broadcast(enableEmbed=False)
    status = {"privacyStatus": "unlisted", "license": "creativeCommon", "embeddable": False}
    body: dict[str, Any] = {"id": broadcast["id"], "status": status}
    reply = await client.call("PUT", "videos", body, part="status")
    assert reply.json["status"]["license"] == "creativeCommon"
    del status["license"], status["embeddable"]
    reply = await client.call("PUT", "videos", body, part="status")
    assert reply.json["status"]["license"] == "youtube"
    assert reply.json["status"]["embeddable"] is True
    # The broadcast has none of them in its own status.
    shown = await client.call("GET", "liveBroadcasts", part="status", id=broadcast["id"])
    assert "license" not in shown.json["items"][0]["status"]


async def test_a_video_is_put_into_a_playlist_as_often_as_one_asks(client: Client) -> None:
    broadcast = await client.broadcast()
    lists = await client.call("GET", "playlists", part="id", mine="true")
    evening = lists.json["items"][0]["id"]
    video = {"kind": "youtube#video", "videoId": broadcast["id"]}
    body = {"snippet": {"playlistId": evening, "resourceId": video}}
    for place in (62, 63):
        reply = await client.call("POST", "playlistItems", body, part="snippet")
        assert reply.json["snippet"]["position"] == place
    body["snippet"]["position"] = 0  # type: ignore[assignment]
    await client.call("POST", "playlistItems", body, part="snippet")
    found = await client.call(
        "GET", "playlistItems", part="snippet", playlistId=evening, videoId=broadcast["id"]
    )
    assert [e["snippet"]["position"] for e in found.json["items"]] == [0, 63, 64]


@pytest.mark.parametrize(
    ("change", "status", "reason"),
    [
        ({"playlistId": "PLnone"}, 404, "playlistNotFound"),
        ({"playlistId": "PLgardenfilms00000000000"}, 403, "playlistItemsNotAccessible"),
        ({"playlistId": "UUharbourradio0000000000"}, 400, "playlistOperationUnsupported"),
        ({"resourceId": {"kind": "youtube#video", "videoId": "none"}}, 404, "videoNotFound"),
        ({"resourceId": {}}, 400, "resourceIdRequired"),
    ],
)
async def test_what_cannot_be_put_into_a_playlist_is_refused(
    client: Client, change: dict[str, Any], status: int, reason: str
) -> None:
    broadcast = await client.broadcast()
    snippet = {
        "playlistId": "PLharbourradio0000000000",
        "resourceId": {"kind": "youtube#video", "videoId": broadcast["id"]},
    } | change
    reply = await client.call("POST", "playlistItems", {"snippet": snippet}, part="snippet")
    assert (reply.status, reply.reason) == (status, reason)


async def test_a_reset_key_is_another_key(client: Client, service: Service) -> None:
    stream = await client.stream()
    await service.control(f"/simulator/streams/{stream['id']}/new-key")
    reply = await client.call("GET", "liveStreams", part="cdn", id=stream["id"])
    new = reply.json["items"][0]["cdn"]["ingestionInfo"]["streamName"]
    assert new != stream["cdn"]["ingestionInfo"]["streamName"]
    assert service.world.stream_of_key(new) is not None


async def test_time_can_be_scaled(described: Description) -> None:
    from simulator.app import Simulator
    from simulator.seed import fill

    clock = [datetime(2026, 7, 1, 12, tzinfo=UTC)]
    calm = Behaviour(read_lag_s=0, lost_answers=0)
    world = World(seed=1, scale=60, behaviour=calm, now=lambda: clock[0])
    fill(world)
    service = Service(Simulator(world, description=described), world, clock)
    client = await service.sign_in()
    broadcast, stream = await client.live(enableAutoStop=True)
    service.world.feeds[stream["id"]].clear()
    service.wait(2)  # the stream is inactive
    service.wait(2)  # two minutes
    assert await client.state(broadcast) == "complete"


async def test_an_archive_is_kept_under_twelve_hours(client: Client, service: Service) -> None:
    for hours, is_kept in ((11.5, True), (12.1, False)):
        broadcast, _ = await client.live()
        service.wait(hours * 3600)
        fresh = await service.sign_in()
        client.token = fresh.token
        await client.transition(broadcast, "complete")
        state = (await service.send("GET", "/simulator/state.json")).json
        [found] = [each for each in state["broadcasts"] if each["id"] == broadcast["id"]]
        assert found["has_archive"] is is_kept


async def test_a_restart_takes_everything_up(client: Client, service: Service) -> None:
    import json

    broadcast, stream = await client.live()
    kept = json.loads(json.dumps(service.world.snapshot()))
    new = World(now=lambda: service.clock[0])
    new.restore(kept)
    assert new.broadcasts[broadcast["id"]].state == "live"
    assert new.stream_of_key(stream["cdn"]["ingestionInfo"]["streamName"]) is not None
    assert new.grant_of_token(client.token) is not None
    assert new.units == service.world.units


async def test_switches_go_back_to_how_it_was_started(service: Service) -> None:
    assert service.world.begun_with["read_lag_s"] == 0
    await service.control("/simulator/faults", read_lag_s=9, api="down")
    told = await service.control("/simulator/faults/reset")
    assert (told["read_lag_s"], told["api"]) == (0, "up")


def test_what_is_asked_for_at_a_start_counts_more_than_what_was_kept() -> None:
    kept = World(behaviour=Behaviour(unknown_key="close", read_lag_s=9)).snapshot()
    new = World(behaviour=Behaviour(unknown_key="accept"))
    new.restore(kept)
    assert (new.behaviour.unknown_key, new.behaviour.read_lag_s) == ("accept", 9)


async def test_switches_are_named_and_checked(service: Service) -> None:
    assert (await service.control("/simulator/faults", read_lag_s=3))["read_lag_s"] == 3
    kind = {"content-type": "application/json"}
    for body in (b'{"speed": 3}', b'{"api": "odd"}', b'{"read_lag_s": -1}', b"[]"):
        reply = await service.send("POST", "/simulator/faults", headers=kind, body=body)
        assert reply.status == 400
    foreign = {**kind, "origin": "https://evil.example"}
    reply = await service.send("POST", "/simulator/faults", headers=foreign, body=b"{}")
    assert reply.status == 403


async def test_pages_show_no_key_and_no_token(client: Client, service: Service) -> None:
    broadcast, stream = await client.live(
        title="Harbour <b>night</b>".replace("<", "").replace(">", "")
    )
    pages = [
        await service.send("GET", path)
        for path in ("/", f"/watch?v={broadcast['id']}", "/simulator/state.json",
                     "/simulator/calls.json")
    ]  # fmt: skip
    secrets = (stream["cdn"]["ingestionInfo"]["streamName"], client.token, client.refresh_token)
    for page in pages:
        assert page.status == 200
        assert not any(secret in page.body.decode() for secret in secrets)
    policy = pages[0].headers["content-security-policy"]
    assert "default-src 'none'" in policy
    assert "unsafe" not in policy
    assert "http" not in policy


async def test_health_tells_what_is_wrong_with_what_arrives(
    client: Client, service: Service
) -> None:
    stream = await client.stream(resolution="1080p", frameRate="30fps")
    connected = feed(service, stream)
    connected.audio_codec = ""
    connected.width, connected.height = 1280, 720
    for _ in range(12):
        connected.last_media_at = service.world.seconds()
        service.wait(1)
    reply = await client.call("GET", "liveStreams", part="status", id=stream["id"])
    health = reply.json["items"][0]["status"]["healthStatus"]
    assert health["status"] == "bad"
    assert "noAudioStream" in [issue["type"] for issue in health["configurationIssues"]]
    assert service.world.seconds() - int(health["lastUpdateTimeSeconds"]) <= 11
