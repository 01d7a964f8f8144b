"""Several destinations of one stream through the API."""

from apps.streaming import stream_manager
from apps.streaming.models import Destination
from tests.integration.streaming.conftest import KEY, make_stream
from tests.unit.api.conftest import code_of
from tests.unit.api.test_streams import playlist, stream  # noqa: F401 - fixtures

TWITCH = {"service": "other", "address": "rtmps://live.twitch.tv/app", "key": "second-key-9999"}


def test_one_is_added_read_changed_and_removed(api, stream):  # noqa: F811
    path = f"/streams/{stream.pk}/destinations"
    made = api("POST", path, TWITCH)
    assert made.status_code == 201, made.content
    told = made.json()
    assert made["Location"] == f"/api/v1{path}/{told['id']}"
    assert (told["name"], told["leg"]) == ("Twitch", "primary")
    assert api.read(f"{path}/{told['id']}") == told
    listed = api.read(path)["items"]
    assert [row["status"]["state"] for row in listed] == ["off", "off"]

    changed = api("PATCH", f"{path}/{told['id']}", {"name": "Twitch", "leg": "backup"})
    assert changed.json() == {**told, "name": "Twitch", "leg": "backup"}
    assert Destination.objects.get(name="Twitch").key == TWITCH["key"]
    for address in (path, f"{path}/{told['id']}", "/destinations"):
        text = api("GET", address).content.decode()
        assert KEY not in text
        assert TWITCH["key"] not in text

    assert api("DELETE", f"{path}/{told['id']}").status_code == 204
    assert code_of(api("GET", f"{path}/{told['id']}")) == "resource.not_found"


def test_what_cannot_be_is_refused_with_a_code(api, stream, workspace):  # noqa: F811
    path = f"/streams/{stream.pk}/destinations"
    assert code_of(api("POST", path, {"service": "youtube", "key": KEY})) == (
        "stream.destination_busy"
    )
    no_key = api("POST", path, {"service": "youtube"})
    assert no_key.json()["errors"][0]["pointer"] == "/key"
    api("POST", path, TWITCH)
    several = api("PATCH", f"/streams/{stream.pk}", {"destination": TWITCH})
    assert several.json()["errors"][0]["pointer"] == "/destination"
    stream_manager.start_stream(stream=stream)
    (first, *_) = api.read(path)["items"]
    on_air = api("PATCH", f"{path}/{first['id']}", {"key": "third-key-12345"})
    assert code_of(on_air) == "stream.on_air"
    assert api("PATCH", f"{path}/{first['id']}", {"name": "Main"}).json()["name"] == "Main"
    (_, second) = api.read(path)["items"]
    assert api("DELETE", f"{path}/{second['id']}").status_code == 204
    assert code_of(api("DELETE", f"{path}/{first['id']}")) == "stream.on_air"
    other = make_stream(workspace, None, key="fourth-key-12345")
    foreign = api("GET", f"/streams/{other.pk}/destinations/{first['id']}")
    assert code_of(foreign) == "resource.not_found"


def test_a_tag_does_not_depend_on_the_state(api, stream):  # noqa: F811
    path = f"/streams/{stream.pk}/destinations"
    (first,) = api.read(path)["items"]
    tag = api("GET", f"{path}/{first['id']}")["ETag"]
    stream_manager.start_stream(stream=stream)
    change = api("PATCH", f"{path}/{first['id']}", {"name": "Main"}, If_Match=tag)
    assert change.status_code == 200, change.content
    again = api("PATCH", f"{path}/{first['id']}", {"name": "x"}, If_Match=tag)
    assert code_of(again) == "resource.changed"
