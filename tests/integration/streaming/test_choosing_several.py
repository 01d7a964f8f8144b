"""Several files at once: into a playlist and out of it again, out of the library and back."""

import re

import pytest
from django.urls import reverse

from apps.accounts.models import Role
from apps.library.models import Asset
from apps.streaming import selectors, stream_manager
from apps.streaming.models import Playlist
from tests.integration.streaming.conftest import make_asset, prepare
from tests.integration.streaming.test_pages import put_on_air

HTMX = {"HX-Request": "true"}


def titles(playlist):
    return "".join(item.asset.title for item in selectors.playlist_items(playlist))


def press_undo(client, fragment):
    """Send the form that the notice offers."""
    form = re.search(r'id="items-undo".*?<form.*?action="([^"]+)".*?>(.*?)</form>', fragment, re.S)
    values: dict[str, list[str]] = {}
    for name, value in re.findall(r'type="hidden" name="(\w+)" value="([^"]*)"', form[2]):
        values.setdefault(name, []).append(value)
    return client.post(form[1], values, headers=HTMX)


def test_several_files_are_added_in_the_order_of_the_page_and_taken_out_again(
    as_alice, workspace, playlist
):
    added = [make_asset(workspace, title) for title in "XYZ"]
    fragment = as_alice.post(
        reverse("streaming:item-add", args=[playlist.pk]),
        {"asset": [asset.pk for asset in added]},
        headers=HTMX,
    ).content.decode()
    assert titles(playlist) == "ABCXYZ"
    assert "3 files were added" in fragment
    press_undo(as_alice, fragment)
    assert titles(playlist) == "ABC"


@pytest.mark.parametrize(("order", "said"), [("BCA", "3"), ("CAB", "1"), ("BAC", "2")])
def test_a_drag_can_be_undone(as_alice, playlist, order, said):
    by_title = {item.asset.title: item.pk for item in selectors.playlist_items(playlist)}
    fragment = as_alice.post(
        reverse("streaming:item-order", args=[playlist.pk]),
        {"item": [by_title[title] for title in order]},
        headers=HTMX,
    ).content.decode()
    assert titles(playlist) == order
    assert f"Moved to place {said}." in fragment
    press_undo(as_alice, fragment)
    assert titles(playlist) == "ABC"


@pytest.mark.parametrize(("to", "item", "order"), [("up", 2, "ACB"), ("down", 0, "BAC")])
def test_a_step_can_be_undone(as_alice, playlist, to, item, order):
    moved = selectors.playlist_items(playlist)[item]
    fragment = as_alice.post(
        reverse("streaming:item-move", args=[playlist.pk, moved.pk]), {"to": to}, headers=HTMX
    ).content.decode()
    assert titles(playlist) == order
    press_undo(as_alice, fragment)
    assert titles(playlist) == "ABC"


def test_an_order_of_many_changes_offers_no_undo(as_alice, playlist, workspace):
    stream_manager.add_items(playlist=playlist, assets=[make_asset(workspace, "D")])
    items = selectors.playlist_items(playlist)
    fragment = as_alice.post(
        reverse("streaming:item-order", args=[playlist.pk]),
        {"item": [items[n].pk for n in (3, 1, 2, 0)]},
        headers=HTMX,
    ).content.decode()
    assert titles(playlist) == "DBCA"
    assert "items-undo" not in fragment


def test_an_item_is_placed_by_its_number_and_never_outside(as_alice, playlist):
    first = selectors.playlist_items(playlist)[0]
    url = reverse("streaming:item-move", args=[playlist.pk, first.pk])
    for place, order in (("2", "BCA"), ("1", "BAC"), ("99", "BCA"), ("0", "ABC")):
        as_alice.post(url, {"to": place}, headers=HTMX)
        assert titles(playlist) == order


def test_files_of_the_library_go_into_a_playlist_that_is_chosen(as_alice, workspace, playlist):
    chosen = [make_asset(workspace, title) for title in "XY"]
    url = f"{reverse('streaming:playlist-pick')}?workspace={workspace.slug}"
    ids = [str(asset.pk) for asset in chosen]
    page = as_alice.get(url, {"asset": ids})
    assert [str(asset.pk) for asset in page.context["assets"]] == ids
    answer = as_alice.post(url, {"asset": ids, "playlist": playlist.pk}, follow=True)
    assert "2 files were added to “Night”." in answer.content.decode()
    assert titles(playlist) == "ABCXY"
    as_alice.post(url, {"asset": ids, "name": "Brand new"})
    assert titles(Playlist.objects.get(name="Brand new")) == "XY"


def test_choosing_a_playlist_needs_files_a_playlist_and_the_right(
    as_alice, as_bob, as_charlie, workspace, playlist
):
    url = f"{reverse('streaming:playlist-pick')}?workspace={workspace.slug}"
    asset = make_asset(workspace, "X")
    assert as_alice.get(url).status_code == 302
    assert as_alice.post(url, {"asset": asset.pk}).status_code == 422
    values = {"asset": asset.pk, "playlist": playlist.pk}
    assert as_bob.post(url, values).status_code == 403
    assert as_charlie.post(url, values).status_code == 404
    foreign = f"{reverse('streaming:playlist-pick')}"
    assert as_charlie.post(foreign, values).status_code == 404
    assert titles(playlist) == "ABC"


def test_chosen_files_are_deleted_together_and_come_back_together(as_alice, workspace):
    assets = [make_asset(workspace, title) for title in ("One", "Two", "Three")]
    page = as_alice.post(
        reverse("library:delete-many"), {"asset": [asset.pk for asset in assets[:2]]}, follow=True
    ).content.decode()
    assert "2 files were deleted." in page
    assert list(Asset.objects.filter(deleted_at=None)) == [assets[2]]
    as_alice.post(
        reverse("library:restore-many"), {"asset": re.findall(r'name="asset" value="(.+?)"', page)}
    )
    assert Asset.objects.filter(deleted_at=None).count() == 3


def test_a_file_that_is_used_stays_when_others_go(as_alice, workspace, playlist, stream):
    put_on_air(stream)
    free = prepare(make_asset(workspace, "Free"))
    used = playlist.items.first().asset
    page = as_alice.post(
        reverse("library:delete-many"), {"asset": [free.pk, used.pk]}, follow=True
    ).content.decode()
    assert "“A”" in page
    assert Asset.objects.get(pk=free.pk).deleted_at
    assert Asset.objects.get(pk=used.pk).deleted_at is None


@pytest.mark.parametrize("bob", [Role.VIEWER], indirect=True)
def test_viewers_and_strangers_delete_nothing(as_bob, as_charlie, workspace):
    asset = make_asset(workspace, "Mine")
    for name in ("delete-many", "restore-many"):
        url = f"{reverse(f'library:{name}')}?workspace={workspace.slug}"
        assert as_bob.post(url, {"asset": asset.pk}).status_code == 403
        assert as_charlie.post(url, {"asset": asset.pk}).status_code == 404
        as_charlie.post(reverse(f"library:{name}"), {"asset": asset.pk})
    asset.refresh_from_db()
    assert asset.deleted_at is None
