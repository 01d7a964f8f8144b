"""Edits of what is on air through the API: when they take effect, and what is refused."""

from datetime import datetime, timedelta

import pytest
import time_machine
from django.utils import timezone

from apps.streaming import stream_manager
from apps.streaming.models import Stream
from tests.integration.streaming.conftest import make_asset, make_stream, prepare
from tests.unit.api.conftest import code_of


def listing(workspace, *titles, name="Night"):
    made = stream_manager.create_playlist(workspace=workspace, name=name)
    assets = [prepare(make_asset(workspace, title)) for title in titles]
    stream_manager.add_items(playlist=made, assets=assets)
    return made


@pytest.fixture
def stream(workspace, alice):
    made = make_stream(workspace, listing(workspace, "A", "B", "C"), by=alice)
    with time_machine.travel(timezone.now(), tick=False):
        stream_manager.start_stream(stream=made)
        yield Stream.objects.get(pk=made.pk)


def titles(api, stream, part="pictures"):
    return [play["title"] for play in api.read(f"/streams/{stream.pk}/coming")[part]][:4]


@pytest.mark.parametrize("kind", ["", "application/json"])
def test_a_skip_needs_no_body(api, stream, kind):
    skipped = api.client.generic(
        "POST",
        f"/api/v1/streams/{stream.pk}/skip",
        b"",
        content_type=kind,
        headers={"Authorization": f"Bearer {api.text}"},
    )
    assert skipped.status_code == 202, skipped.content
    assert skipped.json()["part"] == "pictures"


@pytest.mark.parametrize("body", [[], {"part": "all"}, {"what": "sound"}])
def test_a_skip_with_a_body_of_another_kind_is_refused(api, stream, body):
    assert code_of(api("POST", f"/streams/{stream.pk}/skip", body)) == "request.invalid"
    assert titles(api, stream)[:2] == ["A", "B"]


def test_every_edit_tells_when_it_takes_effect_and_can_be_read(api, stream, workspace):
    path = f"/streams/{stream.pk}"
    skipped = api("POST", f"{path}/skip", {})
    assert skipped.status_code == 202, skipped.content
    told = skipped.json()
    assert told["title"] == "B"
    at = datetime.fromisoformat(told["effective_at"])
    assert timedelta(seconds=3) <= at - timezone.now() <= timedelta(seconds=5)
    assert titles(api, stream) == ["A", "B", "C", "A"]

    news = prepare(make_asset(workspace, "News"))
    assert api("POST", f"{path}/play-next", {"asset_id": str(news.pk)}).status_code == 202
    third = stream.playlist.items.get(asset__title="C")
    other = listing(workspace, "X", name="Other")
    swapped = api("POST", f"{path}/swap", {"playlist_id": str(other.pk), "at": "item"})
    assert api.read(path)["playlist_id"] == str(other.pk)
    undone = api("POST", f"{path}/undo", {"version": swapped.json()["version"]})
    assert undone.status_code == 202
    assert api.read(path)["playlist_id"] == str(stream.playlist_id)
    assert api("POST", f"{path}/jump", {"item_id": str(third.pk), "at": "item"}).status_code == 202
    codes = [event["code"] for event in api.read(f"{path}/events")["items"]]
    assert codes[:5] == [
        "stream.jumped", "stream.edit_undone", "stream.playlist_swapped", "stream.play_next",
        "stream.skipped",
    ]  # fmt: skip


def test_an_edit_that_is_sent_twice_with_one_key_is_made_once(api, stream):
    first = api("POST", f"/streams/{stream.pk}/skip", {}, Idempotency_Key="once")
    again = api("POST", f"/streams/{stream.pk}/skip", {}, Idempotency_Key="once")
    assert first.json() == again.json()
    assert stream.versions.count() == 2


def test_what_cannot_be_is_refused_with_a_code_and_changes_nothing(api, stream):
    path = f"/streams/{stream.pk}"
    for address, body in (
        ("pause", None),
        ("resume", None),
        ("undo", {"version": 1}),
        ("skip", {"part": "sound"}),
        ("jump", {"item_id": "0198c1f0-0000-7000-8000-000000000001"}),
    ):
        assert code_of(api("POST", f"{path}/{address}", body)) == "stream.edit_refused"
    assert stream.versions.count() == 1
    stream_manager.stop_stream(stream=stream)
    assert code_of(api("POST", f"{path}/skip", {})) == "stream.edit_refused"
    assert api.read(f"{path}/coming") == {"pictures": [], "sound": []}


def test_a_stream_can_be_paused_while_it_has_a_filler(api, stream, workspace):
    path = f"/streams/{stream.pk}"
    filler = listing(workspace, "Pause picture", name="Filler")
    assert api("PATCH", path, {"filler_id": str(filler.pk)}).status_code == 200
    assert api("POST", f"{path}/pause").json()["title"] == "Pause picture"
    assert api.read(path)["is_paused"]
    assert api("POST", f"{path}/resume").status_code == 202
    assert not api.read(path)["is_paused"]


def test_radio_mode_and_shuffle_are_wished_through_the_api(api, workspace):
    pictures = listing(workspace, "Clip")
    music = listing(workspace, "Song 1", "Song 2", name="Music")
    wish = {
        "title": "Radio", "playlist_id": str(pictures.pk), "music_id": str(music.pk),
        "shuffle_music": True, "title_cards": "top", "profile": "480p30-economy@1",
        "destination": {"service": "youtube", "key": "radio-key-123456"},
    }  # fmt: skip
    made = api("POST", "/streams", wish)
    assert made.status_code == 201, made.content
    assert made.json()["music_id"] == str(music.pk)
    assert made.json()["title_cards"] == "top"
    path = f"/streams/{made.json()['id']}"
    assert api("PATCH", path, {"title_cards": "blinking"}).status_code == 422
    assert api("PATCH", path, {"title_cards": "off"}).json()["title_cards"] == "off"
    assert api("PATCH", path, {"title": "Radio 2"}).json()["title_cards"] == "off"
    api("POST", f"{path}/start")
    coming = api.read(f"{path}/coming")
    assert {play["title"] for play in coming["sound"]} == {"Song 1", "Song 2"}
    assert code_of(api("PATCH", path, {"music_id": None})) == "stream.on_air"


def test_a_weight_is_changed_by_itself(api, stream):
    item = stream.playlist.items.first()
    path = f"/playlists/{stream.playlist_id}/items"
    assert api("PATCH", f"{path}/{item.pk}", {"weight": 3}).status_code == 204
    assert api.read(path)["items"][0]["weight"] == 3
    assert code_of(api("PATCH", f"{path}/{item.pk}", {"weight": 0})) == "request.invalid"


def test_files_and_playlists_of_others_cannot_be_played(api, stream, charlie):
    foreign = listing(charlie.workspaces.get(), "Foreign")
    path = f"/streams/{stream.pk}"
    asset = str(foreign.items.get().asset_id)
    assert code_of(api("POST", f"{path}/play-next", {"asset_id": asset})) == "resource.not_found"
    swap = api("POST", f"{path}/swap", {"playlist_id": str(foreign.pk)})
    assert code_of(swap) == "resource.not_found"
    for name in ("playlist_id", "music_id", "filler_id"):
        answer = api("PATCH", path, {name: str(foreign.pk)})
        assert code_of(answer) == "request.invalid"
