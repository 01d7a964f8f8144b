"""What members, viewers and strangers see and may do."""

from __future__ import annotations

import re
import uuid

import pytest
from django.core.exceptions import ValidationError
from django.dispatch import Signal

from apps.library import preparation, selectors, services, signals
from apps.library.models import Asset, Rendition, Track
from tests.integration.library.conftest import PROFILE

pytestmark = pytest.mark.django_db


@pytest.fixture
def many(workspace):
    """Files with a rendition each, as fast as rows can be made."""

    def make(count: int) -> list[Asset]:
        assets = Asset.objects.bulk_create(
            Asset(
                workspace=workspace,
                title=f"Film {number:04d}",
                state="ready",
                kind="video",
                duration_ms=1000,
                storage_key=f"sources/{number}",
            )
            for number in range(count)
        )
        tracks = Track.objects.bulk_create(
            Track(asset=asset, kind=kind, profile=kind, state="queued")
            for asset in assets
            for kind in ("video", "audio")
        )
        Rendition.objects.bulk_create(
            Rendition(asset=asset, profile="p", video=tracks[2 * n], audio=tracks[2 * n + 1])
            for n, asset in enumerate(assets)
        )
        return assets

    return make


def addresses(asset: Asset) -> list[tuple[str, str]]:
    base = f"/library/{asset.pk}/"
    return [
        ("get", base), ("get", f"{base}thumbnail/"), ("get", f"{base}rename/"),
        ("post", f"{base}rename/"), ("get", f"{base}delete/"), ("post", f"{base}delete/"),
        ("post", f"{base}retry/"), ("post", f"{base}prepare/"),
        ("post", f"{base}prepare-again/"),
    ]  # fmt: skip


def test_a_stranger_gets_404_for_everything(ready, as_charlie, workspace):
    for method, address in addresses(ready):
        assert getattr(as_charlie, method)(address).status_code == 404, address
    assert as_charlie.get(f"/library/?workspace={workspace.slug}").status_code == 404
    news = f"/library/progress/?workspace={workspace.slug}&ids={ready.pk}"
    assert as_charlie.get(news).status_code == 404
    services.delete_asset(asset=ready)
    assert as_charlie.post(f"/library/{ready.pk}/restore/").status_code == 404


def test_news_of_a_foreign_file_are_not_given_through_an_own_workspace(ready, as_charlie):
    page = as_charlie.get(f"/library/progress/?ids={ready.pk}").content.decode()
    assert str(ready.pk) not in page


def test_a_missing_file_looks_like_a_foreign_one(as_alice):
    assert as_alice.get(f"/library/{uuid.uuid4()}/").status_code == 404


def test_somebody_signed_out_is_asked_to_sign_in(client, ready):
    assert "/accounts/login/" in client.get(ready.get_absolute_url())["Location"]


def test_a_viewer_sees_but_changes_nothing(ready, as_bob):
    for method, address in addresses(ready)[2:]:
        assert getattr(as_bob, method)(address).status_code == 403, address
    page = as_bob.get(ready.get_absolute_url()).content.decode()
    assert "Rename" not in page
    assert as_bob.get(f"/library/{ready.pk}/thumbnail/").status_code == 200
    listing = as_bob.get("/library/").content.decode()
    assert "clip" in listing
    assert "data-upload" not in listing


@pytest.mark.parametrize("bob", ["editor"], indirect=True)
def test_an_editor_renames(ready, as_bob):
    as_bob.post(f"/library/{ready.pk}/rename/", {"title": "  Night   train "})
    ready.refresh_from_db()
    assert ready.title == "Night train"


@pytest.mark.parametrize("title", ["", "   ", "x" * 201])
def test_a_bad_name_is_refused(ready, title):
    with pytest.raises(ValidationError):
        services.rename_asset(asset=ready, title=title)


def test_deleting_can_be_undone(ready, as_alice):
    answer = as_alice.post(f"/library/{ready.pk}/delete/", follow=True)
    page = answer.content.decode()
    assert "was deleted" in page
    assert f"/library/{ready.pk}/restore/" in page
    assert as_alice.get(ready.get_absolute_url()).status_code == 404
    as_alice.post(f"/library/{ready.pk}/restore/")
    assert as_alice.get(ready.get_absolute_url()).status_code == 200


def test_what_is_used_cannot_be_deleted(ready, as_alice):
    def tell(sender: object, asset: Asset, **_: object) -> list[str]:
        return ["the playlist “Morning”"] if asset.pk == ready.pk else []

    assert isinstance(signals.asset_uses_asked, Signal)
    signals.asset_uses_asked.connect(tell)
    try:
        answer = as_alice.post(f"/library/{ready.pk}/delete/")
    finally:
        signals.asset_uses_asked.disconnect(tell)
    assert answer.status_code == 409
    assert "the playlist “Morning”" in answer.content.decode()
    ready.refresh_from_db()
    assert ready.deleted_at is None


def test_a_dialog_is_a_fragment_and_its_link_a_whole_page(ready, as_alice):
    address = f"/library/{ready.pk}/delete/"
    assert b"<html" in as_alice.get(address).content
    fragment = as_alice.get(address, headers={"HX-Request": "true"}).content
    assert b"<dialog" in fragment
    assert b"<html" not in fragment


def test_a_failed_file_says_why_and_what_to_do(received, as_alice):
    asset = received(b"not a film", "film.mp4")
    preparation.check(asset.pk)
    asset.refresh_from_db()
    page = as_alice.get(asset.get_absolute_url()).content.decode()
    assert "The file is text." in page
    assert "Upload a video or audio file" in page


def test_a_prepared_file_says_in_plain_words_what_was_done(ready, as_alice):
    rendition = services.request_rendition(asset=ready, profile=PROFILE)
    preparation.prepare(rendition.pk)
    page = as_alice.get(ready.get_absolute_url()).content.decode()
    assert "Encoded once" in page
    assert "Make it exactly 30 frames a second" in page


def test_the_picture_is_served_as_a_picture_and_nothing_else(ready, as_alice):
    answer = as_alice.get(f"/library/{ready.pk}/thumbnail/")
    assert answer["Content-Type"] == "image/jpeg"
    assert answer["X-Content-Type-Options"] == "nosniff"
    assert answer["Cache-Control"].startswith("private")


def test_news_come_once(many, as_alice, workspace):
    asset = many(1)[0]
    address = f"/library/progress/?workspace={workspace.slug}&ids={asset.pk}"
    first = as_alice.get(address)
    assert b"Waiting" in first.content
    again = as_alice.get(address, headers={"If-None-Match": first["ETag"]})
    assert (again.status_code, again.content) == (304, b"")
    Track.objects.filter(kind="video").update(state="running", progress=41)
    changed = as_alice.get(address, headers={"If-None-Match": first["ETag"]})
    assert changed.status_code == 200
    assert 'value="41"' in changed.content.decode()


def test_a_page_knows_what_it_shows(many, as_alice, workspace):
    """What the page tells its poll must be what the first poll would be answered with."""
    many(3)
    page = as_alice.get("/library/").content.decode()
    address = re.search(r'hx-get="(/library/progress/[^"]+)"', page)[1].replace("&amp;", "&")
    known = re.search(r"If-None-Match&quot;|If-None-Match\": \"\\u0022(\w+)\\u0022", page)[1]
    answer = as_alice.get(address, headers={"If-None-Match": f'"{known}"'})
    assert answer.status_code == 304


@pytest.mark.parametrize("count", [1, 120])
def test_pages_cost_the_same_whatever_the_rows(
    count, many, as_alice, workspace, django_assert_max_num_queries
):
    assets = many(count)
    ids = ",".join(str(asset.pk) for asset in assets[:100])
    as_alice.get(f"/library/?workspace={workspace.slug}")  # The choice is remembered, once.
    with django_assert_max_num_queries(6):
        as_alice.get("/library/")
    with django_assert_max_num_queries(6):
        as_alice.get(f"/library/progress/?workspace={workspace.slug}&ids={ids}")
    with django_assert_max_num_queries(6):
        as_alice.get(assets[0].get_absolute_url())


def test_paging_shows_every_file_once_in_both_directions(many, workspace):
    many(23)
    seen, before, pages = [], "", 0
    while True:
        page = selectors.asset_page(workspace, before=before, rows=5)
        seen += [asset.pk for asset in page.assets]
        pages += 1
        if not page.older:
            break
        before = page.older
    assert (len(seen), len(set(seen)), pages) == (23, 23, 5)
    back = selectors.asset_page(workspace, after=page.newer, rows=5)
    assert [asset.pk for asset in back.assets] == seen[15:20]
    first = selectors.asset_page(workspace, rows=5)
    assert first.newer == ""


@pytest.mark.parametrize("cursor", ["x", "!!", "MjAyNg", "é" * 5])
def test_a_made_up_cursor_shows_the_first_page(many, workspace, cursor):
    many(3)
    assert len(selectors.asset_page(workspace, before=cursor).assets) == 3


def test_a_search_finds_by_all_words(many, as_alice):
    many(3)
    page = as_alice.get("/library/?q=film 0002").content.decode()
    assert "Film 0002" in page
    assert "Film 0001" not in page
    assert "No file has such a name" in as_alice.get("/library/?q=nothing").content.decode()
