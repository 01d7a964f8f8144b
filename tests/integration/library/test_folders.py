"""Folders, and the sums of a library."""

from __future__ import annotations

import uuid

import pytest
from django.core.cache import cache
from django.core.exceptions import ValidationError
from django.db import connection
from django.test.utils import CaptureQueriesContext

from apps.library import selectors, services
from apps.library.models import Asset, Folder

pytestmark = pytest.mark.django_db


@pytest.fixture(autouse=True)
def _fresh():
    cache.clear()
    yield
    cache.clear()


@pytest.fixture
def rain(workspace):
    return services.create_folder(workspace=workspace, name="Rain")


def test_a_folder_holds_what_was_moved_there(as_alice, workspace, ready, rain):
    address = f"/library/?workspace={workspace.slug}"
    moved = as_alice.post(
        f"/library/move/?workspace={workspace.slug}",
        {"asset": str(ready.pk), "to": str(rain.pk)},
        follow=True,
    )
    assert "1 file is now in “Rain”." in moved.content.decode()
    inside = as_alice.get(f"{address}&folder={rain.pk}").content.decode()
    assert ready.title in inside
    assert 'aria-current="true"' in inside
    other = services.create_folder(workspace=workspace, name="Sun")
    empty = as_alice.get(f"{address}&folder={other.pk}").content.decode()
    assert ready.title not in empty
    assert "This folder is empty" in empty
    as_alice.post(f"/library/move/?workspace={workspace.slug}", {"asset": str(ready.pk), "to": ""})
    ready.refresh_from_db()
    assert ready.folder is None


def test_removing_a_folder_keeps_its_files(as_alice, workspace, ready, rain):
    services.move_assets(workspace=workspace, asset_ids=[ready.pk], folder=rain)
    asked = as_alice.get(f"/library/folders/{rain.pk}/delete/").content.decode()
    assert "Its 1 file stays in the library." in asked
    as_alice.post(f"/library/folders/{rain.pk}/delete/")
    assert not Folder.objects.filter(pk=rain.pk).exists()
    ready.refresh_from_db()
    assert ready.folder is None
    assert ready.deleted_at is None


def test_names_are_tidied_and_told_apart(as_alice, workspace, rain):
    made = as_alice.post(
        f"/library/folders/new/?workspace={workspace.slug}", {"name": "  Two   words "}
    )
    assert made.status_code == 302
    assert Folder.objects.filter(workspace=workspace, name="Two words").exists()
    taken = as_alice.post(f"/library/folders/new/?workspace={workspace.slug}", {"name": "Rain"})
    assert taken.status_code == 422
    assert "already" in taken.content.decode()
    same = as_alice.post(f"/library/folders/{rain.pk}/rename/", {"name": "Two words"})
    assert same.status_code == 422
    as_alice.post(f"/library/folders/{rain.pk}/rename/", {"name": "Drizzle"})
    rain.refresh_from_db()
    assert rain.name == "Drizzle"


def test_there_is_an_end_to_folders(workspace, monkeypatch):
    monkeypatch.setattr("apps.library.services.folders.MOST_FOLDERS", 2)
    services.create_folder(workspace=workspace, name="1")
    services.create_folder(workspace=workspace, name="2")
    with pytest.raises(ValidationError, match="at most 2"):
        services.create_folder(workspace=workspace, name="3")


def test_files_never_move_into_a_foreign_folder(as_alice, charlie, workspace, ready):
    foreign = services.create_folder(workspace=charlie.workspaces.get(), name="Mine")
    for to in (foreign.pk, uuid.uuid4(), "x"):
        answer = as_alice.post(
            f"/library/move/?workspace={workspace.slug}", {"asset": str(ready.pk), "to": str(to)}
        )
        assert answer.status_code == 404
    ready.refresh_from_db()
    assert ready.folder is None


def test_nobody_moves_the_files_of_others(as_charlie, charlie, workspace, ready):
    own = services.create_folder(workspace=charlie.workspaces.get(), name="Mine")
    as_charlie.post(
        f"/library/move/?workspace={charlie.workspaces.get().slug}",
        {"asset": str(ready.pk), "to": str(own.pk)},
    )
    ready.refresh_from_db()
    assert ready.folder is None


def test_the_sums_follow_what_happens(workspace, ready, django_capture_on_commit_callbacks):
    before = selectors.totals.of(workspace.pk)
    assert before.files == Asset.objects.filter(workspace=workspace, deleted_at=None).count()
    assert before.used_bytes == selectors.storage_used(workspace)
    with CaptureQueriesContext(
        connection,
    ) as again:
        assert selectors.totals.of(workspace.pk) == before
    assert len(again) == 0
    with django_capture_on_commit_callbacks(execute=True):
        services.delete_asset(asset=ready)
    after = selectors.totals.of(workspace.pk)
    assert after.files == before.files - 1
    assert after.used_bytes == before.used_bytes, "its bytes still lie here"


def test_the_sums_of_many_files_are_one_query(workspace, ready):
    with CaptureQueriesContext(connection) as asked:
        selectors.totals.of(workspace.pk)
    assert len(asked) == 1


def test_the_page_says_how_full_the_library_is(as_alice, workspace, ready):
    Asset.objects.filter(pk=ready.pk).update(size_bytes=50 << 30)
    cache.clear()
    page = as_alice.get(f"/library/?workspace={workspace.slug}").content.decode()
    assert "Storage" in page
    assert "of 215 GB" in page
