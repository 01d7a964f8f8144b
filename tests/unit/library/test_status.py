"""What people read about a file."""

from __future__ import annotations

import pytest
from django.db import IntegrityError, transaction
from django.utils import timezone

from apps.library import selectors
from apps.library.models import UPLOAD_LIFETIME, Asset, Rendition, Track, Upload
from apps.library.status import asset_status, rendition_status

pytestmark = pytest.mark.django_db


@pytest.fixture
def asset(workspace):
    return Asset.objects.create(
        workspace=workspace, title="film", state="ready", kind="video", storage_key="sources/x"
    )


def rendition(asset: Asset, state: str, profile: str = "480p30@1", **columns: object) -> Rendition:
    if state == "failed":
        columns = {"failure_code": "x", "failure_message": "Why.", "failure_advice": "Do."}
    if state == "ready":
        columns = {"frames": 1, "prefix": "tracks/x"}
    video, audio = (
        Track.objects.create(
            asset=asset, kind=kind, profile=f"{profile} {kind}", state=state, **columns
        )
        for kind in ("video", "audio")
    )
    return Rendition.objects.create(asset=asset, profile=profile, video=video, audio=audio)


def read(asset: Asset):
    return asset_status(selectors.with_renditions(Asset.objects.all()).get(pk=asset.pk))


@pytest.mark.parametrize(
    ("state", "tone", "label"),
    [
        ("queued", "busy", "Waiting"),
        ("running", "busy", "Preparing"),
        ("ready", "success", "Ready"),
        ("failed", "error", "Not prepared"),
    ],
)
def test_a_file_is_as_its_rendition(asset, state, tone, label):
    made = rendition(asset, state)
    assert (read(asset).tone, read(asset).label) == (tone, label)
    assert rendition_status(made).label == label


def test_one_failed_format_does_not_hide_the_ready_one(asset):
    rendition(asset, "ready")
    rendition(asset, "failed", "720p30@1")
    assert (read(asset).tone, read(asset).label) == ("warning", "Ready in part")


def test_work_in_progress_is_told_first(asset):
    rendition(asset, "failed")
    rendition(asset, "running", "720p30@1", progress=12)
    assert (read(asset).tone, read(asset).percent) == ("busy", 12)


def test_an_upload_that_stopped_says_how_to_go_on(asset):
    Asset.objects.filter(pk=asset.pk).update(state="uploading")
    upload = Upload.objects.create(
        asset=asset, length=200, offset=50, expires_at=timezone.now() + UPLOAD_LIFETIME
    )
    assert (read(asset).label, read(asset).percent) == ("Uploading", 25)
    Upload.objects.filter(pk=upload.pk).update(expires_at=timezone.now() + UPLOAD_LIFETIME / 2)
    assert (read(asset).label, read(asset).tone) == ("Not finished", "neutral")


@pytest.mark.parametrize(
    "columns",
    [
        {"state": "ready", "kind": "", "storage_key": "x"},
        {"state": "ready", "kind": "video", "storage_key": ""},
        {"state": "failed", "failure_code": ""},
        {"state": "elsewhere"},
    ],
)
def test_the_database_refuses_an_asset_that_makes_no_sense(workspace, columns):
    with pytest.raises(IntegrityError), transaction.atomic():
        Asset.objects.create(workspace=workspace, title="film", **columns)


@pytest.mark.parametrize(
    "columns",
    [
        {"state": "ready", "frames": 0, "prefix": "x"},
        {"state": "ready", "frames": 5, "prefix": ""},
        {"state": "failed"},
        {"progress": 101},
        {"kind": "smell"},
    ],
)
def test_the_database_refuses_a_track_that_makes_no_sense(asset, columns):
    with pytest.raises(IntegrityError), transaction.atomic():
        Track.objects.create(asset=asset, profile="p", **{"kind": "video"} | columns)


def test_a_format_exists_once_per_file(asset):
    rendition(asset, "queued")
    with pytest.raises(IntegrityError), transaction.atomic():
        Track.objects.create(asset=asset, kind="video", profile="480p30@1 video")


def test_an_upload_never_has_more_than_its_length(asset):
    with pytest.raises(IntegrityError), transaction.atomic():
        Upload.objects.create(asset=asset, length=5, offset=6, expires_at=timezone.now())


@pytest.mark.parametrize("kind", ["video", "audio"])
def test_a_file_that_was_just_checked_is_still_asked_about(asset, kind):
    """Its format is asked for a moment later; a page that stopped asking would never know."""
    Asset.objects.filter(pk=asset.pk).update(kind=kind)
    assert (read(asset).tone, read(asset).label) == ("busy", "Waiting")
