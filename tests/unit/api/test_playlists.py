"""Playlists through the API."""

import uuid

import pytest

from apps.streaming import stream_manager
from tests.integration.streaming.conftest import make_asset, make_stream, prepare
from tests.unit.api.conftest import code_of

NOBODY = uuid.UUID(int=7)


@pytest.fixture
def playlist(workspace):
    return stream_manager.create_playlist(workspace=workspace, name="Night")


@pytest.fixture
def path(playlist):
    return f"/playlists/{playlist.pk}"


@pytest.fixture
def assets(workspace):
    return [prepare(make_asset(workspace, title)) for title in "ABCDE"]


def titles(api, path, **query):
    found, cursor = [], ""
    while True:
        page = api.read(f"{path}/items?limit=2&cursor={cursor}")
        found += [item["title"] for item in page["items"]]
        cursor = page["next"]
        if cursor is None:
            return "".join(found)


def test_items_are_added_moved_ordered_and_removed(api, path, assets):
    ids = [str(asset.pk) for asset in assets]
    added = api("POST", f"{path}/items", {"asset_ids": ids[:3]})
    assert added.status_code == 201, added.content
    a, _, c = [item["id"] for item in added.json()["items"]]
    assert titles(api, path) == "ABC"
    api("POST", f"{path}/items", {"asset_ids": ids[3:], "position": 1})
    assert titles(api, path) == "ADEBC"
    assert api("POST", f"{path}/items/{c}/move", {"by": -10}).status_code == 204
    assert titles(api, path) == "CADEB"
    assert api("PUT", f"{path}/order", {"item_ids": [a]}).status_code == 204
    assert titles(api, path) == "ACDEB"
    assert api("DELETE", f"{path}/items/{c}").status_code == 204
    assert titles(api, path) == "ADEB"
    told = api.read(path)
    assert (told["item_count"], told["duration_ms"]) == (4, 40_000)


def test_reading_goes_on_behind_the_last_item_wherever_that_was_moved(api, path, assets):
    api("POST", f"{path}/items", {"asset_ids": [str(asset.pk) for asset in assets]})
    first = api.read(f"{path}/items?limit=2")
    api("POST", f"{path}/items", {"asset_ids": [str(assets[4].pk)], "position": 0})
    rest = api.read(f"{path}/items?limit=3&cursor={first['next']}")
    assert [item["title"] for item in rest["items"]] == ["C", "D", "E"]
    api("DELETE", f"{path}/items/{first['items'][1]['id']}")
    rest = api.read(f"{path}/items?limit=3&cursor={first['next']}")
    assert len(rest["items"]) <= 3


@pytest.mark.parametrize("cursor", ["x", "WyIxIiwiMSJd", "WyIxIl0"])
def test_a_cursor_of_somewhere_else_is_refused(api, path, cursor):
    assert code_of(api("GET", f"{path}/items?cursor={cursor}")) == "request.invalid"


def test_files_of_others_cannot_be_added(api, path, assets, charlie):
    theirs = make_asset(charlie.workspaces.get(), "X")
    answers = [
        api("POST", f"{path}/items", {"asset_ids": [str(assets[0].pk), str(other)]})
        for other in (theirs.pk, NOBODY)
    ]
    assert answers[0].content == answers[1].content
    assert code_of(answers[0]) == "resource.not_found"
    assert titles(api, path) == ""


@pytest.mark.parametrize(
    ("method", "path", "body"),
    [
        ("GET", "", None),
        ("PATCH", "", {"name": "x"}),
        ("DELETE", "", None),
        ("GET", "/items", None),
        ("POST", "/items", {"asset_ids": [str(NOBODY)]}),
        ("PUT", "/order", {"item_ids": []}),
        ("DELETE", f"/items/{NOBODY}", None),
        ("POST", f"/items/{NOBODY}/move", {"by": 1}),
    ],
)
def test_foreign_and_missing_playlists_look_the_same(foreign, playlist, method, path, body):
    answers = [
        foreign(method, f"/playlists/{playlist_id}{path}", body)
        for playlist_id in (playlist.pk, uuid.uuid4())
    ]
    assert answers[0].content == answers[1].content
    assert code_of(answers[0]) == "resource.not_found"


def test_an_item_of_another_playlist_is_not_moved_from_here(api, workspace, path, assets):
    other = stream_manager.create_playlist(workspace=workspace, name="Other")
    (item,) = stream_manager.add_items(playlist=other, assets=assets[:1])
    assert api("DELETE", f"{path}/items/{item.pk}").status_code == 404
    assert api("POST", f"{path}/items/{item.pk}/move", {"by": 1}).status_code == 404
    assert other.items.count() == 1


def test_a_list_on_air_is_not_deleted(api, workspace, playlist, path, assets):
    stream_manager.add_items(playlist=playlist, assets=assets)
    stream_manager.start_stream(stream=make_stream(workspace, playlist))
    assert code_of(api("DELETE", path)) == "stream.on_air"


@pytest.mark.parametrize(
    "body", [{"asset_ids": []}, {"asset_ids": ["x"]}, {"position": 0}, {"asset_ids": None}]
)
def test_what_to_add_must_be_said(api, path, body):
    assert code_of(api("POST", f"{path}/items", body)) == "request.invalid"


def test_programs_may_name_families_and_turn_nothing_round(api):
    family = "\U0001f468\u200d\U0001f469\u200d\U0001f467"
    assert api("POST", "/playlists", {"name": f"{family} evenings"}).status_code == 201
    assert api("POST", "/playlists", {"name": "evil\u202e"}).status_code == 422
