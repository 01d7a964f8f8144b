"""Streams through the API: who may do what, and what comes back."""

import uuid

import pytest

from apps.accounts.models import Membership, Role
from apps.streaming import stream_manager
from apps.streaming.models import Destination, Event, Stream
from tests.integration.streaming.conftest import KEY, make_asset, make_stream, prepare
from tests.unit.api.conftest import code_of

NOBODY = uuid.UUID(int=7)

YOUTUBE = {"service": "youtube", "key": KEY}


@pytest.fixture
def playlist(workspace):
    found = stream_manager.create_playlist(workspace=workspace, name="Night")
    stream_manager.add_items(playlist=found, assets=[prepare(make_asset(workspace, "A"))])
    return found


@pytest.fixture
def stream(workspace, playlist, alice):
    return make_stream(workspace, playlist, by=alice)


def test_a_stream_is_made_read_changed_started_stopped_and_deleted(api, playlist):
    made = api("POST", "/streams", {"title": " Radio ", "destination": YOUTUBE})
    assert made.status_code == 201, made.content
    stream = made.json()
    assert made["Location"] == f"/api/v1/streams/{stream['id']}"
    assert stream["title"] == "Radio"
    path = f"/streams/{stream['id']}"
    assert api.read(path) == stream

    change = {"playlist_id": str(playlist.pk), "profile": "480p30-economy@1", "loop": False}
    changed = api("PATCH", path, change)
    assert changed.status_code == 200, changed.content
    assert changed.json() | change == changed.json()
    assert changed.json()["destination"] == stream["destination"]

    started = api("POST", f"{path}/start")
    assert (started.status_code, started.json()["desired"]) == (202, "on")
    assert api.read(f"{path}/status")["state"] == "starting"
    assert api("POST", f"{path}/start").json()["started_at"] == started.json()["started_at"]
    assert code_of(api("DELETE", path)) == "stream.on_air"

    assert api("POST", f"{path}/stop").json()["desired"] == "off"
    assert api("DELETE", path).status_code == 204
    assert code_of(api("GET", path)) == "resource.not_found"


def test_who_starts_by_token_is_named_in_the_log(api, stream, alice):
    api("POST", f"/streams/{stream.pk}/start")
    event = Event.objects.get(code="stream.start_requested")
    assert event.by == alice
    told = api.read(f"/streams/{stream.pk}/events")["items"]
    assert told[0]["code"] == "stream.start_requested"
    assert told[0]["by"] == str(alice.pk)


def test_a_stream_that_lacks_something_is_not_started_and_says_what(api, workspace):
    empty = make_stream(workspace, None)
    answer = api("POST", f"/streams/{empty.pk}/start")
    assert code_of(answer) == "stream.start_refused"
    assert "playlist" in answer.json()["errors"][0]["detail"]
    assert not Stream.objects.get(pk=empty.pk).is_wanted


def test_a_key_is_kept_for_its_server_and_never_told(api, stream):
    path = f"/streams/{stream.pk}"
    api("PATCH", path, {"title": "Other"})
    assert Destination.objects.get().key == KEY
    for address in (path, f"{path}/status", f"{path}/events", "/streams", "/destinations"):
        assert KEY not in api("GET", address).content.decode()


def test_a_key_does_not_follow_the_stream_to_another_server(api, stream, settings):
    settings.DESTINATION_POLICY = "public"
    elsewhere = {"service": "other", "address": "rtmps://ingest.example.org/app"}
    answer = api("PATCH", f"/streams/{stream.pk}", {"destination": elsewhere})
    assert code_of(answer) == "request.invalid"
    assert answer.json()["errors"][0]["pointer"] == "/destination/key"
    assert Destination.objects.get().key == KEY


def test_an_address_that_policy_forbids_is_refused(api):
    wish = {"service": "other", "address": "rtmp://10.0.0.1/live", "key": KEY}
    answer = api("POST", "/streams", {"title": "x", "destination": wish})
    assert answer.json()["errors"][0]["pointer"] == "/destination/address"
    assert not Stream.objects.exists()


def test_on_air_the_destination_stays(api, stream):
    stream_manager.start_stream(stream=stream)
    path = f"/streams/{stream.pk}"
    assert code_of(api("PATCH", path, {"destination": YOUTUBE})) == "stream.on_air"
    assert code_of(api("PATCH", path, {"profile": "720p30@1"})) == "stream.on_air"
    assert api("PATCH", path, {"title": "Renamed"}).json()["title"] == "Renamed"


@pytest.mark.parametrize(
    "body",
    [
        {"workspace": "x"},
        {"id": str(NOBODY)},
        {"desired": "on"},
        {"workspace_id": 1},
        {"generation": 7},
        {"destination": {"service": "youtube", "key": KEY, "fingerprint": "0"}},
    ],
)
def test_fields_that_are_not_described_are_refused(api, stream, body):
    before = api.read(f"/streams/{stream.pk}")
    assert code_of(api("PATCH", f"/streams/{stream.pk}", body)) == "request.invalid"
    assert api.read(f"/streams/{stream.pk}") == before


def test_the_playlist_of_another_workspace_looks_missing(api, stream, charlie):
    theirs = stream_manager.create_playlist(workspace=charlie.workspaces.get(), name="Theirs")
    for playlist_id in (theirs.pk, uuid.uuid4()):
        answer = api("PATCH", f"/streams/{stream.pk}", {"playlist_id": str(playlist_id)})
        assert code_of(answer) == "request.invalid"
        assert answer.json()["errors"][0]["pointer"] == "/playlist_id"


@pytest.mark.parametrize(
    ("method", "path"),
    [
        ("GET", ""),
        ("PATCH", ""),
        ("DELETE", ""),
        ("POST", "/start"),
        ("POST", "/stop"),
        ("GET", "/status"),
        ("GET", "/events"),
    ],
)
def test_foreign_and_missing_streams_look_the_same(foreign, stream, method, path):
    body = {"title": "taken"} if method == "PATCH" else None
    answers = [
        foreign(method, f"/streams/{stream_id}{path}", body)
        for stream_id in (stream.pk, uuid.uuid4())
    ]
    assert answers[0].content == answers[1].content
    assert code_of(answers[0]) == "resource.not_found"
    stream.refresh_from_db()
    assert (stream.title, stream.is_wanted) == ("Channel", False)


def test_a_token_of_another_workspace_of_the_same_person_sees_nothing(alice, stream):
    from apps.accounts import services
    from tests.unit.api.conftest import ALL, Program

    other = services.create_workspace(owner=alice, name="Second")
    _, text = services.create_token(workspace=other, by=alice, name="n", scopes=ALL)
    second = Program(text)
    assert second.read("/streams")["items"] == []
    assert second("GET", f"/streams/{stream.pk}").status_code == 404


def test_a_token_that_reads_changes_nothing(program, alice, stream):
    reader = program(alice, "read")
    reader.read(f"/streams/{stream.pk}")
    answer = reader("POST", f"/streams/{stream.pk}/start")
    assert code_of(answer) == "auth.scope_missing"
    assert not Stream.objects.get(pk=stream.pk).is_wanted


@pytest.mark.parametrize("bob", [Role.EDITOR], indirect=True)
def test_a_token_can_do_no_more_than_its_maker_can_now(program, bob, workspace, stream):
    editor = program(bob, "read", "streams")
    assert editor("PATCH", f"/streams/{stream.pk}", {"title": "By Bob"}).status_code == 200
    Membership.objects.filter(user=bob, workspace=workspace).update(role=Role.VIEWER)
    answer = editor("PATCH", f"/streams/{stream.pk}", {"title": "Again"})
    assert code_of(answer) == "auth.forbidden"


def test_pages_are_stable_while_streams_are_made(api, workspace):
    made = [str(make_stream(workspace, None, title=f"S{n}", address="").pk) for n in range(7)]
    first = api.read("/streams?limit=3")
    make_stream(workspace, None, title="new", address="")
    second = api.read(f"/streams?limit=3&cursor={first['next']}")
    third = api.read(f"/streams?limit=3&cursor={second['next']}")
    seen = [row["id"] for page in (first, second, third) for row in page["items"]]
    assert seen == made[::-1]
    assert third["next"] is None


@pytest.mark.parametrize("cursor", ["x", "%00", "W10", "eyJhIjoxfQ", "WyIyMDI2IiwiMSJd", "é"])
def test_a_cursor_that_is_not_ours_is_refused(api, cursor):
    answer = api("GET", f"/streams?cursor={cursor}")
    assert code_of(answer) == "request.invalid"
    assert answer.json()["errors"][0]["parameter"] == "cursor"


def test_a_list_is_filtered_and_never_longer_than_a_hundred(api, workspace):
    for n in range(3):
        make_stream(workspace, None, title=f"Radio {n}", address="")
    assert [row["title"] for row in api.read("/streams?q=radio+2")["items"]] == ["Radio 2"]
    assert api.read("/streams?desired=on")["items"] == []
    assert code_of(api("GET", "/streams?limit=101")) == "request.invalid"
    assert code_of(api("GET", "/streams?limit=1000000000")) == "request.invalid"
