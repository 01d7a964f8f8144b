"""Our client against the API's own published description, by way of the simulated service.

Each method of the client has a case here; what goes over the wire, there and back, is held against
the description, and every call in the code is read for methods, parts and parameters there are.
"""

import ast
import inspect
import json
from datetime import timedelta
from pathlib import Path
from types import SimpleNamespace
from urllib.parse import parse_qs, parse_qsl, urlsplit

import pytest
import requests
import time_machine
from django.core.cache import cache
from django.utils import timezone

from apps.youtube import client
from apps.youtube.client import COSTS, Api, Credentials, Retry, YouTubeError
from simulator import description, seed
from simulator.api.dispatch import Api as SimulatedApi
from simulator.faults import Behaviour
from simulator.feed import Feed
from simulator.quota import COSTS as TRUE_COSTS
from simulator.server import Options, in_thread

APP = Path(client.__file__).parent
OURS = Credentials(seed.CLIENT_ID, seed.CLIENT_SECRET)
BACK = "http://127.0.0.1:8000/channels/oauth/callback/"
PNG = b"\x89PNG\r\n\x1a\n" + b"picture" * 20
PARTS = "id,snippet,status,contentDetails"


@pytest.fixture(scope="module")
def described():
    found = description.load()
    assert found, "The API's description is missing: run scripts/install-youtube-description."
    return found


@pytest.fixture(scope="module")
def service():
    options = Options(seed=5, behaviour=Behaviour(read_lag_s=0, lost_answers=0, starting_max_s=0))
    with in_thread(options) as youtube:
        yield youtube
        assert youtube.application.api.wrong_answers == []


@pytest.fixture
def wire(service, described, settings, monkeypatch):
    """The client's settings, and all that it sends and gets."""
    settings.GOOGLE_AUTHORIZE_URL = f"{service.url}/o/oauth2/v2/auth"
    settings.GOOGLE_TOKEN_URL = f"{service.url}/token"
    settings.GOOGLE_REVOKE_URL = f"{service.url}/revoke"
    settings.YOUTUBE_API_BASE = service.url
    settings.YOUTUBE_TIMEOUT_SECONDS = 5
    cache.clear()
    passed = []
    send = requests.Session.send

    def recorded(session, request, **how):
        answer = send(session, request, **how)
        passed.append((request, answer))
        return answer

    monkeypatch.setattr(requests.Session, "send", recorded)
    return SimpleNamespace(url=service.url, world=service.world, passed=passed)


def grant_of(wire):
    """A person's yes, and the tokens for it: three of the client's functions."""
    address = client.consent_address(
        OURS, redirect_uri=BACK, state="s", challenge="E9Melhoa2OwvFrEMTJguCHaoeK1t8URWbuGJSstw-cM"
    )
    asked = dict(parse_qsl(urlsplit(address).query))
    who = f"harbour@example.org {seed.HARBOUR}"
    fields = asked | {"who": who, "granted": client.SCOPE_SSL, "decision": "allow"}
    answer = requests.post(
        address.partition("?")[0], data=fields, allow_redirects=False, timeout=60
    )
    code = parse_qs(urlsplit(answer.headers["location"]).query)["code"][0]
    # The verifier of the challenge above is the one of RFC 7636, appendix B.
    return client.exchange(
        OURS, code=code, redirect_uri=BACK, verifier="dBjftJeZ4CVP-mB92K27uhbUJU1p1r_wW1gFWFOEjXk"
    )


@pytest.fixture
def api(wire):
    token = grant_of(wire).access_token
    wire.passed.clear()
    wire.spent = []
    return Api(lambda _refused: token, lambda method, units: wire.spent.append((method, units)))


def a_stream(api):
    return api.insert("liveStreams", "id,snippet,cdn,contentDetails,status", {
        "snippet": {"title": "Key"},
        "cdn": {"ingestionType": "rtmp", "resolution": "variable", "frameRate": "variable"},
        "contentDetails": {"isReusable": True},
    })  # fmt: skip


def a_broadcast(api):
    start = timezone.now() + timedelta(minutes=2)
    return api.insert("liveBroadcasts", PARTS, {
        "snippet": {
            "title": "Evening", "description": "Said", "categoryId": "24",
            "scheduledStartTime": f"{start:%Y-%m-%dT%H:%M:%SZ}",
        },
        "status": {"privacyStatus": "unlisted", "selfDeclaredMadeForKids": False},
        "contentDetails": {
            "monitorStream": {"enableMonitorStream": False, "broadcastStreamDelayMs": 0},
            "enableAutoStart": False, "enableAutoStop": False, "enableDvr": True,
            "recordFromStart": True, "enableEmbed": True, "latencyPreference": "normal",
        },
    })  # fmt: skip


def bound(api):
    stream, broadcast = a_stream(api), a_broadcast(api)
    return stream, api.bind(broadcast["id"], stream["id"])


def go_live(api, wire):
    stream, broadcast = bound(api)
    at = wire.world.seconds()
    wire.world.feeds[stream["id"]] = [Feed(first_media_at=at - 60, last_media_at=at + 60)]
    wire.world.advance()
    return api.transition(broadcast["id"], "live")


def change_broadcast(api, wire):
    made = a_broadcast(api)
    details = made["contentDetails"]
    details.pop("enableLowLatency", None)
    details.pop("enableClosedCaptions", None)
    snippet = {name: made["snippet"][name] for name in ("title", "scheduledStartTime")}
    body = {"id": made["id"], "snippet": snippet, "contentDetails": details}
    return api.update("liveBroadcasts", "snippet,contentDetails", body)


def change_video(api, wire):
    snippet = {"title": "Night", "description": "", "categoryId": "10", "tags": ["rain"]}
    made = a_broadcast(api)
    return api.update("videos", "snippet", {"id": made["id"], "snippet": snippet})


def add_to_playlist(api, wire):
    (playlist, *_) = api.list("playlists", "id", mine="true")
    video = {"kind": "youtube#video", "videoId": a_broadcast(api)["id"]}
    snippet = {"playlistId": playlist["id"], "resourceId": video}
    return api.insert("playlistItems", "snippet", {"snippet": snippet})


CASES = {
    "channels.list": lambda api, wire: api.list("channels", "id,snippet,status", mine="true"),
    "liveBroadcasts.list": lambda api, wire: api.all(
        "liveBroadcasts", PARTS, broadcastStatus="upcoming", broadcastType="all"
    ),
    "liveBroadcasts.insert": lambda api, wire: a_broadcast(api),
    "liveBroadcasts.bind": lambda api, wire: bound(api),
    "liveBroadcasts.transition": go_live,
    "liveBroadcasts.update": change_broadcast,
    "liveBroadcasts.delete": lambda api, wire: api.delete("liveBroadcasts", a_broadcast(api)["id"]),
    "liveStreams.list": lambda api, wire: api.list(
        "liveStreams", "id,snippet,cdn,status", id=[a_stream(api)["id"], a_stream(api)["id"]]
    ),
    "liveStreams.insert": lambda api, wire: a_stream(api),
    "liveStreams.delete": lambda api, wire: api.delete("liveStreams", a_stream(api)["id"]),
    "videos.list": lambda api, wire: api.list(
        "videos", "id,snippet,status,liveStreamingDetails", id=[a_broadcast(api)["id"]]
    ),
    "videos.update": change_video,
    "thumbnails.set": lambda api, wire: api.set_thumbnail(a_broadcast(api)["id"], PNG),
    "playlists.list": lambda api, wire: api.list(
        "playlists", "id,snippet,contentDetails", mine="true", cached=True
    ),
    "playlistItems.list": lambda api, wire: api.list(
        "playlistItems", "id,snippet,contentDetails", playlistId="UU" + seed.HARBOUR[2:]
    ),
    "playlistItems.insert": add_to_playlist,
}
"""One call of each method, by the name that the ledger knows it by."""

CALLS = {"all", "list", "page", "insert", "update", "delete", "bind", "transition", "set_thumbnail"}
"""The client's methods, all of which the cases use."""


def test_every_method_of_the_client_has_a_case():
    assert set(CASES) == set(COSTS)
    methods = {name for name, _ in inspect.getmembers(Api, inspect.isfunction) if name[0] != "_"}
    assert methods == CALLS
    # The other half: what the cases use of it.
    read = ast.walk(ast.parse(Path(__file__).read_text()))
    attributes = [node for node in read if isinstance(node, ast.Attribute)]
    used = {node.attr for node in attributes if getattr(node.value, "id", "") == "api"}
    # Pages are what `list` and `all` read.
    assert used >= CALLS - {"page"}


def test_costs_are_those_of_the_service():
    assert {name: TRUE_COSTS[name] for name in COSTS} == COSTS


@pytest.mark.parametrize("method", CASES)
def test_what_is_sent_and_answered_is_as_described(method, api, wire, described):
    CASES[method](api, wire)
    assert method in [name for name, _units in wire.spent]
    assert len(wire.spent) == len(wire.passed)
    for request, answer in wire.passed:
        assert answer.ok, answer.text
        address = urlsplit(request.url)
        known = described.method(request.method, address.path)
        assert known is not None, request.url
        assert known["id"].removeprefix("youtube.") in COSTS
        assert described.parameter_faults(known, tuple(parse_qsl(address.query))) == []
        if request.headers.get("Content-Type") == "application/json":
            assert described.request_faults(known, json.loads(request.body)) == []
        body = answer.json() if answer.content else None
        assert described.answer_faults(known, body) == []
        assert {client.SCOPE_SSL, client.SCOPE} <= described.scopes(known)


def test_a_known_answer_is_not_told_twice(api, wire):
    for _ in range(2):
        found = CASES["playlists.list"](api, wire)
    assert [answer.status_code for _, answer in wire.passed] == [200, 304]
    assert found


def test_tokens_are_exchanged_renewed_and_given_back(wire):
    grant = grant_of(wire)
    assert set(grant.scopes) & client.ENOUGH
    renewed = client.refresh(OURS, grant.refresh_token)
    assert renewed.access_token != grant.access_token
    assert renewed.refresh_token == ""
    assert client.revoke(grant.refresh_token)
    with pytest.raises(YouTubeError) as raised:
        client.refresh(OURS, grant.refresh_token)
    assert (raised.value.code, raised.value.retry) == ("invalid_grant", Retry.RECONNECT)
    forms = [request for request, _ in wire.passed if urlsplit(request.url).path == "/token"]
    assert {request.headers["Content-Type"] for request in forms} == {
        "application/x-www-form-urlencoded"
    }
    # Nothing secret is in any address.
    assert not [request.url for request in forms if urlsplit(request.url).query]


@pytest.mark.parametrize(
    ("switch", "retry"), [("down", Retry.SOON), ("busy", Retry.SLOWLY)]
)  # fmt: skip
def test_a_sign_in_that_is_not_there_condemns_nothing(wire, service, switch, retry):
    grant = grant_of(wire)
    service.world.behaviour.oauth = switch
    try:
        with pytest.raises(YouTubeError) as raised:
            client.refresh(OURS, grant.refresh_token)
    finally:
        service.world.behaviour.oauth = "up"
    assert raised.value.retry is retry


def test_nobody_asks_for_a_minute_after_five_silences(api, wire, service):
    service.world.behaviour.api = "down"
    try:
        with time_machine.travel(timezone.now(), tick=False) as clock:
            codes = []
            for _ in range(7):
                with pytest.raises(YouTubeError) as raised:
                    CASES["channels.list"](api, wire)
                codes.append(raised.value.code)
                assert raised.value.retry is Retry.SOON
            assert codes == ["backendError"] * 5 + ["youtube.resting"] * 2
            # What was not asked costs nothing.
            assert len(wire.passed) == len(wire.spent) == 5
            clock.shift(61)
            with pytest.raises(YouTubeError, match="backendError"):
                CASES["channels.list"](api, wire)
            with pytest.raises(YouTubeError, match="resting"):
                CASES["channels.list"](api, wire)
            clock.shift(61)
            service.world.behaviour.api = "up"
            assert CASES["channels.list"](api, wire)
    finally:
        service.world.behaviour.api = "up"


READ = "liveBroadcasts.list"
REFUSALS = [
    # reason, status, method, what may be done
    ("backendError", 503, READ, Retry.SOON),
    ("internalError", 500, READ, Retry.SOON),
    # It may have been carried out all the same.
    ("backendError", 503, "liveBroadcasts.insert", Retry.READ),
    ("errorExecutingTransition", 503, "liveBroadcasts.transition", Retry.READ),
    ("rateLimitExceeded", 403, READ, Retry.SLOWLY),
    ("userRateLimitExceeded", 403, READ, Retry.SLOWLY),
    ("userRequestsExceedRateLimit", 403, "liveBroadcasts.insert", Retry.SLOWLY),
    ("uploadRateLimitExceeded", 429, "thumbnails.set", Retry.SLOWLY),
    ("anythingElse", 429, READ, Retry.SLOWLY),
    ("quotaExceeded", 403, READ, Retry.AT_RESET),
    ("dailyLimitExceeded", 403, READ, Retry.AT_RESET),
    ("errorStreamInactive", 403, "liveBroadcasts.transition", Retry.SOON),
    ("redundantTransition", 403, "liveBroadcasts.transition", Retry.REPLAN),
    ("invalidTransition", 403, "liveBroadcasts.transition", Retry.REPLAN),
    ("liveBroadcastBindingNotAllowed", 403, "liveBroadcasts.bind", Retry.REPLAN),
    ("liveBroadcastNotFound", 404, "liveBroadcasts.bind", Retry.REPLAN),
    ("liveStreamNotFound", 404, "liveBroadcasts.bind", Retry.REPLAN),
    ("videoNotFound", 404, "thumbnails.set", Retry.REPLAN),
    ("liveBroadcastDeletionNotAllowed", 403, "liveBroadcasts.delete", Retry.REPLAN),
    ("liveStreamDeletionNotAllowed", 403, "liveStreams.delete", Retry.REPLAN),
    ("insufficientLivePermissions", 403, "liveBroadcasts.insert", Retry.RECONNECT),
    ("insufficientPermissions", 403, READ, Retry.RECONNECT),
    ("forbidden", 403, "thumbnails.set", Retry.RECONNECT),
    ("authError", 401, READ, Retry.RECONNECT),
    ("youtubeSignupRequired", 401, "channels.list", Retry.RECONNECT),
    ("NoLinkedYouTubeAccount", 403, "channels.list", Retry.RECONNECT),
    ("channelNotFound", 404, "channels.list", Retry.REPLAN),
    # A person has to change something; asked again, it is refused again.
    ("concurrentBroadcastsExceedLimit", 403, "liveBroadcasts.transition", Retry.NEVER),
    ("sharedIngestionBroadcastsExceedLimit", 403, "liveBroadcasts.transition", Retry.NEVER),
    ("userBroadcastsExceedLimit", 403, "liveBroadcasts.insert", Retry.NEVER),
    ("liveStreamingNotEnabled", 403, "liveBroadcasts.insert", Retry.NEVER),
    ("livePermissionBlocked", 403, "liveBroadcasts.insert", Retry.NEVER),
    ("channelSuspended", 403, "liveBroadcasts.insert", Retry.NEVER),
    ("invalidTitle", 400, "liveBroadcasts.insert", Retry.NEVER),
    ("invalidScheduledStartTime", 400, "liveBroadcasts.insert", Retry.NEVER),
    ("invalidImage", 400, "thumbnails.set", Retry.NEVER),
    ("playlistNotFound", 404, "playlistItems.list", Retry.REPLAN),
    ("playlistItemsNotAccessible", 403, "playlistItems.list", Retry.NEVER),
]


@pytest.mark.parametrize(("reason", "status", "method", "retry"), REFUSALS)
def test_a_refusal_says_what_may_be_done(api, wire, reason, status, method, retry):
    fields = {"method": method, "reason": reason, "status": status, "times": 2}
    assert requests.post(f"{wire.url}/simulator/refusals", json=fields, timeout=60).ok
    try:
        with pytest.raises(YouTubeError) as raised:
            CASES[method](api, wire)
    finally:
        wire.world.refusals.clear()
    assert (raised.value.code, raised.value.retry) == (reason, retry)


def calls_in_the_code():
    """Every call of the client in the app: file and line, method, parts, names of parameters."""
    for file in sorted(APP.rglob("*.py")):
        for node in ast.walk(ast.parse(file.read_text())):
            if not isinstance(node, ast.Call) or not isinstance(node.func, ast.Attribute):
                continue
            values = [a.value if isinstance(a, ast.Constant) else None for a in node.args]
            resource = values[0] if values else None
            verb = node.func.attr
            if verb in ("all", "page"):
                verb = "list"
            if verb in ("list", "insert", "update", "delete") and isinstance(resource, str):
                parts = values[1] if len(values) > 1 and verb != "delete" else None
                names = [word.arg for word in node.keywords if word.arg and word.arg != "cached"]
                where = f"{file.relative_to(APP)}:{node.lineno}"
                yield where, f"{resource}.{verb}", parts, names


@pytest.mark.parametrize("call", list(calls_in_the_code()), ids=lambda call: call[0])
def test_every_call_in_the_code_is_one_that_there_is(call, described):
    _where, method, parts, names = call
    assert method in COSTS
    by_id = {known["id"].removeprefix("youtube."): known for known in described.methods.values()}
    known = by_id[method]
    assert set(names) <= set(known["parameters"])
    if parts:
        resource = known.get("response", known.get("request"))["$ref"]
        schema = described._document["schemas"][resource.removesuffix("ListResponse")]
        assert set(parts.split(",")) <= set(schema["properties"])


def test_the_code_was_read():
    methods = {method for _, method, _, _ in calls_in_the_code()}
    assert {"liveBroadcasts.insert", "liveStreams.list", "videos.list", "videos.update"} <= methods


def test_the_simulated_service_has_all_that_the_client_asks():
    known = {method.name for method in SimulatedApi(None, None, None)._methods.values()}
    assert set(COSTS) <= known
