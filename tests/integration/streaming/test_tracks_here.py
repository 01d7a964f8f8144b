"""Tracks are used where they lie, or fetched whole and verified from a real object store."""

import threading
import time
from pathlib import Path
from uuid import uuid4

import pytest
from django.core.files.base import ContentFile
from django.core.files.storage import default_storage

from apps.library.models import Track
from apps.streaming.engine import TracksHere
from playout.media import HOUSE_AUDIO, TrackKind
from playout.tracks.reader import Track as MappedTrack
from playout.tracks.writer import TrackWriter
from tests.integration.streaming.conftest import make_asset

SECOND = 1_000_000_000


@pytest.fixture
def object_store(s3, settings):
    settings.STORAGES = settings.STORAGES | {
        "default": {
            "BACKEND": "storages.backends.s3.S3Storage",
            "OPTIONS": {
                "bucket_name": s3.bucket,
                "access_key": s3.access_key,
                "secret_key": s3.secret_key,
                "endpoint_url": s3.endpoint,
                "region_name": "us-east-1",
                "addressing_style": "path",
                "signature_version": "s3v4",
                "file_overwrite": True,
            },
        }
    }


@pytest.fixture
def track(workspace, tmp_path):
    """A real track of sound, in the storage of the test."""

    def make(*, spoil=lambda name, content: content):
        directory = tmp_path / "made"
        with TrackWriter.audio(directory, HOUSE_AUDIO, b"\x12\x10") as writer:
            for n in range(100):
                writer.add_frame(bytes([n]) * 300)
            writer.finish()
        prefix = f"tracks/{uuid4()}"
        for path in directory.iterdir():
            content = spoil(path.name, path.read_bytes())
            if content is not None:
                default_storage.save(f"{prefix}/{path.name}", ContentFile(content))
        return Track.objects.create(
            asset=make_asset(workspace, "A"),
            kind="audio",
            profile=HOUSE_AUDIO.id,
            state="ready",
            frames=100,
            prefix=prefix,
        )

    return make


class Clock:
    ns = 1_000 * SECOND

    def __call__(self):
        return self.ns


@pytest.fixture
def shelf(tmp_path):
    """Tracks here, and a way to wait for what its threads do."""
    changed = threading.Event()
    here = TracksHere(tmp_path / "cache", on_change=changed.set, boottime_ns=Clock())
    here.changed = changed
    yield here
    here.close()


def settle(here):
    """Wait until nothing is being fetched."""
    here._fetchers.shutdown(wait=True)


pytestmark = pytest.mark.integration


@pytest.mark.django_db
def test_on_a_local_disk_a_track_is_used_where_it_was_prepared(local_disk, track, shelf):
    made = track()
    name = str(made.pk)
    assert not shelf.is_here(name)
    shelf.bring({name})
    assert shelf.is_here(name)
    assert shelf.directory(name) == default_storage.path(made.prefix)
    MappedTrack.open(Path(shelf.directory(name)), TrackKind.AUDIO).verify()


@pytest.mark.django_db
def test_a_track_that_is_not_ready_is_not_here_and_not_asked_for_in_every_sweep(
    local_disk, track, shelf, django_assert_num_queries
):
    made = track()
    Track.objects.update(state="running")
    name = str(made.pk)
    shelf.bring({name})
    assert not shelf.is_here(name)
    with django_assert_num_queries(0):
        shelf.bring({name})
    Track.objects.update(state="ready")
    shelf._boottime_ns.ns += 10 * SECOND
    shelf.bring({name})
    assert shelf.is_here(name)


@pytest.mark.django_db(transaction=True)
def test_from_a_store_it_is_fetched_in_the_background(object_store, track, shelf):
    made = track()
    name = str(made.pk)
    shelf.bring({name})
    assert shelf.changed.wait(20)
    assert shelf.is_here(name)
    found = MappedTrack.open(Path(shelf.directory(name)), TrackKind.AUDIO)
    found.verify()
    assert found.frames == 100
    settle(shelf)
    assert [path.name for path in shelf._cache.iterdir()] == [made.prefix.split("/")[1]]


@pytest.mark.django_db(transaction=True)
def test_what_was_fetched_once_is_here_after_a_restart(object_store, track, shelf, tmp_path):
    made = track()
    shelf.bring({str(made.pk)})
    assert shelf.changed.wait(20)
    again = TracksHere(tmp_path / "cache")
    again.bring({str(made.pk)})
    assert again.is_here(str(made.pk))
    again.close()


def flip(name, content):
    if not name.endswith(".track"):
        return content
    return content[:5000] + bytes([content[5000] ^ 1]) + content[5001:]


def cut(name, content):
    return content[:-1] if name.endswith(".track") else content


def drop(name, content):
    return None if name.endswith(".track") else content


@pytest.mark.django_db(transaction=True)
@pytest.mark.parametrize("spoil", [flip, cut, drop])
def test_what_does_not_verify_is_never_called_here(object_store, track, shelf, spoil):
    name = str(track(spoil=spoil).pk)
    shelf.bring({name})
    settle(shelf)
    assert not shelf.is_here(name)
    assert not shelf.changed.is_set()
    assert list(shelf._cache.iterdir()) == []


@pytest.mark.django_db(transaction=True)
def test_a_failed_fetch_is_tried_again_after_a_while(object_store, track, shelf):
    made = track(spoil=drop)
    name = str(made.pk)
    shelf.bring({name})
    wait_for(lambda: name in shelf._failed)
    with TrackWriter.audio(shelf._cache.parent / "again", HOUSE_AUDIO, b"\x12\x10") as writer:
        for n in range(100):
            writer.add_frame(bytes([n]) * 300)
        writer.finish()
    for path in (shelf._cache.parent / "again").iterdir():
        default_storage.save(f"{made.prefix}/{path.name}", ContentFile(path.read_bytes()))
    shelf.bring({name})
    wait_for(lambda: not shelf._fetching)
    assert not shelf.is_here(name), "it did not wait before it tried again"
    shelf._boottime_ns.ns += 10 * SECOND
    shelf.bring({name})
    assert shelf.changed.wait(20)
    assert shelf.is_here(name)


def wait_for(is_so):
    deadline = time.monotonic() + 20
    while not is_so():
        assert time.monotonic() < deadline
        time.sleep(0.02)
