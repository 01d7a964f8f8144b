"""The same library with its files in a real S3-compatible store."""

from __future__ import annotations

import fcntl
import threading
from datetime import timedelta

import pytest
from django.core.files.storage import default_storage
from django.utils import timezone

from apps.library import preparation, services
from apps.library.models import Asset, Track
from tests.integration.library.conftest import PROFILE, files_in

pytestmark = [pytest.mark.django_db, pytest.mark.integration]


@pytest.fixture(autouse=True)
def store(s3, settings):
    options = {
        "bucket_name": s3.bucket,
        "access_key": s3.access_key,
        "secret_key": s3.secret_key,
        "endpoint_url": s3.endpoint,
        "region_name": "us-east-1",
        "addressing_style": "path",
        "signature_version": "s3v4",
        "file_overwrite": True,
    }
    settings.STORAGES = settings.STORAGES | {
        "default": {"BACKEND": "storages.backends.s3.S3Storage", "OPTIONS": options}
    }


def everything() -> set[str]:
    return {entry.key for entry in default_storage.bucket.objects.all()} - {"probe"}


def test_a_file_goes_all_the_way_and_leaves_nothing_here(received, clip, as_alice, library):
    before = everything()
    asset = received(clip)
    assert default_storage.size(asset.storage_key) == clip.stat().st_size
    assert preparation.check(asset.pk) == "ready"
    asset.refresh_from_db()
    rendition = services.request_rendition(asset=asset, profile=PROFILE)
    assert preparation.prepare(rendition.pk) == "ready"
    track = Track.objects.get(kind="video")
    assert preparation.local_track_directory(track) is None
    for name in preparation.track_names(track):
        assert default_storage.exists(name)
    assert as_alice.get(f"/library/{asset.pk}/thumbnail/").content.startswith(b"\xff\xd8\xff")
    assert [name for name in files_in(library) if not name.startswith("run/")] == []
    preparation.remove_files(Asset.objects.get())
    assert everything() == before


def test_a_title_card_is_made_of_a_piece_of_its_loop_and_kept_in_the_store(received, clip, library):
    before = everything()
    asset = received(clip)
    assert preparation.check(asset.pk) == "ready"
    rendition = services.request_rendition(asset=asset, profile=PROFILE)
    assert preparation.prepare(rendition.pk) == "ready"
    (card,) = services.request_cards(
        style="band",
        wanted=[
            services.WantedCard(
                rendition.video_id, "Song", 0, 60, timezone.now() + timedelta(days=1)
            )
        ],
    )
    assert preparation.prepare_card(card.pk) == "ready"
    card.refresh_from_db()
    assert card.size_bytes == sum(map(default_storage.size, preparation.track_names(card)))
    assert [name for name in files_in(library) if not name.startswith("run/")] == []
    preparation.remove_files(Asset.objects.get())
    assert everything() == before


def test_a_hostile_file_leaves_the_store(received, library):
    before = everything()
    asset = received(b"#EXTM3U\nfile:///etc/passwd\n")
    assert preparation.check(asset.pk) == "failed"
    assert everything() == before
    assert [name for name in files_in(library) if not name.startswith("run/")] == []


def test_a_download_waits_for_a_place(received, clip, library, settings):
    settings.MAX_CONCURRENT_DOWNLOADS = 1
    asset = received(clip)
    directory = library / "run" / "downloads"
    directory.mkdir(parents=True)
    waited = threading.Event()

    def keep() -> bool:
        if not waited.is_set():
            waited.set()
            fcntl.flock(other, fcntl.LOCK_UN)
        return True

    with (directory / "slot-0").open("w") as other:
        fcntl.flock(other, fcntl.LOCK_EX)
        with preparation.source_file(asset, keep) as path:
            assert path.read_bytes() == clip.read_bytes()
    assert waited.is_set()
